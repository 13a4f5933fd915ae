"""``--preset``: settings that go together, and what comes before them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from qgbatch.errors import ExitCode
from qgbatch.settings import PRESETS, FileSettings, Settings

Qgbatch = Callable[..., Result]
RAG_EVAL = {**PRESETS["rag-eval"], "min_score": None}
"""The preset with a model without a ranker, where the minimum score has no effect."""


@pytest.fixture
def settings_of(qgbatch: Qgbatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The settings of a run with these words, from its report."""
    monkeypatch.chdir(tmp_path)
    Path("tea.txt").write_text("Tea is made of leaves in China.", encoding="utf-8")

    def run(*words: str) -> Any:
        result = qgbatch("run", "tea.txt", "-o", "q.csv", "--report", "r.json", "--num-beams", "1", *words)
        assert result.exit_code == ExitCode.OK, result.stderr
        report = json.loads(Path("r.json").read_text(encoding="utf-8"))
        return report["facts"]["settings"] | report["files"]

    return run


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_is_of_valid_settings(name: str) -> None:
    fields = {*Settings.__dataclass_fields__, *FileSettings.__dataclass_fields__}
    assert fields >= PRESETS[name].keys()
    values: dict[str, Any] = {k: v for k, v in PRESETS[name].items() if k in Settings.__dataclass_fields__}
    Settings(**values)


def test_a_preset_sets_options(settings_of: Callable[..., Any]) -> None:
    settings = settings_of("--preset", "rag-eval")
    assert {name: settings[name] for name in RAG_EVAL} == RAG_EVAL


def test_what_is_given_otherwise_comes_first(
    settings_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("c.toml").write_text('dedupe = "exact"\n', encoding="utf-8")
    monkeypatch.setenv("QGBATCH_MIN_GROUNDING", "0.1")
    words = ("--preset", "rag-eval", "--config", "c.toml", "--dedupe-scope", "chunk", "--no-standalone")
    settings = settings_of(*words)
    changed = {"dedupe": "exact", "dedupe_scope": "chunk", "standalone": False, "min_grounding": 0.1}
    assert {name: settings[name] for name in RAG_EVAL} == {**RAG_EVAL, **changed}


def test_a_preset_may_come_from_the_configuration(settings_of: Callable[..., Any]) -> None:
    Path("c.toml").write_text('preset = "faq"\n', encoding="utf-8")
    assert settings_of("--config", "c.toml")["max_questions_per_chunk"] == 1


def test_a_preset_is_printed(qgbatch: Qgbatch, tmp_path: Path) -> None:
    (tmp_path / "tea.txt").write_text("Tea is made of leaves.", encoding="utf-8")
    words = ("--dry-run", "--preset", "doc2query", "-o", str(tmp_path / "q.csv"))
    result = qgbatch("run", str(tmp_path / "tea.txt"), *words)
    assert (
        "--preset doc2query: --dedupe exact --dedupe-scope chunk --with-context --do-sample"
        in result.stderr
    )


def test_rules_for_english_are_refused_for_other_languages(qgbatch: Qgbatch) -> None:
    result = qgbatch("run", "x.txt", "-o", "q.csv", "--preset", "faq", "--language", "german")
    assert result.exit_code == ExitCode.USAGE
    assert "--well-formed works only for English, not for --language german" in result.stderr
