"""Whether an output would overwrite an input, or would be read by the next run."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from qgbatch.errors import OutputError
from qgbatch.output.atomic import STDOUT
from qgbatch.output.remote import is_uri
from qgbatch.readers.content import display
from qgbatch.readers.kinds import has_known_suffix, is_table
from qgbatch.readers.listing import Listing


def check_places(listing: Listing, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Refuse outputs that would destroy inputs or each other, or be inputs of the next run.

    Raises:
        OutputError: names the output and what it would hit.
    """
    read = {_real_path(item): item for item in (*listing.items, *inputs) if isinstance(item, str)}
    written: dict[str, str] = {}
    for path in outputs:
        if path == STDOUT:
            continue
        target = _real_path(path)
        if target in written:
            raise OutputError(f"{path}: is already written as {written[target]}.", "Name another file.")
        if target in read and not os.path.isdir(target):
            raise OutputError(
                f"{display(read[target])}: is an input and would be overwritten.", "Write to another file."
            )
        place = next((i for i in inputs if _would_read(i, target)), None)
        if place is not None:
            raise OutputError(
                f"{path}: belongs to the input {display(place)}, the next run would read it.",
                "Write to another directory, or under another suffix.",
            )
        written[target] = path


def _real_path(path: str) -> str:
    if is_uri(path):
        return path
    try:
        return os.path.realpath(path)
    except (ValueError, RecursionError):  # no name that a file can have, or endless links: nothing is read
        return path


def _would_read(argument: str, target: str) -> bool:
    """Whether a directory or glob covers a path; ``*`` is taken to match slashes too."""
    if is_uri(argument) != is_uri(target):
        return False
    is_pattern = glob.has_magic(argument)
    if not has_known_suffix(target) and not (is_pattern and is_table(target)):
        return False
    if is_uri(argument):
        return fnmatch(target, argument) if is_pattern else target.startswith(argument)
    if os.path.isdir(argument):
        return has_known_suffix(target) and Path(target).is_relative_to(os.path.realpath(argument))
    pattern = os.path.normpath(os.path.join(os.path.realpath("."), argument)).replace("**/", "*")
    return is_pattern and fnmatch(target, pattern)
