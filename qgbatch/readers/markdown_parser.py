"""A parser of CommonMark with the extensions of MkDocs, Docusaurus, GitHub, Jekyll and Hugo.

The rules here find prose that CommonMark takes for code or HTML, and markup that it takes for prose.
"""

from __future__ import annotations

import re
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock, html_block
from markdown_it.rules_inline import StateInline

from qgbatch.readers.scripts import LEFT_OUT

_MAX_NESTING = 100
"""Blocks inside blocks; what is nested deeper is read as one paragraph. Each level takes Python's stack."""
_MAX_INLINE_NESTING = 6
"""Links inside images and the like; deeper ones are text. The time for brackets grows with it."""
_INDENT = 4
_TITLED_BODY = re.compile(
    r"(?:!!! ?[\w-]+|\?\?\?\+?(?= ?[\w\"-]) ?[\w-]*)(?: +[\w-]+)*(?: *\"(.*)\")?[ \t]*\Z"  # admonition
    r"|===[+!]{0,2} *\"(.*)\"[ \t]*\Z"  # tab
)
_MARKED_BODY = re.compile(r"\[\^[^\]\s]{1,60}\]:[ \t]*|:[ \t]{1,3}(?=\S)")
"""The mark of a footnote or of a definition, whose text begins on the same line."""
_CONTAINER = re.compile(r":{3,}[ \t]*(?:\{[^{}]*\}|[\w-]*)[ \t]*(.*)\Z")
_MODULE_LINE = re.compile(
    r"import\s+(?:['\"]|\{\s*\Z|[\w*{][^'\"]*from\s*['\"])|export\s+(?:const|let|default|function|class)\b"
)
_CODE_TAG = re.compile(r"\{[%{][<%-]? *(/|end)?(highlight|comment)\b")
_RAW_HTML = re.compile(r"<(?:[!?]|(?:script|pre|style|textarea)(?:[\s>]|\Z))", re.IGNORECASE)
_COMPONENT = re.compile(
    r"</?[A-Z][\w.]{0,100}+"
    r"(?:[^<>{}\"']|\"[^\"]{0,500}\"|'[^']{0,500}'|\{(?:[^{}]|\{[^{}]{0,200}+\}){0,500}+\}){0,500}+>"
)
_TEMPLATE_TAGS = {"{%": "%}", "{{": "}}", "{/*": "*/}", "{:": "}", "{#": "}", "{.": "}"}
"""How tags of Liquid, Hugo and MDX and lists of attributes begin and end."""
_MAX_TAG_CHARS = 1000
_MARK = re.compile(r"\[\^[^\]\s]{1,60}\]")
_ALERT = re.compile(r"\[![A-Za-z]{1,40}\][+-]?[ \t]*(.*)\n?")
_WORD = re.compile(
    r"[\"'(\[\u00ab\u201c\u2018*_]*[^\W_]+(?:['\u2019/\u2013-][^\W_]+)*[.,;:!?\u2026\"')\]\u00bb\u201d\u2019*_]*\Z"
)
_ITEM_MARK = re.compile(r"\s*(?:[-*+\u2022]|\d{1,3}[.)])\s+")
_SENTENCE_END = re.compile(r"[.!?:\u2026\u3002\uff01\uff1f][\"')\]\u2019\u201d\u00bb*_]{0,5}\Z")
_MIN_WORDS = 4


@cache
def block_parser() -> MarkdownIt:
    """The parser of a document. Its tokens of type ``inline`` hold text for :func:`inline_parser`."""
    markdown = MarkdownIt("commonmark", {"maxNesting": _MAX_NESTING + 10}).enable("table")
    markdown.disable(["inline", "text_join"])
    block = markdown.block.ruler
    interrupts: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    block.at("html_block", _raw_html, {"alt": ["paragraph", "reference", "blockquote"]})
    block.at("code", _indented_block)
    block.before("table", "too_deep", _too_deep)
    block.before("fence", "titled_body", _titled_body, interrupts)
    block.before("fence", "marked_body", _marked_body, interrupts)
    block.before("fence", "container", _container, interrupts)
    block.before("fence", "module_lines", _module_lines)
    return markdown


@cache
def inline_parser() -> MarkdownIt:
    """The parser of a block's text. Its tokens are those of CommonMark, and ``break`` for a new block."""
    markdown = MarkdownIt("commonmark", {"maxNesting": _MAX_INLINE_NESTING}).enable("strikethrough")
    inline = markdown.inline.ruler
    inline.after("html_inline", "component", _component)
    inline.before("link", "template_tag", _template_tag)
    inline.before("link", "note_mark", _note_mark)
    return markdown


