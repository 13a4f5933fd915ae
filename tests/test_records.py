"""The records of a run: what is counted, and the JSON that it becomes."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from qgbatch.output.run_facts import ROWS_SCHEMA, Provenance, RunFacts
from qgbatch.pipeline.run_report import COUNT_NAMES, RunReport
from qgbatch.records import Failure
from tests.support.tables import PROVENANCE

FAILURE = Failure("a.txt", "read", "DocumentError", "a.txt: empty.")


def make_report() -> RunReport:
    report = RunReport(n_inputs=2, n_documents=1, n_raw=3, n_written=2, failures=[FAILURE])
    report.dropped["duplicate"] += 1
    report.seconds["generate"] += 1.5
    report.provenance = PROVENANCE
    return report


def test_the_facts_of_a_part_are_added() -> None:
    whole = RunReport()
    whole.add(make_report().facts())
    whole.add(make_report().facts())
    assert (whole.n_inputs, whole.n_documents, whole.n_raw, whole.n_written) == (4, 2, 6, 4)
    assert whole.dropped == {"duplicate": 2}
    assert whole.failures == [FAILURE, FAILURE]
    assert whole.seconds["generate"] == 3.0


def test_both_records_of_a_run_have_the_same_counts() -> None:
    assert tuple(spec.name for spec in fields(RunFacts) if spec.name.startswith("n_")) == COUNT_NAMES


@pytest.mark.parametrize("provenance", [PROVENANCE, None])
def test_facts_survive_json(provenance: Provenance | None) -> None:
    facts = replace(make_report().facts(), provenance=provenance, error="no")
    assert RunFacts.from_json(json.loads(json.dumps(facts.to_json()))) == facts


def test_provenance_survives_json() -> None:
    provenance = replace(PROVENANCE, answers_sha256="6" * 64, extra={"encoding": ["cp1252"]})
    values = provenance.to_json()
    assert values["encoding"] == ["cp1252"]
    assert Provenance.from_json(json.loads(json.dumps(values))) == provenance


def test_rows_without_a_schema_have_the_first_one() -> None:
    values = PROVENANCE.to_json()
    assert values.pop("schema") == ROWS_SCHEMA > 1
    old = Provenance.from_json(values)
    assert old.schema == 1
    assert old.extra == {}


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"n_written": "3"},
        {"dropped": {"duplicate": "many"}},
        {"dropped": []},
        {"seconds": {"read": None}},
        {"failures": [{"source": "a.txt"}]},
        {"failures": {}},
        {"facts": {"model": "small"}},
        {"facts": {**PROVENANCE.to_json(), "settings": 3}},
    ],
)
def test_a_damaged_report_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"schema|of the wrong type|not"):
        RunFacts.from_json({**make_report().facts().to_json(), **change})


@pytest.mark.parametrize("values", [None, 3, [], {}, "text"])
def test_other_json_is_not_a_report(values: object) -> None:
    with pytest.raises(ValueError, match="not a report"):
        RunFacts.from_json(values)
