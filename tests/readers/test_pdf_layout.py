"""What pages of a PDF have besides paragraphs: margins, columns, notes, contents and odd characters."""

from __future__ import annotations

from itertools import pairwise

import pytest

from qgbatch.errors import DocumentError
from qgbatch.readers import pdf
from qgbatch.readers.omissions import Omissions
from tests.support.documents import Placed, make_placed_pdf

FERRY = "The ferry to the island leaves at noon on every day of the week and takes"
TOWER = [f"The tower on the rock was raised by {n} masons" for n in ("two", "six", "ten", "nine")]
TEA = [f"Tea and flour are carried over on {n} boats" for n in ("two", "six", "ten", "nine")]


def text_of(*pages: list[Placed], is_turned: bool = False) -> str:
    return pdf.read_pages(make_placed_pdf(pages, is_turned), "a.pdf", Omissions("a.pdf"))[0]


def lines(*texts: str, x: float = 40, y: float = 770, size: float = 10) -> list[Placed]:
    return [(x, y - 14 * index, text, size) for index, text in enumerate(texts)]


def rows(*columns: list[str], shift: float = 0) -> list[Placed]:
    """The columns, drawn row by row."""
    return [
        (40 + 270 * column, 770 - 14 * index - shift * column, text)
        for index, row in enumerate(zip(*columns, strict=True))
        for column, text in enumerate(row)
    ]


HEADER: Placed = (40, 820, "Annual Report of the Harbour")
BODIES = [
    lines(FERRY, "forty minutes, says the harbour master, whose name is known to all"),
    lines("Robert Stevenson, and who was asked about it by the people of the town in"),
    lines("1881, when the last of the old boats was sold to the people of the mainland."),
]
BODY = " ".join(str(line[2]) for body in BODIES for line in body)


@pytest.mark.parametrize(
    "margins",
    [
        [[HEADER, (300, 30, f"Page {page} of 3")] for page in (1, 2, 3)],
        [[(40, 820, name), (500, 820, n)] for name, n in (("Tea", "7"), ("Us", "8"), ("Tea", "9"))],
        [[(40, 820, name), (500, 820, n)] for name, n in (("Tea", "7"), ("Us", "8"), ("Men", "9"))],
        [[(300, 30, number)] for number in ("iv", "v", "vi")],
        [[HEADER, (40, 806, "Confidential.")] for _ in range(3)],
        [[HEADER, (40, 784, "For the board")] for _ in range(3)],
    ],
    ids=["header and footer", "left and right", "chapters", "roman", "two lines", "close"],
)  # fmt: skip
@pytest.mark.parametrize("margins_last", [False, True], ids=["first", "last"])
def test_running_headers_and_page_numbers_are_left_out_and_their_sentences_joined(
    margins: list[list[Placed]], margins_last: bool
) -> None:
    pages = zip(margins, BODIES, strict=True)
    assert text_of(*(body + margin if margins_last else margin + body for margin, body in pages)) == BODY


def test_headers_that_name_the_chapter_and_the_section_are_left_out() -> None:
    chapters = ["2. On boats", "2. On boats", "2. On boats", "2. On boats", "3. On tea", "4. On flour"]
    sections = ["2.1 Sails", "2.2 Oars", "2.4 Ropes", "2.7 Crew", "3.2 Green", "4.3 Rye"]
    bodies = [lines(f"{name} boats leave at noon.") for name in ("Two", "Six", "Ten", "Nine", "Few", "Red")]
    pages = [
        [(40, 820, chapter), (400, 820, section), *body]
        for chapter, section, body in zip(chapters, sections, bodies, strict=True)
    ]
    assert text_of(*pages) == text_of(*bodies)


