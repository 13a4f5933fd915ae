"""Muon, an optimizer whose updates of a weight matrix have equal size in all directions.

torch.optim.Muon computes in bfloat16, which is ten times slower than float32 on CPUs without
bfloat16 units, and processes one matrix at a time. This one processes matrices of equal shape together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic iteration in Keller Jordan's Muon (2024)."""
N_ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Updates weights with orthogonalized momentum; ``lr`` is comparable to AdamW's.

    Updates are scaled to a root mean square of 0.2, which is typical of AdamW (Moonlight, 2025).
    """

    def __init__(
        self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # closures are not supported
        """Update each matrix that has a gradient."""
        for group in self.param_groups:
            by_shape: defaultdict[torch.Size, list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    update = self._update(weight, weight.grad, group["momentum"])
                    by_shape[weight.shape].append((weight, update))
            for shape, pairs in by_shape.items():
                directions = orthogonalize(torch.stack([update for _, update in pairs]))
                length = 0.2 * max(shape) ** 0.5
                for (weight, _), direction in zip(pairs, directions, strict=True):
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    weight.add_(direction, alpha=-group["lr"] * length)

    def _update(self, weight: Tensor, gradient: Tensor, momentum: float) -> Tensor:
        """Return the Nesterov momentum of a weight: its gradient mixed with their running mean."""
        state = self.state[weight]
        if not state:
            state["mean"] = torch.zeros_like(weight)
        state["mean"].lerp_(gradient, 1 - momentum)
        return torch.lerp(gradient, state["mean"], momentum)


def orthogonalize(matrices: Tensor) -> Tensor:
    """Return matrices of shape (n, rows, columns) with singular values close to 1."""
    a, b, c = NEWTON_SCHULZ
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x: Tensor = matrices if wide else matrices.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(N_ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if wide else x.mT
