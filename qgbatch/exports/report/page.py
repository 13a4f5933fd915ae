"""Renders the HTML of the report page.

Style, script and charts are embedded, and a content security policy blocks everything else.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, get_args

from qgbatch.exports.content_policy import content_policy
from qgbatch.exports.report.charts import bar_chart, histogram
from qgbatch.exports.report.source_texts import SourceText
from qgbatch.exports.row_checks import CheckedRow
from qgbatch.exports.table import QuestionTable
from qgbatch.output.run_facts import Provenance, RunFacts
from qgbatch.questions.review import Decision, Reason, table_fingerprint
from qgbatch.records import Failure

_SCRIPT_PARTS = (
    "data",
    "decisions",
    "storage",
    "files",
    "filters",
    "list",
    "text",
    "panel",
    "keys",
    "print",
    "start",
)  # fmt: skip
"""In the order in which they run. They share one scope."""
_N_FIRST_WORDS = 12
_MAX_FAILURES = 1_000
"""Number of failures to list; the file of ``qgbatch run --failures`` lists all."""


def render(
    name: str,
    rows: Sequence[CheckedRow],
    documents: Sequence[SourceText],
    table: QuestionTable,
    run: RunFacts | None,
    decisions: Mapping[str, Decision],
) -> str:
    """Render the page.

    Args:
        name: The title of the page, such as the name of the table.
        rows: The questions.
        documents: The documents of the questions.
        table: The table, after all of its rows were read.
        run: Facts of the run that wrote the table; None if they are not known.
        decisions: What a reader decided before, by ``question_id``; also about other questions.

    Returns:
        The HTML. It may contain lone surrogates from file names.
    """
    import jinja2

    style, template = _template("page.css"), _template("page.html")
    parts = (_template(f"script/{name}.js") for name in _SCRIPT_PARTS)
    script = "\n".join(('"use strict";\n{', *parts, "}\n"))
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(
        name=name,
        totals=_totals(rows, documents, table.models, run),
        charts=_charts(rows, documents, run),
        settings=_settings(table.provenance or (run.provenance if run else None)),
        failures=[_failure(failure) for failure in run.failures[:_MAX_FAILURES]] if run else [],
        n_failures=len(run.failures) if run else 0,
        reasons=get_args(Reason),
        data=_json(
            {
                "table": name,
                "has_answers": "answer" in table.columns,
                **_data(rows, documents, decisions),
            }
        ),
        style=style,
        script=script,
        policy=content_policy(style, script),
    )


def _template(name: str) -> str:
    return (files("qgbatch.exports.report") / "templates" / name).read_text(encoding="utf-8")


def _totals(
    rows: Sequence[CheckedRow],
    documents: Sequence[SourceText],
    models: Sequence[str],
    run: RunFacts | None,
) -> list[tuple[str, str]]:
    n_chunks = sum(segment.passage is not None for document in documents for segment in document.segments)
    totals = [
        ("questions", f"{len(rows):,}"),
        ("documents with questions", f"{len(documents):,}"),
        ("chunks with questions", f"{n_chunks:,}"),
    ]
    if run:
        totals += [
            ("documents read", f"{run.n_documents:,}"),
            ("documents failed", f"{run.n_failed:,}"),
            ("chunks", f"{run.n_chunks:,}"),
            ("questions dropped", f"{sum(run.dropped.values()):,}"),
        ]
    return [*totals, ("model", ", ".join(models))]


def _charts(
    rows: Sequence[CheckedRow], documents: Sequence[SourceText], run: RunFacts | None
) -> list[tuple[str, str]]:
    """Titles and SVG of the charts. Only the run's report says how many chunks have no question."""
    passages = [
        [len(p.passage.row_indices) for p in document.segments if p.passage] for document in documents
    ]
    per_chunk = [n for document in passages for n in document]
    n_other_documents = run.n_documents - len(documents) if run else 0
    n_other_chunks = run.n_chunks - len(per_chunk) if run else 0
    words = [str(row["question"]).split() for row in rows]
    first = Counter(question[0].casefold() if question else "" for question in words)
    charts = [
        ("Questions per document", histogram([sum(document) for document in passages], n_other_documents)),
        ("Questions per chunk", histogram(per_chunk, n_other_chunks)),
        ("Words per question", histogram([len(question) for question in words])),
        ("First word", bar_chart(first.most_common(_N_FIRST_WORDS))),
        ("Score", histogram([float(row["score"]) for row in rows])),
    ]
    if run and (dropped := +Counter(run.dropped)):
        charts.append(("Dropped, by reason", bar_chart(dropped.most_common())))
    return charts


def _settings(provenance: Provenance | None) -> list[tuple[str, str]]:
    """The provenance, then the settings that it does not contain; settings without a value are omitted."""
    if provenance is None:
        return []
    values = provenance.to_json()
    del values["settings"]
    values |= {name: value for name, value in provenance.settings.items() if name not in values}
    return [
        (str(name), value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in values.items()
        if value is not None
    ]


def _failure(failure: Failure) -> tuple[str, str]:
    return failure.source, failure.message.removeprefix(f"{failure.source}: ")


def _data(
    rows: Sequence[CheckedRow], documents: Sequence[SourceText], decisions: Mapping[str, Decision]
) -> dict[str, Any]:
    """The data for the script.

    ``documents`` has ``[source, segments]`` per document. A segment is ``[content, location]``: its text,
    or its number of characters if the text is not known; and where the passage is, or None for the
    text between passages. ``questions`` has a list per row of the table, see :func:`_question`.
    """
    questions: list[Any] = [None] * len(rows)
    described = []
    for document_index, document in enumerate(documents):
        segments: list[Any] = []
        for segment in document.segments:
            passage, location = segment.passage, None
            if passage:
                location = f"characters {passage.start_char:,} to {passage.end_char:,}"
                location = f"page {passage.page}, {location}" if passage.page else location
                for index in passage.row_indices:
                    questions[index] = [document_index, len(segments), *_question(rows[index])]
            segments.append([segment.n_chars if segment.text is None else segment.text, location])
        described.append([document.source, segments])
    return {
        "fingerprint": table_fingerprint(str(row["question_id"]) for row in rows),
        "documents": described,
        "questions": questions,
        "decisions": {question_id: decision.to_json() for question_id, decision in decisions.items()},
    }


def _question(row: CheckedRow) -> list[Any]:
    """``[question, score, answer, id, place]``.

    The place is where the answer starts in its passage, or None. A row of a reviewed table continues
    with ``review, original question, original answer``.
    """
    start = row.get("answer_start_char")
    place = None if start is None else int(start) - int(row["start_char"])
    values = [row["question"], row["score"], row.get("answer", ""), row["question_id"], place]
    if "review" in row:
        values += [row["review"], row.get("original_question"), row.get("original_answer")]
    return values


def _json(value: object) -> str:
    """JSON in which no text can close the HTML element around it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
