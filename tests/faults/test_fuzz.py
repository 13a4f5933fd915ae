"""Damaged documents, tables, checkpoints, configuration files and caches: errors, never tracebacks.

The seed of each case is its number, so a failing case can be run again by itself.
"""

from __future__ import annotations

import random
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import Result

from qgbatch.engines.fake import FakeEngine
from qgbatch.errors import ExitCode
from qgbatch.pipeline.sqlite_store import FILE_NAME
from qgbatch.readers import pdf_process
from qgbatch.readers.reading import read_documents
from qgbatch.records import Document, Failure
from qgbatch.settings import FileSettings
from tests.conftest import MINI, invoke
from tests.support.documents import with_member
from tests.support.mutation import mutate, mutate_archive
from tests.support.seeds import CHAPTERS, ROWS, SEEDS, SENTENCES

pytestmark = pytest.mark.faults

N_DOCUMENTS = 2_000
N_OTHERS = 500
N_WEIGHTS = 25
MAX_CALLS = 3_000_000
"""A hundred times what the intact documents take."""
EXPECTED_ERRORS = {"DocumentError", "ModelError", "InputError"}


@contextmanager
def bounded_calls() -> Iterator[None]:
    """Raise an error after :data:`MAX_CALLS` calls of functions."""
    n_calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal n_calls
        n_calls += event in ("call", "c_call")
        if n_calls > MAX_CALLS:
            sys.setprofile(None)
            raise RuntimeError(f"more than {MAX_CALLS} calls")

    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(None)


def read(path: Path, content: bytes) -> list[Document | Failure]:
    path.write_bytes(content)
    with bounded_calls():
        return [found for found, _ in read_documents(str(path), FileSettings())]


def texts(found: list[Document | Failure]) -> str:
    return "\n".join(document.text for document in found if isinstance(document, Document))


def assert_expected(found: list[Document | Failure], case: str) -> None:
    assert found, case
    for each in found:
        if isinstance(each, Failure):
            assert each.error in EXPECTED_ERRORS, f"{case}: {each.message}"
            assert "took more than" not in each.message, case


@pytest.mark.parametrize("suffix", SEEDS)
def test_a_damaged_document_is_read_or_refused(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf_process, "MAX_SECONDS", 60.0)
    damage = mutate_archive if suffix in ("docx", "epub") else mutate
    for seed in range(N_DOCUMENTS):
        found = read(tmp_path / f"a.{suffix}", damage(SEEDS[suffix], random.Random(seed)))
        assert_expected(found, f"{suffix}, seed {seed}")


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_damage_to_a_row_costs_only_that_row(suffix: str, tmp_path: Path) -> None:
    lines = SEEDS[suffix].splitlines(keepends=True)
    first = suffix != "jsonl"
    for seed in range(N_OTHERS):
        dice = random.Random(seed)
        row = dice.randrange(len(ROWS))
        damaged = mutate(lines[row + first].rstrip(b"\n"), dice).replace(b"\n", b"").replace(b"\r", b"")
        content = b"".join([*lines[: row + first], damaged, b"\n", *lines[row + first + 1 :]])
        read_text = texts(read(tmp_path / f"a.{suffix}", content))
        for number, other in enumerate(ROWS):
            assert number == row or str(other["text"]) in read_text, f"{suffix}, seed {seed}, row {number}"


def test_damage_to_a_chapter_costs_only_that_chapter(tmp_path: Path) -> None:
    for seed in range(N_OTHERS):
        dice = random.Random(seed)
        number = dice.randrange(len(SENTENCES))
        name = f"c{number}.xhtml"
        book = with_member(SEEDS["epub"], f"book/{name}", mutate(CHAPTERS[name].encode(), dice))
        read_text = texts(read(tmp_path / "a.epub", book))
        for other, sentence in enumerate(SENTENCES):
            assert other == number or sentence in read_text, f"seed {seed}, chapter {other}"