def reads_as_prose(text: str) -> bool:
    """Whether a text consists of sentences: nearly all words, from a capital letter to a full stop."""
    text = _ITEM_MARK.sub("", text, count=1).strip()
    first = next(filter(str.isalnum, text[:5]), "")
    if not first or first.islower() or not _SENTENCE_END.search(text[-8:]):
        return False
    words = text.split()
    if not text.isascii() and len(words) < _MIN_WORDS:  # a script without spaces
        return sum(map(str.isalpha, text)) > 0.7 * len(text)
    return len(words) >= _MIN_WORDS and sum(bool(_WORD.match(word)) for word in words) >= 0.8 * len(words)


def _line(state: StateBlock, line: int) -> str:
    """A line without its indentation; empty if it is indented as code."""
    if state.is_code_block(line):
        return ""
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]


def _push_paragraph(state: StateBlock, text: str) -> None:
    if text.strip():
        state.push("paragraph_open", "p", 1)
        token = state.push("inline", "", 0)
        token.content, token.children = text.strip(), []
        state.push("paragraph_close", "p", -1)


def _parse_body(state: StateBlock, start: int, end: int, indent: int) -> None:
    """Parse the lines that are indented as far as given, up to the first line that is not."""
    before = state.blkIndent, state.level
    state.blkIndent, state.level = indent, state.level + 1
    state.line = start
    state.md.block.tokenize(state, start, end)
    state.blkIndent, state.level = before


def _end_of_paragraph(state: StateBlock, start: int, end: int) -> int:
    return next((line for line in range(start, end) if state.isEmpty(line)), end)


def _too_deep(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if silent or state.level < _MAX_NESTING:
        return False
    lines = state.getLines(start, end, state.blkIndent, False).split("\n")
    _push_paragraph(state, "\n".join(line.lstrip(" \t>") for line in lines))
    state.line = end
    return True


def _titled_body(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    line = _line(state, start)
    opening = _TITLED_BODY.match(line) if line[:3] in ("!!!", "???", "===") else None
    if silent or not opening:
        return opening is not None
    _push_paragraph(state, opening[1] or opening[2] or "")
    _parse_body(state, start + 1, end, state.blkIndent + _INDENT)
    return True


def _marked_body(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    mark = _MARKED_BODY.match(_line(state, start))
    if silent or not mark:
        return mark is not None
    before = state.bMarks[start], state.tShift[start], state.sCount[start]
    state.bMarks[start] += state.tShift[start] + mark.end()
    state.tShift[start], state.sCount[start] = 0, state.blkIndent + _INDENT
    _parse_body(state, start, end, state.blkIndent + _INDENT)
    state.bMarks[start], state.tShift[start], state.sCount[start] = before
    state.line = max(state.line, start + 1)
    return True


def _container(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    marker = _CONTAINER.match(_line(state, start))
    if silent or not marker:
        return marker is not None
    _push_paragraph(state, marker[1].strip('[]"'))
    state.line = start + 1
    return True


def _module_lines(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if silent or not _MODULE_LINE.match(_line(state, start)):
        return False
    state.line = _end_of_paragraph(state, start, end)
    return True


def _raw_html(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Take only scripts, comments and the like for HTML blocks; other blocks are text with inline tags."""
    return bool(_RAW_HTML.match(_line(state, start))) and html_block(state, start, end, silent)


def _indented_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """An indented paragraph of sentences is prose, and other indented lines are code."""
    if silent or not state.is_code_block(start):
        return False
    lines = range(start, end)
    after = next((n for n in lines if state.isEmpty(n) or not state.is_code_block(n)), end)
    text = state.getLines(start, after, state.blkIndent, False)
    if after < end and not state.isEmpty(after):
        text += "."  # the paragraph goes on in a line that is not indented
    if reads_as_prose(text):
        _parse_body(state, start, after, state.sCount[start])
    else:
        state.push("code_block", "", 0)
        state.line = after
    return True


def _template_tag(state: StateInline, silent: bool) -> bool:
    for opening, closing in _TEMPLATE_TAGS.items():
        if state.src.startswith(opening, state.pos):
            end = state.src.find(closing, state.pos + len(opening), state.pos + _MAX_TAG_CHARS)
            if end >= 0 and not silent and (code := _CODE_TAG.match(state.src, state.pos)):
                state.push("html_inline", "", 0).content = f"<{'/' if code[1] else ''}{code[2]}>"
            if end >= 0:
                state.pos = end + len(closing)
            return end >= 0
    return False


def _note_mark(state: StateInline, silent: bool) -> bool:
    """The mark of a footnote, or the kind of a GitHub alert at the start of a quotation."""
    mark = _MARK.match(state.src, state.pos)
    alert = _ALERT.match(state.src) if state.pos == 0 else None
    if alert and not silent:
        state.push("text", "", 0).content = alert[1]
        state.push("break", "", 0)
    elif mark and not silent:
        state.push("text", "", 0).content = LEFT_OUT
    if found := mark or alert:
        state.pos = found.end()
    return found is not None


def _component(state: StateInline, silent: bool) -> bool:
    """A tag of a JSX component, whose attributes are no HTML."""
    tag = _COMPONENT.match(state.src, state.pos)
    if tag:
        state.pos = tag.end()
    return tag is not None
