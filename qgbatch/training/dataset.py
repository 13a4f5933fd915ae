"""The data set that models are trained on, as a directory that the hub shows and ``datasets`` loads."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Literal

from huggingface_hub import DatasetCardData

from qgbatch.errors import SettingsError
from qgbatch.models.known_models import ModelMetadata
from qgbatch.models.tokenizer import source_text, target_text
from qgbatch.output.atomic import replacing
from qgbatch.output.directories import CARD, card_contains, prepare_directory
from qgbatch.output.writers import json_line
from qgbatch.readers.conflicts import check_output_conflicts
from qgbatch.readers.listing import Listing
from qgbatch.training.data import Split, load_splits, read_split

DataFormat = Literal["parquet", "jsonl"]
_SPLIT_NAMES = (
    ("validation", re.compile(r"(^|[^a-z])(dev|val|valid|validation|eval)([^a-z]|$)")),
    ("test", re.compile(r"(^|[^a-z])test([^a-z]|$)")),
)
_MADE_BY = "Made with `qgbatch dataset`"


def read_splits(inputs: Sequence[str], *, keep_unanswerable: bool) -> dict[str, Split]:
    """Read files, or the one data set that a hub id or directory names, by the names of their splits.

    A file whose name has ``dev``, ``val`` or ``validation`` as a word is the validation
    split, one with ``test`` the test split, any other the training split.

    Raises:
        InputError: something cannot be read.
        SettingsError: two files are of one split.
    """
    is_file = os.path.isfile(inputs[0]) or (Path(inputs[0]).suffix and not os.path.isdir(inputs[0]))
    if len(inputs) == 1 and not is_file:
        return load_splits(inputs[0], keep_unanswerable=keep_unanswerable)
    splits: dict[str, Split] = {}
    for path in inputs:
        name = split_name(path)
        if name in splits:
            raise SettingsError(
                f"{splits[name].name} and {path} would both be the split {name}.",
                "Join them, or name them by their splits, such as train.json and dev.json.",
            )
        splits[name] = read_split(path, keep_unanswerable=keep_unanswerable)
    return splits


def split_name(path: str) -> str:
    """``train``, ``validation`` or ``test``, by the words of a file's name."""
    stem = Path(path).name.lower()
    return next((name for name, words in _SPLIT_NAMES if words.search(stem)), "train")


def write_dataset(
    splits: Mapping[str, Split], directory: Path, file_format: DataFormat, license_name: str | None
) -> list[str]:
    """Write a file a split and the card that names them, and give their names.

    Raises:
        OutputError: a file would replace what is no earlier data set, or cannot be written.
    """
    paths = {directory / f"{name}.{file_format}": split for name, split in splits.items()}
    is_ours = card_contains(directory, _MADE_BY)
    prepare_directory(directory, [*paths, directory / CARD], lambda _: is_ours, "qgbatch dataset")
    made_from = Listing([split.name for split in splits.values()])
    check_output_conflicts(made_from, [str(path) for path in paths])
    write = _write_parquet if file_format == "parquet" else _write_jsonl
    with ExitStack() as files:  # so that none is replaced before all are written
        for path, split in paths.items():
            write(files.enter_context(replacing(path)), split)
        card = files.enter_context(replacing(directory / CARD))
        card.write(_card(directory.absolute().name, splits, file_format, license_name).encode())
    return [*(path.name for path in paths), CARD]


def _rows(split: Split) -> Iterator[dict[str, Any]]:
    metadata = ModelMetadata()
    for paragraph in split.paragraphs:
        yield {
            "context": paragraph.context,
            "questions": list(paragraph.questions),
            "source": source_text(paragraph.context, metadata),
            "target": target_text(paragraph.questions, metadata),
        }


def _write_parquet(stream: IO[bytes], split: Split) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.string()
    columns = {"context": text, "questions": pa.list_(text), "source": text, "target": text}
    table = pa.Table.from_pylist(list(_rows(split)), schema=pa.schema(columns.items()))
    pq.write_table(table, stream, compression="zstd")


def _write_jsonl(stream: IO[bytes], split: Split) -> None:
    stream.writelines(map(json_line, _rows(split)))


def _card(name: str, splits: Mapping[str, Split], file_format: DataFormat, license_name: str | None) -> str:
    """The README.md of the directory, in the hub's form."""
    data = DatasetCardData(
        license=license_name,
        pretty_name=name,
        tags=["question-generation", "qgbatch"],
        configs=[
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"{split}.{file_format}"} for split in splits],
            }
        ],
    )
    rows = "\n".join(
        f"| {name} | {len(split.paragraphs):,} | {split.n_questions:,} | {Path(split.name).name} "
        f"| `{split.sha256}` |"
        for name, split in splits.items()
    )
    left_out = "".join(
        f"Of {name}, {count:,} {what} were left out.\n\n"
        for name, split in splits.items()
        for what, count in split.skipped.items()
    )
    licence = license_name or "that of the data it was made from: see there"
    return f"""---
{data.to_yaml()}
---

# {name}

Paragraphs with all the questions that people asked of each, to train models that ask several questions of
a text at once (end-to-end, answer-agnostic question generation). {_MADE_BY}.

| split | paragraphs | questions | made from | its sha256 |
|---|---|---|---|---|
{rows}

| column | meaning |
|---|---|
| `context` | the paragraph |
| `questions` | its questions, in their order |
| `source` | what a model reads: `{ModelMetadata().prefix}{{context}}{ModelMetadata().suffix}` |
| `target` | what it is to write: `Q1 <sep> Q2 <sep> ... Qn <sep>{ModelMetadata().suffix}` |

{left_out}Licence: {licence}.
"""
