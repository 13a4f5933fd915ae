"""The model in PyTorch: exactly what transformers' ``generate`` gives, but for draws of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import torch
from transformers import (
    AutoModelForSeq2SeqLM,
    DynamicCache,
    EncoderDecoderCache,
    GenerationConfig,
    LogitsProcessor,
)
from transformers.modeling_outputs import BaseModelOutput

from qgbatch.engines.base import Batch, EngineChoice, SpecialIds, merge_generations, to_generation
from qgbatch.engines.batching import BatchBudget
from qgbatch.engines.memory import batch_room
from qgbatch.engines.sampling import SeededSampling
from qgbatch.errors import ModelError
from qgbatch.models.checkpoint import ModelFiles
from qgbatch.records import Generation
from qgbatch.settings import Decoding

logger = logging.getLogger(__name__)

Row = TypeVar("Row")
Result = TypeVar("Result")


def load_weights(model: ModelFiles, dtype: torch.dtype) -> Any:
    """Load a T5 on the CPU, as :func:`load_checkpoint` does."""
    return load_checkpoint(AutoModelForSeq2SeqLM, model.name, model.directory, dtype)


def load_checkpoint(kind: Any, name: str, directory: Path, dtype: torch.dtype) -> Any:
    """Load a checkpoint on the CPU; weights that it lacks are an error, not random numbers.

    ``kind`` is one of transformers' AutoModel classes. ``.bin`` files are read without
    running what they hold (``weights_only``).

    Raises:
        ModelError: the weights are damaged or incomplete.
    """
    try:
        weights: Any
        weights, info = kind.from_pretrained(
            directory,
            dtype=dtype,
            local_files_only=True,
            trust_remote_code=False,
            weights_only=True,
            output_loading_info=True,
        )
    except Exception as error:  # damaged files raise whatever their parser raises
        if type(error).__name__ == "UnpicklingError":  # torch would advise to run it
            raise ModelError(
                f"{name}: the weights in {directory} hold more than weights.",
                "qgbatch runs no code of a checkpoint: get it as safetensors.",
            ) from error
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"{name}: the weights in {directory} cannot be loaded ({reason}).",
            "Get the checkpoint again.",
        ) from error
    if info["missing_keys"]:
        raise ModelError(
            f"{name}: the weights in {directory} lack {min(info['missing_keys'])} "
            f"and {len(info['missing_keys']) - 1} more.",
            "Get the checkpoint again.",
        )
    return weights.eval()


def run_halving(
    run: Callable[[Sequence[Row]], list[Result]], batch: Sequence[Row], device: str
) -> list[Result | None]:
    """Run a batch, in halves where memory runs out; ``None`` for a row that does not fit alone."""
    try:
        return [*run(batch)]
    except torch.OutOfMemoryError:
        if len(batch) == 1:
            return [None]
    # Out of the handler, so that the failed attempt's tensors are free.
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    half = len(batch) // 2
    logger.warning("Out of memory with %d rows: going on with %d.", len(batch), half)
    return run_halving(run, batch[:half], device) + run_halving(run, batch[half:], device)


class TorchEngine:
    """Padded batches through ``generate``; a batch that does not fit is halved."""

    def __init__(
        self, choice: EngineChoice, model: ModelFiles, decoding: Decoding, special: SpecialIds
    ) -> None:
        self._device = choice.device
        self._max_tokens = model.metadata.max_source_tokens
        self._decoding = decoding
        self._special = special
        self._bans = (
            [NoRepeatNGrams(decoding.no_repeat_ngram_size)] if decoding.no_repeat_ngram_size else []
        )
        self._model = load_weights(model, getattr(torch, choice.precision)).to(choice.device)
        # The model's own settings are in `decoding` already; nothing else of them is to act.
        self._model.generation_config = GenerationConfig(
            num_beams=decoding.num_beams,
            max_new_tokens=decoding.max_new_tokens,
            length_penalty=decoding.length_penalty if decoding.num_beams > 1 else None,
            early_stopping=decoding.early_stopping if decoding.num_beams > 1 else None,
            do_sample=False,
            decoder_start_token_id=_start_token(self._model.config, special),
            pad_token_id=special.pad,
            eos_token_id=special.eos,
            return_dict_in_generate=True,
            output_scores=True if decoding.num_beams > 1 else None,
        )

    @cached_property
    def budget(self) -> BatchBudget:
        """What a batch may hold: on a GPU by the memory that was free with the weights loaded."""
        if not self._device.startswith("cuda"):
            return BatchBudget()
        torch.cuda.empty_cache()
        free_bytes, _ = torch.cuda.mem_get_info(self._device)
        return batch_room(
            free_bytes, self._model.config, self._decoding, self._max_tokens, self._model.dtype.itemsize
        )

    def generate(self, batches: Iterable[Batch]) -> Iterator[list[Generation | None]]:
        """Yield the generations of each batch, in order; ``None`` for a row that does not fit alone."""
        for batch in batches:
            yield run_halving(self._generate_batch, batch, self._device) if batch else []

    def _generate_batch(self, batch: Batch) -> list[Generation]:
        if self._decoding.do_sample:
            return self._sample_batch(batch)
        input_ids, attention_mask = self._pad(batch)
        greedy = _GreedyLogProbabilities()
        is_greedy = self._decoding.num_beams == 1
        output = self._model.generate(
            input_ids=input_ids,
            attention_mask=attention_mask,
            past_key_values=EncoderDecoderCache(DynamicCache(), _SharedByBeams()),
            logits_processor=[*self._bans, *([greedy] if is_greedy else [])],
        )
        sequences = self._sequences(output)
        if is_greedy:
            sums = greedy.sums([len(ids) for ids in sequences])
        else:
            power = self._decoding.length_penalty
            scores = output.sequences_scores.tolist()
            sums = [score * len(ids) ** power for score, ids in zip(scores, sequences, strict=True)]
        return [to_generation(ids, s, self._special) for ids, s in zip(sequences, sums, strict=True)]

    @torch.inference_mode()
    def _sample_batch(self, batch: Batch) -> list[Generation]:
        """Several outputs of each row, as one generation; the rows are encoded once."""
        n_outputs = self._decoding.num_return_sequences
        input_ids, attention_mask = self._pad(batch)
        encoded = self._model.get_encoder()(input_ids=input_ids, attention_mask=attention_mask)
        states = encoded.last_hidden_state.repeat_interleave(n_outputs, dim=0)
        sampling = SeededSampling(self._decoding, batch)
        output = self._model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=attention_mask.repeat_interleave(n_outputs, dim=0),
            logits_processor=[*self._bans, sampling],
        )
        sequences = self._sequences(output)
        sums = sampling.sums([len(ids) for ids in sequences])
        outputs = [to_generation(ids, s, self._special) for ids, s in zip(sequences, sums, strict=True)]
        return [
            merge_generations(outputs[start : start + n_outputs])
            for start in range(0, len(outputs), n_outputs)
        ]

    def _sequences(self, output: Any) -> list[list[int]]:
        """Ids of each output without the start token."""
        return [self._trim(row) for row in output.sequences[:, 1:].tolist()]

    def _pad(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Two tensors (rows, longest), int64: ids padded on the right, and 1 where they are ids."""
        longest = max(map(len, batch))
        ids = [[*row, *[self._special.pad] * (longest - len(row))] for row in batch]
        mask = [[1] * len(row) + [0] * (longest - len(row)) for row in batch]
        return torch.tensor(ids, device=self._device), torch.tensor(mask, device=self._device)

    def _trim(self, ids: list[int]) -> list[int]:
        """The ids up to the end token; all of them where the model was cut off."""
        return ids[: ids.index(self._special.eos) + 1] if self._special.eos in ids else ids


class NoRepeatNGrams(LogitsProcessor):
    """Forbids each token that would repeat an n-gram of its output.

    The same as transformers' ``NoRepeatNGramLogitsProcessor``, which looks at one row after
    the other on the host: here all rows are looked at together, where they are.
    """

    def __init__(self, ngram_size: int) -> None:
        self._size = ngram_size

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """``input_ids`` (rows, length), int64, and ``scores`` (rows, vocabulary), float."""
        if input_ids.shape[1] < self._size:
            return scores
        ngrams = input_ids.unfold(1, self._size, 1)  # rows, length - size + 1, size
        last = input_ids[:, input_ids.shape[1] - self._size + 1 :]
        begins_alike = (ngrams[:, :, :-1] == last[:, None]).all(-1)
        bans = torch.zeros_like(ngrams[:, :, -1], dtype=scores.dtype).masked_fill(begins_alike, -torch.inf)
        return scores.scatter_add(1, ngrams[:, :, -1], bans)


class _SharedByBeams(DynamicCache):
    """Keys and values of the encoder, which are the same for all beams of a row.

    transformers would copy them at each step to follow the beams: the most of what a step moves.
    """

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        """Do nothing: a beam goes on from one of its own row."""


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
