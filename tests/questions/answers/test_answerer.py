"""Answers against a plain reference, from a model that learned a task, and in odd texts."""

from __future__ import annotations

import math
import random
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from qgbatch.engines.batching import BatchBudget
from qgbatch.questions.answers.answer import Answer
from qgbatch.questions.answers.answerer import Answerer
from qgbatch.questions.answers.checkpoint import ANSWER_TYPES
from qgbatch.questions.answers.spans import MAX_ANSWER_TOKENS, best_spans
from tests.conftest import SAMPLES
from tests.support.answering import N_POSITIONS, NAMES, PLACES, make_answer_model

pytestmark = pytest.mark.usefixtures("one_thread")

PARAGRAPHS = [
    line
    for line in (SAMPLES / "lighthouses.txt").read_text(encoding="utf-8").splitlines()
    if len(line) > 200
]
PAIRS = [
    ("Where did the first lighthouse stand?", PARAGRAPHS[0]),
    ("Who?", "Winstanley."),
    ("When was it opened to all visitors of the old harbour?", PARAGRAPHS[1]),
    ("", PARAGRAPHS[2][:80]),
    ("What is it?", "The 😀 café of Rene\u0301 — [SEP] or </s>?"),
    ("How high?", " ".join(PARAGRAPHS[:3])),
]
UNANSWERED = Answer("", 0, 0, 0.0, 1.0)


