"""Examples of token ids, as a model is trained on them."""

from __future__ import annotations

from collections.abc import Sequence

from qgbatch.models.tokenizer import PromptTokenizer
from qgbatch.records import InputIds
from qgbatch.training.paragraphs import Paragraph

Example = dict[str, list[int]]
"""The ``input_ids`` and ``labels`` of a paragraph, without padding."""


def encode_paragraphs(
    tokenizer: PromptTokenizer, paragraphs: Sequence[Paragraph]
) -> tuple[list[InputIds], list[InputIds]]:
    """Return the ids of sources and targets; targets contain answers if the model writes answers."""
    sources = tokenizer.encode([paragraph.context for paragraph in paragraphs])
    targets = tokenizer.encode_targets(
        [paragraph.questions for paragraph in paragraphs], [paragraph.answers for paragraph in paragraphs]
    )
    return sources, targets


def make_examples(
    sources: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    eos_id: int,
    max_source_length: int,
    max_target_length: int,
) -> list[Example]:
    """Make examples of token ids, truncated to the maximum lengths with the end token kept."""

    def cut(ids: Sequence[int], max_length: int) -> list[int]:
        return list(ids) if len(ids) <= max_length else [*ids[: max_length - 1], eos_id]

    return [
        {"input_ids": cut(source, max_source_length), "labels": cut(target, max_target_length)}
        for source, target in zip(sources, targets, strict=True)
    ]
