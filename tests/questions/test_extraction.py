from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from qgbatch.models.known_models import OUTPUT_FORMATS, ModelMetadata
from qgbatch.questions.extraction import decode_generation, extract_questions
from qgbatch.records import Chunk, DecodedGeneration, Document, Generation, PairScore, Question
from tests.conftest import ROOT

UNK = 2
CASES = json.loads((ROOT / "tests" / "cases" / "questions.json").read_text(encoding="utf-8"))


def decode(ids: Sequence[int]) -> str:
    return "".join(map(chr, ids)).replace(chr(UNK), "")


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_each_piece_becomes_a_question_or_a_counted_reason(case: dict[str, Any]) -> None:
    pieces = tuple(tuple(map(ord, piece.replace("<unk>", chr(UNK)))) for piece in case["pieces"])
    generation = Generation(pieces, -0.12345678, tuple(case.get("truncated", ())))
    chunk = Chunk(Document.from_text("Text.", "a.txt"), 0, 0, 5, (1,), False)
    dropped: Counter[str] = Counter()
    questions = extract_questions(
        chunk, decode_generation(generation, decode, UNK), OUTPUT_FORMATS["questions"], dropped
    )
    assert [[q.question_index, q.question] for q in questions] == case["questions"]
    assert dict(dropped) == case["dropped"]
    assert all(q.score == -0.1235 and q.chunk is chunk for q in questions)


@pytest.mark.parametrize(
    ("text", "question", "answer", "reason"),
    [
        ("question: Who flew?, answer: Bees", "Who flew?", "Bees", None),
        (
            "question: Who, if any, flew?,answer: bees, and wasps",
            "Who, if any, flew?",
            "Bees, and wasps",
            None,
        ),
        ("question: Who flew?", None, None, "no_answer"),
        ("question: Who flew?, answer:", None, None, "no_answer"),
        ("question: Who flew?, answer: Birds", None, None, "ungrounded_answer"),
        ("question: Who flew?, answer: Bee", None, None, "ungrounded_answer"),
        ("question: Bees did what?, answer: Bees", None, None, "uninformative_answer"),
        ("question: Bees, answer: Bees", None, None, "not_a_question"),
        ("Who flew?", None, None, "not_a_question"),
    ],
)
def test_questions_with_answers_are_parsed(
    text: str, question: str | None, answer: str | None, reason: str | None
) -> None:
    chunk = Chunk(Document.from_text("Once. Bees, and wasps, flew.", "a.txt"), 0, 6, 28, (1,), False)
    dropped: Counter[str] = Counter()
    found = extract_questions(
        chunk, DecodedGeneration((text,), -1.0), OUTPUT_FORMATS["question-answer"], dropped
    )
    assert [(q.question, q.answer) for q in found] == ([(question, answer)] if question else [])
    assert dropped == ({reason: 1} if reason else {})
    assert all(q.answer_start_char == 6 for q in found)


def test_an_answer_is_spelled_as_in_the_text() -> None:
    text = "Once. It weighs \u00bd ton."
    chunk = Chunk(Document.from_text(text, "a.txt"), 0, 6, len(text), (1,), False)
    generation = DecodedGeneration(("question: How much?, answer: 1\u20442 ton",), -1.0)
    [question] = extract_questions(chunk, generation, OUTPUT_FORMATS["question-answer"], Counter())
    assert (question.answer, question.answer_start_char) == ("\u00bd ton", 16)


PAIRS = ModelMetadata(answer_separator="<ans>").output_format


def extract_pairs(generation: DecodedGeneration) -> tuple[list[Question], Counter[str]]:
    chunk = Chunk(Document.from_text("Bees flew to the hive in May.", "a.txt"), 0, 0, 29, (1,), False)
    dropped: Counter[str] = Counter()
    return extract_questions(chunk, generation, PAIRS, dropped), dropped


def test_the_scores_of_a_pair_become_those_of_its_question() -> None:
    pieces = ("Who flew? <ans> Bees", "When did bees fly? <ans> in May")
    scores = (PairScore(-0.25, 0.0, -0.5, 0.0), PairScore(-0.5, math.log(0.5), -1.0, -0.6))
    questions, dropped = extract_pairs(DecodedGeneration(pieces, -1.0, (), scores))
    assert [(q.pair_score, q.answer_score) for q in questions] == list(zip(scores, (1.0, 0.5), strict=True))
    assert not dropped


def test_a_pair_without_a_score_was_cut_off() -> None:
    pieces = ("Who flew? <ans> Bees", "When did bees fly? <ans> in")
    generation = DecodedGeneration(pieces, -1.0, (1,), (PairScore(-0.25, 0.0, -0.5, 0.0), None))
    questions, dropped = extract_pairs(generation)
    assert [q.question for q in questions] == ["Who flew?"]
    assert dropped == {"truncated": 1}


def test_a_query_needs_no_question_mark() -> None:
    chunk = Chunk(Document.from_text("Bees flew.", "a.txt"), 0, 0, 10, (1,), False)
    generation = DecodedGeneration(("what do bees do", "", "..."), -1.0)
    dropped: Counter[str] = Counter()
    found = extract_questions(chunk, generation, OUTPUT_FORMATS["query"], dropped)
    assert [q.question for q in found] == ["what do bees do"]
    assert dropped == {"not_a_question": 1}


def test_a_query_that_the_length_limit_cut_off_is_dropped() -> None:
    chunk = Chunk(Document.from_text("Bees flew.", "a.txt"), 0, 0, 10, (1,), False)
    generation = DecodedGeneration(("what do bees do", "what do be"), -1.0, (1,))
    dropped: Counter[str] = Counter()
    found = extract_questions(chunk, generation, OUTPUT_FORMATS["query"], dropped)
    assert [q.question for q in found] == ["what do bees do"]
    assert dropped == {"truncated": 1}
