"""What differs between checkpoints that ask questions, and what is known of published ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from qgbatch.settings import DEFAULT_MAX_TOKENS

Parser = Literal["questions", "question-answer", "query"]
"""How an output reads: questions with separators between them; ``question: ..., answer: ...``
with separators between them; or one search query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMetadata:
    """What differs between checkpoints: ``qgbatch.json`` beside the weights.

    The defaults are the notebook's, for checkpoints that have no such file.
    """

    prefix: str = "generate questions: "
    suffix: str = " </s>"
    """Put behind the text before the end token, which the notebook so has twice."""
    separator: str = "<sep>"
    """Nothing is split with the parser ``query``."""
    parser: Parser = "questions"
    max_source_tokens: int = DEFAULT_MAX_TOKENS
    target_tokens: int | None = None
    """Chunk size at which this model asks best; the bound where it gives none."""
    license: str | None = None


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A checkpoint on the hub that comes without a ``qgbatch.json``."""

    metadata: ModelMetadata
    decoding: Mapping[str, Any] = field(default_factory=dict)
    """Fields of :class:`qgbatch.settings.Decoding` where its ``generation_config.json`` says nothing."""


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
    {"no_repeat_ngram_size": 0},  # ", answer:" comes with each question
)
_QUERY = ModelMetadata(prefix="", suffix="", parser="query", license="apache-2.0")
# Lengths are those that their cards and docTTTTTquery's paper give: 64 tokens, drawn from the
# likeliest 10; five queries a passage, which users raise to 20 or 40.
_DRAWN = {
    "do_sample": True, "top_k": 10, "num_beams": 1, "no_repeat_ngram_size": 0,
    "max_new_tokens": 64, "num_return_sequences": 5,
}  # fmt: skip
_DOC2QUERY = KnownModel(_QUERY, _DRAWN)

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
"""Hub ids of the families that qgbatch runs, with what their checkpoints do not say."""