@pytest.mark.parametrize(
    "tops",
    [
        [[(40, 770, f"The {name} boat")] for name in ("first", "old", "new", "last")],
        [[(40, 770, "Boats"), (300, 770, f"They are {name}")] for name in ("red", "old", "new", "few")],
        [
            [(40, 770, "The boats of Leith"), (200, 770, name), (300, 770, "new")]
            for name in ("red", "tan", "jet", "tea")
        ],
        [[(40, 734, "The boats of Leith"), (300, 734, name)] for name in ("red", "tan", "jet", "tea")],
        [[(40, 770, "Of boats")], [(40, 770, "Of boats")], *[[(40, 770, name)] for name in ("Tea", "Rye")]],
    ],
    ids=["different", "short", "table", "close", "few"],
)
def test_first_lines_that_differ_are_kept(tops: list[list[Placed]]) -> None:
    pages = [
        [*top, *lines(*body, y=720)] for top, body in zip(tops, pairwise([*TOWER, *TEA]), strict=False)
    ]
    assert all(str(item[2]) in text_of(*pages) for item in (*tops[2], *tops[3]))


def test_a_page_number_is_left_out_on_a_single_page_but_not_a_year_at_its_top() -> None:
    assert text_of([*lines("1881", FERRY), (300, 30, "Page 1 of 1")]) == f"1881\n\n{FERRY}"


@pytest.mark.parametrize("ends", [".", ""], ids=["sentence", "open"])
def test_pages_of_equal_text_are_kept(ends: str) -> None:
    page = lines(FERRY, f"forty minutes{ends}")
    assert text_of(page, page, page).count("forty minutes") == 3


@pytest.mark.parametrize("shift", [0, 5], ids=["level", "shifted"])
def test_columns_are_read_one_after_the_other_though_drawn_row_by_row(shift: float) -> None:
    title = "All about the masons and the boats of the island, as told by those who were there"
    page = [(40, 800, title), *rows(TOWER, TEA, shift=shift)]
    assert text_of(page) == " ".join([f"{title}\n\n{TOWER[0]}", *TOWER[1:], *TEA])


def test_three_columns_are_read_one_after_the_other() -> None:
    columns = [[f"{name} has {n} brown boats" for n in ("two", "six", "ten", "nine")] for name in "ABC"]
    page: list[Placed] = [(40 + 0.6 * (line[0] - 40), line[1], line[2]) for line in rows(*columns)]
    assert text_of(page) == " ".join(text for column in columns for text in column)


def test_the_cells_of_a_table_stay_in_their_row() -> None:
    assert text_of(rows(["Leith", "Wick", "Oban"], ["1", "2", "3"])) == "Leith 1 Wick 2 Oban 3"


@pytest.mark.parametrize(
    ("texts", "text"),
    [
        (["a well-known man is well-", "known"], "a well-known man is well-known"),
        (["a light-house and a light-", "house"], "a light-house and a light-house"),
        (["a lighthouse or light-house, a light-", "house"], "a lighthouse or light-house, a lighthouse"),
        (["the engi\u2010", "neer"], "the engineer"),
        (["the engi\u00ad", "neer and the mast\u00ader"], "the engineer and the master"),
        (["from 1869-", "1872"], "from 1869-1872"),
        (["the state of the art, state-of-the-", "art"], "the state of the art, state-of-the-art"),
        (["both pre-", "and post-war"], "both pre- and post-war"),
    ],
    ids=["hyphen", "only hyphen", "both", "U+2010", "soft", "years", "several", "suspended"],
)
def test_hyphenation_is_undone_and_real_hyphens_stay(texts: list[str], text: str) -> None:
    assert text_of(lines(*texts)) == text


@pytest.mark.parametrize(
    ("drawn", "text"),
    [
        ([(40, 770, "in 1815"), (71, 774, "1", 6), (78, 770, "it rose")], "in 1815 it rose"),
        (
            [(40, 770, "the masons"), (89.5, 774, "12", 6), (96.3, 770, ", who came")],
            "the masons, who came",
        ),
        ([(40, 770, "about 10"), (78.5, 774, "6", 6), (84, 770, "boats")], "about 10^6 boats"),
        ([(40, 770, "two km"), (71, 774, "2", 6), (77, 770, "of land")], "two km^2 of land"),
        ([(40, 770, "the 19"), (68, 774, "th", 6), (76, 770, "day")], "the 19th day"),
        ([(40, 770, "in m s"), (67.8, 774, "-1", 6), (73.1, 770, ". It is")], "in m s^-1. It is"),
        ([(40, 770, "per day"), (73, 774, "\u22121", 6), (78.2, 770, ". It is")], "per day^\u22121. It is"),
        ([(40, 770, "some H"), (75, 768, "2", 6), (78.5, 770, "O is here")], "some H2O is here"),
        ([(40, 770, "in 1815\u00b9 it rose")], "in 1815 it rose"),
        ([(40, 770, "the 101"), (74, 768, "2", 6), (77.5, 770, "7 is here")], "the 101_2 7 is here"),
        ([(40, 764, "T", 20), (52.3, 770, "he* boats")], "The* boats"),
    ],
    ids=[
        "year",
        "word",
        "power",
        "unit",
        "ordinal",
        "negative",
        "minus",
        "lowered",
        "character",
        "index",
        "initial",
    ],
)
def test_note_marks_do_not_stick_to_words_and_numbers(drawn: list[Placed], text: str) -> None:
    assert text_of(drawn) == text


