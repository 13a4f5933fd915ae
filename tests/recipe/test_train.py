"""``train.py`` learns from examples, resumes, and writes a model that runs."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import batches
import pytest
import quantize
import torch
import train
from click.testing import Result
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerFast

from qgbatch.errors import ExitCode
from tests.conftest import SAMPLES
from tests.recipe.conftest import Step, make_examples, write_rows

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def words(trimmed: Path, tmp_path: Path) -> list[object]:
    """The command line of a training of 18 steps."""
    files = [write_rows(tmp_path / f"{start}.jsonl", make_examples(8, start)) for start in (0, 8)]
    aside = write_rows(tmp_path / "aside.jsonl", make_examples(8, 16))
    return [
        "--checkpoint", trimmed, "--examples", *files, files[0], "--validation", aside,
        "--epochs", 4, "--learning-rate", 1e-2, "--batch-cost", 800,
    ]  # fmt: skip


def losses(capsys: pytest.CaptureFixture[str]) -> list[float]:
    lines = capsys.readouterr().out.splitlines()
    return [float(line.split()[-1]) for line in lines if "validation" in line]


def test_the_loss_falls_and_the_result_runs(
    step: Step, qgbatch: Callable[..., Result], words: list[object], trimmed: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    step(train.main, *words, "--out", tmp_path / "out")
    first, *_, last = losses(capsys)
    assert last < 0.8 * first
    model, small = tmp_path / "out" / "model", tmp_path / "small"
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        assert (model / name).read_bytes() == (trimmed / name).read_bytes()
    weights, before = (load_file(directory / "model.safetensors") for directory in (model, trimmed))
    assert weights.keys() == before.keys()

    step(quantize.main, "--checkpoint", model, "--out", small)
    quick = ("--num-beams", 1, "--num-return-sequences", 1, "--max-new-tokens", 8)
    for directory in (model, small):
        output = tmp_path / f"{directory.name}.csv"
        result = qgbatch("run", SAMPLES / "lighthouses.txt", "--model", directory, *quick, "-o", output)
        assert result.exit_code == ExitCode.OK, result.output
        assert "answer_score" in output.read_text().partition("\n")[0]


def test_an_interrupted_training_ends_as_if_it_was_not(
    step: Step, words: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "SAVE_SECONDS", 0)
    step(train.main, *words, "--out", tmp_path / "whole")
    whole_step = train.Training._step

    def interrupted_step(
        training: train.Training, batch: list[batches.Pair], n_epochs: float
    ) -> torch.Tensor:
        if training.progress.step == 11:
            raise KeyboardInterrupt
        return whole_step(training, batch, n_epochs)

    with monkeypatch.context() as patch:
        patch.setattr(train.Training, "_step", interrupted_step)
        with pytest.raises(KeyboardInterrupt):
            step(train.main, *words, "--out", tmp_path / "parts")
    saved = state_of(tmp_path / "parts")
    assert saved["progress"]["step"] == 11
    assert saved["progress"]["batch"] > 0
    step(train.main, *words, "--out", tmp_path / "parts")

    whole, parts = state_of(tmp_path / "whole"), state_of(tmp_path / "parts")
    assert parts["progress"] == whole["progress"]
    assert parts["progress"]["epoch"] > saved["progress"]["epoch"]
    for name, weight in whole["model"].items():
        assert torch.allclose(parts["model"][name], weight, atol=1e-6), name


def test_fewer_decoder_layers_and_texts(
    step: Step, qgbatch: Callable[..., Result], words: list[object], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    texts = write_rows(tmp_path / "texts.jsonl", [{"text": row["text"]} for row in make_examples(8)])
    step(
        train.main, *words, "--examples", texts, "--decoder-layers", 1, "--dropout", 0.1,
        "--out", tmp_path / "out",
    )  # fmt: skip
    first, *_, last = losses(capsys)
    assert last < first
    model = tmp_path / "out" / "model"
    assert json.loads((model / "config.json").read_text())["num_decoder_layers"] == 1
    quick = ("--num-beams", 1, "--num-return-sequences", 1, "--max-new-tokens", 8)
    result = qgbatch("run", SAMPLES / "tea.md", "--model", model, *quick, "-o", tmp_path / "out.csv")
    assert result.exit_code == ExitCode.OK, result.output


def state_of(directory: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(directory / "state.pt", weights_only=True)
    return state


@pytest.fixture
def tokenizer(trimmed: Path) -> PreTrainedTokenizerFast:
    tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(trimmed)
    return tokenizer


@pytest.fixture
def encode(tokenizer: PreTrainedTokenizerFast) -> Callable[..., set[tuple[str, str]]]:
    """Return the prompts and targets that an example has in many epochs, as text."""
    encoder = batches.Encoder(tokenizer)

    def encode(questions: list[tuple[str, str | None]], context: str = "") -> set[tuple[str, str]]:
        row = {"context": context, "text": "The old bridge was opened in 1801.", "questions": questions}
        pairs = [encoder(row, random.Random(seed)) for seed in range(40)]
        return {(str(tokenizer.decode(source)), str(tokenizer.decode(target))) for source, target in pairs}

    return encode


@pytest.mark.parametrize("seed", range(20))
def test_words_are_left_out_of_a_text(tokenizer: PreTrainedTokenizerFast, seed: int) -> None:
    text = "The old bridge was opened in 1801 and crosses the river below the harbour. " * (1 + seed % 3)
    source, target = batches.Encoder(tokenizer)({"text": text}, random.Random(seed))
    separator, end = tokenizer.get_vocab()["<sep>"], source[-1]
    prefix = tokenizer(batches.PREFIX_OF_TEXTS, add_special_tokens=False).input_ids
    assert target[-1] == end
    spans = split([separator, *target[:-1]], separator)
    gaps = split(source[len(prefix) : -1], separator)
    assert len(gaps) == len(spans)
    joined = [*gaps[0]]
    for span, gap in zip(spans[1:], gaps[1:], strict=True):
        joined += [*span, *gap]
    assert joined == tokenizer(text, add_special_tokens=False).input_ids
    assert 0.1 < sum(map(len, spans)) / len(joined) < 0.25


def split(ids: list[int], separator: int) -> list[list[int]]:
    parts: list[list[int]] = [[]]
    for token in ids:
        if token == separator:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def test_a_short_text_is_masked_too(tokenizer: PreTrainedTokenizerFast) -> None:
    source, target = batches.Encoder(tokenizer)({"text": "Tea"}, random.Random(1))
    assert len(source) > 2
    assert len(target) > 1


ONE, TWO = "When was the bridge opened?", "Who designed it?"
TEXT = "The old bridge was opened in 1801.</s>"
PLAIN, ANSWERS = f"generate questions: {TEXT}", f"generate questions and answers: {TEXT}"


def test_prompts_and_targets(encode: Callable[..., set[tuple[str, str]]]) -> None:
    def without_spaces(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
        return {(source.replace(" ", ""), target.replace(" ", "")) for source, target in pairs}

    plain = (PLAIN, f"{ONE}<sep>{TWO}</s>")
    assert encode([]) == {(ANSWERS, "</s>")}
    assert without_spaces(encode([(ONE, None), (TWO, None)])) == without_spaces({plain})
    answered = (ANSWERS, f"{ONE}<ans>1801<sep>{TWO}<ans>engineer 7</s>")
    both = encode([(ONE, "1801"), (TWO, "engineer 7")])
    assert without_spaces(both) == without_spaces({plain, answered})
    one = encode([(ONE, "1801"), (TWO, None)])
    assert without_spaces(one) == without_spaces({plain, (ANSWERS, f"{ONE}<ans>1801</s>")})


def test_the_text_before_is_marked_as_the_engine_marks_it(
    encode: Callable[..., set[tuple[str, str]]], tokenizer: PreTrainedTokenizerFast
) -> None:
    ((source, _),) = encode([], context="Visitors can climb.")
    ids = tokenizer(source.removesuffix("</s>")).input_ids
    marker = tokenizer.convert_tokens_to_ids("<ctx>")
    assert ids.count(marker) == 1
    before, after = ids[: ids.index(marker)], ids[ids.index(marker) + 1 :]
    assert str(tokenizer.decode(before)).endswith("answers: Visitors can climb.")
    assert str(tokenizer.decode(after)).strip() == TEXT


def numbered_pairs() -> Iterator[batches.Pair]:
    rng = random.Random(1)
    for number in range(600):
        yield [number] * rng.randint(1, 60), [2] * rng.randint(1, 30)


def test_batches_hold_every_pair_and_keep_to_their_cost() -> None:
    pairs = list(numbered_pairs())
    made = list(batches.make_batches(pairs, 600, random.Random(1)))
    assert sorted(pair for batch in made for pair in batch) == sorted(pairs)
    for batch in made:
        assert max(map(batches.cost, batch)) * len(batch) <= 600


def test_a_file_without_examples_is_an_error(step: Step, words: list[object], tmp_path: Path) -> None:
    (tmp_path / "aside.jsonl").write_text("")
    with pytest.raises(SystemExit):
        step(train.main, *words, "--out", tmp_path / "out")
