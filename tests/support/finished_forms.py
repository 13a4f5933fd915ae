"""Reads the finished forms of an export as their readers do: what they show, as text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

from tests.support.anki_package import read_package

QUIZ_ELEMENTS = {
    *("html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "p", "span", "a", "main"),
    *("section", "ol", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "b"),
}


class Shown(NamedTuple):
    """A question as a reader shows it."""

    question: str
    answers: list[str]
    """The right answer and the wrong ones, in the order of the file."""
    source: str


class GiftQuestion(NamedTuple):
    """A question of a GIFT file."""

    title: str
    text: str
    answers: list[tuple[str, str]]
    """The signs and texts of the answers: ``=`` is right, ``~`` is wrong."""
    feedback: str


def read_gift(path: Path) -> list[GiftQuestion]:
    """Read the questions of a GIFT file with plain texts."""
    questions = []
    for block in path.read_text(encoding="utf-8").removesuffix("\n\n").split("\n\n"):
        found = re.fullmatch(r"::(q[0-9a-f]+)::\[plain\](.*) \{\n((?:\t[=~].*\n)+)\t####(.*)\n\}", block)
        assert found, block
        answers = [(line[1], _from_gift(line[2:])) for line in found[3].splitlines()]
        questions.append(GiftQuestion(found[1], _from_gift(found[2]), answers, _from_gift(found[4])))
    return questions


def _from_gift(text: str) -> str:
    """A text as Moodle shows it, without the name of its format."""
    assert not re.search(r"(?<!\\)(?:\\\\)*[~=#{}:]", text), "a special character has no backslash"
    return re.sub(r"\\([\\~=#{}:])", r"\1", text.removeprefix("[plain]"))


class Page(HTMLParser):
    """The elements of a page with their classes, and the texts in them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((".".join(filter(None, (tag, dict(attrs).get("class")))), ""))

    def handle_data(self, data: str) -> None:
        if self.elements and data.strip():
            element, text = self.elements[-1]
            self.elements[-1] = element, text + data

    def texts(self, element: str) -> list[str]:
        return [text for found, text in self.elements if found == element]


def _shown_by_gift(directory: Path) -> list[Shown]:
    shown = []
    for question in read_gift(directory / "quiz.gift"):
        answers = [text for _, text in question.answers]
        if len(answers) == 1:  # a short answer, in which * would stand for any text
            assert not re.search(r"(?<!\\)\*", answers[0])
            answers = [answers[0].replace("\\*", "*")]
        shown.append(Shown(question.text, answers, question.feedback))
    return shown


def _shown_by_faq(directory: Path) -> list[Shown]:
    """What Markdown and search engines show, which must be the same."""
    markdown = (directory / "faq.md").read_text(encoding="utf-8")
    pages = [Page(MarkdownIt(preset).render(markdown)) for preset in ("commonmark", "default")]
    assert pages[0].elements == pages[1].elements
    assert {element for element, _ in pages[0].elements} == {"h1", "h2", "p"}
    shown = [
        Shown(question, [answer], source)
        for source, question, answer in zip(*map(pages[0].texts, ("h1", "h2", "p")), strict=True)
    ]
    data = (directory / "faq.jsonld").read_text(encoding="utf-8")
    assert "<" not in data
    for entity, one in zip(json.loads(data)["mainEntity"], shown, strict=True):
        answer = entity["acceptedAnswer"]["text"]
        assert "<" not in answer
        assert (entity["name"], [unescape(answer)]) == (one.question, one.answers)
    return shown


def _shown_by_anki(directory: Path) -> list[Shown]:
    """The fields, in which Anki must find no element and no mark of its own."""
    notes = read_package(directory / "anki.apkg").notes
    for note in notes:
        assert not {*"<["} & {*note.question, *note.answer, *note.source}
    return [
        Shown(unescape(note.question), [unescape(note.answer)], unescape(note.source)) for note in notes
    ]


def _shown_by_quiz(directory: Path) -> list[Shown]:
    page = Page((directory / "quiz.html").read_text(encoding="utf-8"))
    assert {element.partition(".")[0] for element, _ in page.elements} <= QUIZ_ELEMENTS
    questions: list[tuple[str, list[str]]] = []
    for element, text in page.elements:
        if element == "p.question":
            questions.append((text, []))
        elif element == "span.choice":
            questions[-1][1].append(text)
    key = zip(questions, page.texts("span.answer"), page.texts("p.place"), strict=True)
    return [Shown(question, choices or [right], place) for (question, choices), right, place in key]


FORMS: Mapping[str, Callable[[Path], list[Shown]]] = {
    "faq": _shown_by_faq,
    "gift": _shown_by_gift,
    "anki": _shown_by_anki,
    "quiz": _shown_by_quiz,
}
"""The finished forms by the value of ``--to``, with what a reader shows of the directory."""
