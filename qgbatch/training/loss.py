"""The loss of a model on paragraphs, whatever the batches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import cross_entropy

from qgbatch.engines.batching import BatchRoom, make_batches
from qgbatch.engines.devices import find_device
from qgbatch.engines.torch import load_weights
from qgbatch.pipeline.components import Stages
from qgbatch.training.data import Paragraph, make_examples

_BATCH_TOKENS = 4096


def validation_loss(
    stages: Stages, paragraphs: Sequence[Paragraph], max_target_length: int
) -> dict[str, float]:
    """Mean cross-entropy of the targets, in nats, in float32; end token and separators count.

    Per token, and per character of the questions, by which models of different
    vocabularies can be compared.
    """
    prompt, device = stages.prompt, find_device(stages.settings.device)
    examples = make_examples(
        prompt.encode([paragraph.context for paragraph in paragraphs]),
        prompt.encode_targets([paragraph.questions for paragraph in paragraphs]),
        prompt.eos_id,
        stages.model.metadata.max_source_tokens,
        max_target_length,
    )
    weights = load_weights(stages.model, torch.float32).to(device)
    total, n_tokens = 0.0, 0
    n_characters = sum(len(prompt.decode(example["labels"])) for example in examples)
    lengths = [len(example["input_ids"]) + len(example["labels"]) for example in examples]
    for batch in make_batches(lengths, BatchRoom(_BATCH_TOKENS)):
        sources = _pad([examples[index]["input_ids"] for index in batch], prompt.pad_id).to(device)
        labels = _pad([examples[index]["labels"] for index in batch], -100).to(device)
        with torch.inference_mode():
            logits = weights(
                input_ids=sources,
                attention_mask=sources != prompt.pad_id,
                decoder_input_ids=weights.prepare_decoder_input_ids_from_labels(labels),
            ).logits
        total += cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum").item()
        n_tokens += int((labels != -100).sum())
    return {
        "validation_loss": total / n_tokens,
        "validation_loss_per_character": total / n_characters,
    }


def _pad(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    """A tensor (rows, longest), int64, filled up on the right."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows])
