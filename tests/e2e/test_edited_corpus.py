"""A corpus that changes between two runs: only the changed chunks are generated again."""

from __future__ import annotations

import functools
import json
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

import qgbatch
from qgbatch import Document, RunReport, Settings
from qgbatch.engines.choice import LoadEngine, load_engine
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
    """Make a text of three paragraphs; each number gives another text."""
    first, second, third = random.Random(number).sample(SENTENCES, 3)
    return f"{first}\n\nIn {1700 + number} it was reported: {second}\n\n{third} This is note {number}.\n"


@dataclass(frozen=True)
class Corpus:
    """A directory of documents, the cache of a run over them, and a directory for outputs."""

    docs: Path
    outputs: Path
    cache: CacheSettings

    def run(
        self, name: str, *, cache: CacheSettings | None = None, load_engine: LoadEngine = load_engine
    ) -> RunReport:
        return qgbatch.run(
            [self.docs], self.outputs / name, SETTINGS, cache=cache or self.cache, load_engine=load_engine
        )

    def inputs(self) -> list[tuple[int, ...]]:
        """The input ids of each chunk, made without a cache."""
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


@functools.wraps(load_engine)  # the keys of the cache are those of the function that it wraps
def must_not_be_called(*arguments: object) -> NoReturn:
    raise AssertionError("All results are in the cache.")


def test_a_changed_paragraph_generates_only_its_chunks_again(corpus: Corpus) -> None:
    before = set(corpus.inputs())
    path = corpus.docs / "077.txt"
    old = path.read_text(encoding="utf-8")
    path.write_text(old.replace("it was reported", "nobody reported"), encoding="utf-8")
    try:
        now = corpus.inputs()
        new = set(now) - before
        report = corpus.run("edited.jsonl")
        assert report.n_generated == len(new) in (1, 2)
        assert report.n_reused == sum(input_ids in before for input_ids in now)
        assert report.n_generated + report.n_reused == report.n_chunks == len(now)
        corpus.run("uncached.jsonl", cache=CacheSettings(cache=False))
    finally:
        path.write_text(old, encoding="utf-8")
    assert (corpus.outputs / "edited.jsonl").read_bytes() == (
        corpus.outputs / "uncached.jsonl"
    ).read_bytes()
    assert (corpus.outputs / "edited.jsonl").read_bytes() != (corpus.outputs / "first.jsonl").read_bytes()


def test_deleted_documents_are_removed_from_the_output(corpus: Corpus) -> None:
    deleted = [corpus.docs / name for name in ("000.txt", "100.txt", "199.txt")]
    texts = [path.read_text(encoding="utf-8") for path in deleted]
    for path in deleted:
        path.unlink()
    try:
        report = corpus.run("deleted.jsonl", load_engine=must_not_be_called)
    finally:
        for path, text in zip(deleted, texts, strict=True):
            path.write_text(text, encoding="utf-8")
    assert (report.n_documents, report.n_generated) == (N_DOCUMENTS - 3, 0)
    expected = corpus.rows_by_source("first.jsonl")
    for path in deleted:
        expected.pop(path.name, None)
    assert corpus.rows_by_source("deleted.jsonl") == expected


def test_renamed_and_reordered_documents_reuse_all_results(corpus: Corpus) -> None:
    new_names = {path: path.with_name(f"{999 - int(path.stem)}.txt") for path in corpus.docs.iterdir()}
    for path, new in new_names.items():
        path.rename(new)
    try:
        report = corpus.run("renamed.jsonl", load_engine=must_not_be_called)
    finally:
        for path, new in new_names.items():
            new.rename(path)
    assert (report.n_documents, report.n_generated) == (N_DOCUMENTS, 0)
    assert report.n_reused == report.n_chunks
    first, renamed = corpus.rows_by_source("first.jsonl"), corpus.rows_by_source("renamed.jsonl")
    assert list(renamed) == sorted(renamed)
    for path, new in new_names.items():
        assert len(renamed.get(new.name, [])) == len(first.get(path.name, []))


def test_another_decoding_setting_reuses_only_the_chunks(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Components, "chunks", must_not_be_called)
    other, document = Settings(num_beams=1, max_new_tokens=4), corpus.docs / "000.txt"
    report = qgbatch.run([document], corpus.outputs / "other.jsonl", other, cache=corpus.cache)
    assert report.failures == []
    assert report.n_generated == report.n_chunks > 0
