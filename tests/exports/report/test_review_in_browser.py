"""A review in the page: keep, drop, edit, undo and filter, by mouse and by keyboard."""

from __future__ import annotations

import json
from itertools import zip_longest
from pathlib import Path

import pypdfium2

from qgbatch.output.rows import REVIEW_COLUMNS, Row
from qgbatch.questions.review import table_fingerprint
from tests.exports.report.conftest import IDS, NARROW, OpenPage, make_page, make_rows
from tests.support.tables import ask


def test_a_review_by_mouse(small_page: Path, open_page: OpenPage) -> None:
    opened = open_page(small_page)
    assert (opened.chosen(), opened.progress()) == ("Who dances?", "0 of 5 read")
    opened.click("keep")
    assert opened.chosen() == "What do bees do?"
    opened.click("drop")
    opened.page.get_by_role("button", name="unclear").click()
    assert opened.marks() == "kept, dropped, dropped: unclear, unread, unread"
    opened.becomes(opened.status, "Dropped: unclear. 3 of 5 read.")
    opened.click("edit")
    opened.fill("edit-question", "What is\n hot? ")
    opened.page.get_by_role("button", name="Save", exact=True).click()
    assert opened.chosen() == "What is hot?"
    assert opened.marks() == "kept, dropped, dropped: unclear, edited, unread"
    for marks in (
        "kept, dropped, dropped: unclear, unread, unread",
        "kept, dropped, unread, unread, unread",
        "kept, unread, unread, unread, unread",
        "unread, unread, unread, unread, unread",
    ):
        opened.click("undo")
        assert opened.marks() == marks
    assert opened.page.locator("#undo").is_disabled()
    assert (opened.chosen(), opened.progress()) == ("Who dances?", "0 of 5 read")
    opened.click("redo")
    opened.click("redo")
    assert opened.marks() == "kept, dropped, unread, unread, unread"
    opened.click("keep")
    assert opened.page.locator("#redo").is_disabled()


def test_a_review_by_touch_on_a_phone(small_page: Path, open_page: OpenPage) -> None:
    opened = open_page(small_page, viewport=NARROW, has_touch=True, is_mobile=True)
    opened.page.locator(".row").nth(1).tap()
    for name in ("keep", "drop", "edit", "undo", "redo"):
        box = opened.page.locator(f"#{name}").bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= 44
        assert box["y"] + box["height"] <= NARROW["height"]
    opened.page.locator("#keep").tap()
    opened.page.get_by_role("button", name="wrong").tap()
    assert opened.marks() == "unread, kept, dropped: wrong, unread, unread"
    opened.page.locator("#undo").tap()
    assert opened.chosen() == "Is tea hot?"
    assert not opened.page.locator("#state").is_visible()
    opened.page.get_by_text("Filter and sort").tap()
    opened.pick("state", "kept")
    assert opened.count() == "1 of 5"


def test_a_review_by_keyboard_only(small_page: Path, open_page: OpenPage, tmp_path: Path) -> None:
    opened = open_page(small_page)
    page = opened.page
    opened.press("?")
    assert page.locator("#help").is_visible()
    assert page.locator("#keys kbd").all_inner_texts()[:2] == ["j", "↓"]
    opened.press("x", "Escape")  # no key acts behind a dialog
    assert not page.locator("#help").is_visible()
    assert opened.progress() == "0 of 5 read"
    opened.press("y", "x", "2", "e")
    page.keyboard.type("Which thing is hot?")
    opened.press("Tab", "Control+a")
    page.keyboard.type("The tea")
    opened.press("Enter")
    assert opened.chosen() == "Which thing is hot?"
    assert page.locator("#original-question").inner_text() == "was: what is hot?"
    assert page.locator("#original-answer").inner_text() == "was: Tea"
    opened.press("j", "3", "u", "k", "k", "ArrowUp", "n")
    assert opened.chosen() == "Do ships sail?"
    opened.press("e")
    page.keyboard.type("What?")
    opened.press("Escape", "u", "u", "r", "Control+z", "Control+Shift+Z", "r")
    assert opened.marks() == "kept, dropped, dropped: unclear, edited, unread"
    opened.press("n", "y", "n")
    opened.becomes(opened.status, "No question of the list is unread.")
    with page.expect_download() as download:
        opened.press("s")
    download.value.save_as(tmp_path / "d.json")
    assert json.loads((tmp_path / "d.json").read_text()) == {
        "format": "qgbatch decisions 1",
        "table": "q.jsonl",
        "fingerprint": table_fingerprint(IDS),
        "decisions": {
            IDS[0]: {"decision": "keep"},
            IDS[1]: {"decision": "drop"},
            IDS[2]: {"decision": "drop", "reason": "unclear"},
            IDS[3]: {"decision": "keep", "question": "Which thing is hot?", "answer": "The tea"},
            IDS[4]: {"decision": "keep"},
        },
    }
    opened.press("/")
    page.keyboard.type("SHIPS xy")
    opened.press("Backspace", "Backspace", "Backspace", "Escape", "x")
    assert opened.marks() == "dropped"


