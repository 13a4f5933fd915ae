"""Makes any number of documents for the benchmarks, without two equal chunks."""

from __future__ import annotations

import random
import re
from pathlib import Path

from measuring import SAMPLES

_SENTENCE = re.compile(r"^|(?<=[.!?:;] )|(?<=\n)(?!\n)")
"""The start of a sentence, or of text that could be one."""
_SENTENCE_END = re.compile(r"(?<=[.!?])\s")


def make_documents(directory: Path, n_documents: int) -> list[Path]:
    """Write documents of three paragraphs from ``samples/``, with the document number in each sentence."""
    return _write(directory, n_documents, _paragraphs(), "\n\n")


def make_short_documents(directory: Path, n_documents: int) -> list[Path]:
    """Write documents of three sentences from ``samples/``, with the document number in each of them."""
    sentences = [each for text in _paragraphs() for each in _SENTENCE_END.split(text) if len(each) > 40]
    return _write(directory, n_documents, sentences, " ")


def _paragraphs() -> list[str]:
    return [
        paragraph
        for path in sorted(SAMPLES.glob("*.txt"))
        for paragraph in path.read_text(encoding="utf-8").split("\n\n")
        if len(paragraph) > 400 and paragraph.isascii()
    ]


def _write(directory: Path, n_documents: int, parts: list[str], joint: str) -> list[Path]:
    """Write documents of three parts each."""
    rng = random.Random(5)
    directory.mkdir()
    paths = []
    for number in range(n_documents):
        text = _SENTENCE.sub(f"In case {number}, ", joint.join(rng.sample(parts, 3)))
        paths.append(directory / f"{number:06}.txt")
        paths[-1].write_text(text, encoding="utf-8")
    return paths
