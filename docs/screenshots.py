"""Makes the pictures of look.md from samples/: ``make screenshots``. Needs Chromium."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from shutil import which

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parent.parent
IMAGES = Path(__file__).parent / "images"
N_COLORS = 256  # makes the files three times smaller
SCREENS = {
    "review-light": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "review-dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "review-phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}


def make_page(directory: Path) -> Path:
    """Make the page as look.md says."""
    questions, page = directory / "questions.parquet", directory / "report.html"
    for words in (["run", "samples/", "-o", str(questions)], ["report", str(questions), "-o", str(page)]):
        subprocess.run([sys.executable, "-m", "qgbatch", *words], cwd=ROOT, check=True)
    return page


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
            picture = Image.open(BytesIO(page.screenshot()))
            picture.convert("RGB").quantize(
                N_COLORS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
            ).save(IMAGES / f"{name}.png", optimize=True)
        browser.close()


if __name__ == "__main__":
    main()
