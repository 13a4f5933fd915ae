"""Measure the share of a document's visible words that arrive in chunks, per format.

    python benchmarks/documents.py DIRECTORY [--verbose]

DIRECTORY contains documents in html/, pdf/, docx/ and epub/. Chunks cover the whole text of a
document, so the words that arrive are those of ``Document.text``. They are compared, as a multiset,
with the words that a reference finds: the tree of lxml for HTML and EPUB, pdftotext for PDF and
pandoc for DOCX (poppler-utils and pandoc must be installed). The reference puts each word in one of
three classes:

- navigation: menus and footers of HTML; headers, footers and page numbers of PDF and DOCX;
- left out: kinds that docs/formats.md says are left out, such as code and tables of data;
- prose: everything else.

"All words" are prose and what is left out. A document has "no reason" if it lacks more than a tenth
of all words and its ``omitted`` is empty.
"""

from __future__ import annotations

import argparse
import posixpath
import re
import shutil
import statistics
import subprocess
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lxml import etree, html
from measuring import show

from qgbatch.errors import DocumentError
from qgbatch.readers.reading import read_document
from qgbatch.records import OmittedKind

ENOUGH = 0.9
N_MARGIN_LINES = 2
"""The number of lines at the top and at the bottom of a page that may be running headers and footers."""
MIN_SENTENCE = 12
"""The number of words of a table cell that holds a sentence."""
MAX_NOTICE_WORDS = 100
"""More words outside links are text, whatever their element is called."""
MAX_EXAMPLES = 25

INVISIBLE = {
    "head", "script", "style", "template", "noscript", "iframe", "object", "select", "datalist", "textarea",
    "button", "annotation",
}  # fmt: skip
HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden")
NAVIGATION_TAGS = {"nav", "footer", "dialog"}
NAVIGATION_ROLES = {"navigation", "contentinfo", "banner", "search", "menu", "menubar", "dialog"}
NAVIGATION_NAME = re.compile(
    r"(?:^|[\s_-])(?:nav\w*|doc-?nav|\w*side-?bar\w*|toc\w*|table-of-contents|contents|breadcrumbs?|menu\w*"
    r"|related|footer|\w*skip\w*|pagination|pager|headerlink|(?:top|bottom|sub)nav\w*|langs?|short-toc)"
    r"(?=$|[\s_-])",
    re.IGNORECASE,
)
NOTE_MARKS = "self::a[@role='doc-noteref' or @role='doc-backlink' or contains(@class, 'footnote-')]"
INLINE = {
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em",
    "font", "i", "ins", "kbd", "label", "mark", "q", "s", "samp", "small", "span", "strike", "strong",
    "sub", "time", "tt", "u", "var", "wbr",
}  # fmt: skip
"""Elements that may end inside a word; a superscript is a word of its own."""
LEADER = re.compile(r"(?:\. ?){4,}\s*\w{1,5}\s*$")
"""Dots and a page number end the lines of contents."""
HYPHENATED = re.compile(r"(\w+)[-\u2010]\n(\w+)")


@dataclass
class Reference:
    """The visible words of a document."""

    prose: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    navigation: Counter[str] = field(default_factory=Counter)

    @classmethod
    def from_texts(cls, texts: Mapping[str, str]) -> Reference:
        """Count the words of each class."""
        return cls(**{name: words(text) for name, text in texts.items()})

    def add(self, other: Reference) -> None:
        """Add the words of a part of the document."""
        self.prose += other.prose
        self.left_out += other.left_out
        self.navigation += other.navigation


@dataclass
class Result:
    """What became of a document's words."""

    name: str
    all_words: float
    """Share of all words that arrive."""
    prose: float
    """Share of the prose that arrives."""
    navigation: float
    """Share of the arriving words that are navigation."""
    omitted: Mapping[OmittedKind, int]
    error: str
    missing: list[str]
    """Words of prose that do not arrive, most frequent first."""


def words(text: str) -> Counter[str]:
    """Count the words of a text."""
    plain = unicodedata.normalize("NFKC", text.replace("\u00ad", ""))
    return Counter(re.findall(r"\w+", plain.casefold()))


def html_reference(data: bytes, left_out: Iterable[str] = ("pre", "table")) -> Reference:
    """Classify the words of a page; ``left_out`` names the tags that are left out."""
    classes: dict[str, list[str]] = {"prose": [], "left_out": [], "navigation": []}
    tree = html.document_fromstring(data, html.HTMLParser(encoding=_encoding(data), huge_tree=True))
    _collect(tree, "prose", set(left_out), classes)
    return Reference.from_texts({name: "".join(pieces) for name, pieces in classes.items()})


