"""Searches all passages of a corpus by BM25, and finds other right passages of a question.

The index is SQLite's FTS5 (k1 = 1.2, b = 0.75) in a temporary file, so memory stays bounded however
large the corpus is.

A word that is in many passages says little about a question, and its passages take most of the time to
score. A query is therefore searched by its rarest words only: words are added, from the rarest to the most
frequent, while the sum of the passages that contain them is at most :data:`MAX_POSTINGS`. The rarest word
is always searched. Ranks and scores are those of BM25 over these words.
"""

from __future__ import annotations

import json
import re
import sqlite3
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any

from qgbatch.engines.cores import n_cores
from qgbatch.errors import OutputError
from qgbatch.questions.dedupe import near_form
from qgbatch.questions.grounding import find_answer
from qgbatch.questions.words import content_words
from qgbatch.records import Passage
from qgbatch.settings import Language

MAX_POSTINGS = 5000
"""Limit of the sum over the searched words of the passages that contain them; each takes 2 microseconds.

With it, 99.96 % of the questions of SQuAD's development set have the rank that all words give them
(``python benchmarks/retrieval_index.py --squad FILE``).
"""
MIN_SHARE_OF_WORDS = 0.7
"""A passage that answers a question contains at least this share of its content words.

In SQuAD's development set, 4 % of the questions have another passage with the answer and this share; of 30
such passages that were read, 18 answer the question. With a share of 0.6 it is 9 % of the questions.
"""

_QUERY_WORD = re.compile(r"(?:[^\W_]|[\u0300-\u036f])+")
"""A word as the tokenizer unicode61 sees it; it joins a combining mark to its letter."""
_PROBE = "CREATE VIRTUAL TABLE words USING fts5 (text)"
_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE passages (
    number INTEGER PRIMARY KEY, passage_id TEXT UNIQUE, text TEXT, source TEXT,
    start_char INTEGER, end_char INTEGER, near_key BLOB
);
"""
_BUILD = """
CREATE INDEX near ON passages (near_key);
CREATE VIRTUAL TABLE words USING fts5 (
    text, content = 'passages', content_rowid = 'number', tokenize = '{tokenizer}'
);
INSERT INTO words (words, rank) VALUES ('hashsize', 67108864); -- 64 MiB: fewer segments to merge
INSERT INTO words (words) VALUES ('rebuild');
INSERT INTO words (words) VALUES ('optimize');
"""
_ADD = "INSERT OR IGNORE INTO passages VALUES (NULL, ?, ?, ?, ?, ?, ?)"
_PASSAGE = "SELECT passage_id, passages.text, source, start_char, end_char FROM passages"
_SEARCH = """
SELECT passage_id, -score FROM (SELECT rowid AS number, rank AS score FROM words WHERE words MATCH ?)
JOIN passages USING (number) ORDER BY score, number LIMIT ?
"""
_RANK = """
WITH
    scores AS (SELECT rowid AS number, rank AS score FROM words WHERE words MATCH ?),
    best AS (
        SELECT min(score) AS score FROM scores
        WHERE number IN (SELECT number FROM passages WHERE passage_id IN (SELECT value FROM json_each(?)))
    )
