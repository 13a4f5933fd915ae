"""What the tests of the report page share: one browser, and pages of questions that a test makes up."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Dialog,
    Page,
    ViewportSize,
)

from qgbatch.exports.report.writer import write_report
from qgbatch.exports.table import QuestionTable
from qgbatch.output.rows import Row
from tests.support.tables import ask, write

WIDE = ViewportSize(width=1400, height=900)
NARROW = ViewportSize(width=390, height=844)
PATIENCE_MS = 10_000
TEXT = "Bees dance. Tea is hot. Ships sail."


class Opened:
    """An open page, with its requests and its error messages."""

    def __init__(self, page: Page, path: Path, hash_: str = "") -> None:
        self.page = page
        self.messages: list[str] = []
        self.requests: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda message: self.messages.append(message.text))
        page.on("pageerror", lambda error: self.messages.append(str(error)))
        page.on("dialog", self._dismiss)
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(path.as_uri() + hash_)

    def _dismiss(self, dialog: Dialog) -> None:
        self.messages.append(dialog.message)
        dialog.dismiss()

    def questions(self) -> list[str]:
        """The questions of the rows in the page: those that are visible and a few around them."""
        return self.page.locator(".row p").all_inner_texts()

    def marks(self) -> str:
        """The states of these rows: ``kept, unread, dropped: wrong``."""
        pairs = self.page.locator(".row").evaluate_all(
            "rows => rows.map(row => ['small > span', '.mark use'].map(part => row.querySelector(part)))"
            ".map(([state, use]) => [state.textContent, use.getAttribute('href')])"
        )
        assert all(picture == f"#mark-{state.split(':')[0]}" for state, picture in pairs)
        return ", ".join(state for state, _ in pairs)

    def count(self) -> str:
        return self.page.locator("#count").inner_text()

    def progress(self) -> str:
        return self.page.locator("#progress").inner_text()

    def becomes(self, read: Callable[[], Any], expected: Any) -> None:
        """Wait until what a function reads from the page is as expected."""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while (found := read()) != expected and time.monotonic() < deadline:
            self.page.wait_for_timeout(20)
        assert found == expected

    def status(self) -> str:
        """What the page said last; it says it a moment after it did it."""
        return self.page.locator("#status").inner_text()

    def warning(self) -> str:
        return self.page.locator("#warning").inner_text()

    def chosen(self) -> str:
        """The question of the panel, which is that of the list and of the text."""
        question = self.page.locator("#chosen-question").inner_text()
        assert self.page.locator(".row[aria-selected=true] p").all_inner_texts() in ([question], [])
        assert self.page.locator(".segment [aria-current] > span").first.inner_text().startswith(question)
        return question

    def fill(self, name: str, value: str) -> None:
        self.page.locator(f"#{name}").fill(value)

    def pick(self, name: str, label: str) -> None:
        self.page.locator(f"#{name}").select_option(label=label)

    def order(self, name: str) -> None:
        self.pick("order", name)

    def click(self, name: str) -> None:
        self.page.locator(f"#{name}").click()

    def press(self, *keys: str) -> None:
        self.page.bring_to_front()  # another page of the test may be
        for key in keys:
            self.page.keyboard.press(key)

    def save(self, path: Path) -> dict[str, Any]:
        """Save the decisions to a file, and return what is in it."""
        with self.page.expect_download() as download:
            self.click("save")
        assert download.value.suggested_filename == "decisions.json"
        download.value.save_as(path)
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content

    def load(self, path: Path) -> None:
        with self.page.expect_file_chooser() as chooser:
            self.click("load")
        self.page.evaluate("document.getElementById('status').textContent = ''")
        chooser.value.set_files(path)
        self.becomes(lambda: bool(self.status()) or f"{path.name} was not loaded" in self.warning(), True)


OpenPage = Callable[..., Opened]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open a page; at the end, check that it logged no error and requested no other file.

    Pages of one context share what they store.
    """
    contexts: list[BrowserContext] = []
    opened: list[Opened] = []

    def open_one(
        path: Path, hash_: str = "", context: BrowserContext | None = None, **options: Any
    ) -> Opened:
        if context is None:
            context = browser.new_context(**{"viewport": WIDE, **options})
            contexts.append(context)
        opened.append(Opened(context.new_page(), path, hash_))
        return opened[-1]

    yield open_one
    for one in opened:
        assert one.messages == []
        files = {url.partition("#")[0] for url in one.requests if not url.startswith("blob:")}
        assert files == {one.page.url.partition("#")[0]}
    for context in contexts:
        context.close()


def answered(rows: Sequence[Row], answers: Sequence[tuple[str, int | None]]) -> list[Row]:
    """Rows with answers, which begin at a character of the document."""
    return [
        {**row, "answer": answer, "answer_start_char": start, "answer_score": 0.5}
        for row, (answer, start) in zip(rows, answers, strict=True)
    ]


def make_rows() -> list[Row]:
    """Five questions about two documents; two of them have no answer."""
    rows = [
        *ask(TEXT, "bees.txt", (0, 11, ["Who dances?", "What do bees do?"])),
        *ask(TEXT, "tea.txt", (12, 23, ["Is tea hot?", "what is hot?"]), (24, 35, ["Do ships sail?"])),
    ]
    rows = answered(rows, [("Bees", 0), ("dance", 5), ("", None), ("Tea", 12), ("", None)])
    for row, score in zip(rows, (0.5, 0.9, 0.1, 0.7, 0.3), strict=True):
        row["score"] = score
    return rows


IDS = [str(row["question_id"]) for row in make_rows()]


def make_page(directory: Path, rows: Sequence[Row] | None = None, decisions: Path | None = None) -> Path:
    """The page of a table."""
    directory.mkdir(exist_ok=True)
    table = QuestionTable(write(directory / "q.jsonl", rows or make_rows()))
    write_report(table, None, directory / "page.html", decisions)
    return directory / "page.html"


@pytest.fixture
def small_page(tmp_path: Path) -> Path:
    """A page of :func:`make_rows`."""
    return make_page(tmp_path)
