"""The metadata at the start of a Markdown file: YAML, TOML or JSON."""

from __future__ import annotations

import json
import re

_YAML = re.compile(
    r"---[ \t]*\n"
    # Only lines that YAML can consist of: prose between two lines of dashes is no metadata.
    r"(?=\s*(?:#|-[ \t]|[\w\"'][^\n:]*:[ \t\n]))"
    r"(?:(?:[ \t#}\]][^\n]*|-[ \t][^\n]*|[\w\"'][^\n:]*:(?:[ \t][^\n]*)?)?\n)*?"
    r"(?:---|\.\.\.)[ \t]*(?:\n|\Z)"
)
_TOML = re.compile(r"\+\+\+[ \t]*\n(?:(?!\+\+\+)[^\n]*\n)*\+\+\+[ \t]*(?:\n|\Z)")
_JSON = re.compile(r"\{\s*\"")


def without_front_matter(markdown: str) -> str:
    """The document after its metadata, or all of it if it begins with none."""
    document = markdown.lstrip("\ufeff\n")
    for pattern in (_YAML, _TOML):
        if block := pattern.match(document):
            return document[block.end() :]
    if _JSON.match(document):
        try:
            _, end = json.JSONDecoder().raw_decode(document)
        except (ValueError, RecursionError):
            return markdown
        if document[end : end + 1] in ("", "\n"):
            return document[end:]
    return markdown
