"""Measures the training steps of ``qgbatch finetune`` against the notebook's static padding.

    python benchmarks/training.py SQUAD.json [--base MODEL] [--lengths-of DIR] [--steps 2] [--rounds 3]

Both use the same Trainer on the same examples in steps of 64. One pads every source to 512 and
every target to 64 tokens; the other pads to the longest of its batch, with the examples of a step
sorted by length. Only lengths affect the time, so ``--lengths-of`` takes them from another
tokenizer, such as one with a larger vocabulary and fewer tokens; its ids are taken modulo the
base's vocabulary. Rounds are interleaved, and the trained models are not kept.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from measuring import interleave, show, spread

from qgbatch.models.tokenizer import load_new_tokenizer
from qgbatch.training.base import load_base
from qgbatch.training.data import read_split
from qgbatch.training.examples import Example, make_examples
from qgbatch.training.settings import TrainingSettings
from qgbatch.training.trainer import QuestionTrainer, make_arguments


def pad_statically(examples: Sequence[Example], pad_id: int) -> dict[str, torch.Tensor]:
    """Pad a batch as the notebook does: sources to shape (rows, 512), labels to (rows, 64), int64."""

    def pad(rows: list[list[int]], length: int, value: int) -> torch.Tensor:
        return torch.tensor([[*row, *[value] * (length - len(row))] for row in rows])

    input_ids = pad([example["input_ids"] for example in examples], 512, pad_id)
    labels = pad([example["labels"] for example in examples], 64, -100)
    mask = (input_ids != pad_id).long()
    return {"input_ids": input_ids, "attention_mask": mask, "labels": labels}


def train(
    settings: TrainingSettings, examples: list[Example], *, static: bool
) -> tuple[float, list[float]]:
    """Train ``settings.max_steps`` steps and return the seconds and the logged losses."""
    base: Any = load_base(settings)
    with tempfile.TemporaryDirectory() as directory:
        arguments = make_arguments(settings, Path(directory), has_validation=False)
        arguments.save_strategy = transformers.trainer_utils.SaveStrategy.NO
        trainer = QuestionTrainer(base, arguments, settings, examples, None, {}, None)
        if static:
            trainer.data_collator = partial(pad_statically, pad_id=base.tokenizer.pad_id)
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
        return seconds, [line["loss"] for line in trainer.state.log_history if "loss" in line]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("squad", type=Path)
    parser.add_argument("--base", default="small")
    parser.add_argument("--lengths-of", help="directory of a tokenizer")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()

    settings = TrainingSettings(
        base=arguments.base, train_file=str(arguments.squad), max_steps=arguments.steps, report_to="none"
    )
    paragraphs = read_split(str(arguments.squad)).paragraphs
    base = load_base(settings)
    tokenizer = (
        load_new_tokenizer(arguments.lengths_of, base.metadata) if arguments.lengths_of else base.tokenizer
    )
    vocab_size = base.weights.config.vocab_size
    sources = tokenizer.encode([p.context for p in paragraphs])
    targets = tokenizer.encode_targets([p.questions for p in paragraphs])
    examples = make_examples(
        [[i % vocab_size for i in row] for row in sources],
        [[i % vocab_size for i in row] for row in targets],
        tokenizer.eos_id,
        settings.max_source_length,
        settings.max_target_length,
    )
    contenders = {
        "static padding to 512 and 64": (False, True),
        "padding to the longest row of a batch": (False, False),
        "the same, steps sorted by length (qgbatch)": (True, False),
    }

    def rate(group_by_length: bool, static: bool) -> float:
        chosen = TrainingSettings(**{**vars(settings), "group_by_length": group_by_length})
        return float(60 * arguments.steps) / train(chosen, examples, static=static)[0]

    rates = interleave({name: partial(rate, *how) for name, how in contenders.items()}, arguments.rounds)
    slowest = statistics.median(rates["static padding to 512 and 64"])
    rows = [
        {
            "": name,
            "steps/minute, median (min to max)": spread(values),
            "ratio": f"{statistics.median(values) / slowest:.1f}",
        }
        for name, values in rates.items()
    ]
    mean = statistics.mean(len(example["input_ids"]) for example in examples)
    title = f"{arguments.base}, {len(examples)} paragraphs of {mean:.0f} tokens on average, steps of 64"
    show(title, rows, steps=arguments.steps, rounds=arguments.rounds, precision="float32")


if __name__ == "__main__":
    main()
