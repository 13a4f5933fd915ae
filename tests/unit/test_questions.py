from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from qgbatch.questions import decode_generation, extract_questions
from qgbatch.records import Chunk, Document, Generation

UNK = 2
CASES = json.loads((Path(__file__).parent.parent / "cases" / "questions.json").read_text(encoding="utf-8"))


def decode(ids: Sequence[int]) -> str:
    return "".join(map(chr, ids)).replace(chr(UNK), "")


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_pieces_become_questions_or_counted_reasons(case: dict[str, Any]) -> None:
    pieces = tuple(tuple(map(ord, piece.replace("<unk>", chr(UNK)))) for piece in case["pieces"])
    generation = Generation(pieces, -0.12345678, case["finish_reason"])
    chunk = Chunk(Document.from_text("Text.", "a.txt"), 0, 0, 5, (1,), False)
    dropped: Counter[str] = Counter()
    questions = extract_questions(chunk, decode_generation(generation, decode, UNK), dropped)
    assert [[q.question_index, q.question] for q in questions] == case["questions"]
    assert dict(dropped) == case["dropped"]
    assert all(q.score == -0.1235 and q.chunk is chunk for q in questions)
