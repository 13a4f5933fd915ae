"""``examples.py`` makes training examples, and ``contamination.py`` checks them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import contamination
import examples
import pytest

from tests.recipe.conftest import Step, read_rows, write_rows
from tests.support.training import paragraphs, write_squad

TEXT = (
    "The mill at Alden burned down in 1911. Its owner, Clara Voss, built a new one beside the railway. "
    "It ground wheat for forty years. The building is a museum today."
)
ASKED = [
    ("When did the mill at Alden burn down?", "1911"),
    ("Who built a new mill beside the railway at Alden?", "Clara Voss"),
    ("What did the new mill grind for forty years?", "wheat"),
    ("What is it today?", "a museum"),
    ("Who visits the old mill in Paris?", None),
]


def passage(source: str, text: str, asked: list[tuple[str, str | None]]) -> dict[str, Any]:
    questions = [
        {"question": question, "answer": answer, "start": text.index(answer) if answer else None}
        for question, answer in asked
    ]
    return {"source": source, "license": "MIT", "context": text, "questions": questions}


def test_human_and_written_examples_and_texts(
    step: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examples, "N_TEXTS_ASIDE", 5)
    passages = [
        passage("squad-v1.1-train-head", TEXT.replace("Alden", f"Alden {n}"), renamed(n)) for n in range(99)
    ]
    passages.append(passage("qamr", "Tea came late.", [("When did the tea come?", "late")]))
    written = [{"source": "wiki", "context": "", "text": f"Text {n}.", "questions": []} for n in range(53)]
    human_file = write_rows(tmp_path / "human.jsonl", passages)
    written_file = write_rows(tmp_path / "written.jsonl", written)
    texts = write_rows(
        tmp_path / "texts.jsonl", [{"text": f"{TEXT} {n}"} for n in range(20)] + [{"text": "Too short."}]
    )
    step(
        examples.main, "--human", human_file, "--written", written_file, "--texts", texts,
        "--out", tmp_path / "out",
    )  # fmt: skip
    files = {path.stem: read_rows(path) for path in (tmp_path / "out").iterdir()}
    assert files.keys() == {
        "human", "human-aside", "human-best", "texts", "texts-aside", "written", "written-aside",
    }  # fmt: skip
    assert (len(files["texts"]), len(files["texts-aside"])) == (15, 5)
    assert {row["text"] for row in files["texts"] + files["texts-aside"]} == {
        f"{TEXT} {n}" for n in range(20)
    }
    assert [row["text"] for row in files["written-aside"]] == ["Text 0.", "Text 26.", "Text 52."]
    assert len(files["written"]) == 50

    assert len(files["human-aside"]) < len(files["human"]) / 10
    town = {word for row in files["human-aside"] for word in row["text"].split() if word.isdigit()} - {
        "1911"
    }
    assert town
    assert not town & {word for row in files["human"] for word in row["text"].split()}
    assert all(row in files["human"] for row in files["human-best"])
    assert {row["source"] for row in files["human"]} == {"squad-v1.1-train-head"}
    for row in files["human"] + files["human-aside"]:
        assert row["questions"]
        for question, answer in row["questions"]:
            assert "it" not in question.split()
            assert "Paris" not in question
            assert answer in row["text"]


def renamed(n: int) -> list[tuple[str, str | None]]:
    """The questions about town ``n``, each of which only one passage has."""
    asked = [(question.replace("Alden", f"Alden {n}"), answer) for question, answer in ASKED]
    return [(q if "Alden" in q else q.replace("?", f", {n} of all?"), answer) for q, answer in asked]


def test_windows_get_the_text_before_them() -> None:
    spans = [(0, 38), (39, 95), (96, 128), (129, 162)]
    row = passage("squad-v1.1-train-head", TEXT, ASKED)
    asked = examples.align(row, spans, set())
    assert [[question for question, *_ in asked.get(n, [])] for n in range(4)] == [
        [ASKED[0][0]], [ASKED[1][0]], [ASKED[2][0]], [],
    ]  # fmt: skip
    rngs = [random.Random(seed) for seed in range(100)]
    rows = [example for rng in rngs for example in examples.cut_passage(row, spans, asked, rng)]
    owners = [example for example in rows if example["text"].startswith("Its owner")]
    assert {example["context"] for example in owners} == {"", "The mill at Alden burned down in 1911."}
    for example in owners:  # only the text before names Alden
        assert ([ASKED[1][0], "Clara Voss"] in example["questions"]) == bool(example["context"])


@pytest.mark.parametrize(
    ("question", "standalone"),
    [
        ("When did the mill at Alden burn down?", True),
        ("Where did Clara Voss go after she sold the mill?", True),
        ("Where did she go after the fire?", False),
        ("What does this passage say about mills?", False),
        ("The new mill was beside the what?", False),
        ("Name two towns with a mill.", False),
        ("Why burn?", False),
    ],
)
def test_questions_that_need_the_passage_are_left_out(question: str, standalone: bool) -> None:
    assert examples.is_standalone(question) == standalone


@pytest.mark.parametrize(
    ("answer", "usable"),
    [("1911", True), ("1912", False), ("The mill", False), (" ".join(["mill"] * 13), False)],
)
def test_answers_have_to_say_something(answer: str, usable: bool) -> None:
    text = f"{TEXT} {' '.join(['mill'] * 13)}"
    assert examples.is_usable_answer(answer, "When did the mill burn?", text) == usable


def test_text_of_the_held_out_set_is_found(step: Step, tmp_path: Path) -> None:
    heldout = write_squad(tmp_path / "heldout.json", paragraphs(3))
    copied = "Once upon a time " + paragraphs(3)[1]["context"].lower().replace(".", "!")
    row = {"context": "", "text": "Nothing of it.", "questions": [["What is new?", "nothing"]]}
    clean = write_rows(tmp_path / "clean.jsonl", [row])
    assert step(contamination.main, "--heldout", heldout, clean) == 0
    for field in ("context", "text"):
        dirty = write_rows(tmp_path / "dirty.jsonl", [row, row | {field: copied}])
        assert step(contamination.main, "--heldout", heldout, clean, dirty) == 1
    dirty = write_rows(tmp_path / "dirty.jsonl", [row | {"questions": [[copied, None]]}])
    assert step(contamination.main, "--heldout", heldout, dirty) == 1
