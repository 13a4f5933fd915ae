"""reStructuredText to plain text, by simple rules for markup."""

from __future__ import annotations

import re
from collections import Counter

from qgbatch.readers.omissions import Omissions
from qgbatch.readers.scripts import LEFT_OUT, MARKS, resolve_marks
from qgbatch.records import OmittedKind

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1{2,}\s*$")
_TABLE = re.compile(r"\s*(\+[-=+]+\+|\|.*\||=+( +=+)+)\s*$")
_EXPLICIT = re.compile(r"\.\.( |$)")
_FIELD = re.compile(r":[^:\s][^:]*:( |$)")
_PROSE_DIRECTIVE = re.compile(
    r"\.\. (?:\[[#*\w.-]{1,40}\](?= )|(?:note|warning|tip|hint|important|caution|danger|attention|error"
    r"|seealso|topic|admonition|sidebar|rubric|epigraph|highlights|pull-quote|centered|glossary|tab|tab-item|dropdown"
    r"|versionadded|versionchanged|deprecated)::)"
)
"""A footnote, or a directive with text on its line and below it."""
_BODY_DIRECTIVE = re.compile(
    r"\.\. (?:figure|container|compound|only|tab-set|grid|grid-item|details"
    r"|(?:\w{1,20}:)?(?:function|class|method|attribute|data|module|exception|option|envvar|confval))::"
)
"""A directive that has only text below it."""
_DIRECTIVE = re.compile(r"\.\. (?:\|[^|]+\| )?([\w:-]{1,40})::")
_OMITTED_DIRECTIVES: dict[str, OmittedKind] = {
    **dict.fromkeys(("image", "figure", "graphviz", "plot"), "pictures"),
    **dict.fromkeys(("table", "csv-table", "list-table"), "tables"),
    **dict.fromkeys(
        ("code", "code-block", "sourcecode", "literalinclude", "parsed-literal"), "code_blocks"
    ),
    "math": "formulas",
}
_JOINT = "\x06"
"""Stands for an escaped space, which separates markup from text and is not shown."""
_INLINE = (
    (re.compile(r"\\ "), _JOINT),
    *(
        (re.compile(rf":{kind[:3]}(?:erscript|script)?:`([^`]{{1,1000}})`"), rf"{before}\1{after}")
        for kind, (before, after) in MARKS.items()
    ),
    (re.compile(r"``(.+?)``"), r"\1"),
    (re.compile(r"(?::[\w:.+-]{1,40}:)?`([^`<]{0,1000}?)(?: ?<[^`<>]{0,1000}>)?`_{0,2}"), r"\1"),
    (re.compile(r"\*\*([^*]+)\*\*|(?<!\w)\*([^*\s][^*]*)\*(?!\w)"), r"\1\2"),
    (re.compile(r"\|([^|\s][^|]*)\|_{0,2}"), rf"{LEFT_OUT}\1{LEFT_OUT}"),  # what is shown may be no number
    (re.compile(r" ?\[[#*\w]{1,40}\]_(?!\w)"), LEFT_OUT),
    (re.compile(r"(?<=\w)_{1,2}(?=\W|$)"), ""),
)


def plain_text(rst: str, omissions: Omissions) -> str:
    """The prose of a document, line by line.

    Underlines, directives with their content, comments, link targets, fields, literal blocks,
    tables and inline markup are omitted; notes, warnings, captions and the like keep their text.
    """
    lines: list[str] = []
    counts = omissions.counts
    omitted_indent: int | None = None
    """The indentation of an omitted block; lines that are indented further belong to it."""
    in_table = False
    for line in rst.expandtabs(4).split("\n"):
        stripped = line.strip()
        indent = len(line) - len(line.lstrip())
        if not stripped:
            lines.append("")
            in_table = False
            continue
        if omitted_indent is not None and indent > omitted_indent:
            continue
        omitted_indent = None
        if not in_table and _TABLE.match(line):
            in_table = True
            counts["tables"] += 1
        if _EXPLICIT.match(stripped) or _FIELD.match(stripped):
            prose = _PROSE_DIRECTIVE.match(stripped)
            omitted_indent = None if prose or _BODY_DIRECTIVE.match(stripped) else indent
            _count_directive(stripped, counts, is_read=omitted_indent is None)
            if prose:
                lines.append(_inline(stripped[prose.end() :].strip()))
        elif not (in_table or _ADORNMENT.match(stripped)):
            if stripped.endswith("::"):
                omitted_indent = indent
                counts["code_blocks"] += 1
                stripped = stripped[:-2].rstrip() + ":" if stripped != "::" else ""
            lines.append(_inline(stripped))
        elif _ADORNMENT.match(stripped):
            lines.append("")  # a heading is a separate paragraph
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _count_directive(line: str, counts: Counter[OmittedKind], *, is_read: bool) -> None:
    """Count a figure, or another directive that is not read; comments, targets and fields are no text."""
    found = _DIRECTIVE.match(line)
    if found and (not is_read or found[1] == "figure"):
        counts[_OMITTED_DIRECTIVES.get(found[1], "directives")] += 1


def _inline(line: str) -> str:
    """The line without inline markup."""
    for pattern, replacement in _INLINE:
        line = pattern.sub(replacement, line)
    return resolve_marks(line.replace(_JOINT, "")).rstrip()
