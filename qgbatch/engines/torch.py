"""The model in PyTorch: exactly what transformers' ``generate`` gives."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import AutoModelForSeq2SeqLM, GenerationConfig, LogitsProcessor

from qgbatch.engines import SpecialIds, to_generation
from qgbatch.errors import DocumentError, ModelError, SettingsError
from qgbatch.models import ModelFiles
from qgbatch.records import Chunk, Generation
from qgbatch.settings import Decoding, Dtype

logger = logging.getLogger(__name__)

SplitBatches = Callable[[Sequence[int]], list[list[int]]]
"""Lengths of inputs -> batches of their indices."""


def find_device(name: str) -> str:
    """Turn ``auto`` into the best device here, and check a given one.

    Raises:
        SettingsError: there is no such device.
    """
    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return "cuda" if has_cuda else "mps" if has_mps else "cpu"
    kind, _, index = name.partition(":")
    known = {"cpu": not index, "mps": has_mps and not index, "cuda": has_cuda}
    if kind not in known or (index and not index.isdecimal()):
        raise SettingsError(f"--device {name}: not known.", "Give auto, cpu, cuda, cuda:N or mps.")
    if not known[kind] or (index and int(index) >= torch.cuda.device_count()):
        raise SettingsError(f"--device {name}: not on this machine.", "Use --device auto.")
    return name


def load_weights(model: ModelFiles, dtype: torch.dtype) -> Any:
    """Load a checkpoint on the CPU; weights that it lacks are an error, not random numbers.

    ``.bin`` files are read without running what they hold (``weights_only``).

    Raises:
        ModelError: the weights are damaged or incomplete.
    """
    try:
        weights: Any
        weights, info = AutoModelForSeq2SeqLM.from_pretrained(
            model.directory,
            dtype=dtype,
            local_files_only=True,
            trust_remote_code=False,
            weights_only=True,
            output_loading_info=True,
        )
    except Exception as error:  # damaged files raise whatever their parser raises
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"{model.name}: the weights in {model.directory} cannot be loaded ({reason}).",
            "Get the checkpoint again.",
        ) from error
    if info["missing_keys"]:
        raise ModelError(
            f"{model.name}: the weights in {model.directory} lack {min(info['missing_keys'])} "
            f"and {len(info['missing_keys']) - 1} more.",
            "Get the checkpoint again.",
        )
    return weights.eval()


class TorchEngine:
    """Length-sorted batches through ``generate``; a batch that does not fit is halved."""

    name = "torch"

    def __init__(
        self,
        model: ModelFiles,
        decoding: Decoding,
        special: SpecialIds,
        device: str,
        dtype: Dtype,
        split_batches: SplitBatches,
    ) -> None:
        self.device = device
        self.precision = _choose_precision(dtype, device)
        self._decoding = decoding
        self._special = special
        self._split_batches = split_batches
        self._model = load_weights(model, getattr(torch, self.precision)).to(device)
        # The model's own settings are in `decoding` already; nothing else of them is to act.
        self._model.generation_config = GenerationConfig(
            num_beams=decoding.num_beams,
            max_new_tokens=decoding.max_new_tokens,
            length_penalty=decoding.length_penalty if decoding.num_beams > 1 else None,
            no_repeat_ngram_size=decoding.no_repeat_ngram_size,
            early_stopping=decoding.early_stopping if decoding.num_beams > 1 else None,
            do_sample=False,
            decoder_start_token_id=_start_token(self._model.config, special),
            pad_token_id=special.pad,
            eos_token_id=special.eos,
            return_dict_in_generate=True,
            output_scores=True if decoding.num_beams > 1 else None,
        )

    def generate(self, chunks: Sequence[Chunk]) -> list[Generation]:
        """One generation per chunk, in the same order.

        Raises:
            DocumentError: a single chunk does not fit into the device's memory.
        """
        generations: dict[int, Generation] = {}
        for batch in self._split_batches([len(chunk.input_ids) for chunk in chunks]):
            rows = [chunks[index] for index in batch]
            generations.update(zip(batch, self._generate_halving(rows), strict=True))
        return [generations[index] for index in range(len(chunks))]

    def _generate_halving(self, rows: Sequence[Chunk]) -> list[Generation]:
        try:
            return self._generate_batch([row.input_ids for row in rows])
        except torch.OutOfMemoryError as error:
            if len(rows) == 1:
                raise DocumentError(
                    f"{rows[0].document.source}: a chunk of {len(rows[0].input_ids)} tokens does not "
                    f"fit into the memory of {self.device}.",
                    "Lower --max-tokens or --num-beams.",
                ) from error
        # Out of the handler, so that the failed attempt's tensors are free.
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()
        half = len(rows) // 2
        logger.warning("Out of memory with %d rows: going on with %d.", len(rows), half)
        return self._generate_halving(rows[:half]) + self._generate_halving(rows[half:])

    def _generate_batch(self, inputs: Sequence[tuple[int, ...]]) -> list[Generation]:
        input_ids, attention_mask = self._pad(inputs)
        greedy = _GreedyLogProbabilities()
        is_greedy = self._decoding.num_beams == 1
        output = self._model.generate(
            input_ids=input_ids,
            attention_mask=attention_mask,
            logits_processor=[greedy] if is_greedy else None,
        )
        # (rows, new tokens), int64: without the start token
        sequences = [self._trim(row) for row in output.sequences[:, 1:].tolist()]
        if is_greedy:
            sums = greedy.sums([len(ids) for ids in sequences])
        else:
            power = self._decoding.length_penalty
            scores = output.sequences_scores.tolist()
            sums = [score * len(ids) ** power for score, ids in zip(scores, sequences, strict=True)]
        return [to_generation(ids, s, self._special) for ids, s in zip(sequences, sums, strict=True)]

    def _pad(self, inputs: Sequence[tuple[int, ...]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Two tensors (rows, longest), int64: ids padded on the right, and 1 where they are ids."""
        longest = max(map(len, inputs))
        ids = [[*row, *[self._special.pad] * (longest - len(row))] for row in inputs]
        mask = [[1] * len(row) + [0] * (longest - len(row)) for row in inputs]
        return torch.tensor(ids, device=self.device), torch.tensor(mask, device=self.device)

    def _trim(self, ids: list[int]) -> list[int]:
        """The ids up to the end token; all of them where the model was cut off."""
        return ids[: ids.index(self._special.eos) + 1] if self._special.eos in ids else ids


class _GreedyLogProbabilities(LogitsProcessor):
    """Notes the log-probability of the best token at each step, and changes nothing.

    It comes after the n-gram ban, so these are probabilities among the allowed tokens,
    as they are in CTranslate2.
    """

    def __init__(self) -> None:
        self._steps: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self._steps.append(scores.log_softmax(-1).amax(-1))
        return scores

    def sums(self, lengths: Sequence[int]) -> list[float]:
        """Sum over the first ``length`` steps of each row."""
        steps = torch.stack(self._steps, dim=1).tolist()  # rows x steps
        return [sum(row[:length]) for row, length in zip(steps, lengths, strict=True)]


def _start_token(config: Any, special: SpecialIds) -> int:
    """T5 starts with the pad token where its configuration says nothing else."""
    start = getattr(config, "decoder_start_token_id", None)
    return special.pad if start is None else int(start)


def _choose_precision(dtype: Dtype, device: str) -> str:
    if dtype != "auto":
        return dtype
    has_bfloat16 = device.startswith("cuda") and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if has_bfloat16 else "float32"
