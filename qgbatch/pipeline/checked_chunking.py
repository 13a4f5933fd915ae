"""Chunks documents, and refuses those that a run cannot use."""

from __future__ import annotations

import re
from collections.abc import Iterator

from qgbatch.errors import DocumentError, name_setting
from qgbatch.pipeline.cache import Cache
from qgbatch.pipeline.components import Components
from qgbatch.records import Chunk, Document

_LINE_OR_TAB = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")


class CheckedChunking:
    """Splits the documents of one run into chunks, which come from the cache if it has them."""

    def __init__(self, components: Components, cache: Cache) -> None:
        self._components = components
        self._cache = cache
        self._row_ids: set[str] = set()

    def __call__(self, document: Document) -> Iterator[Chunk]:
        """Yield the chunks of a document.

        Raises:
            DocumentError: The document cannot be chunked, its row id is taken, or, after the last chunk,
                the model can read none of them.
        """
        if not self._components.settings.chunking:
            self._check_row_id(document)
        can_read = False
        for chunk in self._cache.get_or_make_chunks(document, self._components.chunks):
            can_read = can_read or not chunk.unknown_script
            yield chunk
        if not can_read:
            raise DocumentError(
                f"{document.source}: {self._components.model.name} cannot read its script: the tokenizer "
                "lacks letters of most words.",
                f"Use a multilingual model ({name_setting('model')}), such as a fine-tuned mT5.",
            )

    def _check_row_id(self, document: Document) -> None:
        """Refuse a row whose id cannot be that of a passage in the files of an export."""
        if document.row_id is not None and _LINE_OR_TAB.search(document.row_id):
            raise DocumentError(
                f"{document.source}: the id {document.row_id!r} holds a tab or a line break.",
                f"Change the id, or remove {name_setting('chunking', False)}.",
            )
        if document.row_id in self._row_ids:
            raise DocumentError(
                f"{document.source}: another row has the id {document.row_id!r} too.",
                f"Give each row its own id, or remove {name_setting('chunking', False)}.",
            )
        if document.row_id is not None:
            self._row_ids.add(document.row_id)
