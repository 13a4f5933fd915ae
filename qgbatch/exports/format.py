"""What an export is, and the directory that its files go to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from qgbatch.exports.table import QuestionTable
from qgbatch.output.atomic import replacing
from qgbatch.output.directories import CARD, card_contains, prepare_directory, remove_empty

Files = Mapping[str, IO[bytes]]
"""Open files by their names in the directory."""
Lines = list[tuple[str, str]]
"""What is counted, and what there is to say of it."""


@dataclass(frozen=True)
class ExportFormat:
    """A form that questions are exported in."""

    name: str
    files: tuple[str, ...]
    about: str
    """What is in the files, in Markdown."""
    needs_context: bool
    write: Callable[[QuestionTable, Files], Lines]
    """Fill the files, by name, and tell what they hold."""
    front_matter: Callable[[QuestionTable, str, str | None], str] | None = None
    """The YAML at the top of the card: of the table, a name and a licence."""


@contextmanager
def open_directory(directory: Path, target: ExportFormat) -> Iterator[Files]:
    """Give the files of an export and its card, which are all replaced when the block ends well.

    Raises:
        OutputError: a file would replace what is no earlier export of this kind, or cannot
            be written.
    """
    paths = {name: directory / name for name in (*target.files, CARD)}
    is_ours = card_contains(directory, _made_by(target))
    created = prepare_directory(
        directory, paths.values(), lambda _: is_ours, f"qgbatch export --to {target.name}"
    )
    try:
        with ExitStack() as stack:  # no file is replaced before all of them are complete
            yield {name: stack.enter_context(replacing(path)) for name, path in paths.items()}
    finally:
        remove_empty(created)


def write_card(
    stream: IO[bytes],
    target: ExportFormat,
    table: QuestionTable,
    lines: Lines,
    title: str,
    license_name: str | None,
) -> None:
    """Write what is in the directory, what made it, and whose it is."""
    front_matter = target.front_matter(table, title, license_name) if target.front_matter else ""
    counts = "\n".join(f"| {name} | {text} |" for name, text in lines)
    # Indented JSON has no line that could end the block.
    facts = json.dumps(table.facts or {"model": table.models}, ensure_ascii=False, indent=2)
    licence = f"Licence: {license_name}. " if license_name else ""
    stream.write(
        f"""{front_matter}# {title}

{target.about}

| | |
|---|---|
{counts}

A model wrote the questions; nobody has read them all. {_made_by(target)}, from an output of `qgbatch run`:

```json
{facts}
```

{licence}The passages are parts of the documents that the questions were asked of: their own licences hold.
""".encode()
    )


def _made_by(target: ExportFormat) -> str:
    return f"Made with `qgbatch export --to {target.name}`"
