"""The Trainer of transformers with qgbatch's loss, order of examples and checkpoint format."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch.utils.data import DataLoader, Dataset
from transformers import (
    DataCollatorForSeq2Seq,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

from qgbatch.errors import ModelError, OutputError, SettingsError
from qgbatch.models.checkpoint import METADATA
from qgbatch.training.base import Base
from qgbatch.training.callbacks import (
    EarlyStoppingCallback,
    EpochCallback,
    LogCallback,
    OnProgress,
    SaveBestCallback,
)
from qgbatch.training.checkpoints import RECIPE, mark_incomplete, read_state
from qgbatch.training.examples import Example
from qgbatch.training.metadata import metadata_fields
from qgbatch.training.sampling import StepSampler
from qgbatch.training.settings import TrainingSettings

logger = logging.getLogger(__name__)


def make_arguments(
    settings: TrainingSettings, output_dir: Path, *, has_validation: bool
) -> TrainingArguments:
    """Create the arguments of the Trainer; the examples of a step are divided among all devices.

    Args:
        settings: The settings of the training.
        output_dir: The output directory.
        has_validation: Whether there are validation data, so that checkpoints can be compared.

    Raises:
        SettingsError: The examples cannot be divided evenly, or the GPU does not support bfloat16.
    """
    # Without torchrun, the Trainer runs a replica on each GPU of the machine.
    n_devices = int(os.environ.get("WORLD_SIZE", max(1, torch.cuda.device_count())))
    has_gpu = torch.cuda.is_available()
    evaluation = "steps" if has_validation else "no"
    arguments = TrainingArguments(
        output_dir=str(output_dir),
        run_name=output_dir.name,
        per_device_train_batch_size=settings.per_device_train_batch_size,
        per_device_eval_batch_size=settings.per_device_eval_batch_size,
        gradient_accumulation_steps=_accumulation_per_device(settings, n_devices),
        learning_rate=settings.learning_rate,
        num_train_epochs=settings.num_train_epochs,
        max_steps=settings.max_steps or -1,
        use_cpu=not (has_gpu or torch.backends.mps.is_available()),  # else CPU processes form no group
        bf16=_use_bf16(settings),
        seed=settings.seed,
        eval_strategy=evaluation,
        eval_steps=settings.eval_steps,
        logging_steps=settings.logging_steps,
        logging_nan_inf_filter=False,  # with it, an overflow is logged as a loss of 0
        save_steps=settings.save_steps,
        save_total_limit=settings.save_total_limit,
        metric_for_best_model="eval_loss" if has_validation else None,
        greater_is_better=False,
        report_to=settings.report_to,
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=has_gpu,
        ddp_find_unused_parameters=False,
        log_level_replica="error",
    )
    n_batches = arguments.gradient_accumulation_steps * arguments.world_size
    n_examples = arguments.train_batch_size * n_batches
    if n_examples != settings.examples_per_step:
        raise SettingsError(
            f"A step would have {n_examples} examples instead of {settings.examples_per_step}: "
            f"WORLD_SIZE is {n_devices}, but each process uses {arguments.n_gpu} GPUs.",
            "Start the training with torchrun, or unset WORLD_SIZE.",
        )
    return arguments


def _accumulation_per_device(settings: TrainingSettings, n_devices: int) -> int:
    """The number of batches per step on each device."""
    accumulation, rest = divmod(settings.gradient_accumulation_steps, n_devices)
    if rest:
        raise SettingsError(
            f"--gradient-accumulation-steps {settings.gradient_accumulation_steps} is not a multiple of "
            f"the number of devices, {n_devices}.",
            f"Use a multiple of {n_devices}. The effective batch size is this number times the batch size.",
        )
    return accumulation


def _use_bf16(settings: TrainingSettings) -> bool:
    """Whether to compute in bfloat16: as set, or if the GPU supports it."""
    has_gpu = torch.cuda.is_available()
    has_bf16 = has_gpu and torch.cuda.is_bf16_supported(including_emulation=False)
    if settings.bf16 and has_gpu and not has_bf16:
        raise SettingsError("--bf16: this GPU does not support bfloat16.", "Omit the option.")
    return has_bf16 if settings.bf16 is None else settings.bf16


class QuestionTrainer(Trainer):
    """A Trainer that takes examples in the order of :class:`StepSampler` and saves model directories."""

    def __init__(
        self,
        base: Base,
        arguments: TrainingArguments,
        settings: TrainingSettings,
        examples: list[Example],
        validation: list[Example] | None,
        recipe: Mapping[str, Any],
        on_progress: OnProgress | None,
    ) -> None:
        super().__init__(
            model=base.weights,
            args=arguments,
            data_collator=DataCollatorForSeq2Seq(base.tokenizer.hf_tokenizer, padding=True),
            train_dataset=examples,
            eval_dataset=validation,
            processing_class=base.tokenizer.hf_tokenizer,
        )
        # T5's forward method accepts any keyword, so the Trainer assumes that T5 divides its loss by the
        # number of tokens in a step. It does not: without this line, losses and gradients would be
        # `gradient_accumulation_steps` times too large.
        self.model_accepts_loss_kwargs = False
        self._examples = cast("Dataset[Example]", examples)
        self._sampler = StepSampler(
            [(len(example["input_ids"]), len(example["labels"])) for example in examples],
            settings.examples_per_step,
            settings.seed,
            group_by_length=settings.group_by_length,
        )
        self._model_files = {
            METADATA: metadata_fields(replace(base.metadata, max_source_tokens=settings.max_source_length)),
            RECIPE: recipe,
        }
        self.remove_callback(PrinterCallback)
        self.add_callback(EpochCallback(self._sampler))
        self.add_callback(LogCallback(Path(str(arguments.output_dir)), on_progress))
        if validation:
            self.add_callback(SaveBestCallback())
        if settings.early_stopping_patience:
            self.add_callback(EarlyStoppingCallback(settings.early_stopping_patience))
        steps_per_epoch = math.ceil(len(self._sampler) / settings.examples_per_step)
        self.n_steps = settings.max_steps or math.ceil(settings.num_train_epochs * steps_per_epoch)
        """Number of steps of the whole training without early stopping."""

    def get_train_dataloader(self) -> DataLoader[Example]:
        """Return the batches of this process, in the order of the sampler."""
        loader: DataLoader[Example] = DataLoader(
            self._examples,
            batch_size=self._train_batch_size,
            sampler=self._sampler,
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory,
        )
        prepared: DataLoader[Example] = self.accelerator.prepare(loader)
        return prepared

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the model and its metadata as a directory for ``qgbatch run --model``."""
        super().save_model(output_dir, _internal_call)
        if self.args.should_save:
            for name, values in self._model_files.items():
                text = json.dumps(values, ensure_ascii=False, indent=2) + "\n"
                Path(output_dir or str(self.args.output_dir), name).write_text(text, encoding="utf-8")

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        checkpoint = Path(str(self.args.output_dir), f"checkpoint-{self.state.global_step}")
        try:
            if self.args.should_save:
                mark_incomplete(checkpoint)
            super()._save_checkpoint(*args, **kwargs)
        except Exception as error:  # each library raises its own error on a full disk
            if self.args.should_save and not read_state(checkpoint):
                shutil.rmtree(checkpoint, ignore_errors=True)
            raise OutputError(
                f"{checkpoint}: the checkpoint cannot be written ({str(error).partition(chr(10))[0]}).",
                "Check the permissions and the free space there. The same command resumes the training.",
            ) from error

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        with _damage_as_model_error(resume_from_checkpoint):
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        with _damage_as_model_error(checkpoint):
            super()._load_optimizer_and_scheduler(checkpoint)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        with _damage_as_model_error(checkpoint):
            super()._load_rng_state(checkpoint)


@contextmanager
def _damage_as_model_error(checkpoint: str | None) -> Iterator[None]:
    """Turn errors from a damaged checkpoint into a :class:`ModelError`."""
    try:
        yield
    except Exception as error:  # damaged files can raise anything
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ModelError(
            f"{checkpoint}: the checkpoint cannot be loaded ({reason}).",
            "Remove it to resume from the previous checkpoint, or name another with --resume.",
        ) from error
