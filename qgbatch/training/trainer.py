"""transformers' Trainer with the notebook's loss, our order of examples, and whole checkpoints."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
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
from qgbatch.training.callbacks import Epochs, Log, OnProgress, SaveBest, StopEarly
from qgbatch.training.checkpoints import RECIPE, mark_incomplete, read_state
from qgbatch.training.examples import Example
from qgbatch.training.sampling import StepSampler
from qgbatch.training.settings import TrainingSettings

logger = logging.getLogger(__name__)


def make_arguments(
    settings: TrainingSettings, output_dir: Path, *, has_validation: bool
) -> TrainingArguments:
    """The Trainer's settings on this machine: the examples of a step are shared among its devices.

    Raises:
        SettingsError: they cannot be shared evenly, or bfloat16 is not to be had.
    """
    # Without torchrun the Trainer runs a replica on each GPU of the machine.
    n_devices = int(os.environ.get("WORLD_SIZE", max(1, torch.cuda.device_count())))
    accumulation, rest = divmod(settings.gradient_accumulation_steps, n_devices)
    if rest:
        raise SettingsError(
            f"--gradient-accumulation-steps {settings.gradient_accumulation_steps} cannot be shared "
            f"among {n_devices} devices.",
            f"Give a multiple of {n_devices}: it is their product with the batch size that counts.",
        )
    has_gpu = torch.cuda.is_available()
    has_bf16 = has_gpu and torch.cuda.is_bf16_supported(including_emulation=False)
    if settings.bf16 and has_gpu and not has_bf16:
        raise SettingsError("--bf16: this GPU has no bfloat16.", "Leave it out.")
    every = "steps" if has_validation else "no"
    arguments = TrainingArguments(
        output_dir=str(output_dir),
        run_name=output_dir.name,
        per_device_train_batch_size=settings.per_device_train_batch_size,
        per_device_eval_batch_size=settings.per_device_eval_batch_size,
        gradient_accumulation_steps=accumulation,
        learning_rate=settings.learning_rate,
        num_train_epochs=settings.num_train_epochs,
        max_steps=settings.max_steps or -1,
        use_cpu=not (has_gpu or torch.backends.mps.is_available()),  # unsaid, CPU processes do not join
        bf16=has_bf16 if settings.bf16 is None else settings.bf16,
        seed=settings.seed,
        eval_strategy=every,
        eval_steps=settings.eval_steps,
        logging_steps=settings.logging_steps,
        logging_nan_inf_filter=False,  # else a training that overflows logs a loss of 0
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
    on_all = arguments.train_batch_size * accumulation * arguments.world_size
    if on_all != settings.examples_per_step:
        raise SettingsError(
            f"A step would be {on_all} examples, not {settings.examples_per_step}: "
            f"WORLD_SIZE is {n_devices}, but each process sees {arguments.n_gpu} GPUs.",
            "Start with torchrun, or unset WORLD_SIZE.",
        )
    return arguments


class QuestionTrainer(Trainer):
    """Trains in the order of a :class:`StepSampler`; each checkpoint is a model directory."""

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
        # T5 takes any keyword and ignores the number of tokens in a step, from which the Trainer
        # concludes that it divides its loss by it. It does not: without this line losses and
        # gradients come out `gradient_accumulation_steps` times too large.
        self.model_accepts_loss_kwargs = False
        self._examples = cast("Dataset[Example]", examples)
        self._sampler = StepSampler(
            [(len(example["input_ids"]), len(example["labels"])) for example in examples],
            settings.examples_per_step,
            settings.seed,
            group_by_length=settings.group_by_length,
        )
        self._model_files = {
            METADATA: asdict(replace(base.metadata, max_source_tokens=settings.max_source_length)),
            RECIPE: recipe,
        }
        self.remove_callback(PrinterCallback)
        self.add_callback(Epochs(self._sampler))
        self.add_callback(Log(Path(str(arguments.output_dir)), on_progress))
        if validation:
            self.add_callback(SaveBest())
        if settings.early_stopping_patience:
            self.add_callback(StopEarly(settings.early_stopping_patience))
        per_epoch = math.ceil(len(self._sampler) / settings.examples_per_step)
        self.n_steps = settings.max_steps or math.ceil(settings.num_train_epochs * per_epoch)
        """Steps of the whole training, if it does not stop early."""

    def get_train_dataloader(self) -> DataLoader[Example]:
        """Batches of a device, in the sampler's order, dealt to the devices in turn."""
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
        """Write the model and its metadata, as a directory that ``qgbatch run --model`` takes."""
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
        except Exception as error:  # a full disk is another error in each of the libraries that write
            if self.args.should_save and not read_state(checkpoint):
                shutil.rmtree(checkpoint, ignore_errors=True)
            raise OutputError(
                f"{checkpoint}: the checkpoint cannot be written ({str(error).partition(chr(10))[0]}).",
                "Check the rights and the free space there; the same command goes on from the one before.",
            ) from error

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        with _loading(resume_from_checkpoint):
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        with _loading(checkpoint):
            super()._load_optimizer_and_scheduler(checkpoint)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        with _loading(checkpoint):
            super()._load_rng_state(checkpoint)


@contextmanager
def _loading(checkpoint: str | None) -> Iterator[None]:
    """Tell of a damaged checkpoint in our terms."""
    try:
        yield
    except Exception as error:  # damaged files raise whatever their parser raises
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ModelError(
            f"{checkpoint}: the checkpoint cannot be loaded ({reason}).",
            "Remove it to go on from the one before, or give another with --resume.",
        ) from error
