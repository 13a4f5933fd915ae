"""``sample_for_review.py`` draws questions, and does not tell readers where they come from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import sample_for_review

from qgbatch import Document, Question
from qgbatch.records import Chunk, PairScore
from tests.conftest import SAMPLES
from tests.recipe.conftest import Step, read_rows
from tests.support.training import paragraphs, write_squad

ITEM = re.compile(r"## (\d+)\nTEXT: (.+)\nQ: (.+)\nA: (.+)\n")


def ask(documents: Sequence[Document], model: str) -> Iterator[Question]:
    """Ask nine questions about each document; only the model ``small`` answers."""
    for document in documents:
        chunk = Chunk(document, 0, 0, min(300, len(document.text)), (), hard_split=False)
        for n in range(9):
            text = f"What is number {n} of {model} in {document.source}?"
            if model == "small":
                yield Question(
                    text,
                    n,
                    0.9,
                    chunk,
                    str(n),
                    answer_score=0.5,
                    pair_score=PairScore(-1.0, -0.5, -2.0, -0.3),
                )
            else:
                yield Question(text, n, -0.4, chunk)


@pytest.fixture
def review(monkeypatch: pytest.MonkeyPatch, step: Step, tmp_path: Path) -> Path:
    monkeypatch.setattr(sample_for_review, "iter_questions", ask)
    made = [row | {"context": f"{row['context']} " * 2} for row in paragraphs(40, answers=True)]
    heldout = write_squad(tmp_path / "heldout.json", made)
    novel = tmp_path / "novel.txt"
    novel.write_text("\n\n".join(f"Paragraph {n} of the novel. " * 20 for n in range(100)))
    step(
        sample_for_review.main, "--model", "small", "--samples", SAMPLES, 8, "--heldout", heldout, 6,
        "--texts", 5, novel, "--human", 7, "--other", "mini", 9, "--readers", 2,
        "--out", tmp_path / "review",
    )  # fmt: skip
    return tmp_path / "review"


def test_each_kind_and_source_is_drawn(review: Path) -> None:
    key = read_rows(review / "key.jsonl")
    assert [row["id"] for row in key] == list(range(1, 36))
    assert Counter(row["kind"] for row in key) == {"model": 19, "human": 7, "other": 9}
    assert sorted(row["kind"] for row in key) != [row["kind"] for row in key]
    of_model = [row for row in key if row["kind"] == "model"]
    held_out = [row for row in of_model if row["source"].startswith("held-out")]
    assert (len(held_out), sum(row["source"] == "novel.txt" for row in of_model)) == (6, 5)
    assert all(row["answer_log_probability"] == -0.5 and row["answer_low"] == -0.3 for row in of_model)
    assert not any(row["source"] == "fluesse.txt" for row in key)
    human = [row for row in key if row["kind"] == "human"]
    assert all(40 <= len(row["text"].split()) <= 110 and row["answer"] for row in human)
    assert not {row["text"] for row in human} & {row["text"] for row in held_out}


def test_readers_get_all_items_in_different_orders_and_no_label(review: Path) -> None:
    key = {str(row["id"]): row for row in read_rows(review / "key.jsonl")}
    orders = []
    for reader in (1, 2):
        content = (review / f"reader-{reader}.txt").read_text(encoding="utf-8")
        items = ITEM.findall(content)
        assert "\n".join("## {}\nTEXT: {}\nQ: {}\nA: {}\n".format(*item) for item in items) == content
        for number, *fields in items:
            row = key[number]
            assert fields == [row["text"], row["question"], row["answer"] or "(none)"]
        orders.append([number for number, *_ in items])
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(key)
    assert orders[0] != orders[1]
    assert list(key) not in orders
