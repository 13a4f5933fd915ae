"""Every knob of a training, and where its default comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from qgbatch.errors import SettingsError
from qgbatch.settings import Validated, setting

Tracker = Literal["tensorboard", "wandb", "none"]


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(Validated):
    """A training; the defaults are the notebook's where it has one.

    The batch of a step is ``per_device_train_batch_size * gradient_accumulation_steps``
    examples on however many devices.

    Raises:
        SettingsError: a value is out of its range, or two are at odds.
    """

    base: str = setting(
        "google/flan-t5-base",
        "Model",
        "T5 to start from: a directory, hub id or embedded name.",
        metavar="MODEL",
    )
    tokenizer: str | None = setting(
        None,
        "Model",
        "Tokenizer, a directory or hub id.  [default: the base's own, else t5-base]",
        metavar="DIR|ID",
    )
    init_from_scratch: str | None = setting(
        None,
        "Model",
        "T5 configuration (JSON file) of a new model with random weights, instead of a base.",
        metavar="FILE",
    )
    train_file: str | None = setting(
        None,
        "Data",
        "SQuAD JSON (v1.1, v2.0), or JSONL or Parquet with context and questions; JSON also as .gz.",
        metavar="FILE",
    )
    validation_file: str | None = setting(
        None, "Data", "The same, to measure the loss on while training.", metavar="FILE"
    )
    dataset: str | None = setting(
        None,
        "Data",
        "Hub id or directory with splits train and validation, such as rajpurkar/squad.",
        metavar="DIR|ID",
    )
    keep_unanswerable: bool = setting(False, "Data", "Keep the unanswerable questions of SQuAD v2.0.")
    max_source_length: int = setting(
        512, "Data", "Tokens of a source; longer ones are cut.", metavar="TOKENS", low=8
    )
    max_target_length: int = setting(
        64, "Data", "Tokens of all questions of a paragraph.", metavar="TOKENS", low=8
    )
    learning_rate: float = setting(
        1e-4, "Training", "Of AdamW at its start; falls linearly to 0.", metavar="RATE", low=0
    )
    num_train_epochs: float = setting(7.0, "Training", "Passes over the data.", metavar="EPOCHS", low=0.01)
    max_steps: int | None = setting(None, "Training", "Steps, instead of epochs.", metavar="STEPS", low=1)
    per_device_train_batch_size: int = setting(4, "Training", "Examples per device and batch.", low=1)
    gradient_accumulation_steps: int = setting(
        16, "Training", "Times that many examples make the batch of a step; shared among devices.", low=1
    )
    per_device_eval_batch_size: int = setting(4, "Training", "The same for measuring the loss.", low=1)
    group_by_length: bool = setting(
        True, "Training", "Sort the examples of a step by length: the same steps with less padding."
    )
    bf16: bool | None = setting(
        None, "Training", "Compute in bfloat16; weights stay in float32.  [default: where the GPU has it]"
    )
    early_stopping_patience: int | None = setting(
        None, "Training", "Stop after so many evaluations without a better loss.  [default: never]", low=1
    )
    seed: int = setting(42, "Training", "Of the order of examples, dropout and new weights.", low=0)
    eval_steps: int = setting(100, "Tracking", "Steps between evaluations.", metavar="STEPS", low=1)
    logging_steps: int = setting(100, "Tracking", "Steps between log lines.", metavar="STEPS", low=1)
    save_steps: int = setting(
        500, "Tracking", "Steps between checkpoints; each best one is saved too.", metavar="STEPS", low=1
    )
    save_total_limit: int = setting(
        2, "Tracking", "Checkpoints to keep, the best and the last among them.", low=2
    )
    report_to: Tracker = setting(
        "tensorboard",
        "Tracking",
        "Where losses are recorded besides the log: tensorboard, wandb or none.",
        metavar="TRACKER",
    )
    resume: str = setting(
        "auto",
        "Output",
        "auto goes on from the newest whole checkpoint in the output directory, never starts anew and "
        "removes them; or a checkpoint's path.",
        metavar="auto|DIR",
    )
    push_to_hub: bool = setting(False, "Output", "Publish the model on the hub when it is done.")
    hub_model_id: str | None = setting(
        None, "Output", "Where.  [default: the output directory's name]", metavar="ID"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.train_file or self.dataset):
            raise SettingsError(
                "No data to train on.",
                "Give --train-file FILE (and --validation-file FILE), or --dataset ID.",
            )
        if self.dataset and (self.train_file or self.validation_file):
            raise SettingsError("--dataset comes with its own splits.", "Give it, or files, not both.")
        if self.init_from_scratch and not self.tokenizer:
            raise SettingsError("--init-from-scratch: a new model has no tokenizer.", "Give --tokenizer.")
        if self.early_stopping_patience and not (self.validation_file or self.dataset):
            raise SettingsError(
                "--early-stopping-patience watches the validation loss.", "Give --validation-file."
            )

    @property
    def examples_per_step(self) -> int:
        """The effective batch: examples that a step learns from, on all devices together."""
        return self.per_device_train_batch_size * self.gradient_accumulation_steps
