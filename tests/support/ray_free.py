"""A distributed run without a cluster: the driver and its workers in this process."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from qgbatch.engines.fake import FakeEngine
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.distributed import driver, worker
from qgbatch.pipeline.distributed.cluster import Pool
from qgbatch.pipeline.run_report import RunReport
from qgbatch.readers.listing import list_inputs
from qgbatch.settings import CacheSettings, FileSettings, RunnerSettings, Settings

DOCUMENTS_PER_BLOCK = 2
SETTINGS: Mapping[str, Any] = {"engine": "ctranslate2", "device": "cpu"}


class LocalData:
    """What qgbatch uses of ``ray.data.Dataset``, on tables in this process."""

    def __init__(self, tables: Sequence[pa.Table]) -> None:
        self._tables = tables

    @classmethod
    def from_items(cls, items: Sequence[Mapping[str, Any]], **_: Any) -> LocalData:
        return cls([pa.Table.from_pylist([item]) for item in items])

    def map_batches(self, function: Any, *, batch_size: int, **how: Any) -> LocalData:
        assert batch_size == 1
        if isinstance(function, type):
            function = function(*how["fn_constructor_args"])
        if how.get("batch_format") == "pyarrow":
            return LocalData([function(table, **how["fn_kwargs"]) for table in self._tables])
        return LocalData([pa.Table.from_pydict(function(table.to_pydict())) for table in self._tables])

    def groupby(self, column: str) -> LocalData:
        rows = pa.concat_tables(self._tables)
        keys = rows.column(column).unique().to_pylist()
        return LocalData([rows.filter(pa.compute.equal(rows.column(column), key)) for key in keys])

    def map_groups(self, function: Callable[[pa.Table], pa.Table], **_: Any) -> LocalData:
        return LocalData([function(table) for table in self._tables])

    def iter_rows(self) -> Iterator[dict[str, Any]]:
        for table in self._tables:
            yield from table.to_pylist()


def group(documents: Mapping[str, object], n_workers: int) -> list[list[str]]:
    """Group documents in their order, whatever their size."""
    paths, n = list(documents), DOCUMENTS_PER_BLOCK
    return [paths[start : start + n] for start in range(0, len(paths), n)]


@pytest.fixture
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the cluster by this process, and the model by a :class:`FakeEngine`."""
    data = SimpleNamespace(from_items=LocalData.from_items, ActorPoolStrategy=lambda **_: None)
    ray = SimpleNamespace(data=data, put=lambda value: value, get=lambda value: value)
    logger = logging.getLogger("qgbatch")  # to which a worker adds a handler
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "propagate", True)
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.data", data)
    monkeypatch.setattr(driver, "require_package", lambda *_, **__: None)
    monkeypatch.setattr(driver, "connected", lambda address: nullcontext())
    monkeypatch.setattr(driver, "choose_pool", lambda runner, device: Pool(1, 1, 1, 0.0))
    monkeypatch.setattr(driver, "group_into_blocks", group)
    find = Components.find
    monkeypatch.setattr(
        worker.Worker,
        "_components",
        property(lambda self: find(self._config.settings, Path(), load_engine=FakeEngine().load)),
    )


def run_distributed(
    inputs: Sequence[str | Path],
    output: str | Path,
    settings: Mapping[str, Any] | None = None,
    **files: Any,
) -> RunReport:
    """Run as ``qgbatch run INPUT... -o OUTPUT --runner ray``, without a cache."""
    return driver.run_distributed(
        list_inputs([os.fspath(path) for path in inputs]),
        os.fspath(output),
        Settings(**{**SETTINGS, **(settings or {})}),
        FileSettings(**files),
        CacheSettings(cache=False),
        RunnerSettings(runner="ray"),
        report=RunReport(),
    )


def table_of(directory: Path) -> pd.DataFrame:
    """The rows of an output directory, sorted."""
    parts = [pd.read_parquet(BytesIO(path.read_bytes())) for path in directory.glob("*.parquet")]
    columns = ["source", "chunk_index", "question_index"]
    return pd.concat(parts).sort_values(columns, ignore_index=True)
