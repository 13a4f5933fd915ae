"""A corpus that changes between two runs: only what changed is done again."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

import qgbatch
from qgbatch import Document, RunReport, Settings
from qgbatch.pipeline.components import Components
from qgbatch.settings import CacheSettings
from tests.conftest import SAMPLES
from tests.support.runs import make_cache

N_DOCUMENTS = 200
SETTINGS = Settings(num_beams=1, max_new_tokens=20)
SENTENCES = [
    " ".join(sentence.split())
    for name in ("honeybees.txt", "lighthouses.txt", "plate-tectonics.txt")
    for sentence in re.findall(r"[A-Z][^.\n]{60,200}\.(?=\s)", (SAMPLES / name).read_text(encoding="utf-8"))
]


def make_text(number: int) -> str:
    """Three paragraphs that no other number gives."""
    dice = random.Random(number)
    first, second, third = dice.sample(SENTENCES, 3)
    return f"{first}\n\nIn {1700 + number} it was told so: {second}\n\n{third} This is note {number}.\n"


@dataclass(frozen=True)
class Corpus:
    """Documents that a run has gone through, its cache and a place for outputs."""

    docs: Path
    outputs: Path
    cache: CacheSettings

    def run(self, name: str, *, cache: CacheSettings | None = None) -> RunReport:
        return qgbatch.run([self.docs], self.outputs / name, SETTINGS, cache=cache or self.cache)

    def inputs(self) -> list[tuple[int, ...]]:
        """What the model is given for each chunk, found out without any cache."""
        components = Components.find(SETTINGS, self.outputs)
        texts = (path.read_text(encoding="utf-8") for path in sorted(self.docs.iterdir()))
        return [
            chunk.input_ids for text in texts for chunk in components.chunks(Document.from_text(text, ""))
        ]

    def rows_by_source(self, name: str) -> dict[str, list[str]]:
        rows: dict[str, list[str]] = {}
        for line in (self.outputs / name).read_text(encoding="utf-8").splitlines():
            rows.setdefault(Path(json.loads(line)["source"]).name, []).append(line)
        return rows


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, cache_home: Path) -> Corpus:
    home = tmp_path_factory.mktemp("corpus")
    (home / "docs").mkdir()
    for number in range(N_DOCUMENTS):
        (home / "docs" / f"{number:03}.txt").write_text(make_text(number), encoding="utf-8")
    cache = make_cache(home / "cache", cache_home)
    corpus = Corpus(home / "docs", home, CacheSettings(cache_dir=str(cache)))
    report = corpus.run("first.jsonl")
    assert report.n_documents == len({path.read_bytes() for path in corpus.docs.iterdir()}) == N_DOCUMENTS
    assert report.n_generated == len(set(corpus.inputs()))
    return corpus


def no_engine(*arguments: object) -> NoReturn:
    raise AssertionError("the model is not needed")


def test_one_changed_paragraph_costs_its_chunks_alone(corpus: Corpus) -> None:
    before = set(corpus.inputs())
    path = corpus.docs / "077.txt"
    old = path.read_text(encoding="utf-8")
    path.write_text(old.replace("it was told so", "nobody knew of this"), encoding="utf-8")
    try:
        now = corpus.inputs()
        new = set(now) - before
        report = corpus.run("edited.jsonl")
        assert report.n_generated == len(new) in (1, 2)
        assert report.n_reused == sum(input_ids in before for input_ids in now)
        assert report.n_generated + report.n_reused == report.n_chunks == len(now)
        corpus.run("anew.jsonl", cache=CacheSettings(cache=False))
    finally:
        path.write_text(old, encoding="utf-8")
    assert (corpus.outputs / "edited.jsonl").read_bytes() == (corpus.outputs / "anew.jsonl").read_bytes()
    assert (corpus.outputs / "edited.jsonl").read_bytes() != (corpus.outputs / "first.jsonl").read_bytes()


def test_deleted_documents_leave_the_output(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qgbatch.pipeline.components.load_engine", no_engine)
    gone = [corpus.docs / name for name in ("000.txt", "100.txt", "199.txt")]
    texts = [path.read_text(encoding="utf-8") for path in gone]
    for path in gone:
        path.unlink()
    try:
        report = corpus.run("fewer.jsonl")
    finally:
        for path, text in zip(gone, texts, strict=True):
            path.write_text(text, encoding="utf-8")
    assert (report.n_documents, report.n_generated) == (N_DOCUMENTS - 3, 0)
    expected = corpus.rows_by_source("first.jsonl")
    for path in gone:
        expected.pop(path.name, None)
    assert corpus.rows_by_source("fewer.jsonl") == expected


def test_renamed_and_reordered_documents_cost_nothing(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qgbatch.pipeline.components.load_engine", no_engine)
    new_names = {path: path.with_name(f"{999 - int(path.stem)}.txt") for path in corpus.docs.iterdir()}
    for path, new in new_names.items():
        path.rename(new)
    try:
        report = corpus.run("renamed.jsonl")
    finally:
        for path, new in new_names.items():
            new.rename(path)
    assert (report.n_documents, report.n_generated) == (N_DOCUMENTS, 0)
    assert report.n_reused == report.n_chunks
    first, renamed = corpus.rows_by_source("first.jsonl"), corpus.rows_by_source("renamed.jsonl")
    assert list(renamed) == sorted(renamed)
    for path, new in new_names.items():
        assert len(renamed.get(new.name, [])) == len(first.get(path.name, []))


def test_another_setting_of_the_model_shares_the_chunks_alone(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Components, "chunks", no_engine)
    other, document = Settings(num_beams=1, max_new_tokens=4), corpus.docs / "000.txt"
    report = qgbatch.run([document], corpus.outputs / "other.jsonl", other, cache=corpus.cache)
    assert report.failures == []
    assert report.n_generated == report.n_chunks > 0
