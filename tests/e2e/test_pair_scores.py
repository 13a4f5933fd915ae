"""The scores of questions and answers, against a plain forward pass of transformers."""

from __future__ import annotations

import math
import sys
from dataclasses import astuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import ctranslate2
import pytest
import torch

from qgbatch.engines.base import Engine, EngineChoice, PairSpan, SpecialIds, find_new_pairs, find_pairs
from qgbatch.engines.ctranslate2 import CTranslate2Engine, _Result
from qgbatch.engines.torch import TorchEngine
from qgbatch.engines.weights import load_weights
from qgbatch.errors import ModelError
from qgbatch.models.checkpoint import find_model
from qgbatch.records import Generation, InputIds, PairScore
from qgbatch.settings import Decoding
from tests.conftest import MINI

ANSWER, SEPARATOR, EOS = 300, 8100, 1
SPECIAL = SpecialIds(0, EOS, 2, frozenset({SEPARATOR}), frozenset({ANSWER}))
SOURCE = (21, 57, 400, 1203, 88, 9, EOS)
PAIR, OTHER = (40, 7, 12, ANSWER, 57, 400), (40, 9, ANSWER, 88)
CUT_OFF = (40, 7, ANSWER, 12)
COMPLETE = [*PAIR, SEPARATOR, 5, 6, SEPARATOR, *OTHER, EOS]
BEFORE_OTHER = (*PAIR, SEPARATOR, 5, 6, SEPARATOR)
REACHED_THE_LIMIT = [*PAIR, SEPARATOR, *CUT_OFF]


def reference(
    pair: tuple[int, ...], before: tuple[int, ...] = (), source: InputIds = SOURCE, answer: int = ANSWER
) -> PairScore:
    """The score of a pair after other tokens of its output, by one forward pass of transformers."""
    model = load_weights(find_model(str(MINI)), torch.float32)
    ids = [*before, *pair]
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([source]), labels=torch.tensor([ids])).logits[0]
    tokens = logits.log_softmax(-1)[range(len(ids)), ids].tolist()[len(before) :]
    place = pair.index(answer)
    low = sorted(tokens[:place])[:3]
    return PairScore(
        sum(tokens[:place]) / place, sum(tokens[place + 1 :]), sum(low) / len(low), min(tokens[place + 1 :])
    )


def load_engine(
    name: Literal["torch", "ctranslate2"], decoding: Decoding, special: SpecialIds, cache: Path
) -> Engine:
    choice, model = EngineChoice(name, "cpu", "float32"), find_model(str(MINI))
    if name == "torch":
        return TorchEngine(choice, model, decoding, special)
    return CTranslate2Engine(choice, model, decoding, special, cache)


def assert_scored(generation: Generation) -> None:
    """The two pairs are scored; the piece without an answer and the one that was cut off are not."""
    assert generation.pieces == (PAIR, (5, 6), OTHER, CUT_OFF)
    first, plain, other, cut_off = generation.pair_scores
    assert plain is cut_off is None
    for score, pair, before in ((first, PAIR, ()), (other, OTHER, BEFORE_OTHER)):
        assert score
        wanted = reference(pair, before)
        assert astuple(score) == pytest.approx(astuple(wanted), abs=1e-3)


def test_torch_scores_the_pairs_of_all_outputs() -> None:
    engine = TorchEngine(
        EngineChoice("torch", "cpu", "float32"), find_model(str(MINI)), Decoding(), SPECIAL
    )
    [generation] = engine._make_generations([SOURCE], [COMPLETE, REACHED_THE_LIMIT], [-1.0, -2.0])
    assert_scored(generation)


def test_ctranslate2_scores_the_pairs_of_all_outputs(tmp_path: Path) -> None:
    choice = EngineChoice("ctranslate2", "cpu", "float32")
    engine = CTranslate2Engine(choice, find_model(str(MINI)), Decoding(), SPECIAL, tmp_path)
    generation = engine._score(SOURCE, _Result([COMPLETE, REACHED_THE_LIMIT], [-1.0, -2.0]))()
    assert generation
    assert_scored(generation)