@pytest.fixture(scope="module", params=ANSWER_TYPES)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_answer_model(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_answer_model(tmp_path_factory.mktemp("bert"), "bert")


def reference(directory: Path, question: str, context: str) -> tuple[str, float, float]:
    """One window after the other, all spans of it: text, score, and that of no answer."""
    model = AutoModelForQuestionAnswering.from_pretrained(directory, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(directory)
    encoded = tokenizer(
        [question], [context], truncation="only_second", max_length=N_POSITIONS, stride=N_POSITIONS // 3,
        return_overflowing_tokens=True, return_offsets_mapping=True, split_special_tokens=True,
    )  # fmt: skip
    best, least = ("", 0.0), 1.0
    for row, ids in enumerate(encoded["input_ids"]):
        inputs = {"input_ids": torch.tensor([ids])}
        if getattr(model.config, "type_vocab_size", 0) > 1:
            inputs["token_type_ids"] = torch.tensor([encoded["token_type_ids"][row]])
        with torch.no_grad():
            output = model(**inputs)
        text_of, sequences = encoded["offset_mapping"][row], encoded.sequence_ids(row)
        inside = [position for position, sequence in enumerate(sequences) if sequence == 1]
        start = shares(output.start_logits[0].tolist(), inside)
        end = shares(output.end_logits[0].tolist(), inside)
        least = min(least, start[0] * end[0])
        for first in inside:
            for last in inside:
                text = context[text_of[first][0] : text_of[last][1]].strip()
                ends_in_text = context[slice(*text_of[last])].strip()
                score = start[first] * end[last]
                if first <= last < first + 30 and ends_in_text and score > best[1]:
                    best = text, score
    return *best, least


def shares(logits: list[float], inside: list[int]) -> dict[int, float]:
    """Softmax over the tokens of the context and the first one, in float64."""
    most = max(logits[position] for position in [0, *inside])
    weights = {position: math.exp(logits[position] - most) for position in [0, *inside]}
    return {position: weight / sum(weights.values()) for position, weight in weights.items()}


def assert_close(answer: Answer, other: Answer) -> None:
    assert (answer.text, answer.start_char, answer.end_char) == (
        other.text,
        other.start_char,
        other.end_char,
    )
    assert answer.score == pytest.approx(other.score, rel=1e-3, abs=1e-9)
    assert answer.no_answer_score == pytest.approx(other.no_answer_score, rel=1e-3, abs=1e-9)


def test_all_architectures_give_the_answers_of_a_plain_search(checkpoint: Path) -> None:
    answers = Answerer(checkpoint).answer(PAIRS)
    for (question, context), answer in zip(PAIRS, answers, strict=True):
        text, score, no_answer = reference(checkpoint, question, context)
        assert answer.text.rstrip("\u0301") == text
        assert answer.text == context[answer.start_char : answer.end_char]
        assert answer.score == pytest.approx(score, rel=1e-3)
        assert answer.no_answer_score == pytest.approx(no_answer, rel=1e-3, abs=1e-12)


def test_an_answer_does_not_depend_on_batch_or_order(checkpoint: Path) -> None:
    answerer = Answerer(checkpoint)
    together = answerer.answer(PAIRS)
    for pair, answer in zip(PAIRS, together, strict=True):
        assert_close(answerer.answer([pair])[0], answer)
    small = Answerer(checkpoint, budget=BatchBudget(1)).answer(PAIRS[::-1])
    for answer, other in zip(small[::-1], together, strict=True):
        assert_close(answer, other)


def test_no_pairs_give_no_answers(bert: Path) -> None:
    assert Answerer(bert).answer([]) == []


@pytest.mark.parametrize("context", ["", "  ", "\n\t", "\u0301\u200b"])
def test_a_blank_context_has_no_answer(context: str, checkpoint: Path) -> None:
    answer = Answerer(checkpoint).answer([("Who?", context)])[0]
    assert answer.text == context[answer.start_char : answer.end_char]
    if not context.strip():
        assert (answer.text, answer.score) == ("", 0.0)


def test_a_question_is_never_truncated(bert: Path, caplog: pytest.LogCaptureFixture) -> None:
    answerer = Answerer(bert)
    longest = "? " * (N_POSITIONS // 2)
    answers = answerer.answer([(longest, PARAGRAPHS[0]), (longest + "?", PARAGRAPHS[0]), PAIRS[1]])
    assert answers[0].text
    assert answers[1] == UNANSWERED
    assert "1 questions are too long" in caplog.text
    assert_close(answers[2], answerer.answer([PAIRS[1]])[0])


@pytest.mark.parametrize(
    "text",
    [
        "Rene\u0301 Cafe\u0301 nai\u0308ve",
        "👩‍👩‍👧 🏳️‍🌈 👍🏽 😀😀",
        "a\u0301\u0302\u0303 \u0301b 東京 \U00020000 ﷽ ",
        "\u0301\u0301x\u0301",
        "\r\n a \u2028 b \x00 c",
        "x" * 500,
    ],
)
def test_an_answer_is_a_slice_of_its_text_with_whole_characters(text: str, checkpoint: Path) -> None:
    answerer = Answerer(checkpoint)
    parts = [text[start:] for start in range(min(len(text), 12))]
    for part, answer in zip(parts, answerer.answer([("Who?", part) for part in parts]), strict=True):
        assert answer.text == part[answer.start_char : answer.end_char]
        assert answer.text == answer.text.strip()
        behind = part[answer.end_char : answer.end_char + 1]
        assert not (answer.text and behind and unicodedata.combining(behind))
        assert 0 <= answer.score <= 1


def test_a_batch_that_does_not_fit_is_halved(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answerer = Answerer(bert)
    whole = answerer.answer(PAIRS)
    model, n_rows = answerer._model._model, []
    forward = model.forward

    def forward_little(input_ids: torch.Tensor, **options: Any) -> Any:
        n_rows.append(len(input_ids))
        if len(input_ids) > limit:
            raise torch.OutOfMemoryError("out of memory")
        return forward(input_ids=input_ids, **options)

    monkeypatch.setattr(model, "forward", forward_little)
    limit = 2
    for answer, other in zip(answerer.answer(PAIRS), whole, strict=True):
        assert_close(answer, other)
    assert max(n_rows) > 2
    limit = 0
    with pytest.raises(Exception, match=r"64 tokens do not fit into the memory of cpu\..*device='cpu'"):
        answerer.answer(PAIRS)


def test_the_best_span_is_found_whatever_the_logits() -> None:
    generator = random.Random(1)
    for _ in range(200):
        length = generator.randint(2, 70)
        start = [generator.gauss(0, 3) for _ in range(length)]
        end = [generator.gauss(0, 3) for _ in range(length)]
        inside = [position for position in range(1, length) if generator.random() < 0.7]
        ends = [position for position in inside if generator.random() < 0.8]
        masks = [[position in chosen for position in range(length)] for chosen in (inside, ends)]
        logits = torch.tensor([[start], [end]], dtype=torch.float64).float()
        span = best_spans(logits[0], logits[1], *(torch.tensor([mask]) for mask in masks))[0]
        p, q = shares(start, inside), shares(end, inside)
        legal = {(a, b): p[a] * q[b] for a in inside for b in ends if a <= b < a + MAX_ANSWER_TOKENS}
        assert span.no_answer == pytest.approx(p[0] * q[0], rel=1e-4)
        assert math.exp(span.log_score) == pytest.approx(max(legal.values(), default=0.0), rel=1e-4)
        if legal:
            assert (span.first, span.last) == max(legal, key=lambda pair: legal[pair])
            assert span.no_answer < math.exp(span.log_score) or math.exp(span.log_score) < 0.5


@pytest.mark.parametrize(("n_tokens", "is_legal"), [(30, True), (31, False)])
def test_an_answer_has_at_most_thirty_tokens(n_tokens: int, is_legal: bool) -> None:
    start, end, inside = torch.zeros(1, 40), torch.zeros(1, 40), torch.arange(40).unsqueeze(0) > 1
    start[0, 5] = end[0, 5 + n_tokens - 1] = 20.0
    span = best_spans(start, end, inside, inside)[0]
    assert (span.last - span.first + 1 == n_tokens) is is_legal


Pick = Callable[[Sequence[Any]], Any]
N_STEPS = 150
FILLER = ["the", "lighthouse", "was", "of", "and", "it", "a", "light", "."]


def sentence(pick: Pick) -> tuple[str, str, str]:
    name, place = pick(NAMES), pick(PLACES)
    return f"{name} was in {place} .", name, place


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT that finds who and where, and knows that the text never says when."""
    directory = tmp_path_factory.mktemp("learned")
    make_answer_model(directory, "bert", n_positions=32, initializer_range=0.2)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForQuestionAnswering.from_pretrained(directory, dtype=torch.float32)
    with torch.no_grad():
        model.qa_outputs.weight.div_(100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    pick = random.Random(1).choice
    for _ in range(220):
        examples = [example(pick) for _ in range(32)]
        batch = tokenizer(
            [question for question, _, _ in examples], [context for _, context, _ in examples],
            padding=True, return_tensors="pt",
        )  # fmt: skip
        marks = [
            token_span(batch, row, context, wanted) for row, (_, context, wanted) in enumerate(examples)
        ]
        starts, ends = torch.tensor(marks).T
        model(**batch, start_positions=starts, end_positions=ends).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(directory)
    return directory


def example(pick: Pick) -> tuple[str, str, str | None]:
    """A question, a context of fillers around a sentence or none, and the answer."""
    text, name, place = sentence(pick)
    fillers = [pick(FILLER) for _ in range(pick(range(1, 22)))]
    kind = pick(["who", "where", "when", "nobody"])
    if kind == "nobody":
        return pick(["who ?", "where ?", "when ?"]), " ".join(fillers), None
    fillers.insert(pick(range(len(fillers))), text)
    return f"{kind} ?", " ".join(fillers), {"who": name, "where": place}.get(kind)


def token_span(batch: Any, row: int, context: str, wanted: str | None) -> tuple[int, int]:
    """First and last token of the answer, or twice the first of the input."""
    if wanted is None:
        return 0, 0
    start = context.index(wanted)
    ends = (start, start + len(wanted) - 1)
    first, last = (batch.char_to_token(row, char, sequence_index=1) for char in ends)
    return first, last


def test_a_model_that_learned_it_finds_the_answer_in_a_long_text(learned: Path) -> None:
    text, name, place = sentence(random.Random(7).choice)
    filler = " ".join(FILLER * 9)
    context = f"{filler} {text} {filler}"
    who, where, when = Answerer(learned).answer(
        [(f"{word} ?", context) for word in ("who", "where", "when")]
    )
    assert (who.text, where.text) == (name, place)
    assert (who.start_char, where.end_char) == (context.index(name), context.index(place) + len(place))
    assert min(who.score, where.score) > 0.5 > max(who.no_answer_score, where.no_answer_score)
    assert when.no_answer_score > 0.5 > when.score
