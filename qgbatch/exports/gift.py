"""Export format ``gift``: a quiz for Moodle.

A question is multiple choice if the other answers of the table have three wrong ones of the same kind, and
short answer otherwise. The texts are marked as plain, so that Moodle interprets no HTML in them.
"""

from __future__ import annotations

from qgbatch.exports.export_input import ExportInput
from qgbatch.exports.format import ExportFormat, Files, Summary
from qgbatch.exports.one_line import one_line
from qgbatch.exports.other_answers import in_mixed_order, open_other_answers
from qgbatch.exports.row_checks import CheckedRow

_FILE = "quiz.gift"
_DESCRIPTION = f"""A quiz in Moodle's format GIFT: import `{_FILE}` into the question bank.

A question is multiple choice if the table has three other answers of the same kind that do not occur in its
passage, and short answer otherwise. Its name is the id of the question, and its feedback is the place in
the source."""

_ESCAPES = str.maketrans({character: f"\\{character}" for character in "\\~=#{}:"})
_PLAIN = "[plain]"


def _write(given: ExportInput, files: Files) -> Summary:
    n_multiple = 0
    with open_other_answers(given) as answers:
        for row in given.rows():
            wrong = answers.draw(row)
            n_multiple += bool(wrong)
            files[_FILE].write(_question(row, wrong).encode())
    return [
        ("questions", f"{given.n_rows:,}"),
        ("multiple choice", f"{n_multiple:,}"),
        ("short answer", f"{given.n_rows - n_multiple:,}"),
    ]


def _question(row: CheckedRow, wrong: list[str]) -> str:
    lines = _choices(row, wrong) if wrong else [_short_answer(row)]
    return "\n".join(
        (
            f"::{row['question_id']}::{_PLAIN}{_escape(one_line(row['question']))} {{",
            *(f"\t{line}" for line in (*lines, f"####{_text(_place(row))}")),
            "}\n\n",
        )
    )


def _choices(row: CheckedRow, wrong: list[str]) -> list[str]:
    """The right answer and the wrong ones, in an order that depends on the question's id."""
    right = one_line(row["answer"])
    choices = in_mixed_order(row, (right, *wrong))
    return [("=" if choice == right else "~") + _text(choice) for choice in choices]


def _short_answer(row: CheckedRow) -> str:
    return "=" + _text(one_line(row["answer"]).replace("*", "\\*"))  # a * stands for any text


def _place(row: CheckedRow) -> str:
    if "page" in row:
        return f"{row['source']}, page {row['page']}"
    return f"{row['source']}, characters {row['start_char']} to {row['end_char']}"


def _text(value: str) -> str:
    """A text in braces. It must not begin like the name of a format or like a percentage of the mark."""
    text = one_line(value)
    return (_PLAIN if text.startswith(("[", "%")) else "") + _escape(text)


def _escape(text: str) -> str:
    return text.replace("->", "→").translate(_ESCAPES)  # -> makes it a matching question; it has no escape


FORMAT = ExportFormat(
    "gift",
    (_FILE,),
    f"a quiz for Moodle: {_FILE}",
    _DESCRIPTION,
    needs_context=True,
    write=_write,
    needs_answers=True,
)
