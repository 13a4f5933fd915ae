"""Duplicates across the parts of a distributed run, and the limit per chunk after them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from qgbatch.output.rows import Row
from qgbatch.pipeline.distributed.cluster import connected
from qgbatch.pipeline.distributed.dedupe import dedupe_parts
from qgbatch.pipeline.distributed.parts import write_part
from qgbatch.pipeline.distributed.worker import WorkerConfig
from qgbatch.settings import CacheSettings, FileSettings, Settings
from tests.support.tables import PROVENANCE, WITH_CONTEXT, ask

pytest.importorskip("ray", reason="the extra [ray] is not installed")

ASKED = {
    "a": ["What is tea?", "Who drinks tea?"],
    "b": ["What is tea?", "Where is tea from?", "Who sells tea?"],
    "c": ["What is tea?"],
    "d": ["Who sells tea?", "What is milk?"],
}


@pytest.mark.faults  # starts Ray
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray, about its own settings
def test_the_limit_per_chunk_acts_on_what_is_left_without_duplicates(tmp_path: Path) -> None:
    rows: list[Row] = []
    for source, questions in ASKED.items():
        rows += [{"page": None, **row} for row in ask("Tea.", source, (0, 4, questions))]
    for name, sources in (("first", "ac"), ("second", "bd")):
        write_part(
            tmp_path, name, [row for row in rows if str(row["source"]) in sources], PROVENANCE, WITH_CONTEXT
        )
    settings = Settings(dedupe_scope="corpus", max_questions_per_chunk=1)
    config = WorkerConfig(settings, FileSettings(), CacheSettings(), str(tmp_path), tmp_path)
    with connected(None):
        parts = dedupe_parts(sorted(tmp_path.glob("*.parquet")), list(ASKED), config, has_ranker=False)
    written = [row for path in parts.paths for row in pq.read_table(path).to_pylist()]
    kept = {row["source"]: (row["question"], row["other_passages"]) for row in written}
    assert {source: question for source, (question, _) in kept.items()} == {
        "a": "What is tea?", "b": "Where is tea from?", "d": "What is milk?",
    }  # fmt: skip
    assert [passage["source"] for passage in json.loads(kept["a"][1])] == ["b", "c"]
    assert (parts.n_kept, +parts.dropped) == (3, {"too_many": 2})
