"""Every setting of a training run, with its unit, range and default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from qgbatch.errors import SettingsError
from qgbatch.settings import BaseSettings, setting

DEFAULT_BASE = "google/flan-t5-base"
Tracker = Literal["tensorboard", "wandb", "none"]


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(BaseSettings):
    """Settings of a training run; the defaults are the notebook's where it has one.

    An optimizer step uses ``per_device_train_batch_size * gradient_accumulation_steps``
    examples in total, on any number of devices.

    Raises:
        SettingsError: A value is out of range, or conflicts with another value.
    """

    base: str | None = setting(
        None,
        "Model",
        f"T5 model to start from: directory, hub id or built-in model.  [default: {DEFAULT_BASE}]",
        metavar="MODEL",
        common=True,
    )
    tokenizer: str | None = setting(
        None,
        "Model",
        "Directory or hub id of the tokenizer.  [default: that of --base, else t5-base]",
        metavar="DIR|ID",
    )
    init_from_scratch: str | None = setting(
        None,
        "Model",
        "T5 configuration (JSON file) of a new model with random weights, used instead of --base. Needs "
        "--tokenizer.",
        metavar="FILE",
    )
    train_file: str | None = setting(
        None,
        "Data",
        "Training data: SQuAD JSON (v1.1, v2.0), or JSONL or Parquet with the fields context and "
        "questions. JSON and JSONL may be compressed (.gz).",
        metavar="FILE",
        common=True,
    )
    validation_file: str | None = setting(
        None,
        "Data",
        "Validation data in the same formats, for the validation loss.",
        metavar="FILE",
        common=True,
    )
    dataset: str | None = setting(
        None,
        "Data",
        "Directory or hub id of a dataset with the splits train and validation, such as rajpurkar/squad; "
        "used instead of files.",
        metavar="DIR|ID",
        common=True,
    )
    keep_unanswerable: bool = setting(False, "Data", "Keep the unanswerable questions of SQuAD v2.0.")
    with_answers: bool = setting(
        False,
        "Data",
        "Train the model to write an answer after each question. Questions without an answer are skipped.",
        common=True,
    )
    max_source_length: int = setting(
        512,
        "Data",
        "Maximum length of a source text in tokens; longer ones are truncated.",
        metavar="TOKENS",
        minimum=8,
    )
    max_target_length: int = setting(
        64,
        "Data",
        "Maximum length in tokens of all questions of a paragraph; longer ones are truncated.",
        metavar="TOKENS",
        minimum=8,
    )
    learning_rate: float = setting(
        1e-4,
        "Training",
        "Initial learning rate of AdamW; decays linearly to 0.",
        metavar="RATE",
        minimum=0,
        common=True,
    )
    num_train_epochs: float = setting(
        7.0, "Training", "Number of epochs.", metavar="EPOCHS", minimum=0.01, common=True
    )
    max_steps: int | None = setting(
        None,
        "Training",
        "Maximum number of optimizer steps; overrides --num-train-epochs.",
        metavar="STEPS",
        minimum=1,
    )
    per_device_train_batch_size: int = setting(
        4, "Training", "Training batch size per device.", minimum=1, common=True
    )
    gradient_accumulation_steps: int = setting(
        16,
        "Training",
        "Number of batches per optimizer step, in total over all devices.",
        minimum=1,
        common=True,
    )
    per_device_eval_batch_size: int = setting(4, "Training", "Evaluation batch size per device.", minimum=1)
    group_by_length: bool = setting(
        True,
        "Training",
        "Sort the examples of each step by length. The steps stay the same and need less padding.",
    )
    bf16: bool | None = setting(
        None,
        "Training",
        "Compute in bfloat16 and keep the weights in float32.  [default: yes if the GPU supports it]",
        common=True,
    )
    early_stopping_patience: int | None = setting(
        None,
        "Training",
        "Number of evaluations without a lower validation loss after which training stops.  [default: no "
        "early stopping]",
        minimum=1,
    )
    seed: int = setting(
        42, "Training", "Random seed of the data order, of dropout and of new weights.", minimum=0
    )
    eval_steps: int = setting(
        100, "Tracking", "Number of steps between evaluations.", metavar="STEPS", minimum=1
    )
    logging_steps: int = setting(
        100, "Tracking", "Number of steps between log lines.", metavar="STEPS", minimum=1
    )
    save_steps: int = setting(
        500,
        "Tracking",
        "Number of steps between checkpoints. A new best checkpoint is always saved.",
        metavar="STEPS",
        minimum=1,
    )
    save_total_limit: int = setting(
        2,
        "Tracking",
        "Maximum number of checkpoints to keep, including the best and the last.",
        minimum=2,
    )
    report_to: Tracker = setting(
        "tensorboard",
        "Tracking",
        "Where to record the losses: tensorboard, wandb or none.",
        metavar="TRACKER",
    )
    resume: str = setting(
        "auto",
        "Output",
        "Checkpoint to resume from: a directory, auto (the newest complete checkpoint in the output "
        "directory) or never (delete the checkpoints and start again).",
        metavar="auto|DIR",
    )
    push_to_hub: bool = setting(False, "Output", "Publish the trained model on the hub.")
    hub_model_id: str | None = setting(
        None, "Output", "Repository on the hub.  [default: the name of the output directory]", metavar="ID"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.train_file or self.dataset):
            raise SettingsError(
                "No training data.",
                "Give --train-file FILE (and --validation-file FILE), or --dataset ID.",
            )
        if self.dataset and (self.train_file or self.validation_file):
            raise SettingsError(
                "--dataset cannot be combined with --train-file or --validation-file.",
                "Use either the dataset or the files.",
            )
        if self.init_from_scratch and self.base:
            raise SettingsError(
                "--base and --init-from-scratch cannot be combined.",
                "Use --base to continue a model, or --init-from-scratch for a new one.",
            )
        if self.init_from_scratch and not self.tokenizer:
            raise SettingsError(
                "--init-from-scratch needs --tokenizer, because a new model has no tokenizer.",
                "Add --tokenizer DIR, or --tokenizer ID for one on the hub.",
            )
        if self.early_stopping_patience and not (self.validation_file or self.dataset):
            raise SettingsError(
                "--early-stopping-patience needs validation data.", "Add --validation-file FILE."
            )

    @property
    def examples_per_step(self) -> int:
        """The effective batch size: the number of examples per optimizer step on all devices together."""
        return self.per_device_train_batch_size * self.gradient_accumulation_steps
