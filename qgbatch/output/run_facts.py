"""What is recorded of a run beside its rows: where they come from, and its counts."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from qgbatch.errors import display
from qgbatch.records import Failure, OmittedKind

REPORT_SCHEMA = 1
"""Version of the report's JSON. It increases when a field is renamed or changes its meaning."""

ROWS_SCHEMA = 2
"""Version of the rows of an output. It increases when a column or an id changes its meaning.

1, also if no version is given: ``question_id`` is a hash of the document's whole text, the span and the
question. 2: ids are those of :func:`qgbatch.records.make_question_id`.
"""


_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
_MODEL_SETTINGS = ("model", "tokenizer", "answers")
_DIFFERS_BY_MACHINE = ("engine", "device", "precision")
"""Provenance that each worker of a distributed run determines on its own machine."""


def json_values(settings: Any) -> dict[str, Any]:
    """The fields of a dataclass of settings as JSON values; text is as :func:`display` has it."""
    return {name: json_value(value) for name, value in asdict(settings).items()}


def json_value(value: Any) -> Any:
    """A value of a setting as a JSON value."""
    if isinstance(value, dict):
        return {name: json_value(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return list(map(json_value, value))
    return display(value) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Everything except the documents that determines an output; stored in Parquet metadata and reports."""

    qgbatch: str
    """Version of qgbatch."""
    model: str
    model_revision: str | None
    model_sha256: str
    """Fingerprint of the checkpoint, 64 hexadecimal digits."""
    engine: str
    device: str
    precision: str
    settings: Mapping[str, Any]
    """Settings, decoding and chunk limits in effect, as JSON values."""
    answers_sha256: str | None = None
    """Fingerprint of the answer model's checkpoint, if there is one."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further JSON values: how the documents were read."""
    schema: int = ROWS_SCHEMA
    """Version of the rows, see :data:`ROWS_SCHEMA`."""

    @property
    def origin(self) -> str:
        """What two tables of the same run have in common, to compare: the provenance except the machine."""
        values = {name: value for name, value in self.to_json().items() if name not in _DIFFERS_BY_MACHINE}
        return json.dumps(values, sort_keys=True)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; the keys of ``extra`` become top-level keys."""
        values = {spec.name: getattr(self, spec.name) for spec in fields(self)}
        if values["answers_sha256"] is None:
            del values["answers_sha256"]
        return values | dict(values.pop("extra"))

    def for_publication(self) -> Provenance:
        """The provenance in which models are named without their places on this machine."""
        settings = {
            name: public_name(value) if name in _MODEL_SETTINGS else value
            for name, value in self.settings.items()
        }
        return replace(self, model=public_name(self.model), settings=settings)

    @classmethod
    def from_json(cls, values: object) -> Provenance:
        """Read what :meth:`to_json` returned.

        Raises:
            ValueError: A key is missing or its value has the wrong type.
        """
        known = {"schema": 1, **_known_fields(cls, values, optional=("answers_sha256", "extra", "schema"))}
        assert isinstance(values, Mapping)
        return cls(**{**known, "extra": {key: values[key] for key in values if key not in known}})


def public_name(value: Any) -> Any:
    """A value as it can be published: of a local path only the last component; a hub id is no path."""
    if not isinstance(value, str) or (_HUB_ID.fullmatch(value) and not os.path.exists(value)):
        return value
    return display(Path(os.path.abspath(value)).name)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Everything that a run reports: counts, times, failures, files and provenance.

    :class:`qgbatch.pipeline.run_report.RunReport` describes the counts.
    """

    started: str
    """Time of the start in UTC, ISO 8601."""
    exit_code: int
    error: str | None
    """The error that ended the run early, if any."""
    workers: int
    """Number of processes that shared the work. ``seconds`` is summed over them."""
    n_inputs: int
    n_documents: int
    n_chunks: int
    n_hard_splits: int
    n_source_tokens: int
    n_generated: int
    n_reused: int
    n_raw: int
    n_written: int
    dropped: Mapping[str, int]
    omitted: Mapping[OmittedKind, int] = field(default_factory=dict)
    """Empty in reports of versions that did not count it."""
    n_unchanged: int = 0
    n_decisions: int = 0
    n_applied_decisions: int = 0
    n_passages: int = 0
    ranks: Mapping[str, int] = field(default_factory=dict)
    unknown_script_source: str | None = None
    skipped: Mapping[str, int]
    seconds: Mapping[str, float]
    failures: tuple[Failure, ...]
    files: Mapping[str, Any]
    """Inputs, output, and how they are read and written, as JSON values."""
    provenance: Provenance | None
    """``None`` if the run ended before its model was found."""

    @property
    def n_failed(self) -> int:
        """Documents that could not be used."""
        return sum(failure.stage != "part" for failure in self.failures)

    def to_json(self) -> dict[str, Any]:
        """Return the report of the run as JSON values."""
        values = {spec.name: getattr(self, spec.name) for spec in fields(self)}
        values["failures"] = [asdict(failure) for failure in self.failures]
        provenance = values.pop("provenance")
        values["facts"] = provenance.to_json() if provenance else {}
        return {"schema": REPORT_SCHEMA, **values}

    @classmethod
    def from_json(cls, values: object) -> RunFacts:
        """Read what :meth:`to_json` returned.

        Raises:
            ValueError: A key is missing or its value has the wrong type.
        """
        if not isinstance(values, Mapping) or values.get("schema") != REPORT_SCHEMA:
            raise ValueError(f"not a report of schema {REPORT_SCHEMA}")
        facts, failures = values.get("facts"), values.get("failures")
        optional = (
            "omitted",
            "unknown_script_source",
            "n_unchanged",
            "n_passages",
            "n_decisions",
            "n_applied_decisions",
            "ranks",
        )
        known = _known_fields(cls, {**values, "provenance": None, "failures": ()}, optional)
        if not isinstance(failures, list) or not all(
            isinstance(number, int | float)
            for name in ("dropped", "skipped", "seconds", "omitted", "ranks")
            for number in known.get(name, {}).values()
        ):
            raise ValueError("failures, dropped, skipped, omitted, ranks or seconds: of the wrong type")
        known["failures"] = tuple(Failure(**_known_fields(Failure, failure)) for failure in failures)
        known["provenance"] = Provenance.from_json(facts) if facts else None
        return cls(**known)


_JSON_TYPES: dict[str, type | tuple[type, ...]] = {"str | None": (str, type(None)), "int": int}
_JSON_TYPES |= {"str": str, "Stage": str, "tuple[Failure, ...]": tuple, "Provenance | None": type(None)}


def _known_fields(record: type[Any], values: object, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """The values of a record's fields, checked against the types that JSON can hold."""
    if not isinstance(values, Mapping):
        raise ValueError("not an object")
    known = {}
    for spec in fields(record):
        value = values.get(spec.name)
        if spec.name in values and isinstance(value, _JSON_TYPES.get(str(spec.type), Mapping)):
            known[spec.name] = value
        elif spec.name in values or spec.name not in optional:
            raise ValueError(f"{spec.name}: missing or of the wrong type")
    return known
