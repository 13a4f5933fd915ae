"""Count the work of a run without loading the model: documents, chunks, tokens and time."""

from __future__ import annotations

import math
from contextlib import closing
from pathlib import Path

from safetensors import SafetensorError, safe_open

from qgbatch.engines.choice import LoadEngine, load_engine
from qgbatch.engines.cores import n_cores
from qgbatch.errors import ModelError
from qgbatch.models.utf8_path import utf8_path
from qgbatch.models.validation import WEIGHTS_FILE
from qgbatch.pipeline.cache_keys import open_cache
from qgbatch.pipeline.components import Components
from qgbatch.pipeline.decisions import log_decisions
from qgbatch.pipeline.generation_stream import GenerationStream
from qgbatch.pipeline.run_report import RunReport
from qgbatch.pipeline.sqlite_store import SqliteStore
from qgbatch.readers.kinds import require_packages
from qgbatch.readers.listing import Listing
from qgbatch.readers.reading import InputReader
from qgbatch.settings import CacheSettings, FileSettings, Settings

_CORE_SECONDS = {"ctranslate2": 0.9e-9, "torch": 9e-9}
"""Core seconds per chunk, model parameter and beam, by engine.

Measured with 4 beams. With CTranslate2 in int8, a model of 8.8 million parameters took 0.7e-9 at
50 tokens per chunk, and a model of the size of T5-small took 1.0e-9 at 64 to 481 tokens per
chunk. With torch, the first of these took ten times as long.
"""


def count_work(
    listing: Listing,
    settings: Settings,
    files: FileSettings,
    cache: CacheSettings,
    *,
    load_engine: LoadEngine = load_engine,
) -> tuple[RunReport, float | None]:
    """Read and chunk the documents, and count the work of a run.

    Returns:
        A report with the counts that the run would have, such as ``n_generated`` and
        ``n_reused``; and the estimated time of the model in seconds. The estimate uses the
        rate of the last run with these settings or, on a CPU, the size of the model. It is
        ``None`` if neither is available.

    Raises:
        DocumentError: A document failed and ``fail_fast`` is set.
        ModelError: The model, its tokenizer or a package that reads an input is missing or damaged.
        SettingsError: A setting is out of range.
    """
    report = RunReport()
    report.skipped.update(listing.skipped)
    require_packages(listing.paths)
    with closing(SqliteStore(cache.directory if cache.cache else None, cache.max_bytes)) as store:
        components = Components.find(settings, cache.directory, load_engine=load_engine)
        log_decisions(components.provenance(), cache)
        results = open_cache(components, store)
        GenerationStream(components, results, report, fail_fast=files.fail_fast).count(
            InputReader(listing, files)
        )
        seconds_per_chunk = results.get_rate() or _estimate_seconds_per_chunk(components)
    return report, seconds_per_chunk and seconds_per_chunk * report.n_generated


def _estimate_seconds_per_chunk(components: Components) -> float | None:
    """Estimate the rate from the size of the model; ``None`` on a GPU."""
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
    """Count the parameters in safetensors headers; for ``.bin`` files, assume four bytes per parameter."""
    n_parameters = 0
    for path in directory.iterdir():
        if path.suffix != ".safetensors" or not WEIGHTS_FILE.fullmatch(path.name):
            continue
        try:
            with utf8_path(directory) as place, safe_open(place / path.name, framework="numpy") as tensors:
                names = tensors.keys()
                n_parameters += sum(math.prod(tensors.get_slice(name).get_shape()) for name in names)
        except SafetensorError as error:
            raise ModelError(f"{path}: damaged ({error}).", "Get the checkpoint again.") from error
        except OSError as error:
            raise ModelError(f"{path}: cannot be read ({error}).", "Check its permissions.") from error
    return n_parameters or sum(path.stat().st_size for path in directory.glob("*.bin")) // 4
