"""Where decisions of the page are: in the browser, in files and in the page itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, Playwright

from qgbatch.cli import main
from qgbatch.errors import InputError
from qgbatch.questions.review import FORMAT, Decision, read_decisions, table_fingerprint
from tests.exports.report.conftest import IDS, WIDE, Opened, OpenPage, make_page
from tests.support.chromium import LAUNCH
from tests.support.tables import ask

KEY = f"qgbatch-review:{table_fingerprint(IDS)}"
EVIL = "</script><img src=x onerror=alert(1)><b>?"
OTHER_ID = "q" + "f" * 24


def write_decisions(path: Path, decisions: Any, **values: Any) -> Path:
    content = {"format": FORMAT, "table": "q.jsonl", "fingerprint": table_fingerprint(IDS)}
    path.write_text(json.dumps({**content, "decisions": decisions, **values}), encoding="utf-8")
    return path


def stored(opened: Opened) -> Any:
    return json.loads(opened.page.evaluate("key => localStorage.getItem(key)", KEY) or "{}")


def test_decisions_survive_closing_the_browser(
    small_page: Path, playwright: Playwright, browser: Browser, tmp_path: Path
) -> None:
    assert browser  # skips without one
    profile = tmp_path / "profile"
    for keys, before, after in (
        (("y", "x", "u", "2"), "unread, unread, unread, unread, unread", "1"),
        (("u", "j", "n", "y"), "kept, dropped: unclear, unread, unread, unread", "2"),
    ):
        context = playwright.chromium.launch_persistent_context(profile, **LAUNCH)
        opened = Opened(context.new_page(), small_page)
        assert opened.marks() == before, after
        opened.press(*keys)
        with opened.page.expect_event("close"):
            opened.page.close(run_before_unload=True)  # before the page has stored the last change
        context.close()
    context = playwright.chromium.launch_persistent_context(profile, **LAUNCH)
    opened = Opened(context.new_page(), small_page)
    assert opened.marks() == "kept, dropped: unclear, kept, unread, unread"
    assert opened.messages == []
    context.close()


def test_another_page_does_not_have_the_decisions(
    small_page: Path, tmp_path: Path, open_page: OpenPage
) -> None:
    opened = open_page(small_page)
    opened.press("y")
    opened.becomes(lambda: bool(stored(opened)), True)
    other = make_page(tmp_path / "other", ask("Tea.", "t.txt", (0, 4, ["What?"])))
    assert open_page(other, context=opened.page.context).marks() == "unread"


def test_two_tabs_share_their_decisions(small_page: Path, open_page: OpenPage) -> None:
    first = open_page(small_page)
    second = open_page(small_page, context=first.page.context)
    first.press("y")
    second.press("j", "x")  # before the first tab has stored its decision
    expected = "kept, dropped, unread, unread, unread"
    first.becomes(first.marks, expected)
    second.becomes(second.marks, expected)
    assert first.progress() == second.progress() == "2 of 5 read"
    second.press("u")
    first.becomes(first.marks, "kept, unread, unread, unread, unread")
    assert second.page.locator("#undo").is_disabled()  # the step of the other tab is not its own


@pytest.mark.parametrize("method", ["getItem", "setItem"])
def test_a_browser_that_does_not_store_asks_for_a_file(
    method: str, small_page: Path, open_page: OpenPage, browser: Browser, tmp_path: Path
) -> None:
    context = browser.new_context(viewport=WIDE)
    context.add_init_script(
        f"Storage.prototype.{method} = () => {{ throw new DOMException('', 'QuotaExceededError') }}"
    )
    opened = open_page(small_page, context=context)
    opened.press("y")
    message = "does not store your decisions (QuotaExceededError)"
    opened.becomes(lambda: message in opened.warning(), True)
    assert opened.save(tmp_path / "d.json")["decisions"] == {IDS[0]: {"decision": "keep"}}
    opened.page.get_by_role("button", name="Close").click()
    assert not opened.page.locator("#notice").is_visible()
    opened.page.close(run_before_unload=True)  # asks nothing, since all is saved
    context.close()


def test_leaving_with_decisions_that_are_nowhere_is_asked_about(small_page: Path, browser: Browser) -> None:
    context = browser.new_context(viewport=WIDE)
    context.add_init_script("Storage.prototype.setItem = () => { throw new DOMException('', 'Quota') }")
    opened = Opened(context.new_page(), small_page)
    opened.click("keep")
    with opened.page.expect_event("dialog") as dialog:
        opened.page.close(run_before_unload=True)
    assert dialog.value.type == "beforeunload"
    opened.becomes(opened.progress, "1 of 5 read")  # without the dialog, under which closing may crash
    context.close()


def test_what_no_page_stored_is_ignored(small_page: Path, open_page: OpenPage) -> None:
    opened = open_page(small_page)
    invalid = json.dumps({IDS[0]: {"decision": "x"}})
    for content in ("", "[", "3", '"x"', "null", "[1, null]", '{"q1": 3}', invalid):
        opened.page.evaluate("([key, content]) => localStorage.setItem(key, content)", [KEY, content])
        opened.page.reload()
        assert opened.progress() == "0 of 5 read", content
    opened.press("y")
    opened.becomes(lambda: stored(opened)[IDS[0]], {"decision": "keep"})


def test_a_saved_file_is_read_by_the_command(small_page: Path, tmp_path: Path, open_page: OpenPage) -> None:
    opened = open_page(small_page)
    opened.press("y", "4", "e")
    opened.page.keyboard.type("Is tea « hot » — 🍵 “always”?")
    opened.press("Enter")
    opened.save(tmp_path / "d.json")
    saved = read_decisions(tmp_path / "d.json")
    assert (saved.table, saved.fingerprint) == ("q.jsonl", table_fingerprint(IDS))
    assert saved.by_id == {
        IDS[0]: Decision("keep"),
        IDS[1]: Decision("drop", "duplicate"),
        IDS[2]: Decision("keep", question="Is tea « hot » — 🍵 “always”?"),
    }


def test_the_command_applies_what_was_decided_in_the_page(
    small_page: Path, tmp_path: Path, open_page: OpenPage
) -> None:
    opened = open_page(small_page)
    opened.press("y", "2", "x", "u", "e")
    opened.fill("edit-question", "Is tea warm?")
    opened.press("Enter", "j", "x")
    opened.save(tmp_path / "d.json")
    paths = [str(tmp_path / name) for name in ("q.jsonl", "d.json", "reviewed.jsonl", "again.html")]
    result = CliRunner().invoke(main, ["review", *paths[:2], "-o", paths[2], "--with-unread"])
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in Path(paths[2]).read_text(encoding="utf-8").splitlines()]
    assert [(row["question"], row["review"], row["original_question"]) for row in rows] == [
        ("Who dances?", "kept", None),
        ("Is tea warm?", "edited", "Is tea hot?"),
        ("Do ships sail?", None, None),
    ]
    for words in ([], ["--review-with", paths[1]]):  # what was read is read in the page of the result
        result = CliRunner().invoke(main, ["report", paths[2], *words, "-o", paths[3]])
        assert result.exit_code == 0, result.output
        again = open_page(Path(paths[3]))
        assert again.marks() == "kept, edited, unread"
        again.press("j")
        assert again.page.locator("#original-question").inner_text() == "was: Is tea hot?"


def test_a_file_is_loaded_in_one_step(small_page: Path, tmp_path: Path, open_page: OpenPage) -> None:
    decisions = {
        IDS[0]: {"decision": "drop", "reason": "wrong"},
        IDS[3]: {"decision": "keep", "answer": "Water"},
        OTHER_ID: {"decision": "keep", "question": "What is not here?"},
    }
    path = write_decisions(tmp_path / "d.json", decisions, fingerprint="other")
    opened = open_page(small_page)
    opened.press("y", "x")
    opened.load(path)
    assert opened.marks() == "dropped: wrong, dropped, unread, edited, unread"
    about = "Loaded 3 decisions. 1 of them about questions that this table does not have."
    opened.becomes(opened.status, about)
    saved = opened.save(tmp_path / "saved.json")["decisions"]
    assert saved == {**decisions, IDS[1]: {"decision": "drop"}}
    opened.click("undo")
    opened.becomes(opened.status, "Undone: 3 decisions. 2 of 5 read.")
    assert opened.marks() == "kept, dropped, unread, unread, unread"
    assert OTHER_ID not in opened.save(tmp_path / "saved.json")["decisions"]
    opened.click("redo")
    opened.becomes(lambda: stored(opened).get(OTHER_ID), decisions[OTHER_ID])
    again = open_page(small_page, context=opened.page.context)
    assert again.save(tmp_path / "saved.json")["decisions"] == saved


def test_a_file_of_another_table_is_refused(small_page: Path, tmp_path: Path, open_page: OpenPage) -> None:
    path = write_decisions(tmp_path / "d.json", {OTHER_ID: {"decision": "keep"}}, fingerprint="a" * 64)
    opened = open_page(small_page)
    opened.load(path)
    assert "d.json was not loaded: it belongs to another table" in opened.warning()
    assert "a" * 64 in opened.warning()
    assert table_fingerprint(IDS) in opened.warning()
    assert opened.save(tmp_path / "saved.json")["decisions"] == {}
    opened.load(write_decisions(path, {IDS[0]: {"decision": "keep"}}))  # the same path again
    opened.becomes(opened.progress, "1 of 5 read")
    assert not opened.page.locator("#notice").is_visible()


INVALID: list[tuple[Any, str]] = [
    ("", "not loaded"),
    ("[]", "format is not"),
    (json.dumps({"format": FORMAT}), "no decisions"),
    ({IDS[0]: {"decision": "maybe"}}, "neither keep nor drop"),
    ({IDS[0]: None}, "not an object"),
    ({IDS[0]: {"decision": "drop", "reason": EVIL}}, "the reason is none of"),
    ({IDS[0]: {"decision": "drop", "question": "Why?"}}, "both dropped and edited"),
    ({IDS[0]: {"decision": "keep", "question": " "}}, "the new question is empty"),
    ({IDS[0]: {"decision": "keep", "answer": 3}}, "not text"),
    ({EVIL: {"decision": EVIL}}, EVIL),
]
"""Contents or decisions of files, with what is wrong."""


def test_an_invalid_file_changes_nothing(small_page: Path, tmp_path: Path, open_page: OpenPage) -> None:
    opened, path = open_page(small_page), tmp_path / "d.json"
    for content, problem in INVALID:
        if isinstance(content, str):
            path.write_text(content)
        else:
            write_decisions(path, {IDS[1]: {"decision": "keep"}, **content})
        opened.load(path)
        assert problem in opened.warning()
        assert opened.progress() == "0 of 5 read", problem
        with pytest.raises(InputError):  # the command refuses it too
            read_decisions(path)
        opened.page.get_by_role("button", name="Close").click()


def test_a_page_begins_with_given_decisions(tmp_path: Path, open_page: OpenPage) -> None:
    given = {
        IDS[0]: {"decision": "keep"},
        IDS[1]: {"decision": "drop", "reason": "trivial"},
        OTHER_ID: {"decision": "drop"},
    }
    page = make_page(tmp_path, decisions=write_decisions(tmp_path / "d.json", given))
    opened = open_page(page)
    assert opened.marks() == "kept, dropped: trivial, unread, unread, unread"
    assert opened.page.locator("#undo").is_disabled()
    assert opened.save(tmp_path / "saved.json")["decisions"] == given
    opened.press("x")
    opened.becomes(lambda: stored(opened), {IDS[0]: {"decision": "drop"}})  # only what differs
    again = open_page(page, context=opened.page.context)
    assert again.marks() == "dropped, dropped: trivial, unread, unread, unread"
    opened.press("u")
    opened.becomes(lambda: stored(opened), {IDS[0]: {"decision": "keep"}})
    again.becomes(again.marks, "kept, dropped: trivial, unread, unread, unread")


def test_taking_back_a_step_of_an_older_page_survives(
    small_page: Path, tmp_path: Path, open_page: OpenPage
) -> None:
    """The page is made again with decisions; an undo in the old page wins over them."""
    opened = open_page(small_page)
    opened.press("y", "y")
    opened.save(tmp_path / "d.json")
    given = make_page(tmp_path, decisions=tmp_path / "d.json")
    opened.becomes(lambda: len(stored(opened)), 2)
    again = open_page(given, context=opened.page.context)
    assert again.progress() == "2 of 5 read"
    opened.press("u")
    again.becomes(again.progress, "1 of 5 read")


def test_hostile_texts_stay_text(tmp_path: Path, open_page: OpenPage) -> None:
    (row,) = ask(EVIL, EVIL, (0, len(EVIL), [EVIL]))
    row |= {"answer": "<img", "answer_start_char": EVIL.index("<img"), "answer_score": 0.5}
    row |= {"review": "edited", "original_question": f"1{EVIL}", "original_answer": f"2{EVIL}"}
    identifier = str(row["question_id"])
    evil = {identifier: {"decision": "keep", "question": f"3{EVIL}", "answer": f"4{EVIL}"}}
    decisions = {**evil, "__proto__": {"decision": "drop"}, EVIL: {"decision": "keep"}}
    path = write_decisions(tmp_path / "d.json", decisions, table=EVIL, fingerprint=EVIL)
    for page in (make_page(tmp_path / "a", [row]), make_page(tmp_path / "b", [row], path)):
        opened = open_page(page)
        if page.parent.name == "a":
            opened.load(path)
        assert opened.questions() == [f"3{EVIL}"]
        assert opened.page.locator("#chosen-answer").inner_text() == f"4{EVIL}"
        assert opened.page.locator("#original-question").inner_text() == f"was: 1{EVIL}"
        assert opened.page.locator("#original-answer").inner_text() == f"was: 2{EVIL}"
        assert opened.page.locator("h2 > *, img, b, main script").count() == 0
        assert opened.save(tmp_path / "saved.json")["decisions"] == decisions
        opened.press("e")
        assert opened.page.locator("#edit-question").input_value() == f"3{EVIL}"
        opened.press("Escape")
        opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        printed = opened.page.locator("#printed").text_content()
        assert printed
        assert f"3{EVIL}" in printed
        assert f"4{EVIL}" in printed
        assert opened.page.locator("img, b, main script").count() == 0
