"""Group documents from a source that may be slow, endless or bound to the caller's thread."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from qgbatch.engines.batching import BatchBudget
from qgbatch.records import Document, Failure

_CHARS_PER_TOKEN = 4
"""About the number for English. A group may be more or less than a batch; no result depends on it."""
_MAX_WAIT_S = 0.2


def group_documents(
    documents: Iterable[Document | Failure], budget: BatchBudget, max_documents: int
) -> Iterator[list[Document | Failure]]:
    """Yield documents in lists that each fill about one batch.

    A list has fewer documents if the source took longer than :data:`_MAX_WAIT_S` to give them: they
    are not kept waiting for the next one. An error of the source is raised after the list of the
    documents before it.

    Args:
        documents: The documents, and failures to make one. They are taken as the lists are.
        budget: The size of a batch.
        max_documents: The largest number of documents in a list.
    """
    group: list[Document | Failure] = []
    n_tokens, start = 0, time.monotonic()
    try:
        for document in documents:
            group.append(document)
            if isinstance(document, Document):
                n_tokens += len(document.text) // _CHARS_PER_TOKEN + budget.row_tokens
            is_full = n_tokens >= budget.batch_tokens or len(group) == max_documents
            if is_full or time.monotonic() - start >= _MAX_WAIT_S:
                yield group
                group, n_tokens, start = [], 0, time.monotonic()
    except Exception:
        yield group
        raise
    yield group
