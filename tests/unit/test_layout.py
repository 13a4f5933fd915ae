"""The import rules of ARCHITECTURE.md."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import qgbatch
from tests.conftest import ROOT

PACKAGE = ROOT / "qgbatch"
LEVELS = (
    {"errors"},
    {"ahead", "settings", "records", "hub", "store", "stores", "untrusted"},
    {"families"},
    {"filters", "models", "outputs", "packing", "paths", "presets", "sentences", "words"},
    {"prompt", "batching", "chunking", "engines", "questions", "dedupe", "readers", "writers", "cache"},
    {"answers"},
    {"stages", "windows"},
    {"stream"},
    {"pipeline"},
    {"distributed", "exports", "plan"},
    {"doctor", "report"},
    {"training"},
    {"cli"},
)
# What a stage may import beside lower levels: its vocabulary, never another stage's work.
ALLOWED = {("engines", "batching"), ("settings", "errors")}
PACKAGES = {
    "answers",
    "cli",
    "distributed",
    "doctor",
    "engines",
    "exports",
    "readers",
    "report",
    "training",
}
HOMES = {
    "click": {"cli"},
    "torch": {"answers", "engines", "training"},
    "ctranslate2": {"engines"},
    "pyarrow": {"distributed", "exports", "readers", "training", "writers"},
    "ray": {"distributed"},
    "pandas": {"writers"},
    "nltk": {"filters", "sentences"},
    "markdown_it": {"readers"},
    "trafilatura": {"readers"},
    "lxml": {"readers"},
    "pypdfium2": {"readers"},
    "docx": {"readers"},
    "fsspec": {"stores"},
    "jinja2": {"report"},
    "rapidfuzz": {"dedupe"},
    "sqlite3": {"exports", "store"},
    "filelock": {"outputs", "store"},
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    """The module or sub-package of a file: ``engines`` for engines/torch.py."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def level(part: str) -> int:
    return next(index for index, parts in enumerate(LEVELS) if part in parts)


@pytest.mark.parametrize("path", MODULES, ids=[str(p.relative_to(PACKAGE)) for p in MODULES])
def test_imports_go_down_only(path: Path) -> None:
    part = part_of(path)
    if part in ("__init__", "__main__"):
        return
    for name in imports(path):
        if name.startswith("qgbatch."):
            imported = name.split(".")[1]
            is_inside = imported == part and part in PACKAGES
            assert is_inside or level(imported) < level(part) or (part, imported) in ALLOWED, (
                f"{part} imports {imported}"
            )


@pytest.mark.parametrize("path", MODULES, ids=[str(p.relative_to(PACKAGE)) for p in MODULES])
def test_heavy_packages_stay_in_their_homes(path: Path) -> None:
    for name in imports(path):
        homes = HOMES.get(name.split(".")[0])
        assert homes is None or part_of(path) in homes, f"{part_of(path)} imports {name}"


def test_public_names_are_there() -> None:
    for name in qgbatch.__all__:
        assert getattr(qgbatch, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        qgbatch.nonsense  # noqa: B018


def test_the_changelog_begins_with_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first = next(line for line in changelog.splitlines() if line.startswith("## "))
    assert first.split()[1] == qgbatch.__version__
