"""The same text in any format gives the same questions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import SAMPLES
from tests.support.documents import make_docx, make_epub, make_pdf
from tests.support.runs import Qgbatch

FAST = ["--num-beams", "1", "--max-new-tokens", "40"]
PARAGRAPHS = [
    paragraph
    for paragraph in (SAMPLES / "lighthouses.txt").read_text(encoding="utf-8").split("\n\n")
    if paragraph.isascii()
][:4]


def lines_of(paragraph: str, width: int = 80) -> list[str]:
    lines, rest = [], paragraph.split()
    while rest:
        line = rest.pop(0)
        while rest and len(line) + len(rest[0]) < width:
            line += f" {rest.pop(0)}"
        lines.append(line)
    return lines


def put_all(folder: Path) -> None:
    html = "".join(f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS)
    (folder / "a.txt").write_text("\n\n".join(PARAGRAPHS))
    (folder / "a.md").write_text("\n\n".join(PARAGRAPHS))
    (folder / "a.rst").write_text("\n\n".join(PARAGRAPHS))
    (folder / "a.html").write_text(f"<nav><a href=/>Home</a></nav><article>{html}</article>")
    (folder / "a.docx").write_bytes(make_docx(PARAGRAPHS))
    (folder / "a.epub").write_bytes(make_epub({"one.xhtml": html}))
    pages = [
        [line for paragraph in part for line in [*lines_of(paragraph), ""]]
        for part in (PARAGRAPHS[:2], PARAGRAPHS[2:])
    ]
    (folder / "a.pdf").write_bytes(make_pdf(pages))
    rows = [{"text": "\n\n".join(PARAGRAPHS), "id": 7}, {"text": ""}]
    (folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_the_same_text_gives_the_same_questions_in_any_format(
    tmp_path: Path, qgbatch: Qgbatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    put_all(tmp_path)
    result = qgbatch(
        "run",
        ".",
        "t.jsonl",
        "-o",
        "-",
        "--id-column",
        "id",
        "--failures",
        "f.log",
        "--report",
        "r.json",
        *FAST,
    )
    assert result.exit_code == 3
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    questions: dict[str, list[str]] = {}
    for row in rows:
        questions.setdefault(row["source"], []).append(row["question"])
    assert set(questions) == {
        "t.jsonl#7",
        *(f"./a.{suffix}" for suffix in ("txt", "md", "rst", "html", "docx", "epub", "pdf")),
    }
    assert len(questions["./a.txt"]) > 3
    assert [source for source, asked in questions.items() if asked != questions["./a.txt"]] == []
    assert {row["page"] for row in rows if row["source"] == "./a.pdf"} == {1, 2}
    assert {row["page"] for row in rows if row["source"] != "./a.pdf"} == {None}
    report = json.loads((tmp_path / "r.json").read_text())
    assert (report["n_inputs"], report["n_documents"], len(report["failures"])) == (9, 8, 1)
    assert report["failures"][0]["source"] == "t.jsonl#1"
    plan = qgbatch("run", ".", "t.jsonl", "-o", "-", "--id-column", "id", "--dry-run", *FAST)
    assert "documents  8" in plan.stdout
