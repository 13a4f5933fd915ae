"""What defines an export format, and the output directory of an export."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import IO, Any

from qgbatch.errors import OutputError
from qgbatch.exports.export_input import ExportInput
from qgbatch.exports.one_line import one_line
from qgbatch.output.atomic import replace_file
from qgbatch.output.directories import CARD, prepare_own_directory, remove_empty
from qgbatch.output.run_facts import public_name

Files = Mapping[str, IO[bytes]]
"""Open binary files by their paths relative to the output directory."""
Summary = list[tuple[str, str]]
"""What an export contains, as names and values, such as ``("passages", "1,024")``."""


@dataclass(frozen=True)
class ExportFormat:
    """A format that questions can be exported to."""

    name: str
    """The value of ``--to``."""
    files: tuple[str, ...]
    """Paths of the files, relative to the output directory, without the card and the files of parts."""
    help: str
    """One line for ``qgbatch export --help``, at most 65 characters."""
    description: str
    """What the files contain, in Markdown, for the card."""
    needs_context: bool
    """Whether the text of each passage must be known, from the column ``context`` or from a file."""
    write: Callable[[ExportInput, Files], Summary]
    """Writes the files and returns what they contain."""
    part_file: str | None = None
    """Path of the file of each part of a split, with ``{}`` for its name; ``None`` if it has no parts."""
    single_part: str = ""
    """The name of the only part without a split."""
    needs_judgments: bool = False
    """Whether all right passages of each question must be known, so that questions whose row does not list
    them are left out."""
    needs_answers: bool = False
    """Whether the table must have answers; questions without one are left out."""
    needs_passages: bool = False
    """Whether the file of all passages must be given."""
    with_kept: bool = False
    """Whether the files have the kept columns of the table."""
    front_matter: Callable[[ExportInput, str], str] | None = None
    """Returns the YAML block at the top of the card, from the input and the card's title."""

    def file_names(self, split: Iterable[str] = ()) -> tuple[str, ...]:
        """Return the paths of all files of an export with these parts."""
        if self.part_file is None:
            return self.files
        return (*self.files, *map(self.part_file.format, split or (self.single_part,)))


@contextmanager
def open_directory(directory: Path, export_format: ExportFormat, split: Iterable[str]) -> Iterator[Files]:
    """Open the files of an export and its card; all are replaced when the block ends without error.

    Args:
        directory: The output directory.
        export_format: The format.
        split: The names of the parts.

    Raises:
        OutputError: The directory holds files and is not an earlier export in this format, or
            a file cannot be written.
    """
    paths = {name: directory / name for name in (*export_format.file_names(split), CARD)}
    command = f"qgbatch export --to {export_format.name}"
    created = prepare_own_directory(directory, paths.values(), _made_with(export_format), command)
    try:
        _refuse_other_parts(directory, export_format, set(paths.values()))
        with ExitStack() as stack:  # no file is replaced before all of them are complete
            yield {name: stack.enter_context(replace_file(path)) for name, path in paths.items()}
    finally:
        remove_empty(created)


def _refuse_other_parts(directory: Path, export_format: ExportFormat, own: set[Path]) -> None:
    """Refuse a directory with a part of an earlier export that the new one does not replace."""
    pattern = export_format.part_file and export_format.part_file.format("*")
    others = sorted(set(directory.glob(pattern)) - own) if pattern else []
    if others:
        raise OutputError(
            f"{others[0]} is a part of an earlier export, and this export has no such part.",
            "It would be mixed with the new parts: remove it, or name another directory.",
        )


def write_card(
    stream: IO[bytes],
    export_format: ExportFormat,
    given: ExportInput,
    summary: Summary,
    title: str,
) -> None:
    """Write the card: what the directory contains, which run made it, and its licence."""
    table, license_name = given.table, given.options.license_name
    front_matter = export_format.front_matter(given, title) if export_format.front_matter else ""
    rows = "\n".join(f"| {name} | {_cell(value)} |" for name, value in summary)
    # Indented JSON has no line that starts with backticks, so no value can end the code block.
    provenance: dict[str, Any] = {"model": [public_name(name) for name in table.models]}
    if table.provenance:
        provenance = table.provenance.for_publication().to_json()
    licence = f"Licence: {license_name}. " if license_name else ""
    stream.write(
        f"""{front_matter}# {title}

{export_format.description}

| | |
|---|---|
{rows}

A model wrote the questions. {_who_read(given)}
{_made_with(export_format)}, from an output of `qgbatch run`:

```json
{json.dumps(provenance, ensure_ascii=False, indent=2)}
```

{licence}The passages are taken from the documents, whose own licences apply to them.
""".encode()
    )


def _cell(value: str) -> str:
    """A value in a table of Markdown; it may contain the names of a user's columns."""
    return escape(one_line(value), quote=False).replace("|", "\\|")


def _who_read(given: ExportInput) -> str:
    if not given.n_read:
        return "Nobody has read all of them."
    some = "all of them" if given.n_read == given.n_rows else f"{given.n_read:,} of these {given.n_rows:,}"
    return f"A reader has kept or edited {some}."


def _made_with(export_format: ExportFormat) -> str:
    """The sentence in the card by which a later export recognizes its own directory."""
    return f"Made with `qgbatch export --to {export_format.name}`"