def test_single_keys_can_be_turned_off(small_page: Path, open_page: OpenPage) -> None:
    opened = open_page(small_page)
    opened.press("?")
    opened.page.get_by_label("Single keys").uncheck()
    opened.press("Escape", "y")
    assert opened.progress() == "0 of 5 read"
    opened.page.reload()
    opened.press("y")
    assert opened.progress() == "0 of 5 read"
    opened.press("ArrowDown")  # not a character
    assert opened.chosen() == "What do bees do?"


def test_a_key_of_the_browser_is_not_taken(small_page: Path, open_page: OpenPage) -> None:
    opened = open_page(small_page)
    opened.press("Alt+y", "Control+y", "Meta+x")
    assert opened.progress() == "0 of 5 read"


def test_an_edit_is_not_lost_when_another_question_is_chosen(small_page: Path, open_page: OpenPage) -> None:
    opened = open_page(small_page)
    opened.click("edit")
    opened.fill("edit-answer", "")
    opened.page.locator(".row").nth(4).click()
    assert opened.marks() == "edited, unread, unread, unread, unread"
    opened.page.locator(".row").first.click()
    assert opened.page.locator("#chosen-answer").inner_text() == "no answer"
    opened.press("e")
    opened.fill("edit-question", " ")
    opened.press("Enter")
    assert (
        opened.page.locator("#edit-problem").inner_text() == "A question cannot be empty. Drop it instead."
    )
    opened.press("Escape", "y")  # keeps the question as it was edited
    assert opened.marks() == "edited, unread, unread, unread, unread"
    opened.page.locator(".row").first.click()
    opened.press("e")
    opened.fill("edit-answer", "Bees")
    opened.press("Enter")  # as it was at first
    assert opened.marks() == "kept, unread, unread, unread, unread"


def test_filters_by_state_reason_and_question_word(small_page: Path, open_page: OpenPage) -> None:
    opened = open_page(small_page)
    opened.press("y", "x", "2")
    opened.pick("state", "unread")
    assert opened.questions() == ["what is hot?", "Do ships sail?"]
    opened.press("Escape")
    opened.press("y")  # its row stays until a filter changes, so that nothing jumps
    assert opened.marks() == "kept, unread"
    assert opened.chosen() == "Do ships sail?"
    opened.pick("state", "dropped")
    assert opened.questions() == ["What do bees do?", "Is tea hot?"]
    opened.pick("reason", "unclear")
    assert opened.questions() == ["Is tea hot?"]
    opened.pick("reason", "no reason")
    assert opened.questions() == ["What do bees do?"]
    opened.page.get_by_role("button", name="Show all").click()
    opened.pick("word", "what")
    assert opened.questions() == ["What do bees do?", "what is hot?"]
    opened.pick("word", "other")
    assert opened.questions() == ["Is tea hot?", "Do ships sail?"]


def test_an_edited_question_is_found_by_its_new_text(small_page: Path, open_page: OpenPage) -> None:
    opened = open_page(small_page)
    opened.click("edit")
    opened.fill("edit-question", "Whose dance is it?")
    opened.press("Enter")
    opened.fill("search", "whose dance bees")
    assert opened.count() == "1 of 5"
    opened.pick("word", "who")
    assert opened.count() == "1 of 5"


def test_keys_do_nothing_while_the_list_is_empty(small_page: Path, open_page: OpenPage) -> None:
    opened = open_page(small_page)
    opened.fill("search", "nowhere")
    opened.press("Escape", "y", "x", "e", "j", "n", "End")
    assert opened.progress() == "0 of 5 read"
    assert not opened.page.locator("#panel").is_visible()
    opened.page.get_by_role("button", name="Show all").click()
    assert opened.chosen() == "Who dances?"


def test_the_address_has_the_filters(small_page: Path, open_page: OpenPage) -> None:
    opened = open_page(small_page)
    opened.press("y")
    opened.pick("state", "unread")
    opened.fill("search", "& <i> #tea?")
    opened.fill("score", "0.25")
    opened.order("longest first")
    opened.becomes(lambda: "order=longest" in opened.page.url, True)
    address = opened.page.url
    other = open_page(small_page, "#" + address.partition("#")[2], opened.page.context)
    assert other.page.locator("#search").input_value() == "& <i> #tea?"
    other.fill("search", "")
    assert other.questions() == ["What do bees do?", "Do ships sail?", "what is hot?"]
    other.page.evaluate("location.hash = '#state=kept'")
    other.becomes(other.questions, ["Who dances?"])
    assert other.page.locator("#score").input_value() == ""
    other.page.get_by_role("button", name="Show all").click()
    other.becomes(lambda: "#" in other.page.url, False)


