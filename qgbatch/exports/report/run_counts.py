"""The file that ``qgbatch run --report`` wrote -> what a page tells of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qgbatch.errors import InputError

_OTHER = "Give the report of the run that wrote the questions."
MAX_BYTES = 1 << 28
"""256 MiB; a report has some 200 bytes a failure."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the table of questions does not tell of its run."""

    n_documents: int
    n_chunks: int
    dropped: dict[str, int]
    """Pieces left out, by reason."""
    failures: list[dict[str, str]]
    """``source``, ``stage``, ``error`` and ``message`` of each."""
    facts: dict[str, Any]


def read_counts(path: Path, n_rows: int, facts: Mapping[str, Any]) -> Counts:
    """Read the report of the run that wrote ``n_rows`` questions; ``facts`` are what they say of it.

    Raises:
        InputError: it cannot be read, is no report, or is one of another run.
    """
    try:
        with path.open("rb") as file:
            values = json.loads(file.read(MAX_BYTES))
        counts = Counts(
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
            f"{path}: is no report of qgbatch run.", "Give the file that its option --report wrote."
        ) from error
    if n_written != n_rows:
        raise InputError(
            f"{path}: is the report of a run that wrote {n_written} questions, not {n_rows}.", _OTHER
        )
    if facts and counts.facts != dict(facts):
        raise InputError(f"{path}: is the report of a run with another model or other settings.", _OTHER)
    return counts
