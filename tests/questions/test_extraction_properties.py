from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from qgbatch.engines.base import SpecialIds, make_generation
from qgbatch.models.known_models import OUTPUT_FORMATS
from qgbatch.questions.extraction import decode_generation, extract_questions
from qgbatch.records import Chunk, Document

SPECIAL = SpecialIds(pad=0, eos=1, unk=2, separators=frozenset({3}))
# Ids above 3 stand for letters, spaces and marks.
ALPHABET = "?? ab.\u00df\u0301\n"


def decode(ids: Sequence[int]) -> str:
    return "".join(ALPHABET[token - 4] for token in ids if token >= 4)


outputs = st.lists(st.integers(2, 3 + len(ALPHABET)), max_size=40)


@given(ids=outputs, finished=st.booleans())
def test_splitting_keeps_every_token(ids: list[int], finished: bool) -> None:
    generation = make_generation([*ids, SPECIAL.eos] if finished else ids, -4.0, SPECIAL)
    rejoined: list[int] = []
    for piece in generation.pieces:
        rejoined += [*piece, min(SPECIAL.separators)]
    assert rejoined[:-1] == ids
    assert generation.truncated == (() if finished else (len(generation.pieces) - 1,))


@given(ids=outputs, finished=st.booleans())
def test_every_piece_is_a_question_or_counted(ids: list[int], finished: bool) -> None:
    generation = make_generation([*ids, SPECIAL.eos] if finished else ids, -4.0, SPECIAL)
    chunk = Chunk(Document.from_text("Text.", "a.txt"), 0, 0, 5, (1,), False)
    dropped: Counter[str] = Counter()
    decoded = decode_generation(generation, decode, SPECIAL.unk)
    questions = extract_questions(chunk, decoded, OUTPUT_FORMATS["questions"], dropped)
    n_with_content = sum(1 for p in generation.pieces if decode(p).strip() or SPECIAL.unk in p)
    assert len(questions) + dropped.total() == n_with_content
    for question in questions:
        assert question.question == " ".join(question.question.split())
        assert question.question.endswith("?")
        assert question.question_index < len(generation.pieces)
