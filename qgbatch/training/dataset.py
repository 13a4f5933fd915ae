"""``qgbatch dataset``: writes training data as a dataset directory for the hub and for ``datasets``."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Literal, get_args

from huggingface_hub import DatasetCardData

from qgbatch.errors import OutputError, SettingsError, display
from qgbatch.models.known_models import ModelMetadata
from qgbatch.models.tokenizer import source_text, target_text
from qgbatch.output.atomic import replace_file
from qgbatch.output.directories import CARD, prepare_own_directory
from qgbatch.output.writers import json_line
from qgbatch.readers.conflicts import check_output_conflicts
from qgbatch.readers.listing import Listing
from qgbatch.training.data import load_splits, read_split
from qgbatch.training.metadata import trained_metadata
from qgbatch.training.paragraphs import Split

DataFormat = Literal["parquet", "jsonl"]
_SPLIT_NAMES = (
    ("validation", re.compile(r"(^|[^a-z])(dev|val|valid|validation|eval)([^a-z]|$)")),
    ("test", re.compile(r"(^|[^a-z])test([^a-z]|$)")),
)
_MADE_BY = "Made with `qgbatch dataset`"


def read_splits(inputs: Sequence[str], *, keep_unanswerable: bool, with_answers: bool) -> dict[str, Split]:
    """Read the splits of a dataset.

    Args:
        inputs: Files, one per split (see :func:`split_name`); or one directory or hub id of a dataset.
        keep_unanswerable: Whether to keep the unanswerable questions of SQuAD v2.0.
        with_answers: Whether to skip questions without an answer.

    Returns:
        The splits by their names.

    Raises:
        InputError: An input cannot be read.
        SettingsError: Two files belong to the same split.
    """
    is_file = os.path.isfile(inputs[0]) or (Path(inputs[0]).suffix and not os.path.isdir(inputs[0]))
    if len(inputs) == 1 and not is_file:
        return load_splits(inputs[0], keep_unanswerable=keep_unanswerable, with_answers=with_answers)
    splits: dict[str, Split] = {}
    for path in inputs:
        name = split_name(path)
        if name in splits:
            raise SettingsError(
                f"{splits[name].name} and {path} would both be the split {name}.",
                "Merge the files, or rename them after their splits, such as train.json and dev.json.",
            )
        splits[name] = read_split(path, keep_unanswerable=keep_unanswerable, with_answers=with_answers)
    return splits


def split_name(path: str) -> str:
    """Determine the split from the words in a file name.

    ``dev``, ``val``, ``valid``, ``validation`` and ``eval`` mean ``validation``; ``test`` means ``test``;
    everything else is ``train``.
    """
    stem = Path(path).name.lower()
    return next((name for name, words in _SPLIT_NAMES if words.search(stem)), "train")


def write_dataset(
    splits: Mapping[str, Split],
    directory: Path,
    file_format: DataFormat,
    license_name: str | None,
    *,
    with_answers: bool = False,
) -> list[str]:
    """Write one file per split, and a card.

    Args:
        splits: The splits by their names.
        directory: The output directory; it is created if it is missing.
        file_format: The format of the files.
        license_name: The licence to name in the card, as the hub spells it.
        with_answers: Whether to write each question with its answer.

    Returns:
        The names of the files.

    Raises:
        OutputError: The directory contains files and is not an earlier dataset with the same files, or a
            file cannot be written.
    """
    paths = {directory / f"{name}.{file_format}": split for name, split in splits.items()}
    made_from = Listing([split.name for split in splits.values()])
    check_output_conflicts(made_from, [str(path) for path in paths])
    _check_earlier_files(directory, paths)
    prepare_own_directory(directory, [*paths, directory / CARD], _MADE_BY, "qgbatch dataset")
    write = _write_parquet if file_format == "parquet" else _write_jsonl
    form = trained_metadata(ModelMetadata(), with_answers=with_answers)
    with ExitStack() as files:  # no file is replaced before all of them are complete
        for path, split in paths.items():
            write(files.enter_context(replace_file(path)), split, form)
        card = files.enter_context(replace_file(directory / CARD))
        title = display(directory.absolute().name)
        card.write(_card(title, splits, file_format, license_name, form).encode())
    return [*(path.name for path in paths), CARD]


def _check_earlier_files(directory: Path, paths: Collection[Path]) -> None:
    """Refuse a directory where files of an earlier dataset would stay beside those of the new one."""
    for name in ("train", *(name for name, _ in _SPLIT_NAMES)):
        for file_format in get_args(DataFormat):
            path = directory / f"{name}.{file_format}"
            if path not in paths and os.path.exists(path):
                raise OutputError(
                    f"{path} exists, and would stay beside the new dataset, which has no such file.",
                    "Remove it, or name another directory.",
                )


def _rows(split: Split, form: ModelMetadata) -> Iterator[dict[str, Any]]:
    for paragraph in split.paragraphs:
        pairs = [asdict(pair) for pair in paragraph.pairs]
        yield {
            "context": paragraph.context,
            "questions": pairs if form.answer_separator else list(paragraph.questions),
            "source": source_text(paragraph.context, form),
            "target": target_text(paragraph.questions, form, paragraph.answers),
        }


def _write_parquet(stream: IO[bytes], split: Split, form: ModelMetadata) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.string()
    question = pa.struct({"question": text, "answer": text}) if form.answer_separator else text
    columns = {"context": text, "questions": pa.list_(question), "source": text, "target": text}
    table = pa.Table.from_pylist(list(_rows(split, form)), schema=pa.schema(columns.items()))
    pq.write_table(table, stream, compression="zstd")


def _write_jsonl(stream: IO[bytes], split: Split, form: ModelMetadata) -> None:
    stream.writelines(map(json_line, _rows(split, form)))


def _card(
    name: str,
    splits: Mapping[str, Split],
    file_format: DataFormat,
    license_name: str | None,
    form: ModelMetadata,
) -> str:
    """Write the dataset card in the format of the Hugging Face hub."""
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
        f"| {name} | {len(split.paragraphs):,} | {split.n_questions:,} | {display(Path(split.name).name)} "
        f"| `{split.sha256}` |"
        for name, split in splits.items()
    )
    skipped = "".join(
        f"{count:,} {what} of the split {name} were left out.\n\n"
        for name, split in splits.items()
        for what, count in split.skipped.items()
    )
    if form.answer_separator:
        content = "its questions in the original order, each an object with `question` and `answer`"
        also, target = ", and their answers", "Q1 <ans> A1 <sep> Q2 <ans> A2 <sep> ... Qn <ans> An"
    else:
        content, also = "its questions, in the original order", ""
        target = f"Q1 <sep> Q2 <sep> ... Qn <sep>{form.suffix}"
    licence = license_name or "that of the original data"
    return f"""---
{data.to_yaml()}
---

# {name}

Paragraphs, each with all the questions that people asked about it{also}, to train models that write several
questions about a text at once (end-to-end, answer-agnostic question generation). {_MADE_BY}.

| split | paragraphs | questions | original file | sha256 of the original file |
|---|---|---|---|---|
{rows}

| column | meaning |
|---|---|
| `context` | the paragraph |
| `questions` | {content} |
| `source` | the input of the model: `{form.prefix}{{context}}{form.suffix}` |
| `target` | the expected output: `{target}` |

{skipped}Licence: {licence}.
"""
