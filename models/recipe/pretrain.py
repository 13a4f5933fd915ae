r"""Step 4: train a small T5 from scratch on corrupted text and on questions at the same time.

    python models/recipe/pretrain.py --tokenizer DIR --embeddings embeddings.npy --corpus corpus.jsonl.xz \
        --examples examples.jsonl --minutes 75 --out DIR

The learning rate depends on the elapsed time, so that one command suits a CPU and a GPU (where it
trains in bfloat16). With ``--max-steps`` it depends on the steps and is the same on every machine.
An interrupted run continues from ``DIR/state.pt`` when it is started again.
"""

from __future__ import annotations

import argparse
import math
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import read_jsonl
from export import export
from muon import Muon
from torch.nn.functional import cross_entropy
from training_pairs import Batch, Encoder, PairMaker, Stream
from transformers import AutoTokenizer, T5Config, T5ForConditionalGeneration

MATCH, STRENGTH = 8.0, 1.5
"""Sharpness of the copying heads' attention, and weight of the copied tokens.

Chosen by experiments with the first model.
"""
FALL_FROM = 0.6
"""Share of the time after which the learning rate falls linearly to :data:`FALL_TO` of its maximum."""
FALL_TO = 0.1


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--embeddings", type=Path, help="initial embeddings (.npy) from embeddings.py")
    parser.add_argument("--corpus", type=Path, required=True, help="JSONL (.xz) with texts")
    parser.add_argument("--examples", type=Path, required=True, help="JSONL from examples.py")
    parser.add_argument("--validation", type=Path, help="JSONL from examples.py, not used for training")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=145)
    parser.add_argument(
        "--max-steps",
        type=int,
        default=0,
        help="stop after so many steps, or after --minutes if that is earlier",
    )
    parser.add_argument(
        "--mix", default="spans=0.25,rules=0.4,real=0.35", help="share of each kind of pair"
    )
    parser.add_argument(
        "--p-whole", type=float, default=0.12, help="share of whole passages among the real pairs"
    )
    parser.add_argument("--d-model", type=int, default=256)
    parser.add_argument("--d-ff", type=int, default=768)
    parser.add_argument("--num-heads", type=int, default=4)
    parser.add_argument("--num-layers", type=int, default=4)
    parser.add_argument("--num-decoder-layers", type=int, default=3)
    parser.add_argument("--batch-tokens", type=int, default=6144, help="padded tokens per step")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--warmup-steps", type=int, default=100)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--workers", type=int, default=1, help="processes that prepare batches")
    parser.add_argument("--save-minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def new_model(arguments: argparse.Namespace, tokenizer: Any) -> Any:
    """Make a T5 v1.1 with random weights, initial embeddings and heads that copy."""
    options: dict[str, Any] = {
        "d_model": arguments.d_model, "d_kv": 64, "d_ff": arguments.d_ff, "num_heads": arguments.num_heads,
        "num_layers": arguments.num_layers, "num_decoder_layers": arguments.num_decoder_layers,
        "vocab_size": math.ceil(len(tokenizer) / 64) * 64,  # multiples of 64 are faster on GPUs
        "feed_forward_proj": "gated-gelu", "dropout_rate": arguments.dropout,
        "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0,
    }  # fmt: skip
    config = T5Config(**options)
    model = T5ForConditionalGeneration(config)
    if arguments.embeddings:
        embeddings = torch.from_numpy(np.load(arguments.embeddings))
        with torch.no_grad():
            model.shared.weight[: len(embeddings)] = embeddings
    teach_copying(model)
    return model


@torch.no_grad()
def teach_copying(model: Any) -> None:
    """Write an induction circuit, which copies from the source, into new weights.

    Head 0 of encoder layer 0 attends to the previous token and stores its embedding in a
    separate subspace. In the first two decoder layers, half of the cross-attention heads look for
    the source position that follows the token just written, and add the token found there to the
    residual stream. Learning this circuit by training takes most of a short run.
    """
    config = model.config
    d_model, d_kv = config.d_model, config.d_kv
    generator = torch.Generator().manual_seed(0)

    def basis() -> torch.Tensor:
        """Return random orthonormal rows, shape (d_model, d_model), float32."""
        rows: torch.Tensor = torch.linalg.qr(torch.randn(d_model, d_model, generator=generator))[0]
        return rows

    seen, store, copied = basis()[:d_kv], basis()[:d_kv], basis()
    back = model.encoder.block[0].layer[0].SelfAttention
    back.relative_attention_bias.weight[1, 0] += 8.0  # bucket 1 is one token to the left
    back.q.weight[:d_kv] *= 0.1
    back.v.weight[:d_kv] = seen
    back.o.weight[:, :d_kv] = store.T
    n_heads = max(1, config.num_heads // 2)
    for layer in range(min(2, config.num_decoder_layers)):
        cross = model.decoder.block[layer].layer[1].EncDecAttention
        for head in range(n_heads):
            rows = slice(head * d_kv, (head + 1) * d_kv)
            cross.q.weight[rows] = seen * (MATCH / d_kv) ** 0.5
            cross.k.weight[rows] = store * (MATCH / d_kv) ** 0.5
            subspace = copied.roll(-(layer * n_heads + head) * d_kv, dims=0)[:d_kv]
            cross.v.weight[rows] = subspace
            cross.o.weight[:, rows] = subspace.T * STRENGTH


def make_optimizers(model: torch.nn.Module, learning_rate: float) -> list[torch.optim.Optimizer]:
    """Make Muon for the matrices of the layers, and AdamW for all other weights.

    T5's embeddings have a standard deviation of 1 and hardly change at the common learning rate,
    so theirs is five times as high.
    """
    matrices: list[torch.Tensor] = []
    embeddings: list[torch.Tensor] = []
    rest: list[torch.Tensor] = []
    for name, weight in model.named_parameters():
        kind = embeddings if name == "shared.weight" else matrices if weight.ndim == 2 else rest
        (rest if "relative_attention_bias" in name else kind).append(weight)
    groups = [{"params": rest, "lr_factor": 1.0}, {"params": embeddings, "lr_factor": 5.0}]
    return [
        Muon(matrices, learning_rate, weight_decay=0.05),
        torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def schedule(done: float, step: int, warmup_steps: int) -> float:
    """Return the factor of the learning rate after the share ``done`` of the time, 0 to 1."""
    fall = max(0.0, (done - FALL_FROM) / (1 - FALL_FROM))
    return min(1.0, (step + 1) / warmup_steps) * (1 - (1 - FALL_TO) * min(1.0, fall))


class Training:
    """A model, its optimizers, and the progress of the training."""

    def __init__(self, model: Any, arguments: argparse.Namespace) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model: Any = model.to(self.device).train()
        for module in model.modules():
            if hasattr(module, "wi_0"):
                module.act = torch.nn.GELU("tanh")  # the same function as gelu_new, but faster
        self.optimizers = make_optimizers(model, arguments.learning_rate)
        self.learning_rate: float = arguments.learning_rate
        self.step, self.n_tokens, self.seconds = 0, 0, 0.0

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the mean cross-entropy of the labels in nats, as a float32 scalar."""
        input_ids, attention_mask, labels = (tensor.to(self.device, non_blocking=True) for tensor in batch)
        on_gpu = self.device.type == "cuda"
        with torch.autocast("cuda", torch.bfloat16) if on_gpu else nullcontext():
            logits = self.model(input_ids=input_ids, attention_mask=attention_mask, labels=labels).logits
        return cross_entropy(logits.float().flatten(0, 1), labels.flatten())

    def learn(self, batch: Batch, factor: float) -> torch.Tensor:
        """Train one step and return the loss before it.

        Args:
            batch: The batch.
            factor: Factor of the learning rate.
        """
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate * factor * group.get("lr_factor", 1.0)
        loss = self.loss(batch)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.n_tokens += batch[0].numel() + batch[2].numel()
        return loss.detach()

    @torch.no_grad()
    def validate(self, batches: list[Batch]) -> float:
        """Return the mean loss per token of validation batches, in nats."""
        self.model.eval()
        counts = [int((batch[2] != -100).sum()) for batch in batches]
        total = sum(self.loss(batch).item() * n for batch, n in zip(batches, counts, strict=True))
        self.model.train()
        return total / sum(counts)

    def save(self, path: Path) -> None:
        """Write the state that is needed to continue, and replace the previous one atomically."""
        state = {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "progress": (self.step, self.n_tokens, self.seconds),
        }
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def load(self, path: Path) -> None:
        """Load a state that :meth:`save` wrote."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimizer, optimizer_state in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(optimizer_state)
        self.step, self.n_tokens, self.seconds = state["progress"]


def main() -> None:
    """Train until the time is over and write a checkpoint."""
    arguments = parse_arguments()
    torch.manual_seed(arguments.seed)
    tokenizer = AutoTokenizer.from_pretrained(arguments.tokenizer)
    tokenizer.model_max_length = 1 << 20  # Encoder truncates, not the tokenizer
    training = Training(new_model(arguments, tokenizer), arguments)
    arguments.out.mkdir(parents=True, exist_ok=True)
    state = arguments.out / "state.pt"
    if state.exists():
        training.load(state)
        print(f"continuing after step {training.step}", flush=True)
    n_parameters = sum(weight.numel() for weight in training.model.parameters())
    print(f"{n_parameters:,} parameters on {training.device}", flush=True)
    train(training, arguments, Encoder(tokenizer), state)
    training.save(state)
    export(training.model, arguments.tokenizer, arguments.out / "model")


def train(training: Training, arguments: argparse.Namespace, encoder: Encoder, state: Path) -> None:
    """Train until the time or the number of steps is reached."""
    mix = {kind: float(share) for kind, share in (item.split("=") for item in arguments.mix.split(","))}
    texts = [row["text"] for row in read_jsonl(arguments.corpus)] if mix.get("spans") else []
    pair_maker = PairMaker(encoder, list(read_jsonl(arguments.examples)), texts, arguments.p_whole)
    # A continued run gets other batches than before.
    stream = Stream(pair_maker, mix, arguments.batch_tokens, arguments.seed + training.step)
    loader = torch.utils.data.DataLoader(
        stream, batch_size=None, num_workers=arguments.workers, pin_memory=training.device.type == "cuda",
        prefetch_factor=32 if arguments.workers else None,
    )  # fmt: skip
    validation = read_validation(arguments, encoder)
    before, begin = training.seconds, time.monotonic()
    saved, losses = begin, []
    for batch in loader:
        training.seconds = before + time.monotonic() - begin
        done = training.seconds / (60 * arguments.minutes)
        if arguments.max_steps:
            done = max(done, training.step / arguments.max_steps)
        if done >= 1:
            break
        losses.append(training.learn(batch, schedule(done, training.step, arguments.warmup_steps)))
        if training.step % 50 == 0:
            rate = training.n_tokens / training.seconds
            print(
                f"step {training.step} {training.seconds / 60:.1f} min {training.n_tokens:,} tokens "
                f"loss {float(sum(losses)) / len(losses):.3f} {rate:.0f} tokens/s", flush=True,
            )  # fmt: skip
            losses = []
        if time.monotonic() - saved > 60 * arguments.save_minutes:
            training.save(state)
            if validation:
                print(
                    f"  validation loss {training.validate(validation):.4f} at step {training.step}",
                    flush=True,
                )
            saved = time.monotonic()
    if validation:
        print(
            f"final validation loss {training.validate(validation):.4f} at step {training.step}", flush=True
        )


def read_validation(arguments: argparse.Namespace, encoder: Encoder) -> list[Batch]:
    """Return six batches of passages that are not used for training."""
    if not arguments.validation:
        return []
    pair_maker = PairMaker(encoder, list(read_jsonl(arguments.validation)), [], arguments.p_whole)
    stream = Stream(pair_maker, {"real": 1.0}, arguments.batch_tokens, seed=0)
    return [batch for batch, _ in zip(stream, range(6), strict=False)]


if __name__ == "__main__":
    main()