def test_a_hostile_address_does_nothing(small_page: Path, open_page: OpenPage) -> None:
    opened = open_page(small_page)
    for address in (
        "#state=<img src=x onerror=alert(1)>&order=__proto__&word=constructor&reason=%00&score=NaN",
        "#%",
        "#search=" + "%3Cscript%3Ealert(1)%3C/script%3E" * 1000,
        "#score=1e999&source=</script><script>alert(1)</script>",
        "#order=toString&state=unread&state=kept",
    ):
        opened.page.goto(small_page.as_uri() + address)
        opened.page.reload()
        assert opened.page.locator("img, main script").count() == 0
        assert len(opened.page.locator("#search").input_value()) <= 1000
        opened.page.evaluate("location.hash = ''")
        opened.becomes(opened.count, "5 of 5")


def test_rows_of_a_reviewed_table_start_as_read(tmp_path: Path, open_page: OpenPage) -> None:
    rows = make_rows()
    reviews: list[Row] = [
        {"review": "kept"},
        {"review": "edited", "original_question": "what do bees?", "original_answer": None},
    ]
    nothing: Row = dict.fromkeys(REVIEW_COLUMNS)
    for row, review in zip_longest(rows, reviews, fillvalue=nothing):
        row |= {**nothing, **review}
    opened = open_page(make_page(tmp_path, rows))
    assert opened.marks() == "kept, edited, unread, unread, unread"
    assert opened.progress() == "2 of 5 read"
    opened.press("j")
    assert opened.page.locator("#original-question").inner_text() == "was: what do bees?"
    assert opened.page.locator("#original-answer").inner_text() == "was: no answer"
    opened.press("x", "u")
    assert opened.marks() == "kept, edited, unread, unread, unread"
    assert opened.save(tmp_path / "d.json")["decisions"] == {}
    opened.press("e")
    opened.page.keyboard.type("what do bees?")
    opened.press("Tab", "Control+a", "Delete", "Enter")  # as before the edit
    assert opened.marks() == "kept, kept, unread, unread, unread"


def test_a_table_without_answers_has_none_to_edit(tmp_path: Path, open_page: OpenPage) -> None:
    opened = open_page(make_page(tmp_path, ask("Tea.", "t.txt", (0, 4, ["What?"]))))
    assert not opened.page.locator("#chosen-answer").is_visible()
    opened.press("e")
    assert opened.page.locator("#edit-question").is_visible()
    assert not opened.page.locator("#edit-answer").is_visible()


def test_the_answer_is_marked_in_its_passage(tmp_path: Path, open_page: OpenPage) -> None:
    text = "🐝🐝 " + "The bees, which are many and small insects,\nall dance at night in the hive. "
    (row,) = ask(text, "a.txt", (2, len(text), ["Who dances at night?"]))
    row |= {"answer": "all dance", "answer_start_char": text.index("all dance"), "answer_score": 0.5}
    opened = open_page(make_page(tmp_path, [row]))
    assert opened.page.locator("mark").inner_text() == "all dance"
    passage = opened.page.locator(".segment.chosen > p")
    assert passage.inner_text().split() == text[2:].split()


def test_a_decision_about_an_id_that_two_rows_have(tmp_path: Path, open_page: OpenPage) -> None:
    opened = open_page(make_page(tmp_path, [*make_rows(), make_rows()[0]]))
    opened.press("y")
    assert opened.progress() == "2 of 6 read"
    assert opened.marks() == "kept, unread, unread, unread, unread, kept"


def test_the_list_keeps_to_rows_in_sight(tmp_path: Path, open_page: OpenPage) -> None:
    """A key press makes as many elements in a long list as in a short one."""
    questions = [f"What is number {number}?" for number in range(3000)]
    rows = ask("Numbers.", "n.txt", (0, 8, questions[:5]))
    rows += [row for n in range(5, 3000) for row in ask("Numbers.", f"{n}.txt", (0, 8, [questions[n]]))]
    opened = open_page(make_page(tmp_path, rows))
    made = """() => {
      const create = document.createElement.bind(document);
      let made = 0;
      document.createElement = (name) => (made++, create(name));
      document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "y", bubbles: true}));
      return made;
    }"""
    assert opened.page.evaluate(made) < 200
    assert opened.progress() == "1 of 3,000 read"


def test_the_print_has_the_questions_by_document_and_the_answers_at_the_end(
    small_page: Path, open_page: OpenPage
) -> None:
    opened = open_page(small_page)
    opened.press("y", "x", "e")
    opened.fill("edit-question", "Is tea cold?")
    opened.press("Enter")
    opened.order("question, A to Z")  # paper has the order of the documents
    pages = [page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(opened.page.pdf())]
    assert [" ".join(page.split()) for page in pages] == [
        "q.jsonl bees.txt 1. Who dances? tea.txt 2. Is tea cold? 3. what is hot? 4. Do ships sail?",
        "Answers bees.txt 1. Bees characters 0 to 11 tea.txt 2. characters 12 to 23 "
        "3. Tea characters 12 to 23 4. characters 24 to 35",
    ]
    opened.pick("state", "dropped")
    (page,) = (page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(opened.page.pdf()))
    assert page.split() == ["q.jsonl", "No", "question", "to", "print."]
