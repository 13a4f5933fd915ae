"""The engines against transformers itself, with real weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, T5Config, T5ForConditionalGeneration

import qgbatch
from qgbatch.pipeline.components import Components
from qgbatch.records import Generation
from qgbatch.settings import CacheSettings, Settings
from tests.conftest import MINI

TEXTS = (
    "The first lighthouse on the rock was finished in 1698 by Henry Winstanley. It stood five years.",
    "Honey bees live in colonies of up to 60,000 workers, one queen and a few hundred drones.",
    "Tea reached Europe in 1610. Dutch ships carried it from Java, and it was sold as a drug.",
    "Rain.",
    "In 1912 Alfred Wegener argued that the continents had once been joined. Most geologists of his "
    "time did not believe him, because he could not name a force that would move them. Only in the "
    "1960s, when the sea floor had been mapped, did the idea win. Harry Hess had proposed that new "
    "floor forms at the ridges, and Vine and Matthews found the magnetic stripes that prove it.",
)


def notebook_loop(
    checkpoint: Path, tokenizer_directory: Path, texts: Sequence[str], **changed: Any
) -> list[str]:
    """Generate as the notebook does: one text at a time, its prompt and its arguments."""
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_directory)
    tokenizer.add_tokens(["<sep>"])
    model: Any = T5ForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32)
    arguments: dict[str, Any] = {
        "max_length": 256,
        "num_beams": 4,
        "length_penalty": 1.5,
        "no_repeat_ngram_size": 3,
        "early_stopping": True,
    } | changed
    outputs = []
    for text in texts:
        input_ids = tokenizer.encode(f"generate questions: {text} </s>", return_tensors="pt")
        ids = model.generate(input_ids, **arguments)
        outputs += tokenizer.batch_decode(ids, skip_special_tokens=True)
    return outputs


def split_output(output: str) -> list[str]:
    return [piece.strip() for piece in output.split("<sep>") if piece.strip()]


@cache
def load(**options: Any) -> Components:
    return find(**options)


def find(**options: Any) -> Components:
    return Components.find(Settings(**options), CacheSettings().directory)


def generate(components: Components, texts: Sequence[str]) -> list[Generation]:
    """Outputs in the order of the texts, whatever the batches."""
    inputs = components.tokenizer.encode(texts)
    outputs = {
        input_ids: generation
        for batch, generations in components.generate(components.batches(inputs))
        for input_ids, generation in zip(batch, generations, strict=True)
        if generation is not None
    }
    return [outputs[input_ids] for input_ids in inputs]


def ids_of(generations: Sequence[Generation]) -> list[tuple[tuple[int, ...], ...]]:
    return [generation.pieces for generation in generations]


def test_the_torch_engine_asks_exactly_what_the_notebook_asks(
    weights_only_checkpoint: Path, bare_tokenizer: Path
) -> None:
    outputs = notebook_loop(weights_only_checkpoint, bare_tokenizer, TEXTS)
    expected = [question for output in outputs for question in split_output(output)]
    questions = qgbatch.generate_questions(
        TEXTS,
        model=str(weights_only_checkpoint),
        tokenizer=str(bare_tokenizer),
        engine="torch",
        dtype="float32",
        dedupe="none",
    )
    assert [q.question for q in questions] == [q for q in expected if q.endswith("?")]
    assert len(questions) >= len(TEXTS)


def test_ctranslate2_with_one_beam_asks_exactly_what_the_notebook_would(
    weights_only_checkpoint: Path, bare_tokenizer: Path
) -> None:
    outputs = notebook_loop(
        weights_only_checkpoint,
        bare_tokenizer,
        TEXTS,
        num_beams=1,
        length_penalty=1.0,
        early_stopping=False,
    )
    components = load(
        model=str(weights_only_checkpoint),
        tokenizer=str(bare_tokenizer),
        engine="ctranslate2",
        compute_type="float32",
        num_beams=1,
    )
    pieces = [
        [components.tokenizer.decode(piece).strip() for piece in g.pieces]
        for g in generate(components, TEXTS)
    ]
    assert [[p for p in row if p] for row in pieces] == [split_output(output) for output in outputs]


@pytest.mark.parametrize("beams", [{"num_beams": 1}, {"num_beams": 4, "no_repeat_ngram_size": 0}])
def test_both_engines_give_the_same_ids_and_scores(beams: dict[str, int]) -> None:
    # With beams *and* banned n-grams they differ: CTranslate2 bans before the softmax.
    ours = generate(load(engine="ctranslate2", compute_type="float32", **beams), TEXTS)
    theirs = generate(load(engine="torch", dtype="float32", **beams), TEXTS)
    assert ids_of(ours) == ids_of(theirs)
    assert [g.truncated for g in ours] == [g.truncated for g in theirs]
    assert [g.score for g in ours] == pytest.approx([g.score for g in theirs], abs=1e-4)


@pytest.mark.parametrize("engine", ["torch", "ctranslate2"])
def test_the_length_limit_counts_new_tokens_in_both_engines(engine: str) -> None:
    components = load(engine=engine, num_beams=4, max_new_tokens=7)
    for generation in generate(components, TEXTS[:2]):
        n_separators = len(generation.pieces) - 1
        assert sum(map(len, generation.pieces)) + n_separators == 7
        assert generation.truncated == (n_separators,)


@pytest.mark.parametrize(
    "engine",
    [
        {"engine": "torch", "dtype": "float32"},
        {"engine": "ctranslate2", "compute_type": "float32"},
        {"engine": "ctranslate2", "compute_type": "int8"},
    ],
    ids=lambda engine: " ".join(engine.values()),
)
def test_batching_never_shows(engine: dict[str, str]) -> None:
    alone = [generate(load(**engine), [text])[0] for text in TEXTS]
    for batch_tokens in (64, 4096):
        together = generate(load(**engine, batch_tokens=batch_tokens), TEXTS)
        assert ids_of(together) == ids_of(alone)
    backwards = generate(load(**engine), TEXTS[::-1])
    assert ids_of(backwards[::-1]) == ids_of(alone)


def test_a_batch_that_does_not_fit_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    components = find(engine="torch", dtype="float32", num_beams=1)
    whole = generate(components, TEXTS)
    model = components.engine._model  # type: ignore[attr-defined]
    real_generate, n_rows = model.generate, []

    def generate_little(input_ids: torch.Tensor, **options: Any) -> Any:
        n_rows.append(len(input_ids))
        if len(input_ids) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return real_generate(input_ids=input_ids, **options)

    monkeypatch.setattr(model, "generate", generate_little)
    assert ids_of(generate(components, TEXTS)) == ids_of(whole)
    assert n_rows == [5, 2, 3, 1, 2]


@dataclass(frozen=True)
class LittleTranslator:
    """CTranslate2's translator on a GPU whose memory only holds so many rows."""

    translator: Any
    max_rows: int
    n_rows: list[int] = field(default_factory=list)

    def translate_batch(self, inputs: list[list[str]], **options: Any) -> list[Any]:
        self.n_rows.append(len(inputs))
        if len(inputs) <= self.max_rows:
            return list(self.translator.translate_batch(inputs, **options))

        def fail() -> None:
            raise RuntimeError("CUDA failed with error out of memory")

        return [SimpleNamespace(done=lambda: True, result=fail) for _ in inputs]


