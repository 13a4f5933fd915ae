"""Makes any number of documents for the benchmarks, without two equal chunks."""

from __future__ import annotations

import random
import re
from pathlib import Path

from measuring import SAMPLES

_SENTENCE = re.compile(r"^|(?<=[.!?:;] )|(?<=\n)(?!\n)")
"""The start of a sentence, or of text that could be one."""


def make_documents(directory: Path, n_documents: int) -> list[Path]:
    """Write documents of three paragraphs from ``samples/``, with the document number in each sentence."""
    rng = random.Random(5)
    paragraphs = [
        paragraph
        for path in sorted(SAMPLES.glob("*.txt"))
        for paragraph in path.read_text(encoding="utf-8").split("\n\n")
        if len(paragraph) > 400 and paragraph.isascii()
    ]
    directory.mkdir()
    paths = []
    for number in range(n_documents):
        chosen = rng.sample(paragraphs, 3)
        text = _SENTENCE.sub(f"In case {number}, ", "\n\n".join(chosen))
        paths.append(directory / f"{number:06}.txt")
        paths[-1].write_text(text, encoding="utf-8")
    return paths
