"""How large a batch of a T5 may be, from the memory that is free."""

from __future__ import annotations

from typing import Any

from qgbatch.engines.batching import BatchBudget
from qgbatch.settings import Decoding

_SHARE = 0.8
"""Of free memory; the rest is for fragments, workspaces and what was not counted."""
_STEP_COPIES = 6
"""Logits of a step at once: as the model has them, as float32, log-probabilities, without
forbidden n-grams, with the scores of beams, sorted."""
_FLOAT32_BYTES = 4


def batch_room(
    free_bytes: int, config: Any, decoding: Decoding, max_tokens: int, n_bytes: int
) -> BatchBudget:
    """What a batch may hold that has ``free_bytes`` of memory for itself.

    Args:
        free_bytes: beside the weights.
        config: of the model, transformers' ``T5Config``.
        decoding: beams or outputs of each row, and how long they may get.
        max_tokens: of a row.
        n_bytes: of a number in the model's precision.
    """
    n_outputs = max(decoding.num_beams, decoding.num_return_sequences)
    attention = config.d_kv * config.num_heads
    keys_and_values = 2 * config.num_decoder_layers * attention * n_bytes
    # Attention scores, position bias with mask, and the probabilities in float32.
    scores = config.num_heads * max_tokens * (2 * n_bytes + _FLOAT32_BYTES)
    encoding = (3 * config.d_ff + 4 * attention + 3 * config.d_model) * n_bytes + scores
    states = n_outputs * (keys_and_values + config.d_model * n_bytes)
    token_bytes = max(encoding, states)
    # Keys and values grow by copying, and follow the beams by copying, a layer at a time.
    written = n_outputs * decoding.max_new_tokens * keys_and_values * (1 + 1 / config.num_decoder_layers)
    # Beam search keeps the scores of all steps.
    n_steps = decoding.max_new_tokens if decoding.num_beams > 1 else 0
    logits = n_outputs * config.vocab_size * _FLOAT32_BYTES * (n_steps + _STEP_COPIES)
    return BatchBudget(
        batch_tokens=max(1, int(_SHARE * free_bytes / token_bytes)),
        row_tokens=round((written + logits) / token_bytes),
    )