def test_a_batch_that_does_not_fit_is_halved_by_ctranslate2(monkeypatch: pytest.MonkeyPatch) -> None:
    components = find(engine="ctranslate2", compute_type="float32", num_beams=1)
    whole = generate(components, TEXTS)
    engine: Any = components.engine
    little = LittleTranslator(engine._translator, max_rows=2)
    monkeypatch.setattr(engine, "_translator", little)
    assert ids_of(generate(components, TEXTS)) == ids_of(whole)
    assert little.n_rows == [5, 2, 3, 1, 2]
    monkeypatch.setattr(engine, "_translator", LittleTranslator(little.translator, max_rows=0))
    assert [*engine.generate([[(21, 57, 1), (88, 1)], []])] == [[None, None], []]


@pytest.fixture(scope="module")
def flan_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A T5 v1.1 shape: gated GELU, its last hidden states not scaled; random weights."""
    directory = tmp_path_factory.mktemp("flan")
    torch.manual_seed(0)
    shape: dict[str, Any] = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}
    family: dict[str, Any] = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
    config = T5Config(vocab_size=8101, **shape, **family)
    T5ForConditionalGeneration(config).save_pretrained(directory)
    # As the hub's checkpoints have it, which were saved before transformers 5.
    saved = json.loads((directory / "config.json").read_text())
    del saved["scale_decoder_outputs"]
    (directory / "config.json").write_text(
        json.dumps({**saved, "tie_word_embeddings": False, "decoder_start_token_id": 0})
    )
    return directory


def test_checkpoints_that_do_not_scale_their_outputs_convert_right(
    flan_checkpoint: Path, bare_tokenizer: Path
) -> None:
    options = {
        "model": str(flan_checkpoint),
        "tokenizer": str(bare_tokenizer),
        "num_beams": 1,
        "max_new_tokens": 20,
        "no_repeat_ngram_size": 0,
    }
    ours = generate(load(engine="ctranslate2", compute_type="float32", **options), TEXTS)
    theirs = generate(load(engine="torch", dtype="float32", **options), TEXTS)
    assert ids_of(ours) == ids_of(theirs)
    assert [g.score for g in ours] == pytest.approx([g.score for g in theirs], abs=1e-3)


def test_a_checkpoint_with_its_own_tokenizer_asks_questions(own_tokenizer_checkpoint: Path) -> None:
    components = load(model=str(own_tokenizer_checkpoint))
    assert components.tokenizer.separator_ids == {8100}
    assert all(len(generation.pieces) > 1 for generation in generate(components, TEXTS[-1:]))


def test_mini_is_prompted_as_it_was_trained() -> None:
    ids = load(engine="torch").tokenizer.encode(["A text."])[0]
    tokenizer = AutoTokenizer.from_pretrained(MINI)
    assert list(ids) == tokenizer("generate questions: A text.").input_ids
