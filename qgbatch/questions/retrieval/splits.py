"""Splits documents into parts, such as training and test data, without near duplicates across parts.

Passages are near duplicates if their sets of three-word shingles have a Jaccard similarity of at least 0.8.
The search misses no pair. It uses the prefix filter of similarity joins: in any fixed order of all
shingles, two such sets share one of their first shingles, ``n - ceil(0.8 n) + 1`` of a set of ``n``. The
order here begins with the rare shingles, which few other sets have. The sets are in a temporary SQLite
database, so memory stays bounded.
"""

from __future__ import annotations

import re
import sqlite3
from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing
from hashlib import blake2b
from itertools import accumulate, groupby
from typing import NamedTuple

from qgbatch.errors import InputError, OutputError, SettingsError, name_setting
from qgbatch.questions.words import WORD

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_TOLERANCE = 1e-6
"""How far the sum of the shares may be from 1."""
_SHINGLE_WORDS = 3
_COUNTERS = 1 << 24
"""Number of counters of shingles (64 MiB). Several shingles share one if there are more of them."""
_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA cache_size = -65536; -- 64 MiB
CREATE TABLE sets (number INTEGER PRIMARY KEY, hash INTEGER UNIQUE, document INTEGER, shingles BLOB);
CREATE TABLE prefixes (shingle INTEGER, number INTEGER, size INTEGER, document INTEGER);
"""


class _Set(NamedTuple):
    """The shingles of a passage."""

    number: int
    size: int
    document: int
    """The first document that has it."""


def parse_split(text: str) -> dict[str, float]:
    """Parse the shares of a split, such as ``train=0.8,dev=0.1,test=0.1``.

    Returns:
        The share of each part, in the order of the text.

    Raises:
        SettingsError: A part has no valid name or share, repeats, or the shares do not add up to 1.

    >>> parse_split("train=0.9,test=0.1")
    {'train': 0.9, 'test': 0.1}
    """
    shares: dict[str, float] = {}
    for item in text.split(","):
        name, _, number = (word.strip() for word in item.partition("="))
        share = _parse_share(number)
        if not _NAME.fullmatch(name) or not share > 0:  # not even NaN
            raise _split_error(text, f"{item.strip()!r} is not a name and a share above 0")
        if name in shares:
            raise _split_error(text, f"the part {name!r} repeats")
        shares[name] = share
    if abs(sum(shares.values()) - 1) > _TOLERANCE:
        raise _split_error(text, f"the shares add up to {sum(shares.values()):g}, not to 1")
    return shares


def _parse_share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _split_error(text: str, reason: str) -> SettingsError:
    return SettingsError(
        f"{name_setting('split', text)}: {reason}.",
        "Write the parts like train=0.8,dev=0.1,test=0.1. A name has the characters a-z, 0-9, _ and -, "
        "and begins with a letter.",
    )


def assign_parts(passages: Iterable[tuple[str, str]], shares: Mapping[str, float]) -> dict[str, str]:
    """Assign each document to a part; documents with near-duplicate passages go to the same part.

    The part depends only on the representative of a document's group (see :func:`group_documents`). An
    added document moves others only if it is a near duplicate of one of them: it can become the
    representative of their group, or join two groups.

    Args:
        passages: Source and text of all passages, in any order.
        shares: The share of each part, see :func:`parse_split`.

    Returns:
        The part of each source.

    Raises:
        InputError: A part has no documents.
        OutputError: The temporary file cannot be written.
    """
    representatives = group_documents(passages)
    parts = {source: _part_of(name, shares) for source, name in representatives.items()}
    used = set(parts.values())
    empty = [name for name in shares if name not in used]
    if empty:
        n_groups = len(set(representatives.values()))
        raise InputError(
            f"{name_setting('split')}: the part {empty[0]!r} is empty "
            f"(documents: {len(parts):,}; groups with near-duplicate passages: {n_groups:,}).",
            "Add documents, give the part a larger share, or remove passages that many documents repeat: "
            "documents with near-duplicate passages stay in the same part.",
        )
    return parts


def _part_of(representative: str, shares: Mapping[str, float]) -> str:
    """Return the part whose range of the cumulative shares contains the hash of a name."""
    position = _hash("part", representative) / 2**64
    ranges = zip(shares, accumulate(shares.values()), strict=True)
    return next((name for name, end in ranges if position < end), list(shares)[-1])


def _hash(purpose: str, source: str) -> int:
    """Return a number of 64 bits that is the same on every machine."""
    text = f"{purpose} {source}".encode(errors="surrogatepass")  # a file name may be no Unicode
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")


def group_documents(passages: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Group documents with near-duplicate passages; a group contains the near duplicates of its documents.

    Args:
        passages: Source and text of all passages, in any order.

    Returns:
        The representative of each source's group: the source with the smallest hash. An added document
        therefore becomes the representative of a group of n documents in one of n + 1 cases only.

    Raises:
        OutputError: The temporary file cannot be written.
    """
    try:
        with closing(sqlite3.connect("", isolation_level=None)) as connection:  # "": a temporary file
            search = _Search(connection)
            search.add(passages)
            search.index_prefixes()
            search.link_near_duplicates()
    except sqlite3.OperationalError as error:
        raise OutputError(
            f"No space for temporary files ({error}).",
            "Set SQLITE_TMPDIR to a directory with more free space.",
        ) from error
    representatives: dict[int, str] = {}
    groups = {source: search.group_of(number) for source, number in search.sources.items()}
    for source in sorted(groups, key=lambda source: _hash("group", source)):
        representatives.setdefault(groups[source], source)
    return {source: representatives[group] for source, group in groups.items()}


