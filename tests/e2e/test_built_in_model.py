"""The built-in model that users have. Almost all other tests replace it by mini, see tests/conftest.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from qgbatch.models import checkpoint
from qgbatch.settings import Settings
from tests.conftest import ROOT
from tests.support.runs import PATIENCE_S, Qgbatch

MODEL = ROOT / "models" / Settings().model
MAX_INSTALLED_BYTES = 80_000_000
TEXT = "Tea reached Europe in 1610. Dutch ships carried it from Java to Amsterdam."

# A run with each engine that fails if it touches the network.
WITHOUT_NETWORK = """
import socket, sys

def refuse(*arguments):
    raise AssertionError(f"touched the network: {arguments}")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
import qgbatch

for engine in ("ctranslate2", "torch"):
    asked = qgbatch.generate_questions([sys.argv[1]], engine=engine)
    print(qgbatch.to_dataframe(asked, model=engine).to_json(orient="records"))
"""


def test_it_answers_its_questions_with_each_engine_and_never_touches_the_network() -> None:
    online = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_NETWORK, TEXT], env=online, capture_output=True, text=True,
        check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    tables: list[list[dict[str, Any]]] = [json.loads(line) for line in result.stdout.splitlines()]
    assert [rows[0]["model"] for rows in tables] == ["ctranslate2", "torch"]
    for row in (row for rows in tables for row in rows):
        assert row["question"].endswith("?")
        assert TEXT[row["answer_start_char"] :].startswith(row["answer"])
        assert 0 < row["answer_score"] <= 1


def test_it_is_listed_with_its_output_and_licence(
    qgbatch: Qgbatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "_BUILT_IN_HOMES", (MODEL.parent,))
    first, *_ = qgbatch("models").stdout.splitlines()
    assert first.split() == ["small", "questions", "and", "answers", "CC-BY-SA-4.0"]


def test_the_wheel_has_its_files_where_an_installed_package_looks_for_them() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included: dict[str, str] = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert {ROOT / source: ROOT / target for source, target in included.items()} == {
        MODEL: Path(checkpoint.__file__).parents[1] / "_models" / MODEL.name
    }
    files = {path.name: path.stat().st_size for path in MODEL.iterdir()}
    assert {"README.md", "qgbatch.json", "tokenizer.json", "model.safetensors"} <= files.keys()
    assert sum(files.values()) <= MAX_INSTALLED_BYTES
