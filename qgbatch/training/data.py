"""Data to train on: files and data sets of questions, and one example per paragraph.

Files are untrusted input: each field is checked, and an error names its place.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from qgbatch.errors import InputError, require_package
from qgbatch.models.known_models import ModelMetadata
from qgbatch.readers.content import is_gzip
from qgbatch.readers.kinds import kind_of
from qgbatch.readers.table_rows import read_intact_rows

MAX_UNPACKED_BYTES = 1 << 30
"""1 GiB: a small .gz file can expand to any size, and all of its paragraphs are held in memory."""
_COLUMNS = ("context", "questions")
_HINT = "Fetch or write the file again."
_SEPARATOR = re.compile(r"<sep>|\{sep_token\}")
"""Separates the questions of a paragraph in data sets that hold them as one text."""
_PREFIX = ModelMetadata().prefix


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A text and the questions that people asked about it."""

    context: str
    questions: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """The paragraphs of one file, or of one split of a data set."""

    name: str
    """The file's path, or the data set's id and split."""
    paragraphs: tuple[Paragraph, ...]
    skipped: Counter[str]
    """The number of paragraphs and questions that were skipped, by reason."""
    sha256: str
    """SHA-256 of the file's bytes or, for a data set, of its contexts and questions."""

    @property
    def n_questions(self) -> int:
        """The number of questions of all paragraphs."""
        return sum(len(paragraph.questions) for paragraph in self.paragraphs)

    def facts(self) -> dict[str, str | int]:
        """The facts about the data that go into the model card."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "paragraphs": len(self.paragraphs),
            "questions": self.n_questions,
        }


def read_split(path: str, *, keep_unanswerable: bool = False) -> Split:
    """Read the JSON of SQuAD (v1.1 or v2.0), or JSONL or Parquet with ``context`` and ``questions``.

    JSON and JSONL may be gzipped. Paragraphs keep their order. Paragraphs without a question
    and, without ``keep_unanswerable``, questions without an answer are skipped and counted.

    Raises:
        InputError: the file cannot be read, a field is missing, or no paragraph has a question.
    """
    kind = kind_of(path)
    if kind and kind.name in ("jsonl", "parquet"):
        sha256 = file_sha256(path)
        max_bytes = MAX_UNPACKED_BYTES if is_gzip(path) else None
        table = read_intact_rows(path, _COLUMNS, _HINT, max_bytes=max_bytes)
        rows: Rows = ((row.place, row.values) for row in table)
    elif path.lower().endswith((".json", ".json.gz")):
        raw = _read_bytes(path)
        sha256 = hashlib.sha256(raw).hexdigest()
        rows = _squad_rows(path, _unpack(path, raw))
    else:
        raise InputError(f"{path}: not a known kind of data.", "Give .json (SQuAD), .jsonl or .parquet.")
    return _make_split(path, rows, keep_unanswerable, sha256)


def load_splits(
    dataset: str, *, keep_unanswerable: bool = False, only: Collection[str] | None = None
) -> dict[str, Split]:
    """Load the splits of a data set with ``datasets``.

    Rows have ``context`` and ``questions``, or ``context`` and ``question`` as SQuAD has on the
    hub; then neighbouring rows with the same context are one paragraph.

    Args:
        dataset: Its id on the hub, or its directory.
        keep_unanswerable: Keep questions without an answer.
        only: The names of the splits to load; all of them by default.

    Raises:
        InputError: the data set cannot be loaded, or lacks a column.
        ModelError: ``datasets`` is not installed.
    """
    require_package("datasets", "A data set of the hub", extra="train")
    import datasets

    datasets.disable_progress_bars()
    try:
        loaded = datasets.load_dataset(dataset)
    except Exception as error:  # from the hub, file systems or parsers
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(
            f"{dataset}: not a directory here, and cannot be loaded from the hub ({reason})."
            if not os.path.isdir(dataset)
            else f"{dataset}: cannot be loaded ({reason}).",
            "Check the name, your access and the network (HF_HUB_OFFLINE=1 needs it in the cache).",
        ) from error
    splits = {}
    for split_name, rows in loaded.items():
        if only is not None and str(split_name) not in only:
            continue
        name = f"{dataset}, {split_name}"
        merged = rows if "questions" in rows.column_names else _merge_questions(name, rows)
        places = ((f"{name}, row {index}", row) for index, row in enumerate(merged))
        splits[str(split_name)] = _make_split(name, places, keep_unanswerable)
    return splits


Rows = Iterable[tuple[str, Any]]
"""The place of each row, for messages, and an object with ``context`` and ``questions``."""


def _make_split(name: str, rows: Rows, keep_unanswerable: bool, sha256: str = "") -> Split:
    skipped: Counter[str] = Counter()
    paragraphs = []
    for place, row in rows:
        context = field(row, "context", str, place).removeprefix(_PREFIX).strip()
        if not context:
            raise InputError(f"{place}: the context is empty.", "Correct the data.")
        questions = tuple(_questions(row, place, keep_unanswerable, skipped))
        if questions:
            paragraphs.append(Paragraph(context, questions))
        else:
            skipped["paragraphs without questions"] += 1
    if not paragraphs:
        raise InputError(f"{name}: no paragraph with a question.", "Check that it is the right file.")
    return Split(name, tuple(paragraphs), skipped, sha256 or _hash(paragraphs))


def _hash(paragraphs: Iterable[Paragraph]) -> str:
    digest = hashlib.sha256()
    for paragraph in paragraphs:
        digest.update(json.dumps([paragraph.context, *paragraph.questions]).encode())
    return digest.hexdigest()


def _questions(row: Any, place: str, keep_unanswerable: bool, skipped: Counter[str]) -> Iterator[str]:
    asked = row.get("questions")
    if isinstance(asked, str):
        asked = [question for question in _SEPARATOR.split(asked) if question.strip()]
    if not isinstance(asked, list):
        raise InputError(
            f"{place}: questions is {_kind_of(asked)}, not a list of texts.", "Correct the data."
        )
    for index, item in enumerate(asked):
        here = f"{place}.questions[{index}]"
        question = _valid_text(item, here) if isinstance(item, str) else field(item, "question", str, here)
        if not isinstance(item, str) and item.get("is_impossible") and not keep_unanswerable:
            skipped["unanswerable questions"] += 1
        elif not question.strip():
            skipped["empty questions"] += 1
        else:
            yield question.strip()


def file_sha256(path: str) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits.

    Raises:
        InputError: the file cannot be read.
    """
    with _naming_errors(path), open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read_bytes(path: str) -> bytes:
    with _naming_errors(path):
        return Path(path).read_bytes()


