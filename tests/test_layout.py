"""The import rules of ARCHITECTURE.md."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import qgbatch
from tests.conftest import ROOT

PACKAGE = ROOT / "qgbatch"
BASE = {"errors", "settings", "records"}
STAGES = {"readers", "chunking", "models", "engines", "questions", "output"}
# What each folder may import besides itself.
ALLOWED_IMPORTS: dict[str, set[str]] = {
    "errors": set(),
    "settings": {"errors"},
    "records": {"errors"},
    "output": BASE,
    "readers": BASE | {"output"},  # output.remote and output.web open URIs for both
    "chunking": BASE,
    "models": BASE,
    "engines": BASE | {"models"},
    "questions": BASE | {"models", "engines"},  # an answer model runs in torch
    "pipeline": BASE | STAGES,
    "pipeline.distributed": BASE | STAGES | {"pipeline"},
    "pipeline.doctor": BASE | STAGES | {"pipeline", "pipeline.distributed"},
    "exports": BASE | {"readers", "output", "chunking", "questions"},  # sentences; passages and their ranks
    "exports.report": BASE | {"readers", "output", "questions", "exports"},
    "training": BASE | STAGES | {"pipeline"},
    "cli": BASE
    | STAGES
    | {"pipeline", "pipeline.distributed", "pipeline.doctor", "exports", "exports.report", "training"},
}
# The only folders that may import a heavy or optional package.
HOMES = {
    "click": {"cli"},
    "torch": {"engines", "questions", "training"},
    "ctranslate2": {"engines"},
    "pyarrow": {"exports", "output", "pipeline.distributed", "readers", "training"},
    "ray": {"pipeline.distributed"},
    "pandas": {"output"},
    "nltk": {"chunking", "questions"},
    "markdown_it": {"readers"},
    "lxml": {"readers"},
    "pypdfium2": {"readers"},
    "fsspec": {"output"},
    "genanki": {"exports"},
    "jinja2": {"exports", "exports.report"},
    "rapidfuzz": {"questions"},
    "sqlite3": {"exports", "pipeline", "questions"},
    "filelock": {"output", "pipeline"},
}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem[0] != "_")
MAX_TOP_LEVEL_ENTRIES = 16
MAX_LINES = 300


def module_name(path: Path) -> str:
    """``qgbatch.engines.torch`` for engines/torch.py."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def folder(module: str) -> str:
    """The key of a module in the tables above: ``engines`` for ``qgbatch.engines.torch``."""
    parts = module.split(".")[1:]
    nested = ".".join(parts[:2])
    return nested if nested in ALLOWED_IMPORTS else parts[0]


def imports(path: Path) -> set[str]:
    """The modules that a file imports, at the top or inside a function."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if is_module(name) else node.module for name in submodules}
    return names


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_folder_imports_only_what_it_may(path: Path) -> None:
    importer = folder(module_name(path))
    for name in imports(path):
        if name.startswith("qgbatch."):
            imported = folder(name)
            assert imported in ALLOWED_IMPORTS[importer] | {importer}, f"{importer} imports {imported}"


def test_imports_have_no_circle() -> None:
    graph = {module_name(path): imports(path) for path in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other: {error.args[1]}")


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_heavy_package_is_imported_only_in_its_home(path: Path) -> None:
    for name in imports(path):
        homes = HOMES.get(name.split(".")[0])
        assert homes is None or folder(module_name(path)) in homes, f"{module_name(path)} imports {name}"


def test_the_top_level_is_small() -> None:
    entries = [path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert len(entries) <= MAX_TOP_LEVEL_ENTRIES, sorted(entries)


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_module_is_short(path: Path) -> None:
    if path == PACKAGE / "settings.py":  # a plain table
        return
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_public_names_are_there() -> None:
    for name in qgbatch.__all__:
        assert getattr(qgbatch, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        qgbatch.nonsense  # noqa: B018


def test_the_changelog_begins_with_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first = next(line for line in changelog.splitlines() if line.startswith("## "))
    assert first.split()[1] == qgbatch.__version__


def test_dir_lists_the_public_names() -> None:
    assert set(qgbatch.__all__) <= set(dir(qgbatch))
