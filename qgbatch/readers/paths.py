"""Directories and patterns to paths, to any depth and without following links in a circle.

In Python 3.11 ``os.walk`` and ``glob`` stop at a depth of 1,000 directories, and ``glob``
follows links for ``**`` and ignores directories that it cannot read.
"""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch

_SEPARATOR = re.compile(r"[/\\]" if os.sep == "\\" else "/")
_BEFORE_MAGIC = re.compile(rf"(?:[^*?\[]*{_SEPARATOR.pattern})?")


def walk(top: str, skipped: Counter[str]) -> Iterator[tuple[str, list[str]] | OSError]:
    """Yield each directory below ``top``, with the sorted names of its files.

    For a directory that cannot be read, its error is yielded instead. Hidden entries and linked
    directories are counted in ``skipped``.
    """
    waiting = [top]
    while waiting:
        parent = waiting.pop()
        try:
            with os.scandir(parent or ".") as entries:
                visible = list(_visible(entries, skipped))
                links = {entry.name for entry in visible if entry.is_symlink()}
                inside = {entry.name for entry in visible if entry.is_dir(follow_symlinks=False)}
        except OSError as error:
            yield error
            continue
        linked = {name for name in links if os.path.isdir(os.path.join(parent, name))}
        skipped["linked directory"] += len(linked)
        yield parent, sorted({entry.name for entry in visible} - inside - linked)
        waiting += [os.path.join(parent, name) for name in sorted(inside, reverse=True)]


def match(pattern: str, skipped: Counter[str]) -> tuple[list[str], list[OSError]]:
    """The paths that match a pattern, sorted, and the errors of directories that cannot be read.

    The paths are those of ``glob``, except that ``**`` matches the directories of :func:`walk`
    and that a pattern with ``**`` matches only files.
    """
    first = _BEFORE_MAGIC.match(pattern)
    paths = [first[0] if first else ""]
    parts = _SEPARATOR.split(pattern[len(paths[0]) :])
    unreadable: list[OSError] = []
    for part in [*parts, "*"] if parts[-1] == "**" else parts:
        found = [each for path in paths for each in _match_part(path, part, skipped)]
        paths = list(dict.fromkeys(path for path in found if isinstance(path, str)))
        unreadable += [error for error in found if isinstance(error, OSError)]
    return sorted(p for p in paths if "**" not in parts or not os.path.isdir(p)), unreadable


def _match_part(directory: str, part: str, skipped: Counter[str]) -> Iterator[str | OSError]:
    """The matches in a directory of one part of a pattern, between two separators."""
    if not os.path.isdir(directory or "."):
        return
    if part == "**":
        below: Counter[str] = Counter()
        yield from (found if isinstance(found, OSError) else found[0] for found in walk(directory, below))
        skipped["linked directory"] += below["linked directory"]
    elif glob.has_magic(part):
        try:
            names = os.listdir(directory or ".")
        except OSError as error:
            yield error
        else:
            hidden = part.startswith(".")
            matching = (name for name in names if fnmatch(name, part) and (hidden or name[0] != "."))
            yield from (os.path.join(directory, name) for name in matching)
    elif os.path.lexists(path := os.path.join(directory, part)):
        yield path


def _visible(entries: Iterable[os.DirEntry[str]], skipped: Counter[str]) -> Iterator[os.DirEntry[str]]:
    for entry in entries:
        if entry.name.startswith("."):
            skipped["hidden"] += 1
        else:
            yield entry
