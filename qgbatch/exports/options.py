"""The options of an export."""

from __future__ import annotations

from dataclasses import dataclass


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
    negatives: int = 1
    """Number of hard negatives for each question."""
