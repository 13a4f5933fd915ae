"""Grouping the chunks of documents into chunk windows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from qgbatch.errors import ModelError
from qgbatch.pipeline.chunk_windows import ChunkWindow, make_chunk_windows
from qgbatch.records import Chunk, Document, Failure


def document(name: str, n_chars: int = 10) -> Document:
    return Document.from_text("x" * n_chars, name)


def chunk_document(document: Document) -> Iterator[Chunk]:
    """Yield a chunk per ten characters; the document "invalid" raises an error after its first chunk."""
    for index in range(len(document.text) // 10):
        if document.source == "invalid" and index:
            raise ValueError("invalid text")
        yield Chunk(document, index, 10 * index, 10 * index + 10, (1,), False)


def sizes(windows: list[ChunkWindow]) -> list[int]:
    return [len(window.chunks) for window in windows]


def test_windows_hold_the_chunks_of_several_documents_in_order() -> None:
    documents = [document("a", 20), document("b", 10), document("c", 40)]
    windows = list(make_chunk_windows(documents, chunk_document, 3))
    assert sizes(windows) == [3, 3, 1]
    assert [window.n_inputs for window in windows] == [3 - 1, 1, 0]
    assert [chunk for window in windows for chunk in window.chunks] == [
        chunk for window in windows for chunk in sorted(window.chunks, key=lambda c: c.document.source)
    ]
    assert [window.last_document_share for window in windows] == [1.0, 0.75, 1.0]


def test_a_document_that_fails_is_recorded_and_the_others_are_chunked() -> None:
    failure = Failure("f", "read", "OSError", "f: not found.")
    documents: list[Document | Failure] = [failure, document("invalid", 20), document("b")]
    (window,) = make_chunk_windows(documents, chunk_document, 5)
    assert [chunk.document.source for chunk in window.chunks] == ["invalid", "b"]
    assert [(f.source, f.stage) for f in window.failures] == [("f", "read"), ("invalid", "chunk")]
    assert window.failures[1].message.startswith("invalid: unexpected ValueError: invalid text. ")
    assert [document.source for document in window.partly_chunked] == ["invalid"]
    assert window.n_inputs == 3


def test_a_window_may_contain_only_failures() -> None:
    (window,) = make_chunk_windows([Failure("f", "read", "OSError", "f: not found.")], chunk_document, 5)
    assert (window.chunks, window.n_inputs, len(window.failures)) == ([], 1, 1)


def test_a_damaged_tokenizer_is_not_recorded_as_a_failure_of_a_document() -> None:
    def raise_error(document: Document) -> Iterator[Chunk]:
        raise ModelError("The tokenizer is damaged.", "Download it again.")

    with pytest.raises(ModelError):
        list(make_chunk_windows([document("a")], raise_error, 5))
