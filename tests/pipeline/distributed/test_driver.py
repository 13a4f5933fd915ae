"""What the driver of a distributed run takes over from the parts of an earlier run."""

from __future__ import annotations

from pathlib import Path

from qgbatch.pipeline.distributed.driver import _reused_counts
from qgbatch.pipeline.distributed.parts import Part
from qgbatch.pipeline.run_report import RunReport
from qgbatch.records import Failure
from tests.support.tables import PROVENANCE


def test_unread_parts_and_failed_rows_are_kept_and_failed_files_are_tried_again() -> None:
    part = Failure("book.epub", "part", "DocumentError", "book.epub: chapter b is left out.")
    row = Failure("t.csv#1", "read", "DocumentError", "t.csv: row 1: no text.")
    file = Failure("c.txt", "read", "DocumentError", "c.txt: empty.")
    part_of_file = Failure("d.epub", "part", "DocumentError", "d.epub: chapter b is left out.")
    again = Failure("d.epub", "chunk", "DocumentError", "d.epub: unknown script.")
    report = RunReport(n_inputs=5, failures=[part, row, file, part_of_file, again])
    report.omitted.update({"unreadable_parts": 2})
    documents = {"book.epub": (1, 1), "t.csv": (2, 2)}
    counts = _reused_counts(Part(Path("p.parquet"), PROVENANCE, (), documents, report.facts()))
    assert counts.failures == (part, row)
    assert counts.n_inputs == 3
    assert counts.omitted == {"unreadable_parts": 2}
