"""The PyTorch engine, which gives the same outputs as ``generate`` of transformers.

Only sampling differs: see :mod:`qgbatch.engines.sampling`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from threading import Lock
from typing import Any

import torch
from transformers import (
    DynamicCache,
    EncoderDecoderCache,
    GenerationConfig,
)
from transformers.modeling_outputs import BaseModelOutput

from qgbatch.engines.base import (
    Batch,
    EngineChoice,
    Piece,
    SpecialIds,
    check_numbers,
    find_new_pairs,
    make_generation,
    merge_generations,
    with_pair_scores,
    with_recorded_scores,
)
from qgbatch.engines.batching import BatchBudget
from qgbatch.engines.halving import run_with_halving
from qgbatch.engines.logits import GreedyLogProbabilities, NGramRepetitionFilter
from qgbatch.engines.memory import budget_for_memory
from qgbatch.engines.padding import pad_rows
from qgbatch.engines.sampling import SeededSampling
from qgbatch.engines.weights import load_weights
from qgbatch.models.checkpoint import ModelFiles
from qgbatch.records import Generation, InputIds, PairScore
from qgbatch.settings import Decoding

logger = logging.getLogger(__name__)

_OUTPUTS_PER_CALL = 8
"""Outputs that are scored together; bounds the memory for the logits."""


class TorchEngine:
    """Generates with transformers' ``generate``; halves a batch that does not fit into memory."""

    def __init__(
        self, choice: EngineChoice, model: ModelFiles, decoding: Decoding, special: SpecialIds
    ) -> None:
        self._computing = Lock()  # threads may share an engine; its memory is planned for one batch
        self._name = model.name
        self._device = choice.device
        self._max_tokens = model.metadata.max_source_tokens
        self._decoding = decoding
        logger.debug("PyTorch %s, threads: %d", torch.__version__, torch.get_num_threads())
        self._special = special
        size = decoding.no_repeat_ngram_size
        self._ngram_filters = [NGramRepetitionFilter(size)] if size else []
        self._model = load_weights(model, getattr(torch, choice.precision)).to(choice.device)
        # `decoding` already includes the checkpoint's settings; this replaces all of them.
        self._model.generation_config = GenerationConfig(
            num_beams=decoding.num_beams,
            max_new_tokens=decoding.max_new_tokens,
            length_penalty=decoding.length_penalty if decoding.num_beams > 1 else None,
            early_stopping=decoding.early_stopping if decoding.num_beams > 1 else None,
            do_sample=False,
            num_return_sequences=decoding.num_return_sequences if not decoding.do_sample else None,
            decoder_start_token_id=_start_token(self._model.config, special),
            pad_token_id=special.pad,
            eos_token_id=special.eos,
            return_dict_in_generate=True,
            output_scores=True if decoding.num_beams > 1 else None,
        )

    @cached_property
    def budget(self) -> BatchBudget:
        """On a GPU, the batch size that fits into the memory that is free after loading the weights."""
        if not self._device.startswith("cuda"):
            return BatchBudget()
        torch.cuda.empty_cache()
        free_bytes, _ = torch.cuda.mem_get_info(self._device)
        return budget_for_memory(
            free_bytes, self._model.config, self._decoding, self._max_tokens, self._model.dtype.itemsize
        )

    def generate(self, batches: Iterable[Batch]) -> Iterator[list[Generation | None]]:
        """Yield the generations of each batch, in order; ``None`` for a row that exceeds the memory."""
        for batch in batches:
            if not batch:
                yield []
                continue
            with self._computing:
                generations = run_with_halving(self._generate_batch, batch, torch.cuda.empty_cache)
            yield generations

    def _generate_batch(self, batch: Batch) -> list[Generation]:
        if self._decoding.do_sample:
            return self._sample_batch(batch)
        input_ids, attention_mask = self.pad(batch)
        greedy = GreedyLogProbabilities()
        is_greedy = self._decoding.num_beams == 1
        output = self._model.generate(
            input_ids=input_ids,
            attention_mask=attention_mask,
            past_key_values=EncoderDecoderCache(DynamicCache(), _SharedCrossAttentionCache()),
            logits_processor=[*self._ngram_filters, *([greedy] if is_greedy else [])],
        )
        sequences = self._sequences(output)
        if is_greedy:
            steps = greedy.log_probabilities([len(ids) for ids in sequences])
            return self._make_generations(batch, sequences, [sum(row) for row in steps], steps)
        power = self._decoding.length_penalty
        scores = output.sequences_scores.tolist()
        sums = [score * len(ids) ** power for score, ids in zip(scores, sequences, strict=True)]
        return self._make_generations(batch, sequences, sums)

    @torch.inference_mode()
    def _sample_batch(self, batch: Batch) -> list[Generation]:
        """Sample several outputs for each row and merge them; each row is encoded once."""
        n_outputs = self._decoding.num_return_sequences
        input_ids, attention_mask = self.pad(batch)
        encoded = self._model.get_encoder()(input_ids=input_ids, attention_mask=attention_mask)
        states = encoded.last_hidden_state.repeat_interleave(n_outputs, dim=0)
        sampling = SeededSampling(self._decoding, batch)
        output = self._model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=attention_mask.repeat_interleave(n_outputs, dim=0),
            logits_processor=[*self._ngram_filters, sampling],
        )
        sequences = self._sequences(output)
        sums = sampling.log_probabilities([len(ids) for ids in sequences])
        return self._make_generations(batch, sequences, sums)

    def _make_generations(
        self,
        batch: Batch,
        sequences: Sequence[list[int]],
        sums: Sequence[float],
        steps: Sequence[list[float]] = (),
    ) -> list[Generation]:
        """Merge the outputs of each row, and score the answers in them if the model writes answers.

        Args:
            batch: The input of each row.
            sequences: The ids of each output; each row has the same number of them.
            sums: The log-probability of each output.
            steps: The log-probabilities of its tokens, of a greedy search.
        """
        check_numbers(sums, self._name)
        outputs = [make_generation(ids, s, self._special) for ids, s in zip(sequences, sums, strict=True)]
        n_outputs = len(outputs) // len(batch)
        groups = [slice(start, start + n_outputs) for start in range(0, len(outputs), n_outputs)]
        if not self._special.answer_separators:
            return [merge_generations(outputs[group]) for group in groups]
        if self._decoding.is_plain_greedy:
            return [
                with_recorded_scores(output, ids, log_probabilities, self._special)
                for output, ids, log_probabilities in zip(outputs, sequences, steps, strict=True)
            ]
        return [
            with_pair_scores(outputs[group], self._score_pairs(row, sequences[group]))
            for row, group in zip(batch, groups, strict=True)
        ]

    def _score_pairs(self, row: InputIds, outputs: Sequence[list[int]]) -> dict[Piece, PairScore]:
        """Return the score of each question with its answer in the outputs for a chunk."""
        found = find_new_pairs(outputs, self._special)
        scores: dict[Piece, PairScore] = {}
        for start in range(0, len(found), _OUTPUTS_PER_CALL):
            part = found[start : start + _OUTPUTS_PER_CALL]
            scored = self._score(row, [ids for ids, _ in part])
            for log_probabilities, (_, pairs) in zip(scored, part, strict=True):
                check_numbers(log_probabilities, self._name)
                scores |= {piece: span.score(log_probabilities) for piece, span in pairs.items()}
        return scores

    @torch.inference_mode()
    def _score(self, row: InputIds, outputs: Sequence[Sequence[int]]) -> list[list[float]]:
        """Return the log-probability, in nats, of each token of each output given a chunk."""
        start = _start_token(self._model.config, self._special)
        input_ids, _ = self.pad([row])
        encoded = self._model.get_encoder()(input_ids=input_ids).last_hidden_state
        labels = pad_rows(outputs, self._special.pad, self._device)
        logits = self._model(
            encoder_outputs=BaseModelOutput(last_hidden_state=encoded.expand(len(outputs), -1, -1)),
            decoder_input_ids=pad_rows(
                [[start, *ids[:-1]] for ids in outputs], self._special.pad, self._device
            ),
        ).logits
        chosen: list[list[float]]
        chosen = logits.float().log_softmax(-1).gather(-1, labels[..., None]).squeeze(-1).tolist()
        return chosen

    def _sequences(self, output: Any) -> list[list[int]]:
        """Return the ids of each output, from the first token to the end token."""
        return [self._trim(row) for row in output.sequences[:, 1:].tolist()]

    def pad(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ``input_ids`` and ``attention_mask``, both of shape (rows, longest row), int64."""
        input_ids = pad_rows(batch, self._special.pad, self._device)
        attention_mask = pad_rows([[1] * len(row) for row in batch], 0, self._device)
        return input_ids, attention_mask

    def _trim(self, ids: list[int]) -> list[int]:
        """Cut ids after the end token, if they contain one."""
        return ids[: ids.index(self._special.eos) + 1] if self._special.eos in ids else ids


class _SharedCrossAttentionCache(DynamicCache):
    """Keys and values of the encoder, which are equal for all beams of a row.

    transformers would copy them at each step when beams are reordered, which takes most of the
    memory traffic of a step.
    """

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        """Do nothing: a beam is only ever replaced by a beam of the same row."""


def _start_token(config: Any, special: SpecialIds) -> int:
    """Return the id that starts an output: the pad token, unless the configuration names another."""
    start = getattr(config, "decoder_start_token_id", None)
    return special.pad if start is None else int(start)
