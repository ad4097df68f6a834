"""Adapters (Houlsby et al., ICML 2019, arXiv 1902.00751): z + W_u f(W_d z + b_d) + b_u on a branch's output z.

W_d (h, D), W_u (D, h), f = QuickGELU, z sigmoid(1.702 z), then dropout. The adapter stands inside the residual, behind
the branch's drop-path: x + A(DP(attention(norm(x)))), and the same for the MLP. Behind both branches this is Houlsby's
placement (313,536 parameters on ViT-B/16 at h = 8), behind the MLP alone NOAH's and Pfeiffer's (156,768). Norms stay
frozen, which in Houlsby's text are trained too.

Init: Houlsby's, weights normal(0, .01) cut at two standard deviations, biases 0: near the identity, not at it. NOAH's
code writes another one, which timm's constructor overwrites, so its rows start from normal(0, .02).
Compared with ZhangYuanhan-AI/NOAH @ e9c55f3, and for the placement with visinf/adapter_plus @ 191c4ab.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from timm.layers import QuickGELU
from torch import Tensor, nn

from .base import Method, fraction, positive
from .surgery import freeze, transformer_blocks

BRANCHES = {"attn": "drop_path1", "mlp": "drop_path2"}
"""The branches of a block and the last thing that timm applies to each before the residual is added."""
STD = 0.01


@dataclass(frozen=True)
class Adapter(Method):
    """Bottlenecks in series with the branches of each block.

    Attributes:
        bottleneck: h.
        after: branches that get one: attn, mlp.
        dropout: before W_u while training.
    """

    neutral: ClassVar[bool] = False

    bottleneck: int = 8
    after: tuple[str, ...] = ("attn", "mlp")
    dropout: float = 0.1

    def __post_init__(self) -> None:
        positive(bottleneck=self.bottleneck)
        fraction(dropout=self.dropout)
        if not self.after or not set(self.after) <= set(BRANCHES):
            raise ValueError(f"after must name some of {', '.join(BRANCHES)}, got {list(self.after)}")

    def inject(self, model: nn.Module) -> None:  # noqa: D102
        blocks = transformer_blocks(model, "adapter")
        freeze(model)
        for block in blocks:
            for branch in self.after:
                bottleneck = Bottleneck(block.norm1.weight, self.bottleneck, QuickGELU(), self.dropout)
                for linear in (bottleneck.down, bottleneck.up):
                    nn.init.trunc_normal_(linear.weight, std=STD, a=-2 * STD, b=2 * STD)
                    nn.init.zeros_(linear.bias)
                drop_path = getattr(block, BRANCHES[branch])
                if isinstance(drop_path, Serial):
                    raise ValueError("the blocks are already adapted (Serial); inject one method once")
                setattr(block, BRANCHES[branch], Serial(drop_path, bottleneck).train(block.training))


class Bottleneck(nn.Module):
    """W_u dropout(f(W_d x + b_d)) + b_u, on the device and in the type of `like`, whose first size is the width."""

    def __init__(self, like: Tensor, bottleneck: int, activation: nn.Module, dropout: float) -> None:
        super().__init__()
        width = like.shape[0]
        if bottleneck > width:
            raise ValueError(f"bottleneck {bottleneck} is above the model's width {width}")
        self.down = nn.Linear(width, bottleneck, device=like.device, dtype=like.dtype)
        self.activation = activation
        self.drop = nn.Dropout(dropout)
        self.up = nn.Linear(bottleneck, width, device=like.device, dtype=like.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) -> (..., width)."""
        return self.up(self.drop(self.activation(self.down(x))))


class Serial(nn.Module):
    """A drop-path and the adapter behind it, in the drop-path's place: z + bottleneck(z)."""

    def __init__(self, drop_path: nn.Module, bottleneck: Bottleneck) -> None:
        super().__init__()
        self.drop_path, self.bottleneck = drop_path, bottleneck

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, width) -> the same."""
        z = self.drop_path(x)
        return z + self.bottleneck(z)