def _encoding(data: bytes) -> str | None:
    """UTF-8 if the page is valid UTF-8, or else the encoding that it declares."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return "utf-8"


def _collect(element: Any, outer: str, left_out: set[str], classes: dict[str, list[str]]) -> None:
    if not isinstance(element.tag, str) or _is_invisible(element):
        return
    name = _class_of(element, left_out) if outer == "prose" else outer
    separator = "" if element.tag in INLINE else "\n"
    classes[name].append(separator + (element.text or ""))
    for child in element:
        _collect(child, name, left_out, classes)
        classes[name].append(child.tail or "")
    classes[name].append(separator)


def _is_invisible(element: Any) -> bool:
    is_hidden = "hidden" in element.attrib or HIDDEN_STYLE.search(element.get("style", ""))
    return element.tag in INVISIBLE or bool(is_hidden)


def _class_of(element: Any, left_out: set[str]) -> str:
    if _is_navigation(element):
        return "navigation"
    is_table = element.tag == "table"
    if element.tag in left_out and not (is_table and _holds_sentences(element)):
        return "left_out"
    return "left_out" if element.xpath(NOTE_MARKS) else "prose"


def _is_navigation(element: Any) -> bool:
    if element.tag in NAVIGATION_TAGS or element.get("role") in NAVIGATION_ROLES:
        return True
    if element.tag in ("html", "body", "main", "article", "h1", "h2", "h3"):
        return False
    if not NAVIGATION_NAME.search(f"{element.get('id', '')} {element.get('class', '')}"):
        return False
    n_words = words(element.text_content()).total()
    n_linked = sum(words(link.text_content()).total() for link in element.iter("a"))
    return n_words < MAX_NOTICE_WORDS or 2 * n_linked > n_words


def _holds_sentences(table: Any) -> bool:
    """Whether most words of a table are in cells with a sentence."""
    sizes = [words(cell.text_content()).total() for cell in table.iter("td", "th")]
    return 2 * sum(size for size in sizes if size >= MIN_SENTENCE) > sum(sizes)


def read_html(path: Path) -> Reference:
    """Classify the words of a page."""
    return html_reference(path.read_bytes())


def read_epub(path: Path) -> Reference:
    """Classify the words of the chapters of a book."""
    reference = Reference()
    with zipfile.ZipFile(path) as archive:
        container = etree.fromstring(archive.read("META-INF/container.xml"))
        package = container.xpath("string(//*[local-name()='rootfile']/@full-path)")
        tree = etree.fromstring(archive.read(package))
        items = {item.get("id"): item.get("href") for item in tree.xpath("//*[local-name()='item']")}
        chapters = [items[name] for name in tree.xpath("//*[local-name()='itemref']/@idref")]
        for chapter in dict.fromkeys(href.partition("#")[0] for href in chapters):
            name = posixpath.join(posixpath.dirname(package), unquote(chapter))
            reference.add(html_reference(archive.read(posixpath.normpath(name))))
    return reference


def read_docx(path: Path) -> Reference:
    """Classify the words of a Word document, as pandoc converts it to HTML."""
    reference = html_reference(
        run("pandoc", "-f", "docx", "-t", "html", "--wrap=none", str(path)), ("table",)
    )
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if re.fullmatch(r"word/(?:header|footer)\d*\.xml", name):
                tree = etree.fromstring(archive.read(name))
                reference.navigation += words(" ".join(tree.itertext("{*}t")))
    return reference


def read_pdf(path: Path) -> Reference:
    """Classify the words of a PDF by the lines that pdftotext finds.

    Lines that recur in the margin of pages, numbers aside, are headers and footers.
    """
    page_lines = list(_lines(run("pdftotext", "-bbox-layout", str(path), "-")))
    recurring = Counter(
        key for lines in page_lines for key in {_key(text) for text, in_margin in lines if in_margin}
    )
    classes: dict[str, list[str]] = {"prose": [], "left_out": [], "navigation": []}
    for text, in_margin in (line for lines in page_lines for line in lines):
        is_running = in_margin and recurring[_key(text)] > 1
        name = "navigation" if is_running else "left_out" if LEADER.search(text) else "prose"
        classes[name].append(text)
    return Reference.from_texts(
        {name: _without_hyphens("\n".join(lines)) for name, lines in classes.items()}
    )


def _lines(layout: bytes) -> Iterator[list[tuple[str, bool]]]:
    """The lines of each page, and whether each is one of the first or last."""
    tree = etree.fromstring(layout, etree.XMLParser(recover=True, huge_tree=True))
    for page in tree.iter("{*}page"):
        lines = list(page.iter("{*}line"))
        heights = sorted({round(float(line.get("yMin"))) for line in lines})
        margin = {*heights[:N_MARGIN_LINES], *heights[-N_MARGIN_LINES:]}
        yield [
            (
                " ".join(word.text or "" for word in line.iter("{*}word")),
                round(float(line.get("yMin"))) in margin,
            )
            for line in lines
        ]


def _key(line: str) -> str:
    return re.sub(r"\d+|\b[ivxlc]+\b", "#", line)


def _without_hyphens(text: str) -> str:
    """Join words that are divided at the end of a line, except those with a hyphen inside a line."""
    compounds = set(re.findall(r"\w+-\w+", text))
    return HYPHENATED.sub(lambda m: m[1] + ("-" if f"{m[1]}-{m[2]}" in compounds else "") + m[2], text)


def run(*command: str) -> bytes:
    """Return the standard output of a program."""
    if not shutil.which(command[0]):
        raise SystemExit(f"{command[0]} is not installed; it is in the package poppler-utils or pandoc.")
    return subprocess.run(command, check=True, capture_output=True).stdout


def measure(path: Path, reference: Reference) -> Result:
    """Read a document with qgbatch and compare its words with the reference."""
    omitted: Mapping[OmittedKind, int] = {}
    text = error = ""
    try:
        document = read_document(str(path))
        text, omitted = document.text, document.omitted
    except DocumentError as failure:
        error = str(failure)
    found = words(text)
    visible = reference.prose + reference.left_out
    missing = reference.prose - found
    return Result(
        name=f"{path.parent.name}/{path.name}",
        all_words=(found & visible).total() / max(visible.total(), 1),
        prose=(found & reference.prose).total() / max(reference.prose.total(), 1),
        navigation=((found - visible) & reference.navigation).total() / max(found.total(), 1),
        omitted=omitted,
        error=error,
        missing=[f"{word} {n}" for word, n in missing.most_common(MAX_EXAMPLES)],
    )


def row(name: str, results: list[Result]) -> dict[str, Any]:
    """Summarize the results of a format."""
    low = [result for result in results if result.all_words < ENOUGH]
    return {
        "format": name,
        "documents": len(results),
        "all words, median": _percent(statistics.median(r.all_words for r in results)),
        "minimum": _percent(min(r.all_words for r in results)),
        "below 90 %": len(low),
        "no reason": sum(not (r.omitted or r.error) for r in low),
        "prose, median": _percent(statistics.median(r.prose for r in results)),
        "prose, minimum": _percent(min(r.prose for r in results)),
        "prose below 90 %": sum(r.prose < ENOUGH for r in results),
        "navigation": _percent(statistics.fmean(r.navigation for r in results), 2),
    }


def _percent(share: float, digits: int = 1) -> str:
    return f"{share:.{digits}%}"


READERS: dict[str, Callable[[Path], Reference]] = {
    "html": read_html, "pdf": read_pdf, "docx": read_docx, "epub": read_epub,
}  # fmt: skip


def main() -> None:
    """Measure all documents and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--verbose", action="store_true", help="print a line per document, worst first")
    arguments = parser.parse_args()
    rows = []
    for name, read in READERS.items():
        paths = sorted((arguments.directory / name).glob(f"*.{name}"))
        results = [measure(path, read(path)) for path in paths]
        if results:
            rows.append(row(name, results))
        for result in sorted(results, key=lambda r: r.prose) if arguments.verbose else []:
            print(
                f"{result.name}: all {_percent(result.all_words)}, prose {_percent(result.prose)},"
                f" navigation {_percent(result.navigation, 2)}, omitted {result.omitted}"
                f" {result.error} missing: {', '.join(result.missing)}"
            )
    if not rows:
        raise SystemExit(f"{arguments.directory}: has no documents in html/, pdf/, docx/ or epub/.")
    show("Visible words that arrive", rows, directory=arguments.directory.name)


if __name__ == "__main__":
    main()
