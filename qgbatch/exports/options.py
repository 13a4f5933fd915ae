"""The options of an export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What a user can choose for an export besides its format."""

    license_name: str | None = None
    """The licence to name in the card, as the Hugging Face hub spells it."""
    passages: str | None = None
    """The file that the run wrote with ``--passages``."""
    min_rank: int | None = None
    """Leave out questions whose passage BM25 finds at an earlier rank."""
    max_share_easy: float | None = None
    """The largest share of questions whose passage BM25 finds first, 0 to 1."""
    split: Mapping[str, float] = field(default_factory=dict)
    """The shares of the parts that the documents are split into, by name; empty for a single part."""
    negatives: int = 1
    """Number of hard negatives for each question."""
