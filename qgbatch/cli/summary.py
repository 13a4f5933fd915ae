"""What a command says at its end: failures, and a table of labels and values."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from qgbatch.cli.logs import on_one_line, values
from qgbatch.cli.progress import duration
from qgbatch.pipeline.run_report import RunReport
from qgbatch.questions.retrieval.ranks import RANK_RANGES

logger = logging.getLogger("qgbatch")

_MAX_FAILURES_SHOWN = 10


def chunks_done(report: RunReport) -> str:
    """The number of processed chunks and the rate, such as ``120 chunks, 35.2 chunks/s``."""
    return f"{report.n_generated + report.n_reused:,} chunks{_rate(report)}"


def _rate(report: RunReport) -> str:
    seconds = report.seconds["generate"] / report.workers
    return f", {report.n_generated / seconds:,.1f} chunks/s" if report.n_generated and seconds else ""


def log_failures(report: RunReport) -> None:
    """Log the first failures as warnings, the number of further ones, and chunks in an unknown script."""
    for failure in report.failures[:_MAX_FAILURES_SHOWN]:
        logger.warning("%s", failure.message, extra=values(failure=asdict(failure)))
    if len(report.failures) > _MAX_FAILURES_SHOWN:
        n_more = len(report.failures) - _MAX_FAILURES_SHOWN
        logger.warning("... and %d more failures; --failures FILE.jsonl writes all of them.", n_more)
    if report.unknown_script_source:
        logger.warning(
            "Text in a script that the model cannot read is left out, first in %s (chunks in all: %d). "
            "Use a multilingual model for it (--model), such as a fine-tuned mT5.",
            report.unknown_script_source,
            report.omitted["unknown_script_chunks"],
        )


def log_summary(report: RunReport, output: str) -> None:
    """Log the failures as warnings, then the summary table of a run."""
    log_failures(report)
    heading = "done" if report.n_documents else "nothing done"
    log_table(_summary(report, output), {"report": report.facts().to_json()}, heading)


def _summary(report: RunReport, output: str) -> list[tuple[str, str]]:
    if not report.n_documents:
        return [*_inputs(report)[:3], ("output", f"{output} is not written: no document could be used")]
    rate = _rate(report)
    return [
        *_inputs(report),
        ("reused", f"{report.n_reused:,} chunks were in the cache"),
        ("questions", f"{report.n_written:,} of {report.n_raw:,} generated"),
        ("dropped", _counts(+report.dropped)),
        *(
            [("passages", f"{report.n_passages:,} in {report.files['passages']}")]
            if report.n_passages
            else []
        ),
        *([("bm25_rank", _ranks(report))] if report.ranks else []),
        *([("review", _decisions(report))] if report.n_decisions else []),
        ("time", f"{report.seconds['total']:.1f} s{rate and f'{rate} while generating'}"),
        ("output", output),
    ]


def _inputs(report: RunReport) -> list[tuple[str, str]]:
    return [
        ("documents", f"{report.n_documents:,}{_unchanged(report)}"),
        ("failed", f"{report.n_failed:,}"),
        ("skipped", _counts(report.skipped)),
        *([("left out", _omitted(report))] if report.omitted else []),
        ("chunks", f"{report.n_chunks:,} ({report.n_hard_splits:,} cut inside a sentence)"),
    ]


def _unchanged(report: RunReport) -> str:
    return f" ({report.n_unchanged:,} unchanged)" if report.n_unchanged else ""


def plan_table(report: RunReport, seconds: float | None) -> str:
    """The table that ``--dry-run`` prints."""
    estimate = "unknown until a first run" if seconds is None else f"about {duration(seconds)}"
    return _table(
        [
            *_inputs(report),
            ("tokens", f"{report.n_source_tokens:,}"),
            ("reused", f"{report.n_reused:,} chunks are in the cache"),
            ("to do", f"{report.n_generated:,} chunks"),
            ("time", estimate),
        ]
    )


def log_table(
    lines: Sequence[tuple[str, str]], entries: Mapping[str, Any] | None = None, heading: str = "done"
) -> None:
    """Log a table of labels and values at the end of a command.

    Args:
        lines: Labels and values.
        entries: Additional keys of the entry in the JSON log; by default, the table as ``summary``.
        heading: The first line of the message.
    """
    logger.info(
        heading + "\n%s" * len(lines),
        *_table(lines).split("\n"),
        extra=values(**({"summary": dict(lines)} if entries is None else entries)),
    )


def _table(lines: Sequence[tuple[str, str]]) -> str:
    width = max(10, *(len(name) for name, _ in lines))
    return "\n".join(f"  {name:<{width}} {on_one_line(value)}" for name, value in lines)


def _ranks(report: RunReport) -> str:
    """The shares of the ranges of ranks, such as ``1: 62 %, 2-3: 20 %``."""
    total = report.ranks.total()
    return ", ".join(f"{name}: {report.ranks[name] / total:.0%}" for name in RANK_RANGES)


def _decisions(report: RunReport) -> str:
    """How many decisions of a reader were applied."""
    n_other = report.n_decisions - report.n_applied_decisions
    others = f"; {n_other:,} are about questions that were not generated" if n_other else ""
    return f"{report.n_applied_decisions:,} of {report.n_decisions:,} decisions applied{others}"


def _omitted(report: RunReport) -> str:
    """What is not in the text of the documents, such as ``14 page headers, 1 picture``."""
    names = {kind: kind.replace("_", " ") for kind in report.omitted}
    return _counts(
        {
            name.removesuffix("s" * (report.omitted[kind] == 1)): report.omitted[kind]
            for kind, name in names.items()
        }
    )


def _counts(counter: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counter.items())) or "0"
