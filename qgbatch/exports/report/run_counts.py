"""Reads the counts and failures of a run from the file that ``qgbatch run --report`` wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qgbatch.errors import InputError

_WRONG_RUN = "Use the report of the run that wrote these questions."
MAX_BYTES = 1 << 28
"""256 MiB. A report has about 200 bytes per failure."""


@dataclass(frozen=True, slots=True)
class RunCounts:
    """What only the report of a run says, not the table of questions."""

    n_documents: int
    n_chunks: int
    dropped: dict[str, int]
    """Number of dropped questions by reason."""
    failures: list[dict[str, str]]
    """``source``, ``stage``, ``error`` and ``message`` of each failure."""
    facts: dict[str, Any]


def read_run_counts(path: Path, n_rows: int, facts: Mapping[str, Any]) -> RunCounts:
    """Read the report of the run that wrote a table of questions.

    Args:
        path: The file that ``qgbatch run --report`` wrote.
        n_rows: Number of rows in the table.
        facts: What the table's metadata say about the run; empty if it has none.

    Raises:
        InputError: The file cannot be read, is not a report, or belongs to another run.
    """
    try:
        with path.open("rb") as file:
            values = json.loads(file.read(MAX_BYTES))
        counts = RunCounts(
            n_documents=int(values["n_documents"]),
            n_chunks=int(values["n_chunks"]),
            dropped={str(reason): int(count) for reason, count in values["dropped"].items()},
            failures=[{str(k): str(v) for k, v in failure.items()} for failure in values["failures"]],
            facts=dict(values["facts"]),
        )
        n_written = int(values["n_written"])
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}.", "Check the path.") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path}: not a report of qgbatch run.", "Use the file that qgbatch run --report wrote."
        ) from error
    if n_written != n_rows:
        raise InputError(
            f"{path}: the report is of a run that wrote {n_written} questions, not {n_rows}.", _WRONG_RUN
        )
    if facts and counts.facts != dict(facts):
        raise InputError(
            f"{path}: the report is of a run with another model or other settings.", _WRONG_RUN
        )
    return counts
