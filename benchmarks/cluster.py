"""Finds what limits ``--runner ray`` with 10, 100 and 1,000 workers, by measurement and simulation.

    python benchmarks/cluster.py [--files 20000] [--blocks 2000]

Measured: how fast the driver lists files and checks whether they changed, how many blocks per
second Ray passes to workers that do nothing, and how fast the metadata of parts are read.
Simulated: workers that process the blocks of ``cut_into_blocks`` one after another. The lengths
of the documents follow a log-normal distribution, as on the web (median 10 chunks, mean 20, and a
few documents of thousands of chunks).
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from measuring import seconds, show

from qgbatch.output.rows import COLUMNS
from qgbatch.output.run_facts import Provenance
from qgbatch.pipeline.distributed.cluster import connected
from qgbatch.pipeline.distributed.parts import file_version, read_part, write_part
from qgbatch.pipeline.distributed.worker import group_into_blocks
from qgbatch.readers.listing import list_inputs

MEDIAN_CHUNKS, SIGMA = 10, 1.2
CHUNKS_PER_S = 300.0
"""Speed of a GPU worker. docTTTTTquery reports 8.8 million passages in 8 hours on one accelerator."""
START_S = 20.0
"""Time until a worker has loaded its model, for a large model on a local disk."""


def main() -> None:
    """Measure, simulate and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--blocks", type=int, default=2_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows = [
            {
                "the driver": "lists files, with size and modification time",
                "per second": _rate(arguments.files, _list_files(Path(name))),
            },
            {"the driver": "hands out blocks", "per second": _rate(arguments.blocks, _hand_out)},
            {
                "the driver": "reads the metadata of parts, to resume",
                "per second": _rate(500, _read_parts(Path(name))),
            },
        ]
    show("Measured", rows)
    show(
        "Simulated", [_simulated(n, workers) for n in (10**5, 10**6, 10**7) for workers in (10, 100, 1000)]
    )


def _rate(number: int, work: Any) -> str:
    return f"{number / work(number):,.0f}"


def _list_files(place: Path) -> Any:
    def work(number: int) -> float:
        for index in range(number):
            path = place / "docs" / f"{index // 1000:03}" / f"{index}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return seconds(
            lambda: [file_version(str(path)) for path in list_inputs([str(place / "docs")]).items]
        )

    return work


PROVENANCE = Provenance(
    qgbatch="",
    model="",
    model_revision=None,
    model_sha256="",
    engine="",
    device="",
    precision="",
    settings={},
)


def _read_parts(place: Path) -> Any:
    def work(number: int) -> float:
        (place / "parts").mkdir()
        for index in range(number):
            documents = {f"{index}/{document}.txt": (1, 1) for document in range(1024)}
            write_part(place / "parts", str(index), [], PROVENANCE, COLUMNS, documents=documents)
        return seconds(lambda: [read_part(path) for path in (place / "parts").iterdir()])

    return work


class Idle:
    """A worker that does nothing."""

    def __call__(self, blocks: dict[str, Any]) -> dict[str, Any]:
        """Return the blocks unchanged."""
        return blocks


def _hand_out(number: int) -> float:
    import ray.data

    with connected(None):
        work = ray.data.from_items([{"block": i} for i in range(number)], override_num_blocks=number)
        idle: Any = work.map_batches(Idle, batch_size=1, compute=ray.data.ActorPoolStrategy(size=2))
        rows = iter(idle.iter_rows())
        next(rows)  # the workers are there
        start = time.perf_counter()
        n_done = sum(1 for _ in rows)
    return (time.perf_counter() - start) * number / n_done


def _simulated(n_documents: int, n_workers: int) -> dict[str, str]:
    """Simulate workers of equal speed that take the largest blocks first."""
    draw = random.Random(1)
    n_chunks = {
        str(number): (max(1, round(draw.lognormvariate(math.log(MEDIAN_CHUNKS), SIGMA))), 0)
        for number in range(n_documents)
    }
    blocks = [sum(n_chunks[path][0] for path in block) for block in group_into_blocks(n_chunks, n_workers)]
    ideal = sum(blocks) / CHUNKS_PER_S / n_workers
    took = _makespan((n / CHUNKS_PER_S for n in blocks), n_workers)
    longest = max(n for n, _ in n_chunks.values()) / CHUNKS_PER_S
    return {
        "documents": f"{n_documents:,}",
        "workers": f"{n_workers:,}",
        "chunks": f"{sum(blocks):,}",
        "blocks": f"{len(blocks):,}",
        "seconds": f"{took + START_S:,.0f}",
        "longest document, seconds": f"{longest:.0f}",
        "workers busy": f"{ideal / took:.0%}",
        "workers busy, start-up included": f"{ideal / (took + START_S):.0%}",
    }


def _makespan(durations: Iterable[float], n_workers: int) -> float:
    free_at = [0.0] * n_workers
    for duration in durations:
        heapq.heapreplace(free_at, free_at[0] + duration)
    return max(free_at)


if __name__ == "__main__":
    main()
