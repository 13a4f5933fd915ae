"""Everything that differs between families of checkpoints that generate questions.

To support another published checkpoint, add its hub id to :data:`KNOWN_MODELS`. If it writes
its questions in a new form, add that form to :data:`OUTPUT_FORMATS`. If its configuration
names another ``model_type``, add it to :data:`ARCHITECTURES`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from qgbatch.settings import DEFAULT_MAX_TOKENS

ARCHITECTURES = ("t5", "mt5")
"""Supported values of ``model_type`` in ``config.json``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFormat:
    """The form in which a model writes its questions."""

    description: str
    """What the model writes, as ``qgbatch models`` shows it."""
    has_separator: bool = True
    """Whether the output is split at the separator; otherwise it is one question."""
    needs_question_mark: bool = True
    """Whether a text without a final question mark is dropped."""
    pair_pattern: re.Pattern[str] | None = None
    """Matches one question with its answer, in the groups ``question`` and ``answer``.

    ``None`` if the model writes no answers.
    """
    question_label: str = ""
    """Text before each question if the model writes answers."""


OUTPUT_FORMATS: Mapping[str, OutputFormat] = {
    "questions": OutputFormat(description="questions"),
    "question-answer": OutputFormat(
        description="questions and answers",
        pair_pattern=re.compile(r"question: (?P<question>.+?), ?answer: (?P<answer>.+)"),
        question_label="question:",
    ),
    "query": OutputFormat(
        description="search queries, sampled", has_separator=False, needs_question_mark=False
    ),
}
"""Output formats by the value of ``parser`` in :class:`ModelMetadata`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMetadata:
    """Prompt, output format and sizes of a checkpoint, from ``qgbatch.json`` beside its weights.

    The defaults, for checkpoints without this file, are those of the notebook (see README, Speed).
    """

    prefix: str = "generate questions: "
    suffix: str = " </s>"
    """Text after the chunk; the tokenizer then adds the end token. The default is ``</s>`` itself, as
    in the notebook, so inputs end with two end tokens."""
    separator: str = "<sep>"
    """Token between two questions; ignored if the output format has no separator."""
    answer_separator: str | None = None
    """Token between a question and its answer; ``None`` if the model writes no such token."""
    context_separator: str | None = None
    """Token between the text before a chunk and the chunk; ``None`` if the model only reads the chunk."""
    parser: str = "questions"
    """A key of :data:`OUTPUT_FORMATS`."""
    max_source_tokens: int = DEFAULT_MAX_TOKENS
    """Maximum length of an input in tokens, prompt included."""
    target_tokens: int | None = None
    """Chunk size in tokens at which this model works best; ``None`` means the maximum."""
    language: str | None = None
    """The only language that the model reads, such as ``english``; chunks that are not prose in it give no
    questions. ``None`` for any language."""
    license: str | None = None

    @property
    def output_format(self) -> OutputFormat:
        """The form in which this model writes its questions."""
        output_format = OUTPUT_FORMATS[self.parser]
        if self.answer_separator is None:
            return output_format
        pair = rf"(?P<question>.+?) ?{re.escape(self.answer_separator)} ?(?P<answer>.+)"
        return replace(output_format, description="questions and answers", pair_pattern=re.compile(pair))

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens that the vocabulary needs besides those of T5."""
        separator = self.separator if self.output_format.has_separator else None
        wanted = (separator, self.answer_separator, self.context_separator)
        return tuple(token for token in wanted if token is not None)


@dataclass(frozen=True, slots=True)
class KnownModel:
    """Metadata and decoding settings of a hub checkpoint that has no ``qgbatch.json``."""

    metadata: ModelMetadata
    decoding: Mapping[str, Any] = field(default_factory=dict)
    """Fields of :class:`qgbatch.settings.Decoding` that replace the notebook's values.

    The checkpoint's ``generation_config.json`` takes precedence over them.
    """


_NOTEBOOK = KnownModel(ModelMetadata())
_VALHALLA = KnownModel(ModelMetadata(license="mit"))
_LMQG = KnownModel(
    ModelMetadata(
        prefix="generate question and answer: ",
        suffix="",
        separator="|",
        parser="question-answer",
        license="cc-by-4.0",
    ),
    {"no_repeat_ngram_size": 0},  # each question repeats the words ", answer:"
)
# The model cards and the docTTTTTquery paper give these values: 64 new tokens, sampled from the
# 10 most likely tokens, and 5 queries per passage, which users raise to 20 or 40.
_DOC2QUERY = KnownModel(
    ModelMetadata(prefix="", suffix="", parser="query", license="apache-2.0"),
    {
        "do_sample": True, "top_k": 10, "num_beams": 1, "no_repeat_ngram_size": 0,
        "max_new_tokens": 64, "num_return_sequences": 5,
    },
)  # fmt: skip

KNOWN_MODELS: Mapping[str, KnownModel] = {
    "ThomasSimonini/t5-end2end-question-generation": _NOTEBOOK,
    "castorini/doc2query-t5-base-msmarco": _DOC2QUERY,
    "castorini/doc2query-t5-large-msmarco": _DOC2QUERY,
    "doc2query/all-t5-base-v1": _DOC2QUERY,
    "doc2query/msmarco-t5-base-v1": _DOC2QUERY,
    "doc2query/msmarco-t5-small-v1": _DOC2QUERY,
    "lmqg/flan-t5-base-squad-qag": _LMQG,
    "lmqg/flan-t5-large-squad-qag": _LMQG,
    "lmqg/flan-t5-small-squad-qag": _LMQG,
    "lmqg/t5-base-squad-qag": _LMQG,
    "lmqg/t5-base-tweetqa-qag": _LMQG,
    "lmqg/t5-large-squad-qag": _LMQG,
    "lmqg/t5-small-squad-qag": _LMQG,
    "valhalla/t5-base-e2e-qg": _VALHALLA,
    "valhalla/t5-small-e2e-qg": _VALHALLA,
}
"""Supported checkpoints by hub id, with everything that their own files do not say."""