@pytest.mark.parametrize(
    ("drawn", "text"),
    [
        ([(40, 770, "if"), (46.9, 770, "they"), (67.7, 770, "are")], "if they are"),
        ([(40, 770, "y"), (46.8, 770, "a"), (54.2, 770, "y")], "yay"),
        ([(40, 770, "W"), (48, 770, "AV"), (60.2, 770, "E")], "WAVE"),
    ],
    ids=["spaces", "spaced letters", "kerning"],
)
def test_narrow_spaces_divide_words_and_gaps_between_spaced_letters_do_not(
    drawn: list[Placed], text: str
) -> None:
    assert text_of(drawn) == text


def test_narrow_spaces_divide_words_on_a_turned_page() -> None:
    assert text_of([(40, 770, "they"), (60.7, 770, "are")], is_turned=True) == "they are"


def test_footnotes_follow_the_paragraph_that_goes_on_behind_them() -> None:
    notes: list[Placed] = [
        (40, 100, "1", 5), (44, 96, "The masons came from Leith in the spring and", 8),
        (40, 86, "went in autumn.", 8), (40, 76, "2 See the almanac.", 8),
    ]  # fmt: skip
    assert text_of(BODIES[0] + notes, *BODIES[1:]) == (
        f"{BODY}\n\nThe masons came from Leith in the spring and went in autumn.\n\nSee the almanac."
    )


@pytest.mark.parametrize(
    "contents",
    [
        lines("Contents", "1 Boats ........ 3", "2 Us . . . . . 12", "3 A name, which", "goes on .... xx"),
        lines("Table of Contents", "Boats 3", "Masters 12"),
        lines("Signature ____________"),
        lines("3 Boats 3", "3.1 Masters ........ 12"),
    ],
    ids=["leaders", "numbers", "form", "goes on"],
)  # fmt: skip
def test_contents_and_rows_of_dots_are_left_out(contents: list[Placed]) -> None:
    assert text_of(contents, BODIES[2]) == BODIES[2][0][2]


def test_an_ellipsis_and_a_chapter_on_contents_are_kept() -> None:
    assert text_of(lines("Contents", "He waited . . . for 12 boats of 1869 ....")) == (
        "Contents\n\nHe waited . . . for 12 boats of 1869 ...."
    )


def test_paragraphs_after_characters_beyond_the_basic_plane_are_cut_rightly() -> None:
    end = "forty minutes."
    page = lines("\U0001f600" * 40 + " is here.", FERRY, end, FERRY, end)
    assert text_of(page).split("\n\n")[1:] == [f"{FERRY} {end}"] * 2


def test_unreadable_characters_are_left_out_and_a_document_of_them_fails() -> None:
    assert text_of(lines("\uf0b7 Tea is hot.", "\ue001\ue002 \ue003 b\ufffd.")) == "\u2022 Tea is hot."
    with pytest.raises(DocumentError, match=r"^a.pdf: its fonts do not say .* Run OCR"):
        text_of(lines("Th\ue065 t\ufffdw\ue065r ros\ue065 high."))


def test_the_lines_of_a_turned_page_are_joined_too() -> None:
    page = lines(FERRY, "forty minutes.", y=500) + lines(FERRY, "forty minutes.", y=450)
    assert text_of(page, is_turned=True) == f"{FERRY} forty minutes.\n\n{FERRY} forty minutes."
