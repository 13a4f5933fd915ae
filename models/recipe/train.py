r"""Step 5: train a T5 to write questions with their answers.

    python models/recipe/train.py --checkpoint trimmed --epochs 10 --learning-rate 1e-3 --batch-cost 30000 \
        --examples examples/human.jsonl --validation examples/human-aside.jsonl --out trained

A file of examples may be compressed with xz; a file that is named twice counts twice. Lines without
questions are texts: the model learns to fill in words that are left out of them. A training that was
interrupted is resumed by the same command. The result is trained/model, which ``qgbatch run --model
trained/model`` reads. Float32, or bfloat16 on a GPU and on a CPU with AVX512; with jemalloc (LD_PRELOAD) a
CPU is faster.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as functional
from batches import (
    ANSWER_SEPARATOR,
    CONTEXT_SEPARATOR,
    PREFIX_WITH_ANSWERS,
    SEPARATOR,
    Encoder,
    Pair,
    make_batches,
)
from common import read_jsonl, write_json
from safetensors.torch import save_file
from transformers import PreTrainedTokenizerFast, T5ForConditionalGeneration
from transformers.models.t5.modeling_t5 import T5DenseGatedActDense, T5LayerNorm

PADDING_ID = 0
IGNORED = -100
"""Label of the padding, which :func:`torch.nn.functional.cross_entropy` leaves out."""
WARMUP_STEPS = 50
MIN_RATE = 0.02
"""The learning rate falls linearly to this share of its maximum."""
MAX_GRADIENT_NORM = 1.0
LOG_STEPS = 20
SAVE_SECONDS = 420
SEED, ASIDE_SEED, FIRST_EPOCH_SEED = 5, 1, 100
METADATA = {
    "prefix": PREFIX_WITH_ANSWERS,
    "suffix": "",
    "separator": SEPARATOR,
    "answer_separator": ANSWER_SEPARATOR,
    "context_separator": CONTEXT_SEPARATOR,
    "max_source_tokens": 512,
    "target_tokens": 110,
    "language": "english",
    "license": "CC-BY-SA-4.0",
}
"""``qgbatch.json`` of the result."""
GENERATION = {
    "num_beams": 1,
    "num_return_sequences": 1,
    "length_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "max_new_tokens": 160,
    "early_stopping": True,
    "decoder_start_token_id": 0,
    "pad_token_id": 0,
    "eos_token_id": 1,
}
"""``generation_config.json`` of the result."""


def main() -> None:
    """Train, and write the model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--examples", type=Path, nargs="+", required=True, help="JSONL (.xz)")
    parser.add_argument("--validation", type=Path, required=True, help="JSONL (.xz)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--learning-rate", type=float, required=True, help="its maximum")
    parser.add_argument(
        "--batch-cost", type=int, required=True, help="source tokens + 2 x target tokens of a padded batch"
    )
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--decoder-layers", type=int, help="keep only so many, at equal distances")
    arguments = parser.parse_args()
    torch.manual_seed(SEED)
    rows = [row for path in arguments.examples for row in read_jsonl(path)]
    aside = list(read_jsonl(arguments.validation))
    if not rows or not aside:
        parser.error("a file contains no examples")
    training = Training(arguments, rows, aside)
    training.run()
    write_model(training.model, arguments.checkpoint, arguments.out / "model")


@dataclass
class Progress:
    """How far a training has come."""

    epoch: int = 0
    batch: int = 0
    """Number of batches of this epoch that are done."""
    step: int = 0


