"""Logs what a run decided where its settings leave a choice; ``-v`` shows it."""

from __future__ import annotations

import logging

from qgbatch.engines.base import Engine
from qgbatch.output.run_facts import Provenance
from qgbatch.settings import CacheSettings, Settings

logger = logging.getLogger(__name__)


def log_decisions(provenance: Provenance, cache: CacheSettings) -> None:
    """Log the model, engine, decoding, chunk size and cache of a run."""
    settings = provenance.settings
    logger.debug(
        "model %s (%s), engine %s on %s in %s, beams: %d, new tokens: at most %d",
        provenance.model,
        provenance.model_sha256[:12],
        provenance.engine,
        provenance.device,
        provenance.precision,
        settings["num_beams"],
        settings["max_new_tokens"],
    )
    logger.debug("chunks of %d tokens, at most %d", settings["target_tokens"], settings["max_tokens"])
    if cache.cache:
        logger.debug("cache %s, at most %s", cache.directory, cache.cache_size)
    else:
        logger.debug("no cache; converted models are kept in %s", cache.directory)


def log_batch_size(settings: Settings, engine: Engine) -> None:
    """Log the batch size of an engine that has just been loaded."""
    logger.debug("batches of %d padded tokens", settings.batch_tokens or engine.budget.batch_tokens)
