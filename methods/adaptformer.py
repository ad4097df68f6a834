"""AdaptFormer (Chen et al., NeurIPS 2022, arXiv 2205.13535): a bottleneck parallel to the MLP.

x <- x + DP(MLP(norm(x))) + s (W_u dropout(relu(W_d x + b_d)) + b_u), with x after the attention. As in the authors'
image code the bottleneck reads the un-normalised x (the paper's equation has a norm there), outside drop-path.
Init: W_d Kaiming-uniform (a = sqrt 5), all else 0, so it starts at the identity. Count on ViT-B/16 at h = 8: 156,768.
Not linear, so nothing can be merged. Compared with ShoufaChen/AdaptFormer @ 6967d67.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from .adapter import Bottleneck
from .base import Method, fraction, positive
from .surgery import adopt, freeze, transformer_blocks


@dataclass(frozen=True)
class AdaptFormer(Method):
    """Bottlenecks in parallel with the MLP of each block.

    Attributes:
        bottleneck: h; 64 in the paper, 8 in the tables on VTAB-1k.
        scale: s.
        dropout: before W_u while training.
    """

    bottleneck: int = 8
    scale: float = 0.1
    dropout: float = 0.1

    def __post_init__(self) -> None:
        positive(bottleneck=self.bottleneck, scale=self.scale)
        fraction(dropout=self.dropout)

    def inject(self, model: nn.Module) -> None:  # noqa: D102
        blocks = transformer_blocks(model, "adaptformer")
        freeze(model)
        for i, block in enumerate(blocks):
            parallel = Bottleneck(block.norm1.weight, self.bottleneck, nn.ReLU(), self.dropout)
            nn.init.kaiming_uniform_(parallel.down.weight, a=math.sqrt(5))
            for start_at_zero in (parallel.down.bias, parallel.up.weight, parallel.up.bias):
                nn.init.zeros_(start_at_zero)
            blocks[i] = ParallelBlock(block, parallel, self.scale).train(block.training)


class ParallelBlock(Block):
    """A block with a bottleneck beside its MLP."""

    def __init__(self, base: Block, parallel: Bottleneck, scale: float) -> None:
        adopt(self, base)
        self.parallel, self.scale = parallel, scale

    def forward(self, x: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        """(batch, tokens, width) -> the same. The two lines of timm's block, and the addition to the second."""
        attention = self.attn(self.norm1(x), attn_mask=attn_mask, is_causal=is_causal)
        x = x + self.drop_path1(self.ls1(attention))
        beside = self.parallel(x)
        x = x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))
        return torch.add(x, beside, alpha=self.scale)
