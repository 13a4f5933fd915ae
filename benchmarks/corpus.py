"""Documents of any number for the benchmarks, no two chunks of them alike."""

from __future__ import annotations

import random
import re
from pathlib import Path

from measuring import SAMPLES

_SENTENCE = re.compile(r"^|(?<=[.!?:;] )|(?<=\n)(?!\n)")
"""Where one begins, or may seem to."""


def make_documents(directory: Path, n_documents: int) -> list[Path]:
    """Documents of three paragraphs of ``samples/``, each sentence with a number that no other has."""
    draw = random.Random(5)
    paragraphs = [
        paragraph
        for path in sorted(SAMPLES.glob("*.txt"))
        for paragraph in path.read_text(encoding="utf-8").split("\n\n")
        if len(paragraph) > 400 and paragraph.isascii()
    ]
    directory.mkdir()
    paths = []
    for number in range(n_documents):
        drawn = draw.sample(paragraphs, 3)
        text = _SENTENCE.sub(f"In case {number}, ", "\n\n".join(drawn))
        paths.append(directory / f"{number:06}.txt")
        paths[-1].write_text(text, encoding="utf-8")
    return paths
