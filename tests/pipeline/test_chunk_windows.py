from __future__ import annotations

from collections.abc import Iterator

import pytest

from qgbatch.errors import ModelError
from qgbatch.pipeline.chunk_windows import ChunkWindow, make_windows
from qgbatch.records import Chunk, Document, Failure


def document(name: str, n_chars: int = 10) -> Document:
    return Document.from_text("x" * n_chars, name)


def cut(document: Document) -> Iterator[Chunk]:
    """A chunk for every ten characters; after the first of "breaks" comes an error."""
    for index in range(len(document.text) // 10):
        if document.source == "breaks" and index:
            raise ValueError("odd text")
        yield Chunk(document, index, 10 * index, 10 * index + 10, (1,), False)


def sizes(windows: list[ChunkWindow]) -> list[int]:
    return [len(window.chunks) for window in windows]


def test_windows_reach_across_documents_and_hold_all_chunks_in_order() -> None:
    documents = [document("a", 20), document("b", 10), document("c", 40)]
    windows = list(make_windows(documents, cut, 3))
    assert sizes(windows) == [3, 3, 1]
    assert [window.n_inputs for window in windows] == [3 - 1, 1, 0]
    assert [chunk for window in windows for chunk in window.chunks] == [
        chunk for window in windows for chunk in sorted(window.chunks, key=lambda c: c.document.source)
    ]
    assert [window.share_of_last for window in windows] == [1.0, 0.75, 1.0]


def test_what_cannot_be_read_or_cut_is_told_and_the_others_go_on() -> None:
    failure = Failure("f", "read", "OSError", "f: gone.")
    (only,) = make_windows([failure, document("breaks", 20), document("b")], cut, 5)
    assert [chunk.document.source for chunk in only.chunks] == ["breaks", "b"]
    assert [(f.source, f.stage) for f in only.failures] == [("f", "read"), ("breaks", "chunk")]
    assert [broken.source for broken in only.broken] == ["breaks"]
    assert only.failures[1].message.startswith("breaks: unexpected ValueError: odd text. ")
    assert only.n_inputs == 3


def test_failures_alone_come_in_a_window_too() -> None:
    (only,) = make_windows([Failure("f", "read", "OSError", "f: gone.")], cut, 5)
    assert (only.chunks, only.n_inputs, len(only.failures)) == ([], 1, 1)


def test_a_broken_tokenizer_is_no_fault_of_a_document() -> None:
    def refuse(document: Document) -> Iterator[Chunk]:
        raise ModelError("no tokenizer", "get one")

    with pytest.raises(ModelError):
        list(make_windows([document("a")], refuse, 5))
