"""Reports that add up."""

from __future__ import annotations

from qgbatch.records import Failure, RunReport


def test_the_report_of_a_part_is_added() -> None:
    failure = Failure("a.txt", "read", "DocumentError", "a.txt: empty.")
    part = RunReport(n_inputs=2, n_documents=1, n_raw=3, n_written=2, failures=[failure])
    part.dropped["duplicate"] += 1
    part.seconds["generate"] += 1.5
    whole = RunReport()
    whole.add(part.as_dict())
    whole.add(part.as_dict())
    assert (whole.n_inputs, whole.n_documents, whole.n_raw, whole.n_written) == (4, 2, 6, 4)
    assert whole.dropped == {"duplicate": 2}
    assert whole.failures == [failure, failure]
    assert whole.seconds["generate"] == 3.0
