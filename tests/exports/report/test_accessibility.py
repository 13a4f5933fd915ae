"""The page has no violation that axe-core finds: in light, dark, on a phone, with whatever is open."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ViewportSize

from tests.exports.report.conftest import NARROW, WIDE, Opened, OpenPage


def assert_accessible(opened: Opened) -> None:
    results = Axe().run(opened.page)
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_no_violation(
    scheme: str, viewport: ViewportSize, small_page: Path, open_page: OpenPage, tmp_path: Path
) -> None:
    opened = open_page(small_page, viewport=viewport, color_scheme=scheme)
    opened.press("y", "x", "e")
    opened.fill("edit-question", "What?")
    assert_accessible(opened)
    opened.press("Enter")
    assert opened.marks() == "kept, dropped, edited, unread, unread"
    assert_accessible(opened)
    opened.press("?")
    assert_accessible(opened)
    opened.press("Escape")
    opened.load(tmp_path / "page.html")  # not a file of decisions
    assert opened.page.locator("#notice").is_visible()
    opened.fill("search", "nowhere")
    if viewport == NARROW:
        opened.page.get_by_text("Filter and sort").click()
    assert_accessible(opened)


def test_the_focus_stays_in_the_help_and_returns(small_page: Path, open_page: OpenPage) -> None:
    opened = open_page(small_page)
    opened.page.locator("#open-help").focus()
    opened.press("Enter")
    for _ in range(4):
        opened.press("Tab")
        inside = "!document.hasFocus() || document.activeElement.closest('#help, body:focus') !== null"
        assert opened.page.evaluate(inside)
    opened.press("Escape")
    assert opened.page.evaluate("document.activeElement.id") == "open-help"


def test_the_focus_goes_to_the_editor_and_returns(small_page: Path, open_page: OpenPage) -> None:
    opened = open_page(small_page)
    opened.page.locator("#list").focus()
    opened.press("e")
    assert opened.page.evaluate("document.activeElement.id") == "edit-question"
    opened.press("Escape")
    assert opened.page.evaluate("document.activeElement.id") == "list"
    opened.click("edit")
    opened.press("Enter")
    assert opened.page.evaluate("document.activeElement.id") == "edit"


def test_tab_goes_from_the_list_to_the_buttons_in_the_order_of_the_screen(
    small_page: Path, open_page: OpenPage
) -> None:
    opened = open_page(small_page)
    opened.press("y")
    opened.page.locator("#list").focus()
    order = []
    for _ in range(8):
        opened.press("Tab")
        name = opened.page.evaluate("document.activeElement.id || document.activeElement.textContent")
        order.append(name)
    assert order == ["keep", "drop", "edit", "undo", "wrong 1", "unclear 2", "trivial 3", "duplicate 4"]


def test_names_of_rows_and_buttons_say_the_state_and_the_key(small_page: Path, open_page: OpenPage) -> None:
    opened = open_page(small_page)
    opened.press("1")
    rows = opened.page.get_by_role("listbox", name="Questions").get_by_role("option")
    assert " ".join(rows.nth(0).inner_text().split()) == (
        "Who dances? dropped: wrong · Bees · 0.500 · bees.txt"
    )
    assert rows.nth(1).get_attribute("aria-posinset") == "2"
    assert rows.nth(1).get_attribute("aria-setsize") == "5"
    assert opened.page.get_by_role("group", name="Drop as").get_by_role("button").count() == 4
    assert opened.page.locator("#keep").get_attribute("aria-keyshortcuts") == "y"
    assert opened.page.locator("#status").get_attribute("role") == "status"