class Training:
    """A model with its optimizer, data and progress."""

    def __init__(
        self, arguments: argparse.Namespace, rows: Sequence[dict[str, Any]], aside: Sequence[dict[str, Any]]
    ) -> None:
        self._arguments = arguments
        self._rows = rows
        self._encode = Encoder(PreTrainedTokenizerFast.from_pretrained(arguments.checkpoint))
        self._encode.prepare([*rows, *aside])
        rng = random.Random(ASIDE_SEED)
        self._aside = list(
            make_batches([self._encode(row, rng) for row in aside], arguments.batch_cost, rng)
        )
        self.model = load_model(arguments.checkpoint, arguments.dropout, arguments.decoder_layers)
        self._optimizer = torch.optim.AdamW(
            self.model.parameters(), betas=(0.9, 0.98), weight_decay=0.01, fused=True
        )
        self.progress = Progress()
        self._state_file = arguments.out / "state.pt"
        if self._state_file.exists():
            state = torch.load(self._state_file, weights_only=True, map_location="cpu")
            self.model.load_state_dict(state["model"])
            self._optimizer.load_state_dict(state["optimizer"])
            self.progress = Progress(**state["progress"])

    def run(self) -> None:
        """Train, and save the state from time to time."""
        self._arguments.out.mkdir(parents=True, exist_ok=True)
        last_save = time.monotonic()
        print(f"validation {self.validate():.4f}", flush=True)
        for epoch in range(self.progress.epoch, self._arguments.epochs):
            losses: list[torch.Tensor] = []
            batches = self._batches(epoch)
            for batch in batches[self.progress.batch :]:
                losses.append(self._step(batch, epoch + self.progress.batch / len(batches)))
                if len(losses) % LOG_STEPS == 0:
                    loss = torch.stack(losses[-LOG_STEPS:]).mean().item()
                    print(
                        f"epoch {epoch}, batch {self.progress.batch} of {len(batches)}, loss {loss:.3f}",
                        flush=True,
                    )
                if time.monotonic() - last_save > SAVE_SECONDS:
                    self._save()
                    last_save = time.monotonic()
            self.progress.epoch, self.progress.batch = epoch + 1, 0
            print(
                f"epoch {epoch} done, step {self.progress.step}, validation {self.validate():.4f}",
                flush=True,
            )
        self._save()

    def validate(self) -> float:
        """Return the mean loss per token of the examples that are set aside."""
        total, n_tokens = 0.0, 0
        self.model.eval()
        with torch.no_grad():
            for batch in self._aside:
                losses = token_losses(self.model, batch)
                total, n_tokens = total + losses.sum().item(), n_tokens + len(losses)
        return total / n_tokens

    def _batches(self, epoch: int) -> list[list[Pair]]:
        """Return the batches of an epoch, in the order of the epoch."""
        rng = random.Random(FIRST_EPOCH_SEED + epoch)
        pairs = [self._encode(row, rng) for row in rng.sample(self._rows, len(self._rows))]
        return list(make_batches(pairs, self._arguments.batch_cost, rng))

    def _step(self, batch: list[Pair], n_epochs: float) -> torch.Tensor:
        """Train on a batch after a number of epochs, and return its loss."""
        progress = self.progress
        warmup = min(1.0, (progress.step + 1) / WARMUP_STEPS)
        decay = max(MIN_RATE, 1 - n_epochs / self._arguments.epochs)
        for group in self._optimizer.param_groups:
            group["lr"] = self._arguments.learning_rate * warmup * decay
        if self._arguments.dropout:
            self.model.train()  # without dropout it is the same, but slower
        loss = token_losses(self.model, batch).mean()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), MAX_GRADIENT_NORM)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        progress.step, progress.batch = progress.step + 1, progress.batch + 1
        return loss.detach()

    def _save(self) -> None:
        """Write the state; an earlier one is replaced only when the new one is complete."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "progress": asdict(self.progress),
        }
        draft = self._state_file.with_suffix(".draft")
        torch.save(state, draft)
        draft.replace(self._state_file)


class FusedNorm(torch.nn.RMSNorm):
    """The normalization of T5 in one pass over memory, in float32."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalize the last dimension."""
        return super().forward(x.float())


def load_model(directory: Path, dropout: float, n_decoder_layers: int | None) -> T5ForConditionalGeneration:
    """Load a Flan-T5 with faster forms of its normalization and activation."""
    model: T5ForConditionalGeneration
    model = T5ForConditionalGeneration.from_pretrained(directory, dtype=torch.float32, dropout_rate=dropout)
    model.config.tie_word_embeddings = False  # transformers 5 sets it to True
    if n_decoder_layers:
        keep_layers(model, n_decoder_layers)
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, T5LayerNorm):
                norm = FusedNorm(len(child.weight), eps=child.variance_epsilon)
                norm.weight = child.weight
                setattr(module, name, norm)
            elif isinstance(child, T5DenseGatedActDense):
                child.act = torch.nn.GELU(approximate="tanh")
    torch.nn.Module.to(model, "cuda" if torch.cuda.is_available() else "cpu")
    return model


def keep_layers(model: T5ForConditionalGeneration, n_layers: int) -> None:
    """Keep the first and the last layer of the decoder, and others at equal distances."""
    blocks = model.decoder.block
    chosen = [round(i * (len(blocks) - 1) / max(1, n_layers - 1)) for i in range(n_layers)]
    model.decoder.block = torch.nn.ModuleList([blocks[i] for i in chosen])
    model.config.num_decoder_layers = n_layers


def token_losses(model: T5ForConditionalGeneration, batch: Sequence[Pair]) -> torch.Tensor:
    """Return the loss of each target token of a batch."""
    sources = pad([source for source, _ in batch], PADDING_ID).to(model.device)
    labels = pad([target for _, target in batch], IGNORED).to(model.device)
    shifted = functional.pad(
        labels[:, :-1].clamp(min=0), (1, 0)
    )  # the decoder starts with the padding token
    mask = (sources != PADDING_ID).long()
    kind = model.device.type
    has_bfloat16 = kind == "cuda" or torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    with torch.autocast(kind, torch.bfloat16, enabled=has_bfloat16):
        encoded = model.encoder(input_ids=sources, attention_mask=mask).last_hidden_state
        decoded = model.decoder(
            input_ids=shifted, encoder_hidden_states=encoded, encoder_attention_mask=mask, use_cache=False
        ).last_hidden_state
        is_token = labels != IGNORED
        logits = model.lm_head(decoded[is_token])
    return functional.cross_entropy(logits.float(), labels[is_token], reduction="none")


def pad(rows: Sequence[list[int]], value: int) -> torch.Tensor:
    """Return lists of ids as a matrix with a value after the shorter ones."""
    tensors = [torch.tensor(row) for row in rows]
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=value)


def write_model(model: T5ForConditionalGeneration, checkpoint: Path, directory: Path) -> None:
    """Write the checkpoint that ``qgbatch run`` reads.

    The stacks of the encoder and the decoder share their embeddings, which are written once.
    """
    directory.mkdir(exist_ok=True)
    weights = {
        name: value.cpu().contiguous()
        for name, value in model.state_dict().items()
        if not name.endswith("embed_tokens.weight")
    }
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(checkpoint / name, directory / name)
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    write_json(directory / "config.json", config | {"num_decoder_layers": len(model.decoder.block)})
    write_json(directory / "qgbatch.json", METADATA)
    write_json(directory / "generation_config.json", GENERATION)


if __name__ == "__main__":
    main()
