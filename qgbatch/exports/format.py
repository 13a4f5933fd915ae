"""What an export is, and the directory that its files go to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from qgbatch.errors import OutputError
from qgbatch.exports.table import QuestionTable
from qgbatch.output.atomic import replacing

CARD = "README.md"
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
    made = _make_directories(directory, target)
    try:
        with ExitStack() as files:  # so that none is replaced before all are written
            names = (*target.files, CARD)
            yield {name: files.enter_context(replacing(directory / name)) for name in names}
    finally:
        for path in reversed(made):
            with suppress(OSError):  # only those that are still empty
                path.rmdir()


def _make_directories(directory: Path, target: ExportFormat) -> list[Path]:
    """Make what is missing, and give it, outermost first."""
    _check_directory(directory, target)
    inner = {(directory / name).parent for name in target.files}
    missing = {
        path for place in (directory, *inner) for path in (place, *place.parents) if not path.exists()
    }
    made = sorted(missing, key=lambda path: len(path.parts))
    try:
        for path in made:
            path.mkdir()
    except OSError as error:
        raise OutputError(
            f"{directory}: cannot be made a directory ({error.strerror}).", "Name another place."
        ) from error
    return made


def _check_directory(directory: Path, target: ExportFormat) -> None:
    card = directory / CARD
    is_ours = card.is_file() and _made_by(target) in card.read_text(encoding="utf-8", errors="replace")
    for name in (*target.files, CARD):
        if (directory / name).exists() and not is_ours:
            raise OutputError(
                f"{directory / name} is of something else.", "Name another directory for the export."
            )


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
    provenance = table.provenance.to_json() if table.provenance else {"model": table.models}
    licence = f"Licence: {license_name}. " if license_name else ""
    stream.write(
        f"""{front_matter}# {title}

{target.about}

| | |
|---|---|
{counts}

A model wrote the questions; nobody has read them all. {_made_by(target)}, from an output of `qgbatch run`:

```json
{json.dumps(provenance, ensure_ascii=False, indent=2)}
```

{licence}The passages are parts of the documents that the questions were asked of: their own licences hold.
""".encode()
    )


def _made_by(target: ExportFormat) -> str:
    return f"Made with `qgbatch export --to {target.name}`"
