"""RepAdapter (Luo et al., 2023, arXiv 2302.08106): h + s (B dropout(A h + b_A) + b_B) in front of a linear layer.

A (r, D), B (D, r) block-diagonal with g groups, no activation, so it folds into the layer behind it:
W' = W (I + s B A), b' = b + s W (B b_A + b_B). It stands between norm1 and qkv and between norm2 and fc1. Init: A
Xavier-uniform, all else 0. `up_groups` is the paper's number of groups.
Count on ViT-B/16 at r = 8, g = 2: 239,808, of which 221,184 are weights (the published .22 M).
Compared with luogen1996/RepAdapter @ 360992f.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .base import Method, fraction, positive
from .surgery import adopt, freeze, plain_linear, swap


@dataclass(frozen=True)
class RepAdapter(Method):
    """Linear bottlenecks in front of linear layers.

    Attributes:
        bottleneck: r.
        up_groups: g, into which B is cut; divides the bottleneck and the layer's width.
        scale: s.
        targets: the linear layers that get one in front.
        dropout: before B while training.
    """

    bottleneck: int = 8
    up_groups: int = 2
    scale: float = 5.0
    targets: tuple[str, ...] = ("qkv", "fc1")
    dropout: float = 0.1

    def __post_init__(self) -> None:
        positive(bottleneck=self.bottleneck, up_groups=self.up_groups, scale=self.scale)
        fraction(dropout=self.dropout)
        if self.bottleneck % self.up_groups:
            raise ValueError(f"bottleneck {self.bottleneck} cannot be cut into {self.up_groups} groups")
        if not self.targets:
            raise ValueError("targets is empty; name at least one linear layer")

    def inject(self, model: nn.Module) -> None:  # noqa: D102
        freeze(model)
        size = self.bottleneck, self.up_groups
        swap(model, self.targets, lambda base: RepLinear(base, *size, self.scale, self.dropout))


class RepLinear(nn.Linear):
    """A linear layer with a linear bottleneck in front.

    Parameters: down (Linear D to r), up (D, r / groups): the blocks of B under each other, up_bias (D,).
    """

    def __init__(self, base: nn.Linear, bottleneck: int, groups: int, scale: float, dropout: float) -> None:
        width = base.in_features
        if bottleneck > width or width % groups:
            raise ValueError(f"a bottleneck of {bottleneck} in {groups} groups does not fit {width} inputs")
        adopt(self, base)
        self.groups, self.scale = groups, scale
        self.drop = nn.Dropout(dropout)
        self.down = nn.Linear(width, bottleneck, device=base.weight.device, dtype=base.weight.dtype)
        self.up = nn.Parameter(base.weight.new_zeros(width, bottleneck // groups))
        self.up_bias = nn.Parameter(base.weight.new_zeros(width))
        nn.init.xavier_uniform_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def dense_up(self) -> Tensor:
        """Return B in full, (D, r): the blocks on its diagonal and zeros elsewhere."""
        return torch.block_diag(*self.up.chunk(self.groups))

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        change = F.linear(self.drop(self.down(x)), self.dense_up(), self.up_bias)
        return super().forward(torch.add(x, change, alpha=self.scale))

    def fold(self) -> nn.Linear:
        """Return the plain layer with W (I + s B A) and b + s W (B b_A + b_B)."""
        up = self.dense_up()
        weight = self.weight + self.scale * (self.weight @ up) @ self.down.weight
        shift = self.scale * self.weight @ (up @ self.down.bias + self.up_bias)
        return plain_linear(weight, shift if self.bias is None else self.bias + shift)
