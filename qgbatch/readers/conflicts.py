"""Check that no output overwrites an input or becomes an input of the next run."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from qgbatch.errors import OutputError, display
from qgbatch.output.atomic import STDOUT
from qgbatch.output.remote import canonical_uri, is_uri, local_path
from qgbatch.readers.kinds import has_known_suffix, is_table
from qgbatch.readers.listing import Listing


def check_output_conflicts(listing: Listing, outputs: Sequence[str], also_read: Sequence[str] = ()) -> None:
    """Refuse an output that would overwrite an input or another output, or that the next run would read.

    Args:
        listing: The inputs of this run.
        outputs: Paths or URIs that the run writes; ``-`` for standard output.
        also_read: Files that the run reads besides its inputs, such as a list of inputs.

    Raises:
        OutputError: names the output and the input or output that it conflicts with.
    """
    paths = (*listing.paths, *listing.arguments, *also_read)
    inputs = {_real_path(path): path for path in paths}
    checked: dict[str, str] = {}
    for path in outputs:
        if path == STDOUT:
            continue
        target = _real_path(path)
        if target in checked:
            raise OutputError(
                f"{path}: the same file as the output {checked[target]}.", "Give each output its own file."
            )
        if target in inputs and not os.path.isdir(target):
            raise OutputError(
                f"{display(inputs[target])}: is an input and would be overwritten.",
                "Write to another file.",
            )
        argument = next((each for each in listing.arguments if _would_read(each, target)), None)
        if argument is not None:
            raise OutputError(
                f"{path}: lies inside the input {display(argument)}, so the next run would read it.",
                "Write to another directory, or use a suffix that qgbatch does not read.",
            )
        checked[target] = path


def _real_path(path: str) -> str:
    path = local_path(path)
    if is_uri(path):
        return canonical_uri(path)
    try:
        return os.path.realpath(path)
    except (ValueError, RecursionError):  # an impossible name or an endless chain of links: never read
        return path


def _would_read(argument: str, target: str) -> bool:
    """Whether a directory or glob covers a path.

    ``*`` also matches slashes here, so a pattern covers a little more than it reads.
    """
    if is_uri(argument) != is_uri(target):
        return False
    is_pattern = glob.has_magic(argument)
    if not has_known_suffix(target) and not (is_pattern and is_table(target)):
        return False
    if is_uri(argument):
        argument = canonical_uri(argument)
        return fnmatch(target, argument) if is_pattern else target.startswith(argument)
    if os.path.isdir(argument):
        return has_known_suffix(target) and Path(target).is_relative_to(os.path.realpath(argument))
    pattern = os.path.normpath(os.path.join(os.path.realpath("."), argument)).replace("**/", "*")
    return is_pattern and fnmatch(target, pattern)
