"""Collects the passages of a run: in their own file, and in the index for word searches."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from qgbatch.output.atomic import open_output
from qgbatch.output.rows import passage_columns, to_passage_row
from qgbatch.output.run_facts import Provenance
from qgbatch.output.writers import Writer, choose_passages_format, open_writer
from qgbatch.questions.retrieval.passage_index import PassageIndex
from qgbatch.records import Chunk
from qgbatch.settings import FileSettings, Language

logger = logging.getLogger(__name__)


class Passages:
    """The passages of a run, each once.

    Attributes:
        index: The index of the passages; ``None`` if SQLite lacks FTS5.
    """

    def __init__(self, writer: Writer, columns: Iterable[str], index: PassageIndex | None) -> None:
        self._writer = writer
        self._columns = list(columns)
        self._ids: set[str] = set()
        self.index = index

    @property
    def n_written(self) -> int:
        """Number of passages in the file."""
        return len(self._ids)

    def add(self, chunks: Iterable[Chunk]) -> None:
        """Add the passages of chunks."""
        new = []
        for chunk in chunks:
            passage = chunk.passage
            if passage.passage_id not in self._ids:
                self._ids.add(passage.passage_id)
                self._writer.write(to_passage_row(chunk, self._columns))
                new.append(passage)
        if self.index:
            self.index.add(new)


@contextmanager
def open_passages(
    files: FileSettings, language: Language, provenance: Provenance | None
) -> Iterator[Passages | None]:
    """Open the file of passages and their index; ``None`` if the settings ask for none.

    The file is replaced when the block ends without an error.
    """
    if not files.passages:
        yield None
        return
    columns = passage_columns(files)
    with ExitStack() as stack:
        stream = stack.enter_context(open_output(files.passages, files.wait_lock))
        file_format = choose_passages_format(files.passages)
        writer = open_writer(stream, file_format, provenance, columns, csv_safe=files.csv_safe)
        yield Passages(stack.enter_context(writer), columns, _open_index(stack, language))


def _open_index(stack: ExitStack, language: Language) -> PassageIndex | None:
    if PassageIndex.is_available():
        return stack.enter_context(PassageIndex(language))
    logger.warning(
        "SQLite was built without FTS5, so bm25_rank stays empty and no ambiguous question is found. "
        "Use a Python whose SQLite has it."
    )
    return None
