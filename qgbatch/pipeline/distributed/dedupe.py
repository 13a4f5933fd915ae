"""Removes exact duplicates across documents from the Parquet parts of a distributed run.

Ray shuffles the rows by a hash of the question's key, so that all duplicates of a question end up in
the same bucket. Each bucket is deduplicated on its own. Then Ray shuffles the rows back to the parts that
they came from, so that the questions of a chunk are together and the best of them can be chosen.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgbatch.output.rows import output_columns
from qgbatch.pipeline.corpus import keep_best_rows, merge_duplicates, review_of
from qgbatch.pipeline.distributed.parts import read_part, write_part
from qgbatch.pipeline.distributed.worker import WorkerConfig
from qgbatch.pipeline.selection import find_unreviewed_duplicates
from qgbatch.questions.dedupe import question_key

if TYPE_CHECKING:
    import pyarrow as pa

_BUCKETS = "buckets-"
"""The beginning of the name of the directory to which deduplicated parts are written."""
_BUCKET, _PART, _ORDER = "bucket", "part", "order"
"""Helper columns: the bucket of a row, the part that it was read from, and its index there."""
_REASONS = ("rejected", "same_answer", "too_many")


@dataclass(frozen=True, slots=True)
class DedupedParts:
    """The parts that were written, and how many questions were kept and dropped."""

    paths: list[Path]
    n_kept: int
    dropped: Counter[str]
    """Questions that are no duplicates but were dropped, by reason."""


def dedupe_parts(
    paths: Sequence[Path], sources: Sequence[str], config: WorkerConfig, *, has_ranker: bool
) -> DedupedParts:
    """Write the questions of all parts to new parts, without exact duplicates.

    The question with the best score is kept, and among equal scores the first in input order. After that,
    the best questions of each chunk are kept, as :func:`qgbatch.pipeline.selection.keep_best` does.

    Args:
        paths: The parts of the whole table. There are as many buckets as parts.
        sources: The sources of all documents, in input order.
        config: Names the directory for the new parts and the settings.
        has_ranker: Whether the model has a ranker.
    """
    import ray.data

    first = read_part(paths[0])
    columns = output_columns(config.files, with_answers="answer" in first.columns)
    for earlier in config.parts_directory.glob(f"{_BUCKETS}*"):  # of a run that was killed
        shutil.rmtree(earlier, ignore_errors=True)
    directory = config.parts_directory / f"{_BUCKETS}{secrets.token_hex(4)}"
    directory.mkdir()
    settings = config.settings
    position_ref = ray.put({source: position for position, source in enumerate(sources)})

    def drop_duplicates(bucket: pa.Table) -> pa.Table:
        """Return the rows of a bucket that are kept."""
        import pyarrow as pa

        positions = ray.get(position_ref)
        bucket = bucket.drop_columns(_BUCKET)
        rows = bucket.to_pylist()
        rows.sort(key=lambda row: (_position(row["source"], positions), row[_ORDER]))
        questions, scores = [row["question"] for row in rows], [row["score"] for row in rows]
        duplicates = find_unreviewed_duplicates(questions, scores, [*map(review_of, rows)], settings)
        kept = merge_duplicates(len(rows), rows.__getitem__, duplicates)
        return pa.Table.from_pylist([*kept], schema=bucket.schema)

    def write_best(part: pa.Table) -> pa.Table:
        """Write the best questions of a part; return one row with the counts (int64)."""
        import pyarrow as pa

        name = part.column(_PART)[0].as_py()
        rows = part.sort_by(_ORDER).drop_columns([_PART, _ORDER]).to_pylist()
        dropped: Counter[str] = Counter()
        kept = keep_best_rows(rows, settings, has_ranker=has_ranker, dropped=dropped)
        write_part(directory, f"unique {name}", kept, first.provenance, columns)
        return pa.table({"n_kept": [len(kept)], **{reason: [dropped[reason]] for reason in _REASONS}})

    # Not read_parquet: in Ray 2.60 it fails if fsspec lacks the packages for HTTP.
    names: Any = ray.data.from_items(
        [{"part": os.fsencode(path)} for path in paths], override_num_blocks=len(paths)
    )
    rows = names.map_batches(
        _read_with_buckets, batch_size=1, batch_format="pyarrow", fn_kwargs={"n_buckets": len(paths)}
    )
    unique = rows.groupby(_BUCKET).map_groups(drop_duplicates, batch_format="pyarrow")
    counts = [*unique.groupby(_PART).map_groups(write_best, batch_format="pyarrow").iter_rows()]
    return DedupedParts(
        sorted(directory.glob("*.parquet")),
        sum(row["n_kept"] for row in counts),
        Counter({reason: sum(row[reason] for row in counts) for reason in _REASONS}),
    )


def _read_with_buckets(names: pa.Table, n_buckets: int) -> pa.Table:
    """Read a part and add the helper columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = names.column("part")[0].as_py()
    with open(path, "rb") as stream:
        rows = pq.read_table(stream).replace_schema_metadata()
    keys = (question_key(question).encode() for question in rows.column("question").to_pylist())
    numbers = [int.from_bytes(blake2b(key, digest_size=6).digest()) % n_buckets for key in keys]
    rows = rows.append_column(_BUCKET, pa.array(numbers, pa.int64()))
    rows = rows.append_column(_PART, pa.array([Path(os.fsdecode(path)).stem] * len(rows), pa.string()))
    return rows.append_column(_ORDER, pa.array(range(len(rows)), pa.int64()))


def _position(source: str, positions: Mapping[str, int]) -> int:
    """The input position of a document, or of the table if the source is a row of one.

    >>> _position("t.csv#A#1", {"a.txt": 0, "t.csv": 1})
    1
    """
    while source and source not in positions:
        source = source.rpartition("#")[0]
    return positions[source]
