"""``--review-with``: a run follows what a reader decided about the questions of an earlier run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import qgbatch
from qgbatch import CacheSettings, FileSettings, RunReport, Settings
from qgbatch.engines.fake import FakeEngine
from qgbatch.errors import InputError, OutputError
from qgbatch.questions.review import FORMAT

TEXT = "Bees live in hives that one queen rules. Old ships sail to warm seas in winter."
MORE = "Old tea grows on the green hills of Assam."
Rows = dict[str, dict[str, Any]]


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text(TEXT)


def run(settings: Mapping[str, Any] | None = None, **files: Any) -> tuple[RunReport, Rows]:
    """Run over the text files; return the report, and the rows by their ids."""
    report = qgbatch.run(
        sorted(Path().glob("*.txt")),
        "q.jsonl",
        Settings(engine="ctranslate2", **(settings or {})),
        FileSettings(**files),
        CacheSettings(cache=False),
        load_engine=FakeEngine().load,
    )
    rows = [json.loads(line) for line in Path("q.jsonl").read_text(encoding="utf-8").splitlines()]
    assert report.n_raw == len(rows) + report.dropped.total()
    return report, {row["question_id"]: row for row in rows}


def decide(decisions: dict[str, dict[str, str]]) -> str:
    content = {"format": FORMAT, "table": "q.jsonl", "fingerprint": "0" * 64, "decisions": decisions}
    Path("d.json").write_text(json.dumps(content))
    return "d.json"


KEEP, DROP = {"decision": "keep"}, {"decision": "drop"}


def test_dropped_questions_stay_away_kept_ones_stay_and_edits_are_applied(answering_model: str) -> None:
    settings = {"model": answering_model, "min_score": 0.0}
    _, before = run(settings)
    kept, dropped, edited = list(before)[:3]
    edit = {"decision": "keep", "question": "Who rules?", "answer": "one queen"}
    decisions = decide({kept: KEEP, dropped: DROP, edited: edit, "q" + "0" * 24: DROP})
    report, after = run(settings, review_with=decisions)
    assert list(after) == [question_id for question_id in before if question_id != dropped]
    assert after[kept]["review"] == "kept"
    assert after[edited]["review"] == "edited"
    assert after[edited]["question"] == "Who rules?"
    assert after[edited]["original_question"] == before[edited]["question"]
    assert after[edited]["original_answer"] == before[edited]["answer"]
    assert after[edited]["answer_start_char"] == TEXT.index("one queen")
    assert all(after[each]["review"] is None for each in set(after) - {kept, edited})
    assert report.dropped["rejected"] == 1
    assert (report.n_applied_decisions, report.n_decisions) == (3, 4)


def test_only_the_questions_of_a_new_document_are_unread() -> None:
    _, before = run()
    decisions = decide(dict.fromkeys(before, KEEP))
    Path("b.txt").write_text(MORE)
    _, after = run(review_with=decisions)
    assert {row["source"] for row in after.values() if row["review"] is None} == {"b.txt"}
    assert before.keys() <= after.keys()


@pytest.mark.parametrize("stricter", [{"min_score": 0.99}, {"max_questions_per_chunk": 1}])
def test_no_filter_drops_what_the_reader_kept(stricter: dict[str, Any], answering_model: str) -> None:
    settings = {"model": answering_model, "min_score": 0.0}
    _, before = run(settings)
    _, filtered = run(settings | stricter)
    assert len(filtered) < len(before)
    _, after = run(settings | stricter, review_with=decide(dict.fromkeys(before, KEEP)))
    assert after.keys() == before.keys()


@pytest.mark.parametrize("scope", ["document", "corpus"])
def test_a_duplicate_shares_the_fate_of_what_the_reader_decided(scope: str) -> None:
    first = TEXT.partition(". ")[0]
    Path("a.txt").write_text(f"{TEXT}\n\n{first}. Cats sleep on the warm red roofs of the old town.")
    settings: dict[str, Any] = {"dedupe_scope": scope, "target_tokens": 40}
    _, all_rows = run({**settings, "dedupe": "none"})
    _, unreviewed = run(settings)
    last = [each for each in all_rows if each not in unreviewed and "-" not in each][-1]
    same = [each for each in all_rows if all_rows[each]["question"] == all_rows[last]["question"]]
    _, after = run(settings, review_with=decide({last: KEEP}))
    assert [each for each in same if each in after] == [last]
    _, after = run(settings, review_with=decide(dict.fromkeys(same, KEEP)))
    assert [each for each in same if each in after] == same
    report, after = run(settings, review_with=decide({last: DROP}))
    assert all_rows[last]["question"] not in [row["question"] for row in after.values()]
    assert report.dropped["rejected"] == 1


def test_a_repetition_has_a_decision_of_its_own() -> None:
    settings = {"dedupe": "none"}
    _, before = run(settings)
    repetition = next(question_id for question_id in before if question_id.endswith("-2"))
    _, after = run(settings, review_with=decide({repetition: DROP, repetition[:-2]: KEEP}))
    assert before.keys() - after.keys() == {repetition}


def test_decisions_apply_to_keyword_queries_and_to_the_choice_of_questions() -> None:
    Path("a.txt").write_text(TEXT + MORE)
    files: dict[str, Any] = {"styles": "question,keyword", "with_context": True}
    _, before = run(**files)
    keywords = [question_id for question_id, row in before.items() if row["style"] == "keyword"]
    decisions = decide({keywords[0]: DROP, keywords[-1]: KEEP})
    report, after = run(**files, review_with=decisions)
    assert before.keys() - after.keys() == {keywords[0]}
    assert [row["question_id"] for row in after.values() if row["review"]] == [keywords[-1]]
    assert (report.n_applied_decisions, report.dropped["rejected"]) == (2, 1)
    for question_id in after:
        _, chosen = run(**files, review_with=decide({question_id: KEEP}), questions=1)
        assert list(chosen) == [question_id]


def test_the_provenance_says_which_decisions_were_applied() -> None:
    reports = [run(review_with=decide({"q1": decision}))[0] for decision in (KEEP, DROP)]
    first, second = (report.provenance for report in reports)
    assert first
    assert second
    assert first.origin != second.origin


def test_a_file_that_holds_no_decisions_is_named_before_a_document_is_read() -> None:
    Path("d.json").write_text("{}")
    with pytest.raises(InputError, match=r"d\.json: not a file of decisions"):
        run(review_with="d.json")


def test_the_decisions_are_not_overwritten() -> None:
    decide({})
    with pytest.raises(OutputError):
        qgbatch.run(["a.txt"], "d.json", files=FileSettings(review_with="d.json", format="jsonl"))
