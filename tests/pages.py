"""README.md and the pages of docs/, and what a test reads in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from qgbatch.cli import main
from tests.conftest import ROOT

DOCS = ROOT / "docs"
PAGES = {
    path.name: path.read_text(encoding="utf-8") for path in (*sorted(DOCS.glob("*.md")), ROOT / "README.md")
}


def language_blocks(page: str, *languages: str) -> list[tuple[str, str]]:
    """Languages and texts of the fenced blocks in these languages; of all blocks if none is named."""
    found = re.findall(r"^```(\w+)\n(.*?)^```", PAGES[page], flags=re.DOTALL | re.MULTILINE)
    return [(language, text) for language, text in found if not languages or language in languages]


def blocks(page: str, *languages: str) -> list[str]:
    """The texts of these blocks."""
    return [text for _, text in language_blocks(page, *languages)]


def commands(page: str) -> Iterator[tuple[str, list[str]]]:
    """The ``qgbatch`` commands in all blocks and in code inside the text, with their words."""
    texts = "\n".join(blocks(page)).replace("\\\n", " ").splitlines()
    prose = re.sub(r"^```.*?^```", "", PAGES[page], flags=re.DOTALL | re.MULTILINE)
    for text in [*texts, *re.findall(r"`([^`\n]+)`", prose)]:
        lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
        lexer.whitespace_split, lexer.commenters = True, ""
        try:
            words = list(lexer)
        except ValueError:  # not a line of a shell
            continue
        for index, word in enumerate(words[:-1]):
            if word.rpartition("/")[2] == "qgbatch" and words[index + 1] in main.commands:
                given = words[index + 1 :]
                end = next((i for i, w in enumerate(given) if set(w) <= set("();<>|&")), len(given))
                if end < len(given) and given[end].startswith(">") and given[end - 1].isdigit():
                    end -= 1  # 2>> of a file
                yield text, given[:end]


def names_in_first_column(page: str, heading: str) -> list[str]:
    """The names in code in the first columns of the tables below a heading."""
    cells = re.findall(
        r"^\| (`[^|]*`) \|", PAGES[page].split(f"{heading}\n")[1].split("\n## ")[0], re.MULTILINE
    )
    return re.findall(r"`(\w+)", " ".join(cells))
