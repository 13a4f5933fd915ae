"""Output directories: created when missing, refused when they hold files that qgbatch did not write.

Exports, datasets, trained models and the Parquet parts of a distributed run are directories.
Each of them recognizes its own earlier output by something that it wrote there (a sentence in
the card, ``recipe.json``, the metadata of a Parquet file). This module applies that check
before any file is replaced.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

from qgbatch.errors import OutputError

CARD = "README.md"
"""The description of a directory, in the format of the Hugging Face hub."""


def prepare_directory(
    directory: Path, outputs: Iterable[Path], is_ours: Callable[[Path], bool], command: str
) -> list[Path]:
    """Create an output directory, unless it holds files that must not be replaced.

    Args:
        directory: The output directory.
        outputs: Paths in it that the command may replace or remove. Their parent directories
            are created too.
        is_ours: Returns whether an existing path was written by an earlier run of the command.
        command: The command that writes, for the error message.

    Returns:
        The directories that were created, outermost first; see :func:`remove_empty`.

    Raises:
        OutputError: One of the paths exists and is not ours, or the directory cannot be
            created or written.
    """
    paths = list(outputs)
    for path in paths:
        if os.path.exists(path) and not is_ours(path):
            raise OutputError(
                f"{path} exists, and {command} did not write it.",
                "It would be replaced: name another directory.",
            )
    created: list[Path] = []
    try:
        for wanted in (directory, *sorted({path.parent for path in paths} - {directory})):
            missing = [path for path in (wanted, *wanted.parents) if not path.exists()]
            for path in reversed(missing):
                path.mkdir(exist_ok=True)
                created.append(path)
        with TemporaryFile(dir=directory):  # fails in a directory that is read-only or full
            pass
    except OSError as error:
        remove_empty(created)
        raise OutputError(
            f"{directory}: cannot be used as the output directory ({error.strerror}).",
            "Check the permissions and the free space there, or name another directory.",
        ) from error
    return created


def prepare_own_directory(
    directory: Path, outputs: Iterable[Path], sentence: str, command: str
) -> list[Path]:
    """Create an output directory that holds nothing else, as :func:`prepare_directory` does.

    Args:
        directory: The output directory. It is missing, empty except for hidden files, or an earlier output.
        outputs: Paths in it that the command may replace.
        sentence: A sentence in the card by which the command recognizes its earlier output.
        command: The command that writes, for the error message.

    Returns:
        The directories that were created, outermost first.

    Raises:
        OutputError: The directory contains other files, or cannot be created or written.
    """
    is_ours = card_contains(directory, sentence)
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    foreign = next((name for name in names if not name.startswith(".")), None)
    if foreign and not is_ours:
        raise OutputError(
            f"{directory} contains {foreign}, and {command} did not write this directory.",
            "Its files would be mixed with those of the command: name another directory.",
        )
    return prepare_directory(directory, outputs, lambda _: is_ours, command)


def remove_empty(directories: Sequence[Path]) -> None:
    """Remove those of the directories that are still empty; the list is outermost first."""
    for path in reversed(directories):
        with suppress(OSError):
            path.rmdir()


def card_contains(directory: Path, sentence: str) -> bool:
    """Whether the card of a directory exists and contains a sentence."""
    card = directory / CARD
    return os.path.isfile(card) and sentence in card.read_text(encoding="utf-8", errors="replace")
