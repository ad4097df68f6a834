"""SSF (Lian et al., NeurIPS 2022, arXiv 2210.08823): y = gamma * z + beta after every operation of the backbone.

z is the output of the patch embedding, of each linear layer and each of the two norms of a block, and of the last norm;
gamma and beta have one entry per channel. Init: gamma ~ N(1, .02), beta ~ N(0, .02), so that the start is near the
pretrained model but not at it. Count on ViT-B/16: 205,824. All of it folds into the operation before it. The key third
of beta after qkv is inert (softmax does not feel it). Compared with dongzelian/SSF @ e94e0e7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from .base import Method
from .surgery import adopt, freeze, swap, transformer_blocks

L = TypeVar("L", nn.Linear, nn.Conv2d, nn.LayerNorm)
STD = 0.02
"""Of both initial distributions."""


@dataclass(frozen=True)
class SSF(Method):
    """Scale and shift features."""

    neutral: ClassVar[bool] = False

    def inject(self, model: nn.Module) -> None:  # noqa: D102
        blocks = transformer_blocks(model, "ssf")
        linears = {name.rpartition(".")[2] for name, m in blocks.named_modules() if isinstance(m, nn.Linear)}
        freeze(model)
        swap(model.patch_embed, ["proj"], ScaledConv2d, nn.Conv2d)  # type: ignore[arg-type]
        swap(blocks, linears, ScaledLinear)
        swap(blocks, ["norm1", "norm2"], ScaledLayerNorm, nn.LayerNorm)
        for name in ("norm", "fc_norm"):  # with average pooling the last norm may stand behind the pooling
            if isinstance(norm := getattr(model, name, None), nn.LayerNorm):
                setattr(model, name, ScaledLayerNorm(norm))


def scale_and_shift(width: int, like: Tensor) -> tuple[nn.Parameter, nn.Parameter]:
    """Return gamma and beta, both of shape (width,)."""
    gamma, beta = like.new_empty(width), like.new_empty(width)
    return nn.Parameter(gamma.normal_(1.0, STD)), nn.Parameter(beta.normal_(0.0, STD))


class ScaledLinear(nn.Linear):
    """gamma * (W x + b) + beta."""

    def __init__(self, base: nn.Linear) -> None:
        adopt(self, base)
        self.gamma, self.beta = scale_and_shift(self.out_features, self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return torch.addcmul(self.beta, super().forward(x), self.gamma)

    def fold(self) -> nn.Linear:
        """Return the plain layer: the scale multiplies the rows of W."""
        return plain(nn.Linear, self, self.gamma[:, None] * self.weight)


class ScaledConv2d(nn.Conv2d):
    """gamma * (W conv x + b) + beta, per output channel."""

    def __init__(self, base: nn.Conv2d) -> None:
        adopt(self, base)
        self.gamma, self.beta = scale_and_shift(self.out_channels, self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in, height, width) -> (batch, out, height', width')."""
        return torch.addcmul(self.beta[:, None, None], super().forward(x), self.gamma[:, None, None])

    def fold(self) -> nn.Conv2d:
        """Return the plain convolution: the scale multiplies its filters."""
        return plain(nn.Conv2d, self, self.gamma[:, None, None, None] * self.weight)


class ScaledLayerNorm(nn.LayerNorm):
    """gamma * norm(x) + beta."""

    def __init__(self, base: nn.LayerNorm) -> None:
        if base.weight is None:
            raise ValueError("ssf folds into a norm's weight and bias, and this norm has none")
        adopt(self, base)
        self.gamma, self.beta = scale_and_shift(self.normalized_shape[0], self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) -> (..., width)."""
        return torch.addcmul(self.beta, super().forward(x), self.gamma)

    def fold(self) -> nn.LayerNorm:
        """Return the plain norm: the scale multiplies its weight."""
        return plain(nn.LayerNorm, self, self.gamma * self.weight)


def plain(kind: type[L], layer: Any, weight: Tensor) -> L:
    """Return `layer` as a stock `kind` with this weight and the bias gamma * b + beta."""
    stock = kind.__new__(kind)
    adopt(stock, layer)
    del stock.gamma, stock.beta
    stock.weight = nn.Parameter(weight)
    stock.bias = nn.Parameter(layer.beta if layer.bias is None else layer.gamma * layer.bias + layer.beta)
    return stock
