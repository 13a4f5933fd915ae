"""Questions beside their text: one HTML page that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from qgbatch.errors import InputError
from qgbatch.exports.table import QuestionTable
from qgbatch.exports.values import CheckedRow
from qgbatch.outputs import replacing
from qgbatch.report.charts import bar_chart, histogram

MAX_QUESTIONS = 200_000
"""That a browser still takes in one page; some 100 MB."""
_FIRST_WORDS = 12


def write_report(table: QuestionTable, run_report: Path | None, output: Path) -> int:
    """Write the page, and tell how many questions are on it.

    Raises:
        InputError: the table or the run's report cannot be read, or there are too many questions.
        OutputError: the page cannot be written.
    """
    rows = _collect(table)
    counts = _read_run_report(run_report) if run_report else {}
    page = _render(
        title=f"Questions of {Path(table.path).name}",
        totals=_totals(rows, table),
        settings=_settings(table.facts or counts.get("facts", {})),
        charts=_charts(rows, counts.get("dropped", {})),
        data=_data(rows),
    )
    with replacing(output) as stream:
        stream.write(page.encode())
    return len(rows)


def _collect(table: QuestionTable) -> list[CheckedRow]:
    rows: list[CheckedRow] = []
    for row in table.rows():
        if len(rows) == MAX_QUESTIONS:
            raise InputError(
                f"{table.path}: more than {MAX_QUESTIONS:,} questions.", "Give a part of it, such as one file."
            )
        rows.append(row)
    return rows


def _read_run_report(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict) or not isinstance(values.get("dropped", {}), dict):
            raise ValueError("not a report of qgbatch run")
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({error}).", "Give what --report of qgbatch run wrote.") from error
    return values


def _totals(rows: Sequence[CheckedRow], table: QuestionTable) -> list[tuple[str, str]]:
    documents = {row["source"] for row in rows}
    chunks = {(row["source"], row["chunk_index"]) for row in rows}
    return [
        ("questions", f"{len(rows):,}"),
        ("documents", f"{len(documents):,}"),
        ("chunks with questions", f"{len(chunks):,}"),
        ("questions a document", f"{len(rows) / len(documents):.1f}"),
        ("questions a chunk", f"{len(rows) / len(chunks):.1f}"),
        ("model", ", ".join(table.models)),
    ]


def _settings(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    settings = facts.get("settings", {})
    values = {**{k: v for k, v in facts.items() if k != "settings"}, **(settings if isinstance(settings, dict) else {})}
    return [(str(name), json.dumps(value, ensure_ascii=False)) for name, value in values.items()]


def _charts(rows: Sequence[CheckedRow], dropped: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Titles and SVG."""
    per_document = Counter(row["source"] for row in rows)
    per_chunk = Counter((row["source"], row["chunk_index"]) for row in rows)
    words = [str(row["question"]).split() for row in rows]
    first = Counter(w[0].casefold() if w else "" for w in words)
    charts = [
        ("Questions a document", histogram(list(per_document.values()))),
        ("Questions a chunk", histogram(list(per_chunk.values()))),
        ("Score", histogram([float(row["score"]) for row in rows])),
        ("Words a question", histogram([len(w) for w in words])),
        ("First word", bar_chart(first.most_common(_FIRST_WORDS))),
    ]
    reasons = [(str(k), int(v)) for k, v in dropped.items() if isinstance(v, int) and v > 0]
    if reasons:
        charts.append(("Left out", bar_chart(sorted(reasons, key=lambda item: -item[1]))))
    return charts


def _data(rows: Iterable[CheckedRow]) -> dict[str, Any]:
    """Questions as rows of numbers and texts; sources and passages once each."""
    sources: dict[str, int] = {}
    passages: dict[tuple[int, int, int], int] = {}
    contexts: list[list[Any]] = []
    questions = []
    for row in rows:
        source = sources.setdefault(str(row["source"]), len(sources))
        span = (source, int(row["start_char"]), int(row["end_char"]))
        if span not in passages:
            passages[span] = len(passages)
            contexts.append([*span, row.get("context", ""), row.get("page")])
        questions.append([passages[span], row["question"], row["score"], row.get("answer", "")])
    return {"sources": list(sources), "passages": contexts, "questions": questions}


def _render(**values: Any) -> str:
    import jinja2

    templates = files("qgbatch.report") / "templates"
    style = (templates / "report.css").read_text(encoding="utf-8")
    script = (templates / "report.js").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((templates / "report.html").read_text(encoding="utf-8"))
    data = json.dumps(values.pop("data"), ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":  # so that no text ends the element it is in
        data = data.replace(character, f"\\u{ord(character):04x}")
    return template.render(
        **values,
        style=style,
        script=script,
        data=data,
        policy=f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'",
    )


def _hash(text: str) -> str:
    """What a content-security policy calls a text by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
