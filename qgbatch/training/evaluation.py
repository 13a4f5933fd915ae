"""``qgbatch evaluate``: compares generated questions with those that people asked."""

from __future__ import annotations

import hashlib
import logging
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import qgbatch
from qgbatch.errors import InputError, SettingsError, display
from qgbatch.pipeline.cache_keys import open_cache
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.run_report import RunReport
from qgbatch.pipeline.sqlite_store import SqliteStore
from qgbatch.pipeline.stream import Stream
from qgbatch.questions.dedupe import find_duplicates
from qgbatch.questions.extraction import is_well_formed
from qgbatch.readers.table_rows import read_intact_rows
from qgbatch.records import Document
from qgbatch.settings import CacheSettings, Settings
from qgbatch.training.answer_metrics import score_answers
from qgbatch.training.data import file_sha256
from qgbatch.training.fields import field
from qgbatch.training.loss import validation_loss
from qgbatch.training.metrics import METRICS, score_overlap, score_sets, score_variety
from qgbatch.training.paragraphs import Paragraph, QuestionAnswer, Split
from qgbatch.training.settings import TrainingSettings

logger = logging.getLogger(__name__)

OnProgress = Callable[[float, str], None]
_SAMPLE_SEED = 42
_MODEL_KEYS = ("model", "model_revision", "model_sha256", "engine", "precision")
_TABLE_SUFFIXES = (".parquet", ".jsonl", ".csv")
_MAX_TARGET_LENGTH: int = TrainingSettings.max_target_length


@dataclass(frozen=True)
class Evaluation:
    """Metrics, and the protocol by which they were measured."""

    protocol: dict[str, Any]
    """Data, model, settings and tools, by name."""
    metrics: dict[str, float]
    """By the names of :data:`~qgbatch.training.metrics.METRICS`, without those that cannot be measured."""

    def to_markdown(self) -> str:
        """Format the metrics, with their meaning, and the protocol as two Markdown tables."""
        metrics = [f"| {name} | {value:.4f} | {METRICS[name]} |" for name, value in self.metrics.items()]
        protocol = [f"| {name} | {value} |" for name, value in self.protocol.items()]
        return "\n".join(
            ["| metric | value | meaning |", "|---|---|---|", *metrics, "",
             "| protocol | |", "|---|---|", *protocol, ""]
        )  # fmt: skip


def evaluate_model(
    data: Split, settings: Settings, *, limit: int | None = None, on_progress: OnProgress | None = None
) -> Evaluation:
    """Generate questions about the paragraphs, as ``qgbatch run`` does, and compute the metrics.

    Args:
        data: Paragraphs and the questions that people asked.
        settings: The model, and how to generate questions.
        limit: Number of paragraphs to sample with a fixed seed; None for all.
        on_progress: Called with the fraction of paragraphs that are done, 0 to 1, and a text.

    Raises:
        ModelError: The model is missing or damaged.
        SettingsError: A setting conflicts with the model, another setting or the machine.
    """
    if settings.dedupe_scope == "corpus":
        raise SettingsError(
            "--dedupe-scope corpus: paragraphs are evaluated independently.", "Use document or chunk."
        )
    paragraphs = sample_paragraphs(data.paragraphs, limit)
    components, report = Components.find(settings, CacheSettings().directory), RunReport()
    loss = validation_loss(components, paragraphs, _MAX_TARGET_LENGTH)
    asked = _ask(components, paragraphs, report, on_progress)
    measured = loss | _shares(report)
    if components.gives_answers:
        measured |= score_answers(asked, paragraphs, report.dropped["no_answer"])
    protocol = _protocol(data, paragraphs) | _model_protocol(components)
    return Evaluation(protocol, _all_metrics(asked, paragraphs, measured))


def evaluate_questions(data: Split, path: str, *, limit: int | None = None) -> Evaluation:
    """Compute the metrics of the questions in a file.

    The file can be an output of ``qgbatch run`` with one document per paragraph. A row is assigned to the
    paragraph with the hash in ``document_sha256`` or, without that column, with the text in ``context``.
    If any row has an ``answer``, the answers are evaluated too.

    Args:
        data: Paragraphs and the questions that people asked.
        path: A Parquet, CSV or JSONL file.
        limit: Number of paragraphs to sample with a fixed seed; None for all.

    Raises:
        InputError: The file cannot be read, or no question belongs to a paragraph.
    """
    paragraphs = sample_paragraphs(data.paragraphs, limit)
    sha256, by_text = file_sha256(path), _read_questions(path)
    # A text file often ends with a line break that the paragraph does not have.
    keys = [[_hash(paragraph.context + end) for end in ("", "\n")] for paragraph in paragraphs]
    asked = [[pair for key in both for pair in by_text.get(key, [])] for both in keys]
    if not any(asked):
        raise InputError(
            f"{path}: no question belongs to a paragraph of {data.name}.",
            "Each row needs the document_sha256 of a paragraph, or its whole text as context.",
        )
    others = by_text.keys() - {key for both in keys for key in both}
    if others and limit is None:
        n_unmatched = sum(len(by_text[key]) for key in others)
        logger.warning(
            "%s: %s questions belong to no paragraph of %s.", path, f"{n_unmatched:,}", data.name
        )
    n_without = sum(not pairs for pairs in asked)
    if n_without:
        logger.warning(
            "%s: no question for %d of %d paragraphs; their metrics are 0.", path, n_without, len(asked)
        )
    measured = _shares_of_file(asked)
    if any(pair.answer for pairs in asked for pair in pairs):
        measured |= score_answers(asked, paragraphs, n_dropped=0)
    protocol = _protocol(data, paragraphs) | {
        "questions": display(Path(path).name),
        "questions_sha256": sha256,
        "paragraphs_without_questions": n_without,
    }
    return Evaluation(protocol, _all_metrics(asked, paragraphs, measured))


