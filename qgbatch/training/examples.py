"""Examples of token ids, as a model is trained on them."""

from __future__ import annotations

from collections.abc import Sequence

Example = dict[str, list[int]]
"""The ``input_ids`` and ``labels`` of a paragraph, without padding."""


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
