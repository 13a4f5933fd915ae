"""Settings that go together, by what the questions are for; each can be overridden."""

from __future__ import annotations

from collections.abc import Mapping

from qgbatch.settings import option_name

Values = Mapping[str, str | int | float | bool]

PRESETS: Mapping[str, Values] = {
    # Queries with one right passage each: whoever searches has not seen it.
    "rag-eval": {
        "dedupe": "near",
        "dedupe_scope": "corpus",
        "well_formed": True,
        "standalone": True,
        "min_grounding": 0.5,
        "with_context": True,
    },
    # Words for a search index: many, also odd ones; only repetition is of no use.
    "doc2query": {
        "dedupe": "exact",
        "dedupe_scope": "chunk",
        "with_context": True,
        "do_sample": True,
        "top_k": 10,  # of docTTTTTquery
        "num_return_sequences": 5,
    },
    # What people would ask first, once each.
    "faq": {
        "dedupe": "near",
        "dedupe_scope": "corpus",
        "well_formed": True,
        "standalone": True,
        "min_grounding": 0.5,
        "max_questions_per_chunk": 1,
    },
    # The notebook: whole windows of the model, its decoding and weights, every question.
    "reproduce": {
        "engine": "torch",
        "dtype": "float32",
        "max_tokens": 512,
        "target_tokens": 512,
        "num_beams": 4,
        "max_new_tokens": 255,
        "length_penalty": 1.5,
        "no_repeat_ngram_size": 3,
        "dedupe": "none",
    },
}
"""Fields of :class:`qgbatch.settings.Settings` and ``FileSettings``, by the name of the preset."""


def as_options(values: Values) -> str:
    """Settings as one would type them."""
    return " ".join(
        option_name(name) if value is True else f"{option_name(name)} {value}"
        for name, value in values.items()
    )
