"""Makes the pictures of look.md and faq.md from samples/: ``make screenshots``. Needs Chromium."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from shutil import which

import pypdfium2
from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parent.parent
IMAGES = Path(__file__).parent / "images"
PAPER_SCALE = 1.0  # pixels per point
PAPER_GAP = 12  # pixels
N_COLORS = 256  # makes the files three times smaller
SCREENS = {
    "review-light": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "review-dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "review-phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}


def qgbatch(*words: str | Path) -> None:
    """Run the command in the root of the project."""
    subprocess.run([sys.executable, "-m", "qgbatch", *map(str, words)], cwd=ROOT, check=True)


def make_page(directory: Path) -> Path:
    """Make the page as look.md says."""
    questions, page = directory / "questions.parquet", directory / "report.html"
    qgbatch("run", "samples/", "-o", questions)
    qgbatch("report", questions, "-o", page)
    return page


def make_quiz(directory: Path) -> Path:
    """Make a quiz as faq.md says, about two documents."""
    questions, quiz = directory / "Lighthouses and Tiles.parquet", directory / "quiz"
    documents = ["samples/lighthouses.txt", "samples/lisbon-tiles.md"]
    qgbatch("run", *documents, "-o", questions, "--min-score", "0.3", "--with-context")
    qgbatch("export", questions, "--to", "quiz", "-o", quiz)
    return quiz / "quiz.html"


def print_pages(page: Page) -> Image.Image:
    """The first page on paper, and beside it the first page of the key."""
    paper = pypdfium2.PdfDocument(page.pdf(format="A4"))
    texts = [sheet.get_textpage().get_text_bounded() for sheet in paper]
    key = next(number for number, text in enumerate(texts) if "Place in the source" in text)
    sheets = [paper[number].render(scale=PAPER_SCALE).to_pil() for number in (0, key)]
    width, height = sheets[0].size
    picture = Image.new("RGB", (2 * width + PAPER_GAP, height), "#c8ccd4")
    for number, sheet in enumerate(sheets):
        picture.paste(sheet, (number * (width + PAPER_GAP), 0))
    return picture


def save(picture: Image.Image, name: str) -> None:
    """Write a picture in few colors."""
    few_colors = picture.convert("RGB").quantize(
        N_COLORS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
    )
    few_colors.save(IMAGES / f"{name}.png", optimize=True)


def review(page: Page) -> None:
    """Decide about the first questions: keep, edit and drop some, and return to the edited one."""
    page.keyboard.type("yyyyye")
    page.locator("#edit-question").fill("What destroyed Henry Winstanley's timber lighthouse?")
    page.keyboard.press("Enter")
    page.keyboard.type("jy22y4kkkkkk")
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(500)


def main() -> None:
    """Take the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        path = make_page(Path(place))
        browser = playwright.chromium.launch(
            executable_path=which("chromium") or which("google-chrome"),
            chromium_sandbox=False,
            args=["--disable-gpu"],
        )
        for name, options in SCREENS.items():
            page = browser.new_context(**options).new_page()  # type: ignore[arg-type]
            page.goto(path.as_uri())
            review(page)
            if name == "review-phone":
                page.locator(".row[aria-selected=true]").tap()  # fills the screen with the review
                page.wait_for_timeout(500)
            save(Image.open(BytesIO(page.screenshot())), name)
        page = browser.new_page()
        page.goto(make_quiz(Path(place)).as_uri())
        save(print_pages(page), "quiz")
        browser.close()


if __name__ == "__main__":
    main()
