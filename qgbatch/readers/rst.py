"""reStructuredText -> plain text, by simple rules for what is not prose."""

from __future__ import annotations

import re

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1{2,}\s*$")
_TABLE = re.compile(r"\s*(\+[-=+]+\+|\|.*\||=+( +=+)+)\s*$")
_EXPLICIT = re.compile(r"\.\.( |$)")
_FIELD = re.compile(r":[^:\s][^:]*:( |$)")
_PROSE_DIRECTIVE = re.compile(
    r"\.\. (?:note|warning|tip|hint|important|caution|danger|attention|error|seealso|topic|admonition)::"
)
_INLINE = (
    (re.compile(r"``(.+?)``"), r"\1"),
    (re.compile(r"(?::[\w:.+-]{1,40}:)?`([^`<]{0,1000}?)(?: ?<[^`<>]{0,1000}>)?`_{0,2}"), r"\1"),
    (re.compile(r"\*\*([^*]+)\*\*|(?<!\w)\*([^*\s][^*]*)\*(?!\w)"), r"\1\2"),
    (re.compile(r"\|([^|\s][^|]*)\|_{0,2}"), r"\1"),
    (re.compile(r" ?\[[#*\w]{1,40}\]_(?!\w)"), ""),
    (re.compile(r"(?<=\w)_{1,2}(?=\W|$)"), ""),
)


def plain_text(rst: str) -> str:
    """The prose of a document, its lines kept.

    Underlines, directives with what belongs to them, comments, link targets, fields,
    literal blocks, tables and markup inside lines are left out; notes and warnings keep their text.
    """
    lines: list[str] = []
    left_out: int | None = None
    """The indentation up to which lines belong to a block that is left out."""
    in_table = False
    for line in rst.expandtabs(4).split("\n"):
        stripped = line.strip()
        indent = len(line) - len(line.lstrip())
        if not stripped:
            lines.append("")
            in_table = False
            continue
        if left_out is not None and indent > left_out:
            continue
        left_out = None
        in_table = in_table or bool(_TABLE.match(line))
        if _EXPLICIT.match(stripped) or _FIELD.match(stripped):
            prose = _PROSE_DIRECTIVE.match(stripped)
            left_out = None if prose else indent
            if prose:
                lines.append(_inline(stripped[prose.end() :].strip()))
        elif not (in_table or _ADORNMENT.match(stripped)):
            if stripped.endswith("::"):
                left_out = indent
                stripped = stripped[:-2].rstrip() + ":" if stripped != "::" else ""
            lines.append(_inline(stripped))
        elif _ADORNMENT.match(stripped):
            lines.append("")  # a title is a paragraph of its own
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _inline(line: str) -> str:
    for pattern, replacement in _INLINE:
        line = pattern.sub(replacement, line)
    return line.rstrip()
