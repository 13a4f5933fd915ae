from __future__ import annotations

import ctypes
import logging
import os
import platform
from pathlib import Path

import pytest

from qgbatch.engines import ctranslate2
from qgbatch.engines.allocator import keep_freed_memory
from qgbatch.engines.base import EngineChoice, SpecialIds
from qgbatch.models.checkpoint import find_model
from qgbatch.settings import Decoding
from tests.conftest import MINI


class _Library:
    """A C library that notes the calls of ``mallopt`` and refuses one parameter."""

    def __init__(self) -> None:
        self.calls: dict[int, int] = {}

    def mallopt(self, parameter: int, value: int) -> int:
        self.calls[parameter] = value
        return int(parameter != -2)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> _Library:
    library = _Library()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    return library


def test_the_thresholds_are_set_and_logged(
    library: _Library, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "confstr_names", {"CS_GNU_LIBC_VERSION": 2}, raising=False)
    with caplog.at_level(logging.DEBUG, "qgbatch"):
        keep_freed_memory()
    assert library.calls == {-3: 32 << 20, -1: 64 << 20, -2: 64 << 20}
    assert caplog.messages == ["glibc keeps freed memory: M_MMAP_THRESHOLD 32 MiB, M_TRIM_THRESHOLD 64 MiB"]


@pytest.mark.parametrize("names", [{"CS_PATH": 0}, None], ids=["musl or macOS", "Windows"])
def test_another_c_library_is_left_alone(
    names: dict[str, int] | None, library: _Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    if names is None:
        monkeypatch.delattr(os, "confstr_names", raising=False)
    else:
        monkeypatch.setattr(os, "confstr_names", names, raising=False)
    keep_freed_memory()
    assert not library.calls


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_glibc_takes_the_thresholds(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "qgbatch"):
        keep_freed_memory()
    (message,) = caplog.messages
    assert message.count("MiB") == 3


@pytest.mark.parametrize(("device", "expected"), [("cpu", ["load", "keep"]), ("cuda", ["load"])])
def test_an_engine_on_a_cpu_keeps_memory_after_the_model_is_loaded(
    device: str, expected: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    order: list[str] = []
    monkeypatch.setattr(ctranslate2, "load_translator", lambda *arguments: order.append("load"))
    monkeypatch.setattr(ctranslate2, "keep_freed_memory", lambda: order.append("keep"))
    choice, special = EngineChoice("ctranslate2", device, "int8"), SpecialIds(0, 1, 2, frozenset())
    ctranslate2.CTranslate2Engine(choice, find_model(str(MINI)), Decoding(), special, tmp_path)
    assert order == expected
