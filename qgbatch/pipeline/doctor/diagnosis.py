"""Whether a run would go well here: one check after another, each on its own.

A check does what a run would do, so that it finds what a run would. A model is thus fetched
and converted, and the cache made, if they are not there yet; outputs stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from qgbatch.pipeline.doctor.component_checks import ComponentChecks, check_ray, check_versions
from qgbatch.pipeline.doctor.findings import Examiner, Finding
from qgbatch.pipeline.doctor.path_checks import (
    check_cache,
    check_directory,
    check_output,
    check_side_output,
    check_temporary_files,
)
from qgbatch.settings import CacheSettings, FileSettings, RunnerSettings, Settings


def diagnose(
    settings: Settings,
    files: FileSettings,
    cache: CacheSettings,
    runner: RunnerSettings,
    output: str | None = None,
    side_outputs: Mapping[str, Path] | None = None,
) -> Iterator[Finding]:
    """Check what a run with these settings needs, and yield what is found as it goes.

    ``side_outputs`` are the files beside the output, by their options' names. Only a model
    or tokenizer from the hub touches the network, and not with ``HF_HUB_OFFLINE=1``.
    """
    parts = ComponentChecks(settings, cache)
    examine = Examiner()
    yield examine("versions", check_versions)
    yield examine("temporary", check_temporary_files)
    yield examine("device", parts.check_device)
    yield examine("engine", parts.check_engine, needs=["device"])
    yield examine("torch", partial(parts.check_package, "torch"))
    yield examine("ctranslate2", partial(parts.check_package, "ctranslate2"))
    yield examine("sentences", parts.check_sentences)
    yield examine("model", parts.check_model)
    yield examine("hub", parts.check_hub)
    yield examine("tokenizer", parts.check_tokenizer, needs=["model", "torch"])
    package = [parts.choice.name] if parts.choice else []
    needs = ["engine", *package, "tokenizer", "temporary"]
    elsewhere = "If it stays so, name another directory with --cache-dir."
    yield examine("weights", parts.check_weights, needs=needs, hint=elsewhere)
    yield examine("answer", parts.check_answer, needs=["weights"])
    yield examine("cache", partial(check_cache, cache), hint=elsewhere)
    if settings.answers:
        yield examine("answers", parts.check_answer_model, needs=["model", "torch"])
    if runner.runner == "ray":
        yield examine("ray", check_ray)
    if output is not None and runner.runner == "ray":
        yield examine("output", partial(check_directory, output))
    elif output is not None:
        yield examine("output", partial(check_output, output, files))
    for name, path in (side_outputs or {}).items():
        yield examine(name, partial(check_side_output, path))
