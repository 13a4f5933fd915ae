"""Turns the questions of a run into a test set for retrieval: judgments, difficulty, styles and number."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from qgbatch.errors import SettingsError, name_setting
from qgbatch.output.rows import REVIEW_COLUMNS, Row, judged_passage, list_passages
from qgbatch.output.writers import choose_passages_format
from qgbatch.pipeline.run_report import RunReport
from qgbatch.pipeline.stored_rows import store_rows
from qgbatch.questions.retrieval.choice import Candidate, choose_questions
from qgbatch.questions.retrieval.keywords import keyword_query
from qgbatch.questions.retrieval.passage_index import PassageIndex
from qgbatch.questions.review import ReviewDecisions, review_question
from qgbatch.records import question_digits
from qgbatch.settings import FileSettings, Settings

logger = logging.getLogger(__name__)

_ROWS_PER_CALL = 1_000
"""Number of rows whose ranks are computed in one call of the index."""
_PASSAGE_DIGITS = 17
"""Length of the part of a question's id that stands for its passage."""


def check_retrieval_settings(settings: Settings, files: FileSettings) -> None:
    """Refuse settings that need other settings.

    Raises:
        SettingsError: The file of passages is of no known format, or keyword queries are not possible in
            the language.
    """
    if files.passages:
        choose_passages_format(files.passages)
    if "keyword" in files.query_styles and settings.language != "english":
        raise SettingsError(
            f"{name_setting('styles', files.styles)}: keyword queries work only for English, not for "
            f"{name_setting('language', settings.language)}.",
            "Remove the style keyword.",
        )


def finish_rows(
    rows: Iterable[Row],
    index: PassageIndex | None,
    settings: Settings,
    files: FileSettings,
    decisions: ReviewDecisions | None,
    report: RunReport,
) -> Iterator[Row]:
    """Yield the rows to write, in order, and count the others.

    Args:
        rows: The rows of all documents, without duplicates.
        index: The index of all passages, if the run has one; complete when the rows are.
        settings: The seed of the choice.
        files: What to do about ambiguous questions, the styles, and the number of questions.
        decisions: The decisions of a reader, for queries of other styles.
        report: Its counts are increased.
    """
    if files.query_styles != ("question",):
        rows = _in_styles(rows, files.query_styles, decisions, report)
    if index:
        rows = _judge(rows, index, files, report)
    if files.questions or files.questions_per_document:
        rows = _choose(rows, files, settings.seed, report)
    yield from rows


def _in_styles(
    rows: Iterable[Row], styles: Sequence[str], decisions: ReviewDecisions | None, report: RunReport
) -> Iterator[Row]:
    """Yield each question in the styles that were asked for; a passage gets each keyword query once."""
    seen: set[str] = set()
    for row in rows:
        if "question" in styles:
            yield {**row, "style": "question"}
        else:
            report.n_raw -= 1
        if "keyword" not in styles or (query := keyword_query(str(row["question"]))) is None:
            continue
        query_id = f"{str(row['question_id'])[:_PASSAGE_DIGITS]}{question_digits(query)}"
        if query_id not in seen:
            seen.add(query_id)
            report.n_raw += 1
            query_row = {**row, "question_id": query_id, "question": query, "style": "keyword"}
            reviewed = _review(query_row, decisions, report) if decisions else query_row
            if reviewed:
                yield reviewed


def _review(row: Row, decisions: ReviewDecisions, report: RunReport) -> Row | None:
    """Apply the decision about a query that has an id of its own; return ``None`` if it is dropped."""
    row = {**row, **dict.fromkeys(REVIEW_COLUMNS)}
    decision = decisions.by_id.get(str(row["question_id"]))
    if decision is None:
        return row
    report.n_applied_decisions += 1
    text = row.get("context")
    row |= review_question(
        decision, {"answer": None, **row}, str(text) if text else None, int(row["start_char"] or 0)
    )
    report.dropped["rejected"] += row["review"] == "dropped"
    return None if row["review"] == "dropped" else row


def _judge(
    rows: Iterable[Row], index: PassageIndex, files: FileSettings, report: RunReport
) -> Iterator[Row]:
    """Add the rank and the other right passages; drop ambiguous questions unless they are kept."""
    with store_rows() as waiting:
        for row in rows:
            waiting.append(row)
        with report.stopwatch.measure("rank"):
            index.finish()
        stored = iter(waiting)
        while some := [*islice(stored, _ROWS_PER_CALL)]:
            with report.stopwatch.measure("rank"):
                judged = [_add_judgments(row, index, files) for row in some]
                kept = [row for row in judged if row is not None]
                ranks = list(index.rank_all((str(row["question"]), _right_ids(row)) for row in kept))
            report.dropped["ambiguous"] += len(judged) - len(kept)
            for row, rank in zip(kept, ranks, strict=True):
                yield {**row, "bm25_rank": rank}


def _add_judgments(row: Row, index: PassageIndex, files: FileSettings) -> Row | None:
    """Add the near-identical passages of a row, and those that answer it too, to its other passages.

    Returns:
        ``None`` if the question is ambiguous and to be dropped.
    """
    right = _right_ids(row)
    others = [judged_passage(passage) for each in sorted(right) for passage in index.near_identical(each)]
    right |= {str(other["passage_id"]) for other in others}
    answer = row.get("answer")
    if answer and files.ambiguous != "keep":
        answering = index.answering(str(row["question"]), str(answer), right)
        if answering and files.ambiguous == "drop" and not row.get("review"):
            return None
        others += map(judged_passage, answering)
    if not others or row["other_passages"] is None:
        return row
    known = json.loads(str(row["other_passages"]))
    return {**row, "other_passages": list_passages(row, [*known, *others])}


def _right_ids(row: Row) -> set[str]:
    """Return the ids of the passages that a row says are right."""
    others = json.loads(str(row["other_passages"] or "[]"))
    return {str(row["passage_id"]), *(str(other["passage_id"]) for other in others)}


def _choose(rows: Iterable[Row], files: FileSettings, seed: int, report: RunReport) -> Iterator[Row]:
    """Yield the number of questions that was asked for, or all if there are fewer."""
    candidates = []
    with store_rows() as waiting:
        for row in rows:
            waiting.append(row)
            candidates.append(_to_candidate(row))
        chosen = choose_questions(
            candidates, n=files.questions, per_document=files.questions_per_document, seed=seed
        )
        report.dropped["not_chosen"] += len(waiting) - len(chosen)
        if files.questions and len(chosen) < files.questions:
            logger.warning(
                "%s: there are only %s. Filters and duplicates dropped the others.",
                name_setting("questions", files.questions), f"{len(chosen):,}",
            )  # fmt: skip
        yield from map(waiting.read, chosen)


def _to_candidate(row: Row) -> Candidate:
    rank = row.get("bm25_rank")
    return Candidate(
        str(row["question_id"]),
        str(row["source"]),
        int(row["start_char"] or 0),
        str(row["question"]),
        float(row["score"] or 0.0),
        None if rank is None else int(rank),
        must_stay=bool(row.get("review")),
    )
