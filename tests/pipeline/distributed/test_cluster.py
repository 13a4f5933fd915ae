"""Blocks of documents, cores per worker, and the results that workers send to the driver."""

from __future__ import annotations

import json
import logging

import pytest

from qgbatch.errors import ModelError
from qgbatch.pipeline.distributed.cluster import cores_per_worker
from qgbatch.pipeline.distributed.worker import decode_result, group_into_blocks


@pytest.mark.parametrize(
    ("cpus", "n_workers", "cores"),
    [([8], 1, 8), ([8], 3, 2), ([2], 4, 1), ([4, 4], 1, 4), ([3, 3], 3, 1), ([2, 16], 4, 4), ([0], 1, 1)],
)
def test_workers_get_the_most_cores_with_which_all_of_them_fit(
    cpus: list[int], n_workers: int, cores: int
) -> None:
    assert cores_per_worker(cpus, n_workers) == cores


def test_each_document_is_in_one_block_and_the_largest_block_is_first() -> None:
    documents = {f"{number}.txt": (number * 100, 0) for number in range(1000)}
    blocks = group_into_blocks(documents, n_workers=2)
    assert sorted(path for block in blocks for path in block) == sorted(documents)
    sizes = [sum(documents[path][0] for path in block) for block in blocks]
    assert sizes == sorted(sizes, reverse=True)
    assert max(sizes) <= sum(sizes) / 16


def test_the_number_of_documents_per_block_is_limited() -> None:
    blocks = group_into_blocks(dict.fromkeys(map(str, range(10_000)), (0, 0)), n_workers=1)
    assert max(map(len, blocks)) == 1024


def test_a_document_larger_than_all_others_is_a_block_by_itself() -> None:
    documents = {"a": (1, 0), "b": (10**9, 0), "c": (1, 0)}
    assert group_into_blocks(documents, n_workers=1)[0] == ["b"]


def test_without_documents_there_are_no_blocks() -> None:
    assert group_into_blocks({}, n_workers=2) == []


def test_the_driver_raises_the_error_of_a_worker() -> None:
    result = json.dumps({"messages": [], "error": ["ModelError", "What.", "Do this."]})
    with pytest.raises(ModelError) as error:
        decode_result(result)
    assert (error.value.message, error.value.hint) == ("What.", "Do this.")


def test_the_driver_raises_an_unexpected_exception_with_its_traceback() -> None:
    with pytest.raises(RuntimeError, match="line 7"):
        decode_result(json.dumps({"messages": [], "bug": "File x, line 7"}))


def test_the_driver_logs_the_messages_of_a_worker(caplog: pytest.LogCaptureFixture) -> None:
    assert decode_result(json.dumps({"messages": [[logging.WARNING, ["100% full", "  x % y"]]]})) is None
    assert caplog.messages == ["100% full\n  x % y"]
