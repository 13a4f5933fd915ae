"""The metadata of a model that is trained: its prompt and its output form, with or without answers."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from qgbatch.models.known_models import ModelMetadata

_PLAIN = ModelMetadata()
_ANSWERS = ModelMetadata(prefix="generate questions and answers: ", answer_separator="<ans>")
_OPTIONAL = ("answer_separator", "context_separator", "language")


def trained_metadata(base: ModelMetadata, *, with_answers: bool) -> ModelMetadata:
    """Return the metadata of a model that is trained from a base model.

    They are those of the base model if it writes the same form. Otherwise the prompt, the parser and the
    answer separator change, so that ``qgbatch run`` uses and expects the form of the training data.

    Args:
        base: The metadata of the base model.
        with_answers: Whether the training data have an answer for each question.
    """
    form = _ANSWERS if with_answers else _PLAIN
    has_answers = base.answer_separator is not None
    if base.parser == form.parser and has_answers == with_answers:
        return base
    return replace(base, prefix=form.prefix, answer_separator=form.answer_separator, parser=form.parser)


def metadata_fields(metadata: ModelMetadata) -> dict[str, Any]:
    """Return the fields for ``qgbatch.json``, without those that only some models have."""
    fields = asdict(metadata)
    return {name: value for name, value in fields.items() if name not in _OPTIONAL or value is not None}
