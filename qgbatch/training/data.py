"""Reads question data, with answers if there are any: files, and data sets of the hub."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from qgbatch.errors import InputError, require_package
from qgbatch.models.hub import find_dataset
from qgbatch.readers.content import is_gzip
from qgbatch.readers.kinds import kind_of
from qgbatch.readers.table_rows import TableRow, read_intact_rows
from qgbatch.training.fields import field
from qgbatch.training.paragraphs import Rows, Selection, Split, make_split

MAX_UNPACKED_BYTES = 1 << 30
"""1 GiB: a small .gz file can expand to any size, and all of its paragraphs are held in memory."""
_COLUMNS = ("context", "questions", "question", "answer")
_HINT = "Fetch or write the file again."


def read_split(path: str, *, keep_unanswerable: bool = False, with_answers: bool = False) -> Split:
    """Read the JSON of SQuAD (v1.1 or v2.0), or JSONL or Parquet with ``context`` and ``questions``.

    A question is a text, or an object with ``question`` and optionally ``answer``. Rows of JSONL and
    Parquet may also have ``context``, ``question`` and optionally ``answer``, as an output of ``qgbatch
    run`` does; then neighbouring rows with the same context are one paragraph. JSON and JSONL may be
    gzipped. Paragraphs keep their order. Paragraphs without a question are skipped and counted.

    Args:
        path: The file.
        keep_unanswerable: Keep questions that SQuAD v2.0 marks as unanswerable.
        with_answers: Skip and count questions without an answer.

    Raises:
        InputError: The file cannot be read, a field is missing or has the wrong type, or no question
            is left.
    """
    kind = kind_of(path)
    if kind and kind.name in ("jsonl", "parquet"):
        sha256 = file_sha256(path)
        max_bytes = MAX_UNPACKED_BYTES if is_gzip(path) else None
        table = read_intact_rows(path, _COLUMNS, _HINT, max_bytes=max_bytes)
        rows: Rows = _paragraph_rows(table)
    elif path.lower().endswith((".json", ".json.gz")):
        raw = _read_bytes(path)
        sha256 = hashlib.sha256(raw).hexdigest()
        rows = _squad_rows(path, _unpack(path, raw))
    else:
        raise InputError(f"{path}: not a known kind of data.", "Give .json (SQuAD), .jsonl or .parquet.")
    return make_split(path, rows, Selection(keep_unanswerable, with_answers), sha256)


def load_splits(
    dataset: str,
    *,
    keep_unanswerable: bool = False,
    with_answers: bool = False,
    only: Collection[str] | None = None,
) -> dict[str, Split]:
    """Load the splits of a data set with ``datasets``.

    Rows have ``context`` and ``questions``, or ``context`` and ``question`` as SQuAD has on the
    hub; then neighbouring rows with the same context are one paragraph.

    Args:
        dataset: Its id on the hub, or its directory.
        keep_unanswerable: Keep questions that SQuAD v2.0 marks as unanswerable.
        with_answers: Skip and count questions without an answer.
        only: The names of the splits to load; all of them by default.

    Raises:
        InputError: The data set cannot be loaded, lacks a column, or no question of a split is left.
        ModelError: ``datasets`` is not installed.
    """
    require_package("datasets", "A data set of the hub", extra="train")
    selection, splits = Selection(keep_unanswerable, with_answers), {}
    for split_name, rows in _load_dataset(dataset).items():
        if only is not None and str(split_name) not in only:
            continue
        name = f"{dataset}, {split_name}"
        merged = rows if "questions" in rows.column_names else _merge_questions(name, rows)
        places = ((f"{name}, row {index}", row) for index, row in enumerate(merged))
        splits[str(split_name)] = make_split(name, places, selection)
    return splits


def _load_dataset(dataset: str) -> Any:
    """Load a data set from its directory, the hub or, if the hub gives none, the cache of ``datasets``."""
    import datasets

    datasets.disable_progress_bars()
    is_offline, missing = datasets.config.HF_HUB_OFFLINE, None
    if not is_offline and not os.path.isdir(dataset):
        try:
            find_dataset(dataset)
        except InputError as error:
            missing = error
    # Without the hub, datasets would ask it again and again for 23 seconds before it reads its cache.
    datasets.config.HF_HUB_OFFLINE = is_offline or missing is not None
    try:
        return datasets.load_dataset(dataset)
    except Exception as error:  # from the hub, file systems or parsers
        if missing:
            raise missing from error
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(
            f"{dataset}: not a directory here, and cannot be loaded from the hub ({reason})."
            if not os.path.isdir(dataset)
            else f"{dataset}: cannot be loaded ({reason}).",
            "Check the name, your access and the network (HF_HUB_OFFLINE=1 needs it in the cache).",
        ) from error
    finally:
        datasets.config.HF_HUB_OFFLINE = is_offline


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


def _paragraph_rows(rows: Iterable[TableRow]) -> Iterator[tuple[str, Any]]:
    """Yield rows of paragraphs, merged from rows of one question each where a row has no ``questions``."""
    for context, group in groupby(rows, key=_context_of_question):
        first = next(group)
        if context is None:
            yield first.place, first.values
            yield from ((row.place, row.values) for row in group)
        else:
            yield first.place, {"context": context, "questions": [row.values for row in (first, *group)]}


def _context_of_question(row: TableRow) -> object:
    """Return the context of a row with one question; ``None`` for a row of a paragraph."""
    has_one = "question" in row.values and "questions" not in row.values
    return row.values.get("context") if has_one else None


def _merge_questions(name: str, rows: Any) -> Iterator[Mapping[str, Any]]:
    """Merge rows of one question each, as SQuAD has on the hub, into one row per paragraph."""
    for needed in ("context", "question"):
        if needed not in rows.column_names:
            raise InputError(
                f"{name}: no column {needed!r}.", "It needs context and question, or context and questions."
            )
    for context, group in groupby(rows, key=itemgetter("context")):
        asked = [
            {"question": row["question"], "answer": row.get("answer"), **_hub_answer(row.get("answers"))}
            for row in group
        ]
        yield {"context": context, "questions": asked}


def _hub_answer(answers: object) -> dict[str, Any]:
    """The first answer of a row, or that it has none, if ``answers`` has the form of SQuAD on the hub."""
    if not isinstance(answers, dict) or "text" not in answers:
        return {}
    texts = answers["text"]
    answer = next(iter(texts), None) if isinstance(texts, list) else texts
    return {"answer": answer, "is_impossible": not texts}