def sample_paragraphs(paragraphs: Sequence[Paragraph], limit: int | None) -> list[Paragraph]:
    """Sample paragraphs with a fixed seed and keep their order; return all if ``limit`` is None."""
    if limit is None or limit >= len(paragraphs):
        return list(paragraphs)
    indices = random.Random(_SAMPLE_SEED).sample(range(len(paragraphs)), limit)
    return [paragraphs[index] for index in sorted(indices)]


def _ask(
    components: Components,
    paragraphs: Sequence[Paragraph],
    report: RunReport,
    on_progress: OnProgress | None,
) -> list[list[QuestionAnswer]]:
    """Generate the questions of each paragraph, with their answers if there are any."""

    def on_batch(inputs_done: float) -> None:
        if on_progress:
            on_progress(inputs_done / len(paragraphs), f"{int(inputs_done):,} paragraphs")

    asked: list[list[QuestionAnswer]] = [[] for _ in paragraphs]
    documents = (Document.from_text(p.context, str(index)) for index, p in enumerate(paragraphs))
    cache = open_cache(components, SqliteStore(None, 0))
    stream = Stream(components, cache, report, fail_fast=True, on_batch=on_batch)
    for question in stream.questions(documents):
        pair = QuestionAnswer(question.question, question.answer)
        asked[int(question.chunk.document.source)].append(pair)
    return asked


def _shares(report: RunReport) -> dict[str, float]:
    dropped, n_raw = report.dropped, max(1, report.n_raw)
    malformed = dropped["not_a_question"] + dropped["truncated"] + dropped["unknown_token"]
    return {
        "well_formed": 1 - malformed / n_raw,
        "duplicated": (dropped["duplicate"] + dropped["near_duplicate"]) / n_raw,
        "truncated": dropped["truncated"] / n_raw,
    }


def _shares_of_file(asked: Sequence[Sequence[QuestionAnswer]]) -> dict[str, float]:
    by_paragraph = [[pair.question for pair in pairs] for pairs in asked]
    generated = [question for questions in by_paragraph for question in questions]
    n_duplicates = sum(
        len(find_duplicates(questions, [0.0] * len(questions), "exact", 1.0)) for questions in by_paragraph
    )
    return {
        "well_formed": sum(map(is_well_formed, generated)) / len(generated),
        "duplicated": n_duplicates / len(generated),
    }


def _all_metrics(
    asked: Sequence[Sequence[QuestionAnswer]], paragraphs: Sequence[Paragraph], measured: dict[str, float]
) -> dict[str, float]:
    """Add the metrics of the questions to those that are measured already, in display order."""
    questions = [[pair.question for pair in pairs] for pairs in asked]
    references = [paragraph.questions for paragraph in paragraphs]
    metrics = dict(measured)
    for score in (score_overlap, score_sets, score_variety):
        metrics |= score(questions, references)
    return {name: metrics[name] for name in METRICS if name in metrics}


def _protocol(data: Split, paragraphs: Sequence[Paragraph]) -> dict[str, Any]:
    drawn = f", drawn with seed {_SAMPLE_SEED}" if len(paragraphs) < len(data.paragraphs) else ""
    return {
        "qgbatch": qgbatch.__version__,
        "data": display(Path(data.name).name),
        "data_sha256": data.sha256,
        "paragraphs": f"{len(paragraphs)} of {len(data.paragraphs)}{drawn}",
        "rouge": "rouge-score, Porter stems, words of ASCII letters and digits",
        "bleu": "sacrebleu, tokenizer 13a",
    }


def _model_protocol(components: Components) -> dict[str, Any]:
    provenance = components.provenance().to_json()
    decoding = ("num_beams", "max_new_tokens", "length_penalty", "no_repeat_ngram_size", "early_stopping")
    others = ("max_tokens", "target_tokens", "dedupe", "dedupe_scope")
    ranking = ("num_return_sequences", "min_score") if components.ranker else ()
    settings: Any = provenance["settings"]
    return {
        **{key: provenance[key] for key in _MODEL_KEYS},
        **{key: settings[key] for key in (*decoding, *others, *ranking)},
        "loss": f"sources of at most {components.model.metadata.max_source_tokens} tokens, "
        f"targets of at most {_MAX_TARGET_LENGTH}, float32",
    }


def _read_questions(path: str) -> dict[str, list[QuestionAnswer]]:
    """Read questions with their answers, grouped by the hash of their document's text."""
    if not path.lower().endswith(_TABLE_SUFFIXES):
        raise InputError(
            f"{path}: the file format is not supported.", f"Use one of: {', '.join(_TABLE_SUFFIXES)}."
        )
    by_text: defaultdict[str, list[QuestionAnswer]] = defaultdict(list)
    columns = ("question", "answer", "document_sha256", "context")
    for row in read_intact_rows(path, columns, "Write the file again."):
        question = field(row.values, "question", str, row.place)
        has_answer = row.values.get("answer") is not None
        answer = field(row.values, "answer", str, row.place).strip() if has_answer else None
        column = "document_sha256" if row.values.get("document_sha256") else "context"
        value = field(row.values, column, str, row.place)
        key = value if column == "document_sha256" else _hash(value)
        by_text[key].append(QuestionAnswer(question, answer or None))
    return by_text


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
