"""LoRA (Hu et al., ICLR 2022, arXiv 2106.09685): y = W x + b + scale * B A dropout(x), with A (r, in) and B (out, r).

A starts Kaiming-uniform (a = sqrt 5), B at zero. `q`, `k` and `v` name the row thirds of a fused `qkv` layer, each with
a pair of its own. The scale is a field of its own instead of alpha / rank, so that changing the rank changes one thing.
Compared with microsoft/LoRA @ c4593f0, and for a pair shared by the whole qkv with ZhangYuanhan-AI/NOAH @ e9c55f3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from .base import Method, fraction, positive
from .surgery import adopt, freeze, plain_linear, swap

THIRDS = ("q", "k", "v")


@dataclass(frozen=True)
class LoRA(Method):
    """Low-rank updates of linear layers.

    Attributes:
        rank: r.
        scale: factor on B A; alpha / rank in the paper's terms.
        targets: names of linear layers; q, k, v are thirds of a fused qkv.
        dropout: on the input of A while training.
    """

    rank: int = 8
    scale: float = 1.0
    targets: tuple[str, ...] = ("q", "v")
    dropout: float = 0.0

    def __post_init__(self) -> None:
        positive(rank=self.rank, scale=self.scale)
        fraction(dropout=self.dropout)
        if not self.targets:
            raise ValueError("targets is empty; name at least one linear layer")
        if "qkv" in self.targets and set(THIRDS) & set(self.targets):
            raise ValueError(f"targets names qkv and a third of it: {', '.join(self.targets)}")

    def inject(self, model: nn.Module) -> None:  # noqa: D102
        freeze(model)
        thirds = tuple(i for i, name in enumerate(THIRDS) if name in self.targets)
        whole = [name for name in self.targets if name not in THIRDS]
        if thirds:
            swap(model, ["qkv"], lambda base: LoRALinear(base, self, parts=3, chosen=thirds))
        if whole:
            swap(model, whole, lambda base: LoRALinear(base, self))


class LoRALinear(nn.Linear):
    """A linear layer whose output is cut into `parts` equal slices, of which those in `chosen` get a low-rank update.

    Parameters: A (chosen, rank, in), B (chosen, out / parts, rank).
    """

    def __init__(self, base: nn.Linear, method: LoRA, parts: int = 1, chosen: tuple[int, ...] = (0,)) -> None:
        adopt(self, base)
        rank = method.rank
        width = self.out_features // parts
        if rank > min(self.in_features, width):
            raise ValueError(f"rank {rank} is above min(in, out) = {min(self.in_features, width)}")
        self.scale, self.chosen, self.width = method.scale, chosen, width
        self.drop = nn.Dropout(method.dropout)
        self.A = nn.Parameter(base.weight.new_empty(len(chosen), rank, self.in_features))
        self.B = nn.Parameter(base.weight.new_zeros(len(chosen), width, rank))
        for a in self.A:
            nn.init.kaiming_uniform_(a, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        y = super().forward(x)
        low = F.linear(self.drop(x), self.A.flatten(0, 1)).unflatten(-1, self.A.shape[:2])
        for i, part in enumerate(self.chosen):
            y.narrow(-1, part * self.width, self.width).add_(F.linear(low[..., i, :], self.B[i]), alpha=self.scale)
        return y

    def fold(self) -> nn.Linear:
        """Return the plain layer with W + scale * B A on the chosen slices."""
        weight = self.weight.clone()
        for i, part in enumerate(self.chosen):
            weight[part * self.width : (part + 1) * self.width] += self.scale * self.B[i] @ self.A[i]
        return plain_linear(weight, self.bias)
