"""Exact duplicates across documents, wherever their questions were written: a shuffle by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgbatch.output.rows import columns_of
from qgbatch.pipeline.distributed.parts import read_part, write_part
from qgbatch.pipeline.distributed.worker import Job
from qgbatch.questions.dedupe import find_duplicates, question_key

if TYPE_CHECKING:
    import pyarrow as pa

_ALL_COLUMNS = columns_of(with_context=True, with_answers=True)
_BUCKET, _ORDER = "bucket", "order"


@dataclass(frozen=True, slots=True)
class UniqueParts:
    """What is left of parts without the duplicates in and between them."""

    parts: list[Path]
    n_kept: int
    n_dropped: int


def unique_parts(parts: Sequence[Path], sources: Sequence[str], job: Job) -> UniqueParts:
    """Write the questions of parts anew, without duplicates; the first of equally good ones stays.

    Questions that may be duplicates meet in one of as many buckets as there are parts.
    ``sources`` are those of all documents, in input order.
    """
    import ray.data

    first = read_part(parts[0])
    columns = {name: kind for name, kind in _ALL_COLUMNS.items() if name in first.columns}
    target = job.parts / "unique"
    target.mkdir(exist_ok=True)
    order = ray.put({source: position for position, source in enumerate(sources)})

    def write(bucket: pa.Table) -> pa.Table:
        """Write what stays of a bucket, and give how much that is, as a table of one row (int64)."""
        import pyarrow as pa

        position = ray.get(order)
        number = bucket.column(_BUCKET)[0].as_py()
        rows = bucket.drop_columns(_BUCKET).to_pylist()
        rows.sort(key=lambda row: (_position(row["source"], position), row.pop(_ORDER)))
        questions, scores = [row["question"] for row in rows], [row["score"] for row in rows]
        duplicates = find_duplicates(questions, scores, job.settings.dedupe, job.settings.near_threshold)
        kept = [row for index, row in enumerate(rows) if index not in duplicates]
        write_part(target, f"bucket {number}", kept, first.provenance, columns)
        return pa.table({"n_kept": [len(kept)], "n_dropped": [len(duplicates)]})

    # Not by read_parquet: in Ray 2.60 it fails where fsspec lacks what it needs for HTTP.
    names: Any = ray.data.from_items(
        [{"part": str(part)} for part in parts], override_num_blocks=len(parts)
    )
    rows = names.map_batches(
        _read, batch_size=1, batch_format="pyarrow", fn_kwargs={"n_buckets": len(parts)}
    )
    counts = [*rows.groupby(_BUCKET).map_groups(write, batch_format="pyarrow").iter_rows()]
    return UniqueParts(
        sorted(target.glob("*.parquet")),
        sum(row["n_kept"] for row in counts),
        sum(row["n_dropped"] for row in counts),
    )


def _read(names: pa.Table, n_buckets: int) -> pa.Table:
    """Rows of a part, with the number (int64, below ``n_buckets``) that duplicates share, and their own."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pq.read_table(names.column("part")[0].as_py(), partitioning=None).replace_schema_metadata()
    keys = (question_key(question).encode() for question in rows.column("question").to_pylist())
    numbers = [int.from_bytes(blake2b(key, digest_size=6).digest()) % n_buckets for key in keys]
    rows = rows.append_column(_BUCKET, pa.array(numbers, pa.int64()))
    return rows.append_column(_ORDER, pa.array(range(len(rows)), pa.int64()))


def _position(source: str, positions: Mapping[str, int]) -> int:
    """That of a document, or of the table that it is a row of."""
    return positions[source if source in positions else source.rpartition("#")[0]]