class _Search:
    """The search for near duplicates. Its three steps follow each other."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        connection.executescript(_SCHEMA)
        connection.execute("BEGIN")  # one transaction writes each page once
        self._connection = connection
        self._counts = array("I", bytes(4 * _COUNTERS))
        self._parents: list[int] = []
        """A document of the same group for each document; a root is its own."""
        self.sources: dict[str, int] = {}
        """The number of each document."""

    def group_of(self, document: int) -> int:
        """Return the number that all documents of a group share."""
        parents = self._parents
        while parents[document] != document:
            parents[document] = document = parents[parents[document]]
        return document

    def _link(self, document: int, other: int) -> None:
        self._parents[self.group_of(document)] = self.group_of(other)

    def add(self, passages: Iterable[tuple[str, str]]) -> None:
        """Store each set of shingles once, link the documents that have it, and count the shingles."""
        for source, text in passages:
            document = self.sources.setdefault(source, len(self.sources))
            if document == len(self._parents):
                self._parents.append(document)
            shingles = _shingles(text)
            if shingles:
                self._add_set(document, shingles)

    def _add_set(self, document: int, shingles: set[int]) -> None:
        blob = array("q", sorted(shingles)).tobytes()
        values = (hash(blob), document, blob)
        if self._connection.execute("INSERT OR IGNORE INTO sets VALUES (NULL, ?, ?, ?)", values).rowcount:
            for shingle in shingles:
                self._counts[shingle % _COUNTERS] += 1
        else:
            found = self._connection.execute("SELECT document FROM sets WHERE hash = ?", values[:1])
            self._link(document, found.fetchone()[0])

    def index_prefixes(self) -> None:
        """Store the prefix of each set, without the shingles that are in no other set."""
        for number, document, blob in self._connection.execute(
            "SELECT number, document, shingles FROM sets"
        ):
            ordered = sorted((self._counts[shingle % _COUNTERS], shingle) for shingle in array("q", blob))
            prefix = ordered[: len(ordered) - _min_shared(len(ordered)) + 1]
            self._connection.executemany(
                "INSERT INTO prefixes VALUES (?, ?, ?, ?)",
                [(shingle, number, len(ordered), document) for count, shingle in prefix if count > 1],
            )

    def link_near_duplicates(self) -> None:
        """Compare the sets that share a shingle of their prefixes.

        Sets of linked documents are not compared, so a passage that is in 10,000 documents with small
        differences takes about 10,000 comparisons for each of its shingles, and not 50 million.
        """
        rows = self._connection.execute("SELECT * FROM prefixes ORDER BY shingle, number")
        for _, sharing in groupby(rows, key=lambda row: row[0]):
            clusters: defaultdict[int, list[_Set]] = defaultdict(list)
            for _, *values in sharing:
                found = _Set(*values)
                clusters[self.group_of(found.document)].append(found)
            self._link_clusters(clusters.values())

    def _link_clusters(self, clusters: Iterable[list[_Set]]) -> None:
        """Link the clusters of sets in which a set of one is a near duplicate of a set of the other."""
        apart: list[list[_Set]] = []
        for cluster in clusters:
            others, apart = apart, []
            merged = cluster
            for other in others:
                if any(self._are_near_duplicates(a, b) for a in merged for b in other):
                    self._link(merged[0].document, other[0].document)
                    smaller, merged = sorted((merged, other), key=len)
                    merged += smaller
                else:
                    apart.append(other)
            apart.append(merged)

    def _are_near_duplicates(self, one: _Set, other: _Set) -> bool:
        least, most = sorted((one.size, other.size))
        if least < _min_shared(most):
            return False
        n_shared = len(self._load(one.number) & self._load(other.number))
        return n_shared >= _min_shared(least + most - n_shared)

    def _load(self, number: int) -> set[int]:
        found = self._connection.execute("SELECT shingles FROM sets WHERE number = ?", (number,))
        return set(array("q", found.fetchone()[0]))


def _shingles(text: str) -> set[int]:
    """Return the hashes of the three-word shingles of a text, or of its words if they are fewer.

    Another process has other hashes. They decide the order of the search, and not its result.
    """
    words = WORD.findall(text.casefold())
    length = _SHINGLE_WORDS if len(words) >= _SHINGLE_WORDS else 1
    return {hash(shingle) for shingle in zip(*(words[i:] for i in range(length)), strict=False)}


def _min_shared(size: int) -> int:
    """Return how many shingles of a set, or of a union, near duplicates share at least: 0.8, rounded up.

    >>> [_min_shared(size) for size in (1, 5, 6, 100)]
    [1, 4, 5, 80]
    """
    return (4 * size + 4) // 5
