"""Estimates how large a batch of a T5 may be on a GPU, from its free memory."""

from __future__ import annotations

from typing import Any

from qgbatch.engines.batching import BatchBudget
from qgbatch.settings import Decoding

_USABLE_SHARE = 0.8
"""Share of the free memory that a batch may use. The rest is for fragmentation, workspaces and
everything that is not counted below."""
_LOGITS_COPIES = 6
"""Copies of a step's logits that exist at once: as the model returns them, as float32, as
log-probabilities, without the forbidden n-grams, with the scores of the beams, and sorted."""
_FLOAT32_BYTES = 4


def budget_for_memory(
    free_bytes: int, config: Any, decoding: Decoding, max_tokens: int, n_bytes: int
) -> BatchBudget:
    """Estimate the largest batch that fits into memory.

    Args:
        free_bytes: Free memory after the weights were loaded.
        config: The model's configuration, transformers' ``T5Config``.
        decoding: Gives the number of beams or outputs per row, and their maximum length.
        max_tokens: Maximum number of input tokens per row.
        n_bytes: Size of a number in the model's precision.
    """
    n_outputs = max(decoding.num_beams, decoding.num_return_sequences)
    attention = config.d_kv * config.num_heads
    keys_and_values = 2 * config.num_decoder_layers * attention * n_bytes
    # Attention scores, the position bias with the mask, and the probabilities in float32.
    scores = config.num_heads * max_tokens * (2 * n_bytes + _FLOAT32_BYTES)
    encoding = (3 * config.d_ff + 4 * attention + 3 * config.d_model) * n_bytes + scores
    states = n_outputs * (keys_and_values + config.d_model * n_bytes)
    token_bytes = max(encoding, states)
    # Keys and values are copied, one layer at a time, when they grow and when beams are reordered.
    written = n_outputs * decoding.max_new_tokens * keys_and_values * (1 + 1 / config.num_decoder_layers)
    # Beam search keeps the logits of all steps.
    n_steps = decoding.max_new_tokens if decoding.num_beams > 1 else 0
    logits = n_outputs * config.vocab_size * _FLOAT32_BYTES * (n_steps + _LOGITS_COPIES)
    return BatchBudget(
        batch_tokens=max(1, int(_USABLE_SHARE * free_bytes / token_bytes)),
        row_tokens=round((written + logits) / token_bytes),
    )
