"""The report file of a run, read for the page."""

from __future__ import annotations

import json
from pathlib import Path

from qgbatch.errors import InputError
from qgbatch.output.run_facts import Provenance, RunFacts

_HINT = "Give the report of the run that wrote the questions."
MAX_BYTES = 1 << 28
"""256 MiB; a report takes about 200 bytes per failure."""


def read_run_facts(path: Path, n_rows: int, provenance: Provenance | None) -> RunFacts:
    """Read the file that ``qgbatch run --report`` wrote.

    Args:
        path: The report file.
        n_rows: Number of questions in the table that the run wrote.
        provenance: Provenance of that table, if known.

    Raises:
        InputError: The file cannot be read, is not a report, or belongs to another run.
    """
    try:
        with path.open("rb") as file:
            facts = RunFacts.from_json(json.loads(file.read(MAX_BYTES)))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}.", "Check the path.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: not a report of qgbatch run ({error}).",
            "Give the file that its option --report wrote.",
        ) from error
    if facts.n_written != n_rows:
        raise InputError(
            f"{path}: this report belongs to a run that wrote {facts.n_written} questions, not {n_rows}.",
            _HINT,
        )
    if provenance and (facts.provenance is None or facts.provenance.origin != provenance.origin):
        raise InputError(
            f"{path}: this report belongs to a run with another model or other settings.", _HINT
        )
    return facts