@pytest.mark.parametrize("name", ["torch", "ctranslate2"])
def test_a_greedy_search_scores_pairs_while_it_writes_them(
    name: Literal["torch", "ctranslate2"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorter = SOURCE[-3:]
    answers = (220, 1203)  # tokens of its outputs, because the model knows no answer separator
    special = SpecialIds(0, EOS, 2, frozenset({312, 627}), frozenset(answers))
    decoding = Decoding(num_beams=1, max_new_tokens=20, no_repeat_ngram_size=0)
    sys.setswitchinterval(0.005)
    engine = load_engine(name, decoding, special, tmp_path)
    if isinstance(engine, CTranslate2Engine):
        assert sys.getswitchinterval() < 0.001  # its workers record tokens under Python's lock
        monkeypatch.delattr(ctranslate2.Translator, "score_batch")
    else:
        monkeypatch.delattr(TorchEngine, "_score")
    [generations] = engine.generate([[shorter, SOURCE]])
    for source, answer, generation in zip((shorter, SOURCE), answers, generations, strict=True):
        assert generation
        score, *others = generation.pair_scores
        assert score
        wanted = reference(generation.pieces[0], (), source, answer)
        assert astuple(score) == pytest.approx(astuple(wanted), abs=1e-3)
        assert set(others) == {None}


def test_scores_of_pairs_that_are_no_numbers_are_an_error_of_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, torch_choice = find_model(str(MINI)), EngineChoice("torch", "cpu", "float32")
    slow = TorchEngine(torch_choice, model, Decoding(), SPECIAL)
    monkeypatch.setattr(slow, "_score", lambda row, outputs: [[math.nan] * len(ids) for ids in outputs])
    with pytest.raises(ModelError, match="computes no numbers"):
        slow._make_generations([SOURCE], [COMPLETE], [-1.0])
    fast = CTranslate2Engine(
        EngineChoice("ctranslate2", "cpu", "float32"), model, Decoding(), SPECIAL, tmp_path
    )
    scored = SimpleNamespace(done=lambda: True, result=lambda: SimpleNamespace(log_probs=[math.nan] * 20))
    monkeypatch.setattr(fast, "_translator", SimpleNamespace(score_batch=lambda *_, **__: [scored]))
    with pytest.raises(ModelError, match="computes no numbers"):
        fast._score(SOURCE, _Result([COMPLETE], [-1.0]))()


def test_ctranslate2_scores_one_output_after_the_other_if_memory_runs_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = EngineChoice("ctranslate2", "cpu", "float32")
    engine = CTranslate2Engine(choice, find_model(str(MINI)), Decoding(), SPECIAL, tmp_path)
    result = _Result([[*PAIR, EOS], [*OTHER, EOS]], [-1.0, -2.0])
    together = engine._score(SOURCE, result)()
    assert together
    score_batch, max_rows = engine._translator.score_batch, 1

    def score_little(sources: list[list[str]], targets: list[list[str]], **options: Any) -> Any:
        if len(sources) <= max_rows:
            return score_batch(sources, targets, **options)

        def fail() -> None:
            raise RuntimeError("CUDA failed with error out of memory")

        return [SimpleNamespace(done=lambda: True, result=fail) for _ in sources]

    monkeypatch.setattr(engine, "_translator", SimpleNamespace(score_batch=score_little))
    halved = engine._score(SOURCE, result)()
    assert halved
    for score, wanted in zip(halved.pair_scores, together.pair_scores, strict=True):
        assert score
        assert wanted
        assert astuple(score) == pytest.approx(astuple(wanted), abs=1e-4)
    max_rows = 0
    assert engine._score(SOURCE, result)() is None


@pytest.mark.parametrize("name", ["torch", "ctranslate2"])
def test_several_outputs_of_a_beam_search_are_merged(
    name: Literal["torch", "ctranslate2"], tmp_path: Path
) -> None:
    decoding = Decoding(num_beams=3, num_return_sequences=3, max_new_tokens=12, no_repeat_ngram_size=0)
    special = SpecialIds(0, EOS, 2, frozenset({SEPARATOR}))
    [[generation]] = load_engine(name, decoding, special, tmp_path).generate([[SOURCE]])
    assert generation
    assert len(generation.pieces) >= 3
    assert generation.pair_scores == ()


def test_a_pair_has_one_answer_separator_with_text_on_both_sides() -> None:
    pieces = [(ANSWER, 5), (5, ANSWER), (5, ANSWER, 6, ANSWER, 7), (5, 6), (5, ANSWER, 6)]
    ids = [token for piece in pieces for token in (*piece, SEPARATOR)]
    start = len(ids) - 4
    assert find_pairs([*ids, EOS], SPECIAL) == {(5, ANSWER, 6): PairSpan(start, start + 1, start + 3)}


def test_a_pair_is_scored_in_the_first_output_that_contains_it() -> None:
    first, second, third = [*PAIR, EOS], [*PAIR, SEPARATOR, *OTHER, EOS], [*OTHER, EOS]
    found = find_new_pairs([first, second, third], SPECIAL)
    assert [(ids, set(pairs)) for ids, pairs in found] == [(first, {PAIR}), (second, {OTHER})]