@contextmanager
def _naming_errors(path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a NUL character, which no file name contains
        raise InputError(f"{path}: cannot be read ({error}).", "Check the path.") from error


def _unpack(path: str, raw: bytes) -> bytes:
    try:
        if not is_gzip(path):
            return raw
        content = gzip.GzipFile(fileobj=io.BytesIO(raw)).read(MAX_UNPACKED_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: the gzip file is damaged ({error}).", _HINT) from error
    if len(content) > MAX_UNPACKED_BYTES:
        raise InputError(f"{path}: more than {MAX_UNPACKED_BYTES:,} bytes unpacked.", "Split the file.")
    return content


def _squad_rows(path: str, content: bytes) -> Iterator[tuple[str, Any]]:
    try:
        squad = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}).", _HINT) from error
    for i, article in enumerate(field(squad, "data", list, path)):
        for j, paragraph in enumerate(field(article, "paragraphs", list, f"{path}: data[{i}]")):
            place = f"{path}: data[{i}].paragraphs[{j}]"
            qas = field(paragraph, "qas", list, place)
            yield place, {"context": field(paragraph, "context", str, place), "questions": qas}


def _merge_questions(name: str, rows: Any) -> Iterator[Mapping[str, Any]]:
    """Merge rows of one question each, as SQuAD has on the hub, into one row per paragraph."""
    for needed in ("context", "question"):
        if needed not in rows.column_names:
            raise InputError(
                f"{name}: no column {needed!r}.", "It needs context and question, or context and questions."
            )
    for context, group in groupby(rows, key=itemgetter("context")):
        asked = [
            {"question": row["question"], "is_impossible": _is_unanswerable(row.get("answers"))}
            for row in group
        ]
        yield {"context": context, "questions": asked}


def _is_unanswerable(answers: object) -> bool:
    """Whether the answers of a row say that its question has none, as in SQuAD v2.0 on the hub."""
    return isinstance(answers, dict) and "text" in answers and not answers["text"]


def field(value: Any, key: str, kind: type[Any], place: str) -> Any:
    """The value of a key of an object.

    Raises:
        InputError: the value is missing or of another type; names its place.
    """
    if not isinstance(value, dict):
        raise InputError(f"{place}: {_kind_of(value)}, not an object.", "Correct the data.")
    if not isinstance(value.get(key), kind):
        found = f"{key} is {_kind_of(value[key])}" if key in value else f"no {key!r}"
        raise InputError(f"{place}: {found}.", f"It needs {key!r}, a {_kind_of(kind())}.")
    return _valid_text(value[key], f"{place}.{key}") if kind is str else value[key]


def _valid_text(text: str, place: str) -> str:
    """Check that a text can be encoded; an escape in JSON can be half of a surrogate pair.

    Raises:
        InputError: the text cannot be encoded; names its place.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{place}: a lone surrogate at offset {error.start}.", "Correct the data."
        ) from error
    return text


def _kind_of(value: object) -> str:
    names = {dict: "object", list: "list", str: "text", type(None): "null", bool: "boolean"}
    return names.get(type(value), "number")