def test_damaged_notes_do_not_hide_the_body(tmp_path: Path) -> None:
    for seed in range(N_OTHERS):
        notes = mutate(b"<w:footnotes>" + SENTENCES[3].encode(), random.Random(seed))
        document = with_member(SEEDS["docx"], "word/footnotes.xml", notes)
        read_text = texts(read(tmp_path / "a.docx", document))
        assert all(sentence in read_text for sentence in SENTENCES[:3]), f"seed {seed}"


Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``qgbatch run`` with the fake engine beside a document, and check its exit code."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("good.txt").write_text(SENTENCES[0])

    def invoke_run(*words: str | Path, case: str) -> Result:
        result = invoke("run", *words, load_engine=FakeEngine().load)
        assert result.exit_code != ExitCode.BUG, f"{case}: {result.output}"
        assert "Traceback" not in result.output, case
        assert not re.search(r"unexpected \w+Error", result.output), f"{case}: {result.output}"
        return result

    return invoke_run


def files_below(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_run_over_damaged_documents_touches_only_its_output(run: Run, tmp_path: Path) -> None:
    Path("docs").mkdir()
    for suffix, content in SEEDS.items():
        damage = mutate_archive if suffix in ("docx", "epub") else mutate
        for seed in range(40):
            Path(f"docs/{seed}.{suffix}").write_bytes(damage(content, random.Random(seed)))
    before = files_below(tmp_path)
    result = run("docs", "docs/*.csv", "docs/*.jsonl", "-o", "q.jsonl", "--no-cache", case="all")
    assert result.exit_code == ExitCode.PARTIAL
    after = files_below(tmp_path)
    assert after.pop(tmp_path / "here" / "q.jsonl")
    assert after == before


def test_a_damaged_configuration_file_is_read_or_refused(run: Run) -> None:
    settings = {"inputs": '["good.txt"]', "num_beams": "1", "seed": "5", "min_score": "0.5"}
    settings |= {"encoding": '["cp1252"]', "dedupe": '"near"', "standalone": "true", "max_tokens": "128"}
    values = [
        *settings.values(),
        "0",
        "-1",
        "1e999",
        "nan",
        '""',
        '"../x"',
        "[]",
        "{}",
        "1979-05-27",
        "9" * 20,
    ]
    for seed in range(N_OTHERS):
        dice = random.Random(seed)
        changed = settings | {dice.choice(list(settings)): dice.choice(values)}
        config = "".join(f"{name} = {value}\n" for name, value in changed.items()).encode()
        Path("c.toml").write_bytes(mutate(config, dice) if dice.random() < 0.5 else config)
        run("--config", "c.toml", "-o", "q.jsonl", "--no-cache", case=f"seed {seed}")


def test_a_damaged_cache_does_not_change_the_output(run: Run) -> None:
    words = ("good.txt", "-o", "q.jsonl", "--cache-dir", "cache")
    run(*words, case="intact")
    expected, store = Path("q.jsonl").read_bytes(), Path("cache") / FILE_NAME
    intact = store.read_bytes()
    for seed in range(N_OTHERS):
        shutil.rmtree("cache")
        Path("cache").mkdir()
        store.write_bytes(mutate(intact, random.Random(seed)))
        assert run(*words, case=f"seed {seed}").exit_code == ExitCode.OK
        assert Path("q.jsonl").read_bytes() == expected, f"seed {seed}"


def test_a_damaged_checkpoint_is_used_or_refused(run: Run) -> None:
    shutil.copytree(MINI, "model")
    described = [path for path in sorted(Path("model").iterdir()) if path.suffix in (".json", ".model")]
    for seed in range(N_OTHERS):
        dice = random.Random(seed)
        path = dice.choice(described)
        intact = path.read_bytes()
        path.write_bytes(mutate(intact, dice))
        run("good.txt", "-o", "q.jsonl", "--model", "model", "--no-cache", case=f"{path.name}, seed {seed}")
        path.write_bytes(intact)


def test_damaged_weights_are_used_or_refused(run: Run) -> None:
    shutil.copytree(MINI, "model")
    weights = Path("model") / "model.safetensors"
    intact = weights.read_bytes()
    for seed in range(N_WEIGHTS):
        weights.write_bytes(mutate(intact, random.Random(seed)))
        words = (
            "good.txt",
            "-o",
            "q.jsonl",
            "--model",
            "model",
            "--num-beams",
            "1",
            "--max-new-tokens",
            "8",
        )
        result = invoke("run", *words, "--cache-dir", "cache")
        assert result.exit_code in (ExitCode.OK, ExitCode.MODEL), f"seed {seed}: {result.output}"
        shutil.rmtree("cache", ignore_errors=True)
