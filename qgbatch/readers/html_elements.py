"""What an element of an HTML page is: hidden, navigation, a table of data or the mark of a note."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from qgbatch.readers.prose import arranges_text

_MIN_LINKS = 3
_MAX_WORDS_PER_LINK = 5
_LISTS = {"ul", "ol"}
INLINE = {
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "br", "cite", "code", "data", "del", "dfn", "em",
    "font", "i", "ins", "kbd", "label", "mark", "q", "rp", "rt", "ruby", "s", "samp", "small", "span",
    "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
}  # fmt: skip
_HIDDEN_STYLE = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_HIDDEN_CLASSES = {"hidden", "d-none", "sr-only", "visually-hidden", "screen-reader-text"}
_SHOWN_AGAIN = re.compile(r"[:-](?:block|flex|grid|inline|table)\b")
"""In a class that shows a hidden element on large screens."""
_DECORATION = {"a", "b", "em", "i", "span"}
_EDIT_CLASSES = {"editsection", "headerlink", "mw-cite-backlink", "mw-editsection"}
_NOTE_CLASSES = {
    "footnote",
    "footnote-back",
    "footnote-backref",
    "footnote-ref",
    "footnote-reference",
    "noteref",
}
_NOTE_ROLES = {"backlink", "doc-backlink", "doc-noteref", "noteref"}
_LINKED_MARK = re.compile(r"\[\s*(?:note )?\w{1,4}\s*\]|\^\w{1,4}|[^\w\s]+", re.IGNORECASE)
_UNLINKED_MARK = re.compile(r"\[[^\[\]]{1,30}\]|[*†‡§¶]+")

_NAVIGATION_ROLES = {
    "navigation", "contentinfo", "banner", "search", "menu", "menubar", "toolbar", "dialog", "alertdialog",
}  # fmt: skip
_NAVIGATION_NAME = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|navbox|navigation|nav(?:head|foot)er|docnav|menu|(?:sphinx)?sidebar"
    r"|breadcrumbs?|pagination|pager|toc)(?=$|\s)",
    re.IGNORECASE,
)
_NOTICE_NAME = re.compile(
    r"(?:^|[\s_-])(?:(?:print)?footer|catlinks|share|sharing|social|skip-?link"
    r"|cookies?(?:[_-]?(?:banner|bar|consent|law|message|modal|note|notice|notification|popup|warning))?"
    r"|consent(?:[_-](?:banner|bar|modal|notice|popup))?|gdpr)(?=$|\s)",
    re.IGNORECASE,
)
_LAYOUT_NAME = re.compile(r"(?:^|\s)(?:has|no|with)[_-]\S*", re.IGNORECASE)
_MAX_NAME_CHARS = 300
_MAX_NOTICE_WORDS = 100
"""More words outside links are text, whatever the element is called: a manual has a section ``cookies``."""
_NEVER_NAVIGATION = {"html", "body", "main", "article", "h1", "h2", "h3", "h4", "h5", "h6"}


@dataclass(slots=True)
class Frame:
    """An open element that may still be omitted, and what is in it so far."""

    tag: str
    attributes: Mapping[str, str]
    start: int
    """The number of pieces before it."""
    boilerplate: str = ""
    """``notice`` or ``navigation`` if its name or role says so, or ``list``."""
    depth: int = 0
    """The number of open elements of the same name inside it."""
    n_words: int = 0
    n_links: int = 0
    n_link_words: int = 0
    n_chars: int = 0
    n_prose_chars: int = 0
    """The number of characters in cells of prose."""
    holds_layout: bool = False
    holds_data: bool = False


def is_hidden(tag: str, attributes: Mapping[str, str]) -> bool:
    """Whether a browser does not show an element, as far as its attributes tell, or it is an edit link."""
    if attributes.get("hidden", "until-found") != "until-found":
        return True
    if _HIDDEN_STYLE.search(attributes.get("style", "")):
        return True
    classes = set(attributes.get("class", "").split())
    if classes & _HIDDEN_CLASSES and not _SHOWN_AGAIN.search(attributes["class"]):
        return True
    is_decoration = tag in _DECORATION and attributes.get("aria-hidden") == "true"
    return is_decoration or bool(classes & _EDIT_CLASSES)


def boilerplate_kind(tag: str, attributes: Mapping[str, str]) -> str:
    """What the role, the class or the id of an element says it is, if it is not text."""
    if tag in _NEVER_NAVIGATION:
        return ""
    names = f"{attributes.get('id', '')[:_MAX_NAME_CHARS]} {attributes.get('class', '')[:_MAX_NAME_CHARS]}"
    names = _LAYOUT_NAME.sub("", names)
    if attributes.get("role") in _NAVIGATION_ROLES or _NOTICE_NAME.search(names):
        return "notice"
    if _NAVIGATION_NAME.search(names):
        return "navigation"
    return "list" if tag in _LISTS else ""


def is_boilerplate(frame: Frame) -> bool:
    """Whether an element that is named like navigation or a notice is not text after all."""
    n_other = frame.n_words - frame.n_link_words
    if frame.boilerplate == "notice":
        return n_other <= _MAX_NOTICE_WORDS
    if frame.boilerplate == "list":
        return is_menu(frame)
    return n_other <= frame.n_link_words


def is_menu(frame: Frame) -> bool:
    """Whether a list or a cell holds short links and hardly anything else."""
    has_only_links = frame.n_links >= _MIN_LINKS and 5 * frame.n_link_words >= 4 * frame.n_words
    return has_only_links and frame.n_link_words <= _MAX_WORDS_PER_LINK * frame.n_links


def is_layout(table: Frame) -> bool:
    """Whether a table arranges paragraphs, and is not one of data."""
    if table.attributes.get("role") in ("presentation", "none"):
        return True
    if table.holds_layout and not table.holds_data:
        return True
    return arranges_text(table.n_chars, table.n_prose_chars)


def is_note_link(link: Frame, text: str) -> bool:
    """Whether a link is the mark of a note, or leads back from a note or to a heading."""
    attributes = link.attributes
    roles = {attributes.get("role"), attributes.get("epub:type")}
    if roles & _NOTE_ROLES or _NOTE_CLASSES & set(attributes.get("class", "").split()):
        return True
    return "#" in attributes.get("href", "") and bool(_LINKED_MARK.fullmatch(text))


def is_note_mark(superscript: Frame, text: str) -> bool:
    """Whether a superscript is the mark of a note by its link, its class or its text."""
    classes = set(superscript.attributes.get("class", "").split())
    is_marked = superscript.n_links or classes & {"reference", *_NOTE_CLASSES}
    return bool(is_marked or _UNLINKED_MARK.fullmatch(text))
