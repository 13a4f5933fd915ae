"""The loss of a model on paragraphs, whatever the batches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import cross_entropy

from qgbatch.engines.batching import BatchBudget, make_batches
from qgbatch.engines.devices import find_device
from qgbatch.engines.padding import pad_rows
from qgbatch.engines.torch import load_weights
from qgbatch.pipeline.components import Components
from qgbatch.training.data import Paragraph, make_examples

_BATCH_TOKENS = 4096


def validation_loss(
    components: Components, paragraphs: Sequence[Paragraph], max_target_length: int
) -> dict[str, float]:
    """Mean cross-entropy of the targets, in nats, in float32; end token and separators count.

    Per token, and per character of the questions, by which models of different
    vocabularies can be compared.
    """
    tokenizer, device = components.tokenizer, find_device(components.settings.device)
    examples = make_examples(
        tokenizer.encode([paragraph.context for paragraph in paragraphs]),
        tokenizer.encode_targets([paragraph.questions for paragraph in paragraphs]),
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
