"""Measures the page of ``qgbatch report`` in Chromium: first paint, key presses and memory.

    python benchmarks/review_page.py [--questions 100 10000 50000]

Each page has documents of 50 questions, with text and answers. Each round opens each page in a new browser.
"First rows" is the time from opening the file to the first frame with questions; "CPU" is what the main
thread worked until then. A key press is CPU time of the main thread for the key that keeps a question and
goes to the next one, with the layout that follows it, but not the painting: the mean of 95 presses, which
go through two documents. It is measured in a page without decisions, and again after a file with a
decision about every question was loaded. "Storing" is the work that follows a change after 0.25 s, when all
decisions go to the local storage. Memory is measured at the end: the heap of JavaScript after garbage was
collected, and the resident memory of the process of the tab.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from shutil import which
from typing import Any

from measuring import SAMPLES, show
from playwright.sync_api import Browser, CDPSession, expect, sync_playwright

from qgbatch.exports.report.writer import write_report
from qgbatch.exports.table import QuestionTable
from qgbatch.output.rows import Row, output_columns, to_row
from qgbatch.output.writers import open_writer
from qgbatch.questions.review import FORMAT
from qgbatch.records import Chunk, Document, Question
from qgbatch.settings import FileSettings

PER_DOCUMENT = 50
N_PRESSES = 95
FIRST_ROWS = """
const watch = () => {
  if (document.querySelector(".row")) setTimeout(() => (window.firstRows = performance.now()));
  else requestAnimationFrame(watch);
};
requestAnimationFrame(watch);
"""
PRESS = """(count) => {
  for (let press = 0; press < count; press++) {
    document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "y", bubbles: true}));
    document.body.offsetHeight; // lays the page out
  }
}"""
STORE = "() => dispatchEvent(new Event('pagehide'))"


def make_page(directory: Path, n_questions: int) -> Path:
    """Write a page, and beside it a file with a decision about each question."""
    rng = random.Random(3)
    words = (SAMPLES / "tea.md").read_text(encoding="utf-8").split()
    columns = output_columns(FileSettings(with_context=True), with_answers=True)
    ids = []
    table = directory / "q.jsonl"
    with (
        table.open("wb") as stream,
        open_writer(stream, "jsonl", None, columns) as writer,
    ):
        for number in range(n_questions // PER_DOCUMENT):
            for row in _document(f"{number:05}.txt", rng, words):
                ids.append(str(row["question_id"]))
                writer.write({name: row[name] for name in columns})
    write_report(QuestionTable(str(table)), None, directory / "page.html")
    decisions = {id_: {"decision": "drop", "reason": "unclear"} for id_ in ids}
    content = {"format": FORMAT, "table": "q.jsonl", "fingerprint": "", "decisions": decisions}
    (directory / "decisions.json").write_text(json.dumps(content), encoding="utf-8")
    return directory / "page.html"


def _document(source: str, rng: random.Random, words: Sequence[str]) -> list[Row]:
    passages = [" ".join(rng.choices(words, k=30)) for _ in range(PER_DOCUMENT)]
    document, start, rows = Document.from_text("\n".join(passages), source), 0, []
    for index, passage in enumerate(passages):
        end = start + len(passage)
        chunk = Chunk(document, index, start, end, (1,), hard_split=False)
        answer = passage.split()[0]
        asked = Question(f"What is {' '.join(rng.choices(words, k=6))}?", 0, rng.random(), chunk)
        row = to_row(asked, "small", output_columns(FileSettings(with_context=True), with_answers=True))
        rows.append({**row, "answer": answer, "answer_start_char": start, "answer_score": 0.5})
        start = end + 1
    return rows


def measure(browser: Browser, path: Path) -> dict[str, float]:
    """Open a page and press keys; return milliseconds and MiB."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.add_init_script(FIRST_ROWS)
    page.goto(path.as_uri())
    page.locator(".row").first.wait_for()
    time.sleep(0.2)
    result = {
        "first rows": page.evaluate("window.firstRows"),
        "CPU": 1000 * _metrics(session)["TaskDuration"],
        "key": _cpu_ms(session, lambda: page.evaluate(PRESS, N_PRESSES)) / N_PRESSES,
    }
    page.locator("#file").set_input_files(path.with_name("decisions.json"))
    n_questions = int(page.locator("#bar").get_attribute("max") or 0)
    expect(page.locator("#progress")).to_have_text(f"{n_questions:,} of {n_questions:,} read")
    page.locator("#list").press("Home")
    time.sleep(1)  # until the decisions are stored
    result["key, all read"] = _cpu_ms(session, lambda: page.evaluate(PRESS, N_PRESSES)) / N_PRESSES
    page.locator("#list").press("y")
    result["storing"] = _cpu_ms(session, lambda: page.evaluate(STORE))
    session.send("HeapProfiler.collectGarbage")
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    tabs = [process["id"] for process in processes if process["type"] == "renderer"]
    result["heap"] = _metrics(session)["JSHeapUsedSize"] / 2**20
    result["resident"] = max(map(_resident_mib, tabs))
    return result


def _metrics(session: CDPSession) -> dict[str, float]:
    metrics = session.send("Performance.getMetrics")["metrics"]
    return {metric["name"]: metric["value"] for metric in metrics}


def _cpu_ms(session: CDPSession, work: Callable[[], object]) -> float:
    start = _metrics(session)["TaskDuration"]
    work()
    return 1000 * (_metrics(session)["TaskDuration"] - start)


def _resident_mib(process_id: int) -> float:
    for line in Path(f"/proc/{process_id}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, nargs="+", default=[100, 10_000, 50_000])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    chromium = which("chromium") or which("google-chrome")
    results: dict[int, list[dict[str, float]]] = {size: [] for size in arguments.questions}
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        pages = {}
        for size in arguments.questions:
            (Path(place) / str(size)).mkdir()
            pages[size] = make_page(Path(place) / str(size), size)
        sizes = {size: path.stat().st_size / 2**20 for size, path in pages.items()}
        for _ in range(arguments.rounds):
            for size, path in pages.items():
                browser = playwright.chromium.launch(
                    executable_path=chromium, chromium_sandbox=False, args=["--disable-gpu"]
                )
                results[size].append(measure(browser, path))
                browser.close()
    medians = {
        size: {name: statistics.median(values[name] for values in rounds) for name in rounds[0]}
        for size, rounds in results.items()
    }
    first = medians[arguments.questions[0]]
    rows = [_row(size, sizes[size], values, first) for size, values in medians.items()]
    show("The report page, Chromium", rows, rounds=arguments.rounds)


def _row(size: int, mib: float, values: Mapping[str, float], first: Mapping[str, float]) -> dict[str, Any]:
    def timed(name: str) -> str:
        return f"{values[name]:.1f} ({values[name] / first[name]:.1f})"

    return {
        "questions": f"{size:,}",
        "file, MiB": f"{mib:.1f}",
        "first rows, ms (ratio)": timed("first rows"),
        "CPU, ms (ratio)": timed("CPU"),
        "key press, ms (ratio)": timed("key"),
        "with all read": timed("key, all read"),
        "storing, ms": f"{values['storing']:.0f}",
        "heap, MiB": f"{values['heap']:.0f}",
        "tab, MiB": f"{values['resident']:.0f}",
    }


if __name__ == "__main__":
    main()