SELECT CASE WHEN best.score IS NOT NULL THEN 1 + sum(scores.score < best.score) END FROM scores, best
"""
_ANSWERING = f"""
{_PASSAGE} JOIN (SELECT rowid AS number, rank AS score FROM words WHERE words MATCH ?1) USING (number)
WHERE passage_id NOT IN (SELECT value FROM json_each(?2)) AND ?4 <= (
    SELECT count(*) FROM json_each(?3) AS asked
    WHERE EXISTS (SELECT 1 FROM words WHERE words MATCH asked.value AND rowid = number)
) ORDER BY score, number LIMIT ?5
"""
_MAX_CANDIDATES = 100
"""Passages in which the answer is looked for."""
_N_PER_BATCH = 1000
_MAX_CACHED_WORDS = 100_000


class PassageIndex:
    """All passages of a corpus. First :meth:`add` them, then call :meth:`finish`, then search.

    Threads may search at the same time.

    Args:
        language: The language of the passages. English words are reduced to their stem.

    Raises:
        OutputError: The temporary file cannot be created; :meth:`add` and :meth:`finish`: or written.
    """

    def __init__(self, language: Language = "english") -> None:
        self._tokenizer = "porter " * (language == "english") + "unicode61 remove_diacritics 2"
        self._readers: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        self._n_passages = lru_cache(_MAX_CACHED_WORDS)(self._count)
        self._directory = _make_directory()
        path = Path(self._directory.name, "passages.sqlite3")
        with _explaining():
            self._connections = [_connect(path) for _ in range(1 + n_cores())]
            # The connections keep the file open. Without a name, it is gone even after a kill.
            self._directory.cleanup()
            self._connections[0].executescript(_SCHEMA)

    @staticmethod
    def is_available() -> bool:
        """Return whether this build of SQLite has FTS5."""
        with closing(sqlite3.connect(":memory:")) as connection:
            try:
                connection.execute(_PROBE)
            except sqlite3.OperationalError:
                return False
        return True

    def __enter__(self) -> PassageIndex:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the index and free its space on disk."""
        for connection in self._connections:
            connection.close()
        self._directory.cleanup()

    def add(self, passages: Iterable[Passage]) -> None:
        """Add passages; one whose id is already there is left out."""
        rows = (
            (each.passage_id, each.text, each.source, each.start_char, each.end_char, _near_key(each.text))
            for each in passages
        )
        writer = self._connections[0]
        while batch := list(islice(rows, _N_PER_BATCH)):
            with _explaining(), writer:
                writer.executemany(_ADD, batch)

    def finish(self) -> None:
        """Build the index, after the last passage."""
        writer, *readers = self._connections
        with _explaining():
            writer.executescript(_BUILD.format(tokenizer=self._tokenizer))
        for reader in readers:
            self._readers.put(reader)

    def get(self, passage_id: str) -> Passage | None:
        """Return a passage, or ``None`` if there is none with this id."""
        found = self._query(f"{_PASSAGE} WHERE passage_id = ?", passage_id)
        return Passage(*found[0]) if found else None

    def search(self, query: str, limit: int) -> list[tuple[str, float]]:
        """Return the ids and scores of the best passages, the best first; on a tie, in the order added."""
        expression = self._expression(_words(query))
        return self._query(_SEARCH, expression, limit) if expression else []

    def rank(self, query: str, right: Collection[str]) -> int | None:
        """Return the rank of the best of the passages with the ids ``right`` among all passages, from 1.

        Passages with the same score have the same rank, so that their order makes no difference. The rank
        is ``None`` if the right passages contain no word that is searched.
        """
        expression = self._expression(_words(query))
        if not expression:
            return None
        [(rank,)] = self._query(_RANK, expression, json.dumps([*right]))
        return None if rank is None else int(rank)

    def rank_all(self, questions: Iterable[tuple[str, Collection[str]]]) -> Iterator[int | None]:
        """Yield the result of :meth:`rank` for queries and their right passages, in order, on all cores."""
        remaining = iter(questions)
        with ThreadPoolExecutor(n_cores()) as pool:
            while batch := list(islice(remaining, _N_PER_BATCH)):
                yield from pool.map(lambda question: self.rank(*question), batch)

    def near_identical(self, passage_id: str) -> list[Passage]:
        """Return the other passages with the same words in :func:`qgbatch.questions.dedupe.near_form`."""
        condition = "near_key = (SELECT near_key FROM passages WHERE passage_id = ?1) AND passage_id != ?1"
        found = self._query(f"{_PASSAGE} WHERE {condition} ORDER BY number", passage_id)
        return [Passage(*row) for row in found]

    def answering(
        self, question: str, answer: str, right: Collection[str], limit: int = 20
    ) -> list[Passage]:
        """Return passages that are not ``right`` and probably answer a question too, the best match first.

        They contain the answer as whole words, and at least :data:`MIN_SHARE_OF_WORDS` of the content words
        of the question.
        """
        asked = list(dict.fromkeys(content_words(question)))
        expression = self._expression(asked)
        phrase = " ".join(_words(answer))
        if not expression or not phrase:
            return []
        found = self._query(
            _ANSWERING,
            f"{_quote(phrase)} AND ({expression})",
            json.dumps([*right]),
            json.dumps([_quote(word) for word in asked]),
            MIN_SHARE_OF_WORDS * len(asked),
            _MAX_CANDIDATES,
        )
        passages = (Passage(*row) for row in found)
        answering = (each for each in passages if find_answer(answer, question, each.text))
        return list(islice(answering, limit))

    def _expression(self, words: Sequence[str]) -> str:
        """Return an expression of FTS5 for the rarest of these words, empty if no passage contains one."""
        frequencies = sorted((n, word) for word in set(words) if (n := self._n_passages(word)))
        chosen: list[str] = []
        total = 0
        for n_passages, word in frequencies:
            total += n_passages
            if chosen and total > MAX_POSTINGS:
                break
            chosen.append(_quote(word))
        return " OR ".join(chosen)

    def _count(self, word: str) -> int:
        [(n_passages,)] = self._query("SELECT count(*) FROM words WHERE words MATCH ?", _quote(word))
        return int(n_passages)

    def _query(self, sql: str, *values: str | float) -> list[Any]:
        """Run a query on a connection that no other thread uses."""
        reader = self._readers.get()
        try:
            return reader.execute(sql, values).fetchall()
        finally:
            self._readers.put(reader)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False)  # see _query
    connection.execute("PRAGMA cache_size = -65536")  # 64 MiB
    return connection


def _near_key(text: str) -> bytes:
    """Return a key of a text that is equal for texts with the same words."""
    return blake2b("\0".join(near_form(text)[1]).encode(), digest_size=16).digest()


def _words(text: str) -> list[str]:
    return _QUERY_WORD.findall(text.casefold())


def _quote(words: str) -> str:
    """Return words, which contain no quotation mark, as a string of FTS5, in which nothing is syntax."""
    return f'"{words}"'


def _make_directory() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="qgbatch-", ignore_cleanup_errors=True)
    except OSError as error:
        raise OutputError(
            f"No directory for temporary files can be used ({error}).",
            "Set TMPDIR to a writable directory.",
        ) from error


@contextmanager
def _explaining() -> Iterator[None]:
    """Raise an OutputError if the temporary file cannot be written in this block."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise OutputError(
            f"No space for temporary files ({error}).", "Set TMPDIR to a directory with more free space."
        ) from error
