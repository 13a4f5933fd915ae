"""Presets: default settings for a purpose, which other options override."""

from __future__ import annotations

from collections.abc import Mapping

from qgbatch.settings import option_name

Values = Mapping[str, str | int | float | bool]

PRESETS: Mapping[str, Values] = {
    # Queries of a retrieval benchmark: each has one relevant passage and makes sense without it.
    "rag-eval": {
        "dedupe": "near",
        "dedupe_scope": "corpus",
        "well_formed": True,
        "standalone": True,
        "min_grounding": 0.5,
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
"""Values of fields of ``Settings`` and ``FileSettings``, by the name of the preset."""


def as_options(values: Values) -> str:
    """Settings as command-line options, such as ``--num-beams 1``."""
    return " ".join(
        option_name(name) if value is True else f"{option_name(name)} {value}"
        for name, value in values.items()
    )
