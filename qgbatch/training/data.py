"""Question data in its several forms -> one example a paragraph.

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
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from qgbatch.errors import InputError, require_package
from qgbatch.models.known_models import ModelMetadata

MAX_UNPACKED_BYTES = 1 << 30
"""1 GiB: a small .gz can hold anything, and what it holds is read as a whole."""
_SEPARATOR = re.compile(r"<sep>|\{sep_token\}")
"""Between the questions of a paragraph, where a data set has them as one text."""
_PREFIX = ModelMetadata().prefix


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A text and what people asked about it."""

    context: str
    questions: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """The paragraphs of one file, or of one split of a data set."""

    name: str
    """The file's path, or the data set's id and split."""
    paragraphs: tuple[Paragraph, ...]
    skipped: Counter[str]
    """What was left out, by reason."""
    sha256: str
    """Of the file's bytes; of a data set, of its contexts and questions."""

    @property
    def n_questions(self) -> int:
        """Questions of all paragraphs."""
        return sum(len(paragraph.questions) for paragraph in self.paragraphs)

    def facts(self) -> dict[str, str | int]:
        """What a model card says of the data."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "paragraphs": len(self.paragraphs),
            "questions": self.n_questions,
        }


def read_split(path: str, *, keep_unanswerable: bool = False) -> Split:
    """Read SQuAD's JSON (v1.1 or v2.0), or JSONL or Parquet with ``context`` and ``questions``.

    JSON may be gzipped. Paragraphs keep their order; those without a question are left
    out and counted, as are unanswerable questions but for ``keep_unanswerable``.

    Raises:
        InputError: it cannot be read, a field is missing, or no paragraph is left.
    """
    raw = read_bytes(path)
    name = path.removesuffix(".gz").lower()
    if name.endswith(".parquet"):
        rows = parquet_rows(path, raw)
    elif name.endswith(".jsonl"):
        rows = jsonl_rows(path, _unpack(path, raw))
    elif name.endswith(".json"):
        rows = _squad_rows(path, _unpack(path, raw))
    else:
        raise InputError(f"{path}: not a known kind of data.", "Give .json (SQuAD), .jsonl or .parquet.")
    return _make_split(path, rows, keep_unanswerable, hashlib.sha256(raw).hexdigest())


def load_splits(
    dataset: str, *, keep_unanswerable: bool = False, only: Collection[str] | None = None
) -> dict[str, Split]:
    """Load the splits of a data set by its hub id or directory, through ``datasets``.

    Rows have ``context`` and ``questions``, or ``context`` and ``question`` as on the
    hub: then neighbouring rows with one context are one paragraph. Where ``only`` is
    given, other splits are not looked at.

    Raises:
        InputError: it is not to be had, or lacks a column.
        ModelError: ``datasets`` is not installed.
    """
    require_package("datasets", "A data set of the hub", extra="train")
    import datasets

    datasets.disable_progress_bars()
    try:
        loaded = datasets.load_dataset(dataset)
    except Exception as error:  # of the hub, of file systems, of parsers
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
"""Places, for messages, and what is there: an object with ``context`` and ``questions``."""


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
        question = _whole(item, here) if isinstance(item, str) else field(item, "question", str, here)
        if not isinstance(item, str) and item.get("is_impossible") and not keep_unanswerable:
            skipped["unanswerable questions"] += 1
        elif not question.strip():
            skipped["empty questions"] += 1
        else:
            yield question.strip()


def read_bytes(path: str) -> bytes:
    """The content of a file, or an :class:`InputError` that says why there is none."""
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: no name that any file has
        raise InputError(f"{path}: cannot be read ({error}).", "Check the path.") from error


def _unpack(path: str, raw: bytes) -> bytes:
    try:
        if not path.endswith(".gz"):
            return raw
        content = gzip.GzipFile(fileobj=io.BytesIO(raw)).read(MAX_UNPACKED_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: not whole gzip ({error}).", "Get the file again.") from error
    if len(content) > MAX_UNPACKED_BYTES:
        raise InputError(f"{path}: more than {MAX_UNPACKED_BYTES:,} bytes unpacked.", "Split the file.")
    return content


def _parse(path: str, text: bytes, place: str = "") -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}{place}: not JSON ({error}).", "Get or write the file again.") from error


def _squad_rows(path: str, content: bytes) -> Iterator[tuple[str, Any]]:
    for i, article in enumerate(field(_parse(path, content), "data", list, path)):
        for j, paragraph in enumerate(field(article, "paragraphs", list, f"{path}: data[{i}]")):
            place = f"{path}: data[{i}].paragraphs[{j}]"
            qas = field(paragraph, "qas", list, place)
            yield place, {"context": field(paragraph, "context", str, place), "questions": qas}


def jsonl_rows(path: str, content: bytes) -> Iterator[tuple[str, Any]]:
    """The lines of a JSONL file, with their places."""
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip():
            yield f"{path}, line {number}", _parse(path, line, f", line {number}")


def parquet_rows(path: str, content: bytes) -> Iterator[tuple[str, Any]]:
    """The rows of a Parquet file, with their places."""
    import pyarrow.parquet as pq

    try:
        rows = pq.read_table(io.BytesIO(content)).to_pylist()
    except Exception as error:  # whatever a damaged file sets off
        raise InputError(f"{path}: not Parquet ({error}).", "Get or write the file again.") from error
    yield from ((f"{path}, row {index}", row) for index, row in enumerate(rows))


def _merge_questions(name: str, rows: Any) -> Iterator[Mapping[str, Any]]:
    """Rows of one question each -> rows of one paragraph each, as SQuAD's are on the hub."""
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
    """Whether a row of SQuAD v2.0 on the hub says that its question has no answer."""
    return isinstance(answers, dict) and "text" in answers and not answers["text"]


def field(value: Any, key: str, kind: type[Any], place: str) -> Any:
    """The value of a key of an object, or an :class:`InputError` that names its place."""
    if not isinstance(value, dict):
        raise InputError(f"{place}: {_kind_of(value)}, not an object.", "Correct the data.")
    if not isinstance(value.get(key), kind):
        found = f"{key} is {_kind_of(value[key])}" if key in value else f"no {key!r}"
        raise InputError(f"{place}: {found}.", f"It needs {key!r}, a {_kind_of(kind())}.")
    return _whole(value[key], f"{place}.{key}") if kind is str else value[key]


def _whole(text: str, place: str) -> str:
    """A text, or an :class:`InputError` where it holds half a character, as JSON can."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{place}: half of a surrogate pair at offset {error.start}.", "Correct the data."
        ) from error
    return text


def _kind_of(value: object) -> str:
    names = {dict: "object", list: "list", str: "text", type(None): "null", bool: "boolean"}
    return names.get(type(value), "number")


Example = dict[str, list[int]]
"""``input_ids`` and ``labels`` of a paragraph, unpadded."""


def make_examples(
    sources: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    eos_id: int,
    max_source_length: int,
    max_target_length: int,
) -> list[Example]:
    """Pairs of ids as the model is trained on, cut to their lengths with the end token kept."""

    def cut(ids: Sequence[int], max_length: int) -> list[int]:
        return list(ids) if len(ids) <= max_length else [*ids[: max_length - 1], eos_id]

    return [
        {"input_ids": cut(source, max_source_length), "labels": cut(target, max_target_length)}
        for source, target in zip(sources, targets, strict=True)
    ]
