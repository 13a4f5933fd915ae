"""The model card of a finished training, and the plot of its losses."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import ModelCardData

import qgbatch
from qgbatch.output.atomic import replace_file

_PACKAGES = ("torch", "transformers", "accelerate", "tokenizers")


def environment() -> dict[str, str]:
    """Return the versions of the packages and the name of the hardware."""
    if torch.cuda.is_available():
        hardware = torch.cuda.get_device_name()
    elif torch.backends.mps.is_available():
        hardware = f"{platform.machine()} GPU (mps)"
    else:
        hardware = f"{platform.machine()} CPU, {os.cpu_count()} cores"
    versions = {name: version(name) for name in _PACKAGES}
    return {
        "qgbatch": qgbatch.__version__,
        "python": platform.python_version(),
        **versions,
        "hardware": hardware,
    }


def model_card(name: str, recipe: Mapping[str, Any]) -> str:
    """Write the model card in the format of the Hugging Face hub.

    Args:
        name: The name of the model, or its id on the hub.
        recipe: See :func:`qgbatch.training.recipe.make_recipe`.
    """
    settings, metadata = recipe["settings"], recipe["identity"]["prompt"]
    separator, answer_separator = metadata["separator"], metadata.get("answer_separator")
    if answer_separator:
        written = "questions, each with its answer,"
        form = f"Q1 {answer_separator} A1 {separator} Q2 {answer_separator} A2 {separator} ..."
    else:
        written, form = "questions", f"Q1 {separator} Q2 {separator} ..."
    data = ModelCardData(
        base_model=recipe["base"] if "/" in recipe["base"] else None,
        datasets=settings["dataset"] if "/" in (settings["dataset"] or "") else None,
        license=metadata["license"].lower() if metadata["license"] else None,  # the hub uses lower case
        library_name="transformers",
        tags=["question-generation", "qgbatch"],
    )
    duration = "max_steps" if settings["max_steps"] else "num_train_epochs"
    shown = ("max_source_length", "max_target_length", "learning_rate", duration, "group_by_length", "seed")
    rows = [(key, settings[key]) for key in shown]
    rows.append(("examples per step", recipe["identity"]["examples_per_step"]))
    rows += [(key, value) for key, value in recipe["devices"].items()]
    return f"""---
{data.to_yaml()}
---

# {name}

A T5 model that writes several {written} about a text at once (end-to-end, answer-agnostic question
generation): `{form}`. Trained by `qgbatch finetune` from {recipe["base"]}.

```sh
qgbatch run TEXTS -o questions.parquet --model {name}
```

The input is `{metadata["prefix"]}{{text}}{metadata["suffix"]}` and the tokenizer's end token, at most
{settings["max_source_length"]} tokens. `generation_config.json` contains the decoding settings.

## Metrics

{_table(recipe["metrics"].items())}

Losses are cross-entropies per target token in nats, averaged over batches. `train_loss` is the last value
in the log. `eval_loss` was measured on the validation data below, if there are any. `qgbatch evaluate`
measures the quality of the questions.

![Losses by step](losses.png)

## Training

{_table(rows)}

AdamW with a learning rate that decreases linearly to 0 at the planned end; {recipe["n_steps"]} steps.
`recipe.json` contains all settings, `training_log.jsonl` all losses.

| data | paragraphs | questions | sha256 |
|---|---|---|---|
{_data_rows(recipe["data"])}

{_table(recipe["surroundings"].items())}
"""


def draw_losses(history: Sequence[Mapping[str, float]], path: Path) -> None:
    """Plot the training and validation losses by step as a PNG file.

    Args:
        history: The entries of the training log.
        path: The file to write.

    Raises:
        OutputError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for key, label in (("loss", "training"), ("eval_loss", "validation")):
        points = [(entry["step"], entry[key]) for entry in history if key in entry]
        if points:
            axes.plot(*zip(*points, strict=True), label=label, marker=".")
    axes.set(xlabel="step", ylabel="loss, nats per token")
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend()
    with replace_file(path) as stream:
        figure.savefig(stream, format="png", dpi=120)


def _table(rows: Any) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {key} | {_show(value)} |" for key, value in rows)])


def _data_rows(data: Mapping[str, Mapping[str, Any]]) -> str:
    return "\n".join(
        f"| {split}: {facts['name']} | {facts['paragraphs']:,} | {facts['questions']:,} "
        f"| `{facts['sha256']}` |"
        for split, facts in data.items()
    )


def _show(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
