"""Replaces names and numbers in passages and their questions, so that a model learns to copy them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence

from common import STOP_WORDS

NAME = re.compile(r"(?<=[\w,] )[A-Z][a-z\u00df-\u00ff]{2,}\b")
"""A capitalised word inside a sentence."""
PLACE = re.compile(r"\b(?:in|at|from|near|to) (?:the )?([A-Z][a-z\u00df-\u00ff]{2,})\b")
NUMBER = re.compile(r"(?<![\d.,])\d{2,4}(?![\d.,]*\d)")
P_SWAPPED = 0.5
"""Share of a passage's names and numbers that are replaced."""


class NameSwapper:
    """Replaces names by other names from a collection of texts.

    Names after "in", "at", "from", "near" or "to" count as places and are replaced by places.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        places: dict[str, None] = {}
        others: dict[str, None] = {}
        for text in texts:
            places |= dict.fromkeys(PLACE.findall(text))
            others |= dict.fromkeys(NAME.findall(text))
        self._places = [name for name in places if name.lower() not in STOP_WORDS]
        self._others = [name for name in others if name not in places and name.lower() not in STOP_WORDS]

    def swap(
        self, sentences: Sequence[str], questions: Sequence[str], rng: random.Random
    ) -> tuple[list[str], list[str]]:
        """Return a passage and its questions with some names and numbers consistently replaced."""
        text = " ".join(sentences)
        places = set(PLACE.findall(text))
        new: dict[str, str] = {}
        for old in dict.fromkeys([*NAME.findall(text), *NUMBER.findall(text)]):
            if old.lower() not in STOP_WORDS and rng.random() < P_SWAPPED:
                new[old] = self._replacement(old, old in places, rng)
        if not new:
            return list(sentences), list(questions)
        found = re.compile(r"(?<![\w.,])(?:" + "|".join(map(re.escape, new)) + r")(?!\w)")

        def replace(texts: Sequence[str]) -> list[str]:
            return [found.sub(lambda match: new[match[0]], text) for text in texts]

        return replace(sentences), replace(questions)

    def _replacement(self, old: str, is_place: bool, rng: random.Random) -> str:
        """Return another name, or a number with as many digits; years stay plausible."""
        if not old.isdigit():
            return rng.choice(self._places if is_place else self._others)
        low = 10 ** (len(old) - 1)
        return str(rng.randint(1000, 2025) if len(old) == 4 else rng.randint(low, 10 * low - 1))
