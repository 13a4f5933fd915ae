"""The HTML of the report page and its data, without a browser."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from qgbatch.errors import InputError, OutputError
from qgbatch.exports.report import writer as report_module
from qgbatch.exports.report.charts import bar_chart, histogram
from qgbatch.exports.report.writer import write_report
from qgbatch.exports.table import QuestionTable
from qgbatch.output.rows import Row
from qgbatch.output.run_facts import Provenance
from qgbatch.pipeline.run_report import RunReport
from qgbatch.questions.review import table_fingerprint
from qgbatch.records import Failure
from tests.support.tables import PROVENANCE, ask, write

TEA = "Tea is a drink. It is hot.\n\nIt came to Europe in 1610. 🍵 Ships\ncarried it."
SPANS = (0, 15, ["What is tea?", "Is it a drink?"]), (28, 54, ["When did it come?"])
FAILURE = Failure("<b>.txt", "read", "DocumentError", "<b>.txt: empty")
FACTS = RunReport(
    n_written=3,
    n_documents=3,
    n_chunks=7,
    dropped=Counter(duplicate=2),
    failures=[FAILURE],
    provenance=PROVENANCE,
)
REPORT = FACTS.facts().to_json()


def make_page(
    tmp_path: Path,
    rows: list[Row],
    counts: Any = None,
    name: str = "q.parquet",
    provenance: Provenance = PROVENANCE,
) -> str:
    path = tmp_path / "run.json"
    if counts is not None:
        path.write_text(json.dumps(counts))
    table = QuestionTable(write(tmp_path / name, rows, provenance=provenance))
    write_report(table, path if counts is not None else None, tmp_path / "page.html")
    return (tmp_path / "page.html").read_text(encoding="utf-8")


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    values: dict[str, Any] = json.loads(found[1])
    return values


def bars(svg: str) -> list[tuple[str, str]]:
    return re.findall(
        r'<text class="name"[^>]*>(.*?)</text><rect[^>]*/><text class="count"[^>]*>(.*?)<', svg
    )


@pytest.mark.parametrize("name", ["q.parquet", "q.csv", "q.jsonl"])
def test_passages_are_at_their_positions_in_an_unchanged_document(name: str, tmp_path: Path) -> None:
    (tmp_path / "tea.txt").write_text(TEA)
    page = make_page(tmp_path, ask(TEA, str(tmp_path / "tea.txt"), *SPANS), name=name)
    ((source, segments),) = data_of(page)["documents"]
    assert source == str(tmp_path / "tea.txt")
    assert segments == [
        ["Tea is a drink.", "characters 0 to 15"],
        ["It is hot.", None],
        ["It came to Europe in 1610.", "characters 28 to 54"],
        ["🍵 Ships\ncarried it.", None],
    ]
    assert [question[:3] for question in data_of(page)["questions"]] == [
        [0, 0, "What is tea?"], [0, 0, "Is it a drink?"], [0, 2, "When did it come?"],
    ]  # fmt: skip


def test_a_question_has_its_id_and_the_place_of_its_answer(tmp_path: Path) -> None:
    rows = ask(TEA, "tea.txt", *SPANS)
    for row, (answer, start) in zip(rows, [("drink", 9), (None, None), ("1610", 49)], strict=True):
        row |= {"answer": answer, "answer_start_char": start, "answer_score": None}
    data = data_of(make_page(tmp_path, rows))
    ids = [str(row["question_id"]) for row in rows]
    assert [question[3:] for question in data["questions"]] == [
        [-0.25, "drink", ids[0], 9], [-0.25, "", ids[1], None], [-0.25, "1610", ids[2], 21],
    ]  # fmt: skip
    assert (data["table"], data["fingerprint"]) == ("q.parquet", table_fingerprint(ids))
    assert (data["has_answers"], data["decisions"]) == (True, {})


def test_a_row_of_a_reviewed_table_has_its_original_texts(tmp_path: Path) -> None:
    rows = ask(TEA, "tea.txt", *SPANS)
    for row, review in zip(rows, ("kept", "edited", None), strict=True):
        row |= {"review": review, "original_question": None, "original_answer": None}
    rows[1]["original_question"] = "Is a drink?"
    data = data_of(make_page(tmp_path, rows, name="q.jsonl"))
    assert [question[7:] for question in data["questions"]] == [
        ["kept", None, None], ["edited", "Is a drink?", None], [],
    ]  # fmt: skip
    assert not data["has_answers"]


@pytest.mark.parametrize("text", [None, TEA + " More.", "", "\0"])
def test_only_the_passages_of_a_changed_document_are_shown(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "tea.txt").write_text(text)
    rows = ask(TEA, str(tmp_path / "tea.txt"), *SPANS)
    first, between, last = data_of(make_page(tmp_path, rows))["documents"][0][1]
    assert (first[0], between, last[0]) == ("Tea is a drink.", [13, None], "It came to Europe in 1610.")
    for row in rows:
        del row["context"]
    segments = data_of(make_page(tmp_path, rows))["documents"][0][1]
    assert [segment[0] for segment in segments] == [15, 13, 26]


def test_only_local_files_are_read(tmp_path: Path) -> None:
    rows = ask(TEA, "http://127.0.0.1:9/tea.txt", *SPANS)  # no server listens there
    assert data_of(make_page(tmp_path, rows))["documents"][0][1][0][0] == "Tea is a drink."


READ = {"encoding": ["ascii", "cp1252"], "text_column": ["text"], "id_column": None, "with_context": True}
"""What the provenance of a run says about its documents."""


@pytest.mark.parametrize("name", ["q.parquet", "q.csv"])
def test_a_document_is_read_again_with_the_encodings_of_the_run(name: str, tmp_path: Path) -> None:
    text = "Café owners open early. They close late."
    (tmp_path / "cafe.txt").write_bytes(text.encode("cp1252"))
    rows = ask(text, str(tmp_path / "cafe.txt"), (0, 23, ["Who opens early?"]))
    provenance = replace(PROVENANCE, extra=READ)
    counts = replace(FACTS, n_written=1, provenance=provenance).facts().to_json()
    page = make_page(tmp_path, rows, counts, name=name, provenance=provenance)
    segments = data_of(page)["documents"][0][1]
    assert [segment[0] for segment in segments] == ["Café owners open early.", "They close late."]


def test_the_report_of_a_run_on_several_machines_is_not_refused(tmp_path: Path) -> None:
    """The table has the provenance of a worker, the report that of the driver."""
    counts = {**REPORT, "facts": replace(PROVENANCE, engine="torch", device="cuda:1").to_json()}
    assert make_page(tmp_path, ask(TEA, "tea.txt", *SPANS), counts)


def test_overlapping_passages_of_two_runs_follow_each_other(tmp_path: Path) -> None:
    rows = ask(TEA, "tea.txt", (3, 20, ["b"]), (0, 15, ["a"]), (0, 26, ["c"]))
    (tmp_path / "tea.txt").write_text(TEA)
    for row in rows:
        row["source"] = str(tmp_path / "tea.txt")
    segments = data_of(make_page(tmp_path, rows))["documents"][0][1]
    assert [segment[0] for segment in segments] == ["Tea is a drink.", TEA[:26], TEA[3:20], TEA[28:]]
    assert [question[1] for question in data_of(make_page(tmp_path, rows))["questions"]] == [2, 0, 1]


def test_totals_and_charts_include_chunks_without_questions_if_the_run_is_known(tmp_path: Path) -> None:
    page = make_page(tmp_path, ask(TEA, "tea.txt", *SPANS), REPORT)
    totals = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page))
    assert totals == {
        "questions": "3",
        "documents with questions": "1",
        "chunks with questions": "2",
        "documents read": "3",
        "documents failed": "1",
        "chunks": "7",
        "questions dropped": "2",
        "model": "small",
        "&lt;b&gt;.txt": "empty",
        **{"qgbatch": "0.1.0", "schema": "2", "engine": "ctranslate2", "num_beams": "4"},
        **{"device": "cpu", "precision": "int8", "model_sha256": PROVENANCE.model_sha256},
    }
    charts = dict(re.findall(r"<figcaption>(.*?)</figcaption>(.*?)</figure>", page, re.DOTALL))
    assert bars(charts["Questions per document"]) == [("0", "2"), ("1", "0"), ("2", "0"), ("3", "1")]
    assert bars(charts["Questions per chunk"]) == [("0", "5"), ("1", "1"), ("2", "1")]
    assert bars(charts["First word"]) == [("what", "1"), ("is", "1"), ("when", "1")]
    assert bars(charts["Dropped, by reason"]) == [("duplicate", "2")]


def test_odd_values_in_a_report_are_shown(tmp_path: Path) -> None:
    provenance = {**PROVENANCE.to_json(), "model": "\ud800"}
    counts = {**REPORT, "n_documents": 10**15, "n_chunks": -1, "facts": provenance}
    counts["failures"] = [asdict(replace(FAILURE, source="\ud800<script>"))]
    rows = ask(TEA, "tea.txt", *SPANS)
    page = make_page(tmp_path, rows, counts, name="q.csv")  # CSV has no metadata about the run
    assert bars(page)[0] == ("0", "999,999,999,999,999")
    assert "?&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({**REPORT, "n_written": 4}, "a run that wrote 4 questions, not 3"),
        (
            {**REPORT, "facts": {**PROVENANCE.to_json(), "model": "other"}},
            "another model or other settings",
        ),
        ({"n_written": 3}, "not a report of qgbatch run"),
        ({**REPORT, "dropped": {"duplicate": "many"}}, "not a report of qgbatch run"),
        ([], "not a report of qgbatch run"),
        (3, "not a report of qgbatch run"),
    ],
)
def test_a_report_of_another_run_is_refused(counts: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        make_page(tmp_path, ask(TEA, "tea.txt", *SPANS), counts)
    assert not (tmp_path / "page.html").exists()


def test_no_text_can_close_the_element_around_it(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><!--\u2028 & {{ 7 * 7 }}"
    page = make_page(tmp_path, ask(evil, f"{evil}.txt", (0, len(evil), [evil])))
    assert page.count("<script") == 2
    assert "alert(1)</script" not in page
    assert "<!--" not in page
    assert data_of(page)["questions"][0][2] == evil
    assert data_of(page)["documents"][0][0] == f"{evil}.txt"


def test_too_many_questions_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_module, "MAX_QUESTIONS", 2)
    with pytest.raises(InputError, match="more than 2 questions"):
        make_page(tmp_path, ask(TEA, "tea.txt", *SPANS))


def test_a_page_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    table = QuestionTable(write(tmp_path / "q.jsonl", ask(TEA, "tea.txt", *SPANS)))
    with pytest.raises(OutputError):
        write_report(table, None, tmp_path / "nowhere" / "page.html")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([2], [("2", "1")]),
        ([0, 0, 3], [("0", "2"), ("1", "0"), ("2", "0"), ("3", "1")]),
        ([5, 14, 65], [("5 to 9", "1"), ("10 to 14", "1")]),
        ([-0.25, -0.25], [("-0.250 to -0.249", "2")]),
        ([-0.61, -0.05], [("-0.65 to -0.60", "1")]),
        ([-1.0, -1.0 + 2**-52], [("-1.000 to -0.999", "2")]),
        ([-1e300, 0.0], [("-1", "1")]),
    ],
)
def test_a_histogram_has_bins_of_round_widths(values: list[float], expected: list[tuple[str, str]]) -> None:
    svg = histogram(values)
    found = bars(svg)
    assert len(found) <= 14
    assert sum(int(count) for _, count in found) == len(values)
    for (label, count), (expected_label, expected_count) in zip(found, expected, strict=False):
        assert (label.startswith(expected_label), count) == (True, expected_count)


def test_bar_lengths_are_proportional_to_counts() -> None:
    svg = bar_chart([("<what>", 10), ("who", 5), ("a very long reason to drop", 0)])
    widths = [float(width) for width in re.findall(r'<rect[^>]*width="([\d.]+)"', svg)]
    assert widths == [widths[0], widths[0] / 2, 0]
    assert [name for name, _ in bars(svg)] == ["&lt;what&gt;", "who", "a very long rea…"]
