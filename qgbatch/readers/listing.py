"""The files behind the inputs of a run, in a stable order; an input without files becomes a failure."""

from __future__ import annotations

import codecs
import errno
import glob
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qgbatch.errors import DocumentError, InputError, display
from qgbatch.output.remote import canonical_uri, find_files, is_uri, local_path
from qgbatch.output.web import is_web_address
from qgbatch.readers.content import STDIN, hint_for, utf16_encoding
from qgbatch.readers.kinds import SUFFIXES, TABLE_SUFFIXES, has_known_suffix, is_table
from qgbatch.readers.paths import match, walk
from qgbatch.records import Failure

_LIST_HINT = "Save the list as UTF-8, with one path per line."


@dataclass(slots=True)
class Listing:
    """The files behind the inputs of a run, in the order in which they are read."""

    items: list[str | Failure] = field(default_factory=list)
    """Paths, URIs or ``-``, and a failure for each input that cannot be read."""
    skipped: Counter[str] = field(default_factory=Counter)
    """The number of files that are not read, by reason."""
    arguments: Sequence[str] = ()
    """The inputs as the user named them: files, directories, patterns, URIs or ``-``."""

    @property
    def paths(self) -> list[str]:
        """The files to read, without the failures."""
        return [item for item in self.items if isinstance(item, str)]


def list_inputs(arguments: Sequence[str]) -> Listing:
    """Find the files behind paths, directories, patterns, URIs and ``-``.

    The arguments keep their order; the files of a directory or pattern are sorted. A file
    that is named twice is listed once and counted as skipped.
    """
    arguments = [local_path(argument) for argument in arguments]
    listing = Listing(arguments=arguments)
    seen: set[str] = set()
    for argument in arguments:
        for item in _expand(argument, listing.skipped):
            identity = _identity(item)
            if isinstance(identity, Failure):
                listing.items.append(identity)
            elif identity in seen:
                listing.skipped["named twice"] += 1
            else:
                seen.add(identity)
                listing.items.append(item)
    listing.skipped = +listing.skipped
    return listing


def read_list(path: str) -> list[str]:
    """Read a list of inputs from a file, or from standard input for ``-``.

    The inputs are separated by line breaks, or by NUL characters if the list contains any. UTF-16, which
    Windows PowerShell writes, is decoded.

    Raises:
        InputError: the list cannot be read or decoded.
    """
    try:
        content = sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"--files-from {path}: {error.strerror}.", "Check the path.") from error
    text = _decoded_list(content, path)
    names = (line.removesuffix("\r") for line in text.split("\0" if "\0" in text else "\n"))
    return [name for name in names if name.strip()]


def _decoded_list(content: bytes, path: str) -> str:
    encoding = utf16_encoding(content[:4])
    if encoding is None:
        return os.fsdecode(content.removeprefix(codecs.BOM_UTF8))
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"--files-from {path}: not valid UTF-16 ({error.reason}).", _LIST_HINT) from error
    if encoding != "utf-16" and "\n" not in text:
        what = "UTF-16 without a byte order mark, or names of one letter"
        raise InputError(f"--files-from {path}: {what}.", _LIST_HINT)
    return text


def _expand(argument: str, skipped: Counter[str]) -> Iterator[str | Failure]:
    if argument == STDIN:
        yield argument
    elif is_uri(argument):
        yield from _expand_uri(argument, skipped)
    elif os.path.lexists(argument) or not glob.has_magic(argument):
        yield from _expand_path(argument, skipped)
    else:
        yield from _expand_pattern(argument, skipped)


def _expand_uri(uri: str, skipped: Counter[str]) -> Iterator[str | Failure]:
    try:
        found = find_files(uri)
    except InputError as error:
        yield Failure.of(display(uri), "read", error)
        return
    if found is None:
        yield uri if is_web_address(uri) or _is_read(uri) else _unknown_kind(uri)
        return
    is_pattern, n_read = glob.has_magic(uri), 0
    for name in found:
        if any(part.startswith(".") for part in name[len(uri) :].split("/")) and not is_pattern:
            skipped["hidden"] += 1
        elif has_known_suffix(name) or (is_pattern and is_table(name)):
            n_read += 1
            yield name
        else:
            skipped["table in a directory" if is_table(name) else _suffix_reason(name)] += 1
    if not n_read:
        yield _failure(uri, "no file matches.", "Check the pattern.") if is_pattern else _no_documents(uri)


def _expand_path(path: str, skipped: Counter[str]) -> Iterator[str | Failure]:
    if os.path.isdir(path):
        yield from list(_documents(path, skipped)) or [_no_documents(path)]
    elif os.path.isfile(path) and not _is_read(path):
        yield _unknown_kind(path)
    else:
        yield path  # a missing file, too: reading it says why


def _expand_pattern(pattern: str, skipped: Counter[str]) -> Iterator[str | Failure]:
    paths, errors = match(pattern, skipped)
    if not paths and not errors:
        yield _failure(pattern, "no file matches.", "Check the pattern.")
    for path in paths:
        if os.path.isfile(path) and not _is_read(path):
            skipped[_suffix_reason(path)] += 1
        else:
            yield from _expand_path(path, skipped)
    yield from map(_unreadable, errors)


def _documents(directory: str, skipped: Counter[str]) -> Iterator[str | Failure]:
    for found in walk(directory, skipped):
        if isinstance(found, OSError):
            yield _unreadable(found)
            continue
        parent, names = found
        for name in names:
            if has_known_suffix(name):
                yield os.path.join(parent, name)
            else:
                skipped["table in a directory" if is_table(name) else _suffix_reason(name)] += 1


def _is_read(path: str) -> bool:
    """Whether qgbatch reads a file of this name; tables only if they are named, not in a directory."""
    return has_known_suffix(path) or is_table(path)


def _suffix_reason(name: str) -> str:
    return f"suffix {Path(name).suffix or '(none)'}"


def _identity(item: str | Failure) -> str | Failure:
    """A value that is equal for all paths of one file, or a failure for a path that cannot exist."""
    if isinstance(item, Failure) or item == STDIN:
        return item
    if is_uri(item):
        return canonical_uri(item)
    try:
        real_path = os.path.realpath(item)
    except RecursionError:
        return _failure(item, "too many links in a chain.", hint_for(OSError(errno.ELOOP, "")))
    except ValueError as error:
        return _failure(item, f"not a possible file name ({error}).", "Check the path.")
    return real_path if os.path.exists(item) else item


def _unknown_kind(path: str) -> Failure:
    known = ", ".join((*SUFFIXES, *TABLE_SUFFIXES))
    hint = f"qgbatch reads {known}; pass other text on standard input (-)."
    return _failure(path, "unknown kind of document.", hint)


def _no_documents(directory: str) -> Failure:
    hint = f"qgbatch reads {', '.join(SUFFIXES)}, and tables only if they are named."
    return _failure(directory, "no documents in this directory.", hint)


def _unreadable(error: OSError) -> Failure:
    reason = f"the directory cannot be read ({error.strerror})."
    return _failure(os.fsdecode(error.filename), reason, hint_for(error))


def _failure(path: str, message: str, hint: str) -> Failure:
    source = display(path)
    return Failure.of(source, "read", DocumentError(f"{source}: {message}", hint))
