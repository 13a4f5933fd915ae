"""The page of the export format ``quiz`` in a real browser, on a screen and on paper."""

from __future__ import annotations

from collections.abc import Iterator

import pypdfium2
import pytest
from playwright.sync_api import Browser, Page

from qgbatch.exports.export import FORMATS, export
from qgbatch.exports.options import ExportOptions
from qgbatch.exports.table import QuestionTable
from tests.support.tables import ask_chunk, chunk, write_rows

EVIL = "</style><script>document.title='owned'</script><img src=x onerror=alert(1)> {{ 7*7 }} &amp;"
N_QUESTIONS = 30


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A quiz of several pages of paper, in which one question is hostile, on a dark phone."""
    home = tmp_path_factory.mktemp("quiz")
    rows = [
        ask_chunk(
            chunk(f"Tower {year} was built in {year}.", "towers.txt"), f"When is {year}?", answer=f"{year}"
        )
        for year in range(1800, 1800 + N_QUESTIONS - 1)
    ]
    rows.append(ask_chunk(chunk(EVIL, EVIL), EVIL, answer=EVIL))
    table = QuestionTable(write_rows(home / "q.jsonl", rows))
    export(table, FORMATS["quiz"], home / "out", ExportOptions())
    page = browser.new_page(color_scheme="dark", viewport={"width": 390, "height": 844})
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("request", lambda request: messages.append(request.url))
    page.goto((home / "out" / "quiz.html").as_uri())
    yield page
    assert messages == [page.url]  # no other file, and nothing that the policy blocked
    page.close()


def test_a_hostile_text_stays_text(page: Page) -> None:
    assert page.title() == "q"
    assert page.locator("script, img").count() == 0
    assert page.locator(".question").last.inner_text() == EVIL
    assert page.locator(".sentence").last.inner_text() == EVIL


def test_a_phone_needs_no_scrolling_to_the_side(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"


def test_on_paper_the_key_has_its_own_pages(page: Page) -> None:
    pages = [
        sheet.get_textpage().get_text_range() for sheet in pypdfium2.PdfDocument(page.pdf(format="A4"))
    ]
    first = next(number for number, text in enumerate(pages) if "Answer key" in text)
    assert first > 1
    assert pages[first].splitlines()[:2] == [str(first + 1), "Answer key: q"]
    assert pages[0].split()[:7] == ["1", "q", "Name", "Date", "Points", "of", str(N_QUESTIONS)]
    questions, key = "".join(pages[:first]), "".join(pages[first:])
    assert questions.count("When is") == N_QUESTIONS - 1
    assert "was built in" not in questions
    assert key.count("was built in") == N_QUESTIONS - 1


def test_paper_is_white(page: Page) -> None:
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.emulate_media(media="screen")
