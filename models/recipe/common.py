"""Functions that the steps of the recipe share: reading, sentences and content words."""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from qgbatch.chunking.sentences import SentenceSplitter

WORD = re.compile(r"[^\W_]+")
_STOP_WORDS = """
a an the of and or in on at to for from by with as is are was were be been being am do does did done
has have had having will would can could should may might must shall not no nor it its this that
these those he she they we you i his her their our your him them us me my who whom whose what which
when where why how than then there here so such if but because while during between into about over
under after before above below up down out off again more most some any each other only own same too
very also both few many much one two three name type kind year
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())


def read_jsonl(path: Path) -> Iterator[Any]:
    """Yield the values in a JSONL file, which may be compressed with xz."""
    open_file = lzma.open if path.suffix == ".xz" else open
    with open_file(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


@lru_cache(maxsize=1)
def _splitter() -> SentenceSplitter:
    return SentenceSplitter("english")


def split_sentences(text: str) -> list[str]:
    """Split a text into the sentences that ``qgbatch run`` finds."""
    return [text[span.start_char : span.end_char] for span in _splitter()(text)]


def content_words(text: str) -> list[str]:
    """Return the stems of the words of a text, without stop words and single letters."""
    return [stem(word) for word in WORD.findall(text.lower()) if len(word) > 1 and word not in STOP_WORDS]


def stem(word: str) -> str:
    """Return the first six letters of a word, so that "produced" equals "production"."""
    return word if word.isdigit() else word[:6]
