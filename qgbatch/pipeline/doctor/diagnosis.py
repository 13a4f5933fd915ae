"""Runs all checks of ``qgbatch doctor``, in the order in which a run would need them.

Each check does the same as a run, so that it finds the same problems. Therefore the model is
downloaded and converted, and the cache is created, if necessary. Outputs are not changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from qgbatch.pipeline.doctor.component_checks import ComponentChecks, check_ray, check_versions
from qgbatch.pipeline.doctor.findings import Examiner, Finding
from qgbatch.pipeline.doctor.path_checks import (
    check_cache,
    check_decisions,
    check_directory,
    check_output,
    check_passages,
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
    """Check what a run with these settings needs; yield each finding as soon as it is known.

    Only a model or tokenizer on the hub needs the network; ``HF_HUB_OFFLINE=1`` prevents that.

    Args:
        settings: How the run would ask questions.
        files: How the run would read and write files.
        cache: The cache that the run would use.
        runner: Whether the run would use Ray.
        output: The output to check; None to check none.
        side_outputs: Further files that the run would write, by the names of their options.
    """
    components = ComponentChecks(settings, cache)
    examine = Examiner()
    yield examine("versions", check_versions)
    yield examine("temporary", check_temporary_files)
    yield examine("device", components.check_device)
    yield examine("engine", components.check_engine, needs=["device"])
    yield examine("torch", partial(components.check_package, "torch"))
    yield examine("ctranslate2", partial(components.check_package, "ctranslate2"))
    yield examine("sentences", components.check_sentences)
    yield examine("model", components.check_model)
    yield examine("hub", components.check_hub)
    yield examine("tokenizer", components.check_tokenizer, needs=["model", "torch"])
    engine_package = [components.choice.name] if components.choice else []
    needs = ["engine", *engine_package, "tokenizer", "temporary"]
    cache_hint = "If the problem persists, name another directory with --cache-dir."
    yield examine("weights", components.check_weights, needs=needs, hint=cache_hint)
    yield examine("answer", components.check_answer, needs=["weights"])
    yield examine("cache", partial(check_cache, cache), hint=cache_hint)
    if settings.answers:
        yield examine("answers", components.check_answer_model, needs=["model", "torch"])
    if runner.runner == "ray":
        yield examine("ray", check_ray)
    if output is not None and runner.runner == "ray":
        yield examine("output", partial(check_directory, output))
    elif output is not None:
        yield examine("output", partial(check_output, output, files))
    if files.review_with:
        yield examine("decisions", partial(check_decisions, files.review_with))
    if files.passages:
        yield examine("passages", partial(check_passages, files.passages))
    for name, path in (side_outputs or {}).items():
        yield examine(name, partial(check_side_output, path))
