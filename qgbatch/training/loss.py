"""The validation loss of a model, which does not depend on how paragraphs are batched."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch.nn.functional import cross_entropy

from qgbatch.engines.batching import BatchBudget, make_batches
from qgbatch.engines.devices import find_device
from qgbatch.engines.padding import pad_rows
from qgbatch.engines.weights import load_weights
from qgbatch.pipeline.components import Components
from qgbatch.training.examples import encode_paragraphs, make_examples
from qgbatch.training.paragraphs import Paragraph

logger = logging.getLogger(__name__)

_BATCH_TOKENS = 4096


def validation_loss(
    components: Components, paragraphs: Sequence[Paragraph], max_target_length: int
) -> dict[str, float]:
    """Compute the mean cross-entropy of the targets in nats, in float32.

    End tokens and separators are included. The loss per character makes models with different vocabularies
    comparable. For a model that writes answers, the targets are the questions that have an answer, with
    their answers.

    Args:
        components: The loaded model and tokenizer.
        paragraphs: Paragraphs with the questions that people asked.
        max_target_length: Number of tokens at which targets are cut.

    Returns:
        ``validation_loss`` (per target token) and ``validation_loss_per_character``; nothing if the model
        writes answers and no question has one.
    """
    tokenizer, device = components.tokenizer, find_device(components.settings.device)
    if components.model.metadata.answer_separator:
        answered = (paragraph.only_answered() for paragraph in paragraphs)
        paragraphs = [paragraph for paragraph in answered if paragraph.pairs]
    if not paragraphs:
        logger.warning("No validation loss: the model writes answers, and the data contain none.")
        return {}
    examples = make_examples(
        *encode_paragraphs(tokenizer, paragraphs),
        tokenizer.eos_id,
        components.model.metadata.max_source_tokens,
        max_target_length,
    )
    weights = load_weights(components.model, torch.float32).to(device)
    total, n_tokens = 0.0, 0
    n_characters = sum(len(tokenizer.decode(example["labels"])) for example in examples)
    lengths = [len(example["input_ids"]) + len(example["labels"]) for example in examples]
    for batch in make_batches(lengths, BatchBudget(_BATCH_TOKENS)):
        sources = pad_rows([examples[index]["input_ids"] for index in batch], tokenizer.pad_id, device)
        labels = pad_rows([examples[index]["labels"] for index in batch], -100, device)
        with torch.inference_mode():
            logits = weights(
                input_ids=sources,
                attention_mask=sources != tokenizer.pad_id,
                decoder_input_ids=weights.prepare_decoder_input_ids_from_labels(labels),
            ).logits
        total += cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum").item()
        n_tokens += int((labels != -100).sum())
    return {
        "validation_loss": total / n_tokens,
        "validation_loss_per_character": total / n_characters,
    }
