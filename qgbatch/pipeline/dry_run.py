"""What a run would do, found out without the model: documents, chunks, tokens and time."""

from __future__ import annotations

import math
from contextlib import closing
from pathlib import Path

from safetensors import safe_open

from qgbatch.engines.devices import n_cores
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.run_report import RunReport
from qgbatch.pipeline.sqlite_store import SqliteStore
from qgbatch.pipeline.stream import Stream
from qgbatch.readers.kinds import require_packages
from qgbatch.readers.listing import Listing
from qgbatch.readers.reading import InputReader
from qgbatch.settings import CacheSettings, FileSettings, Settings

# Seconds of a core a chunk, parameter and beam. In int8 with 4 beams mini took 0.7e-9 (50
# tokens a chunk) and a T5-small shape 1.0e-9 (64 to 481); torch took mini ten times as long.
_CORE_SECONDS = {"ctranslate2": 0.9e-9, "torch": 9e-9}


def plan(
    listing: Listing, settings: Settings, files: FileSettings, cache: CacheSettings
) -> tuple[RunReport, float | None]:
    """Read and cut the documents, and count what a run would have to do.

    Gives a report whose ``n_generated`` and ``n_reused`` are what they would be, and the
    seconds that the model would take: at the rate of the last run with such settings,
    else by the size of the model on a CPU, else ``None``.

    Raises:
        DocumentError: with ``fail_fast``, the first document that fails.
        ModelError: the model or its tokenizer is missing or damaged, or a package that reads an input.
        SettingsError: a setting is out of range.
    """
    report = RunReport()
    report.skipped.update(listing.skipped)
    require_packages(listing.paths)
    with closing(SqliteStore(cache.directory if cache.cache else None, cache.max_bytes)) as store:
        components = Components.find(settings, cache.directory)
        its_cache = components.open_cache(store)
        Stream(components, its_cache, report, fail_fast=files.fail_fast).count(InputReader(listing, files))
        rate = its_cache.rate() or _guess_rate(components)
    return report, rate and rate * report.n_generated


def _guess_rate(components: Components) -> float | None:
    """Seconds a chunk, on a CPU."""
    choice = components.engine_choice
    if choice.device != "cpu":
        return None
    core_seconds = (
        _CORE_SECONDS[choice.name]
        * components.decoding.num_beams
        * _n_parameters(components.model.directory)
    )
    return core_seconds / n_cores()


def _n_parameters(directory: Path) -> int:
    """As the headers of safetensors say; of other weights by their size, at four bytes each."""
    n_parameters = 0
    for path in directory.glob("*.safetensors"):
        with safe_open(path, framework="numpy") as tensors:
            names = tensors.keys()
            n_parameters += sum(math.prod(tensors.get_slice(name).get_shape()) for name in names)
    return n_parameters or sum(path.stat().st_size for path in directory.glob("*.bin")) // 4
