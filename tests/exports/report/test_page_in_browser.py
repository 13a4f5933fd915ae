"""The page of ``qgbatch report`` in a real browser."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pypdfium2
import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, ViewportSize

from qgbatch.cli import main
from qgbatch.exports.report.writer import write_report
from qgbatch.exports.table import QuestionTable
from tests.conftest import SAMPLES
from tests.exports.report.conftest import NARROW, WIDE, Opened, OpenPage
from tests.support.runs import GREEDY
from tests.support.tables import ask, write

EVIL = (
    "Tea </script><script>document.title='owned'</script><img src=x onerror=alert(1)> <b>bold</b> {{ 7*7 }}"
)
N_MANY = 50_000


@pytest.fixture(scope="module")
def samples_page(tmp_path_factory: pytest.TempPathFactory, cache_home: Path) -> Path:
    """A page of a real run."""
    home = tmp_path_factory.mktemp("samples")
    questions, counts, page = (str(home / name) for name in ("q.parquet", "run.json", "page.html"))
    inputs = [str(SAMPLES / name) for name in ("tea.md", "lighthouses.txt")]
    for words in (
        ["run", *inputs, "-o", questions, "--report", counts, *GREEDY],
        ["report", questions, "--run-report", counts, "-o", page],
    ):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, result.output
    return home / "page.html"


@pytest.fixture(scope="module")
def large_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of 50,000 questions, half of them of one document."""
    home = tmp_path_factory.mktemp("large")
    words = (SAMPLES / "tea.md").read_text(encoding="utf-8").split()
    draw, rows = random.Random(1), []
    for source, n_chunks in [("a book.txt", N_MANY // 2), *((f"{i:03}.txt", 50) for i in range(500))]:
        chunks = [" ".join(draw.choices(words, k=30)) for _ in range(n_chunks)]
        spans, start = [], 0
        for chunk in chunks:
            spans.append((start, start + len(chunk), [f"What is {' '.join(draw.choices(words, k=5))}?"]))
            start += len(chunk) + 1
        rows += ask("\n".join(chunks), source, *spans)
    write(home / "q.parquet", rows)
    result = CliRunner().invoke(main, ["report", str(home / "q.parquet"), "-o", str(home / "page.html")])
    assert result.exit_code == 0, result.output
    return home / "page.html"


def test_a_question_is_shown_beside_its_passage(samples_page: Path, open_page: OpenPage) -> None:
    opened = open_page(samples_page)
    page = opened.page
    opened.fill("source", "lighthouses")
    page.locator(".row").nth(3).click()
    question = opened.questions()[3]
    assert page.locator(".text h2").inner_text() == str(SAMPLES / "lighthouses.txt")
    chosen = page.locator(".segment.chosen")
    assert chosen.locator("li [aria-current]").inner_text() == question
    text = (SAMPLES / "lighthouses.txt").read_text(encoding="utf-8")
    assert chosen.locator("p").inner_text() in text
    shown = "".join("".join(page.locator(".segment > p").all_inner_texts()).split())
    assert shown == "".join(text.split())  # all of it, in order
    box, panel = chosen.bounding_box(), page.locator("#text").bounding_box()
    assert box
    assert panel
    assert panel["y"] < box["y"] < panel["y"] + panel["height"]


def test_a_click_on_a_question_in_the_text_selects_it_in_the_list(
    samples_page: Path, open_page: OpenPage
) -> None:
    page = open_page(samples_page).page
    page.locator(".segment li button").nth(2).click()
    chosen = page.locator(".row[aria-selected=true] p").inner_text()
    assert chosen == page.locator(".segment li [aria-current]").inner_text()


def test_a_question_selected_in_the_text_scrolls_the_list(large_page: Path, open_page: OpenPage) -> None:
    page = open_page(large_page).page
    page.locator("#text").evaluate("text => { text.scrollTop = text.scrollHeight }")
    page.get_by_role("button", name="Show the text after").press("Enter")
    assert page.evaluate("document.activeElement.id") == "text"
    button = page.locator(".segment li button").nth(200)
    button.press("Enter")
    assert page.locator("#question-200").get_attribute("aria-selected") == "true"
    assert page.locator("#question-200").get_attribute("aria-posinset") == "201"
    assert page.evaluate("document.activeElement.dataset.index") == "200"


def test_the_visible_text_stays_in_place_when_more_is_shown(large_page: Path, open_page: OpenPage) -> None:
    page = open_page(large_page).page
    page.locator("#list").evaluate("list => { list.scrollTop = 9000 * 72 }")
    page.locator("#question-9000").click()
    page.locator("#text").evaluate("text => { text.scrollTop = 0 }")
    first = page.locator(".segment").first.inner_text()
    page.get_by_role("button", name="Show the text before").click()
    part = page.locator(".segment", has_text=first[:80]).first
    box, panel = part.bounding_box(), page.locator("#text").bounding_box()
    assert box
    assert panel
    assert 0 <= box["y"] - panel["y"] < 200


def test_keys_move_through_the_list(samples_page: Path, open_page: OpenPage) -> None:
    opened = open_page(samples_page)
    questions = opened.questions()
    opened.page.locator("#list").focus()
    opened.page.keyboard.press("ArrowDown")
    opened.page.keyboard.press("ArrowDown")
    assert opened.page.locator(".row[aria-selected=true] p").inner_text() == questions[2]
    active = opened.page.locator("#list").get_attribute("aria-activedescendant")
    assert opened.page.locator(f"#{active} p").inner_text() == questions[2]
    opened.page.keyboard.press("End")
    opened.order("question, A to Z")
    assert opened.page.locator(".row[aria-selected=true]").is_visible()


def test_search_filter_and_order(tmp_path: Path, open_page: OpenPage) -> None:
    text = "Bees dance. Tea is hot. Ships sail."
    rows = [
        *ask(text, "bees.txt", (0, 11, ["Who dances?", "What do bees do?"])),
        *ask(text, "tea.txt", (12, 23, ["Is tea hot?", "what is tea?"]), (24, 35, ["Do ships sail?"])),
    ]
    for row, score in zip(rows, (-0.5, -0.1, -0.9, -0.3, -0.7), strict=True):
        row["score"] = score
    write(tmp_path / "q.csv", rows)
    write_report(QuestionTable(str(tmp_path / "q.csv")), None, tmp_path / "page.html")
    opened = open_page(tmp_path / "page.html")
    assert opened.questions() == [str(row["question"]) for row in rows]
    opened.fill("search", "WHAT  tea")
    assert (opened.questions(), opened.count()) == (["what is tea?"], "1 of 5")
    opened.fill("search", "nowhere")
    assert (opened.questions(), opened.count()) == ([], "0 of 5")
    assert opened.page.locator("#none").inner_text() == "No question matches."
    assert opened.page.locator("#list").get_attribute("aria-activedescendant") is None
    opened.fill("search", "")
    opened.fill("source", "TEA")
    assert opened.questions() == ["Is tea hot?", "what is tea?", "Do ships sail?"]
    assert opened.page.locator(".text h2").inner_text() == "tea.txt"  # what was chosen is not among them
    opened.fill("score", "-0.8")
    assert opened.questions() == ["what is tea?", "Do ships sail?"]
    opened.fill("source", "")
    for name, first in {
        "score, most confident first": "What do bees do?",
        "score, least confident first": "Do ships sail?",
        "question, A to Z": "Do ships sail?",
        "longest first": "What do bees do?",
        "shortest first": "Who dances?",
        "position in the documents": "Who dances?",
    }.items():
        opened.order(name)
        assert (opened.questions()[0], opened.count()) == (first, "4 of 5")


def test_a_hostile_document_stays_text(tmp_path: Path, open_page: OpenPage) -> None:
    (tmp_path / "q").mkdir()
    source = tmp_path / "<img src=x onerror=alert(2)>.txt"
    source.write_text(EVIL)
    path = write(
        tmp_path / "q" / "<i>.parquet", ask(EVIL, str(source), (0, 50, [EVIL]), (50, len(EVIL), ["b"]))
    )
    write_report(QuestionTable(path), None, tmp_path / "page.html")
    opened = open_page(tmp_path / "page.html")
    opened.page.locator(".row").first.click()
    assert opened.page.title() == "<i>.parquet · qgbatch report"
    assert opened.questions()[0] == EVIL
    assert opened.page.locator(".text h2").inner_text() == str(source)
    assert "".join(opened.page.locator(".segment > p").all_inner_texts()) == EVIL
    assert opened.page.locator("img, b, i").count() == 0
    assert opened.page.locator("script").count() == 2


def test_the_content_security_policy_blocks_other_scripts(
    samples_page: Path, browser: Browser, tmp_path: Path
) -> None:
    changed = samples_page.read_text(encoding="utf-8").replace(
        "<main>", "<main><script>document.title='owned'</script><p style='color:red' onclick='1'>x</p>"
    )
    (tmp_path / "changed.html").write_text(changed, encoding="utf-8")
    opened = Opened(browser.new_page(), tmp_path / "changed.html")
    assert opened.page.title() == "q.parquet · qgbatch report"
    assert sum("Content Security Policy" in message for message in opened.messages) >= 2
    opened.page.close()


def test_fifty_thousand_questions_need_few_elements(large_page: Path, open_page: OpenPage) -> None:
    opened = open_page(large_page)
    page = opened.page
    assert opened.count() == "50,000 of 50,000"
    assert len(opened.questions()) < 50
    page.locator("#list").focus()
    page.keyboard.press("End")
    assert page.locator(".text h2").inner_text() == "499.txt"
    assert page.locator(".row[aria-selected=true]").is_visible()
    page.locator("#list").evaluate("list => { list.scrollTop = 12000 * 72 }")
    page.locator("#question-12000").click()
    assert page.locator(".text h2").inner_text() == "a book.txt"
    n_segments = page.locator(".segment").count()
    assert n_segments < 500
    page.get_by_role("button", name="Show the text after").click()
    assert page.locator(".segment").count() > n_segments
    assert page.locator(".segment.chosen li").count() == 1
    opened.fill("source", "007.txt")
    assert opened.count() == "50 of 50,000"
    opened.fill("source", "")
    opened.order("question, A to Z")
    questions = opened.questions()
    assert questions == sorted(questions, key=str.lower)
    assert page.locator(".row[aria-selected=true]").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_page_fits_the_screen_in_both_color_schemes(
    scheme: str, viewport: ViewportSize, samples_page: Path, open_page: OpenPage
) -> None:
    page = open_page(samples_page, viewport=viewport, color_scheme=scheme).page
    page.locator(".row").nth(1).click()
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    ink, ground = (
        sum(
            map(
                int,
                re.findall(r"\d+", page.locator("body").evaluate(f"body => getComputedStyle(body).{name}")),
            )
        )
        for name in ("color", "backgroundColor")
    )
    assert (ink < ground) == (scheme == "light")
    chosen, row = page.locator(".segment.chosen"), page.locator(".row[aria-selected=true]")
    height = viewport["height"]
    for one in (chosen, row):  # both in sight
        box = one.bounding_box()
        assert box
        assert 0 <= box["y"] < height


def test_the_print_contains_the_questions_of_the_list(samples_page: Path, open_page: OpenPage) -> None:
    opened = open_page(samples_page)
    opened.fill("source", "tea.md")
    data = opened.page.pdf()
    pages = [page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(data)]
    text = " ".join(" ".join(pages).split())
    assert sum(f"{question}" in text for question in opened.questions()) == len(opened.questions())
    assert "Search" not in text
    assert opened.page.locator(".printed li").count() == 0
