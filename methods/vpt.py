"""VPT (Jia et al., ECCV 2022, arXiv 2203.12119): p learned tokens join the sequence, behind the class token.

Shallow: they enter before the first block and run through all of them; p D parameters. Deep: every block has p tokens
of its own, which replace the previous ones; L p D parameters. They carry no position embedding, stand behind all prefix
tokens (class, distillation, registers) and leave before the last norm, so that no pooling sees them.

Init: uniform(-a, a), a = sqrt(6 / (3 patch^2 + D)), .0625 on ViT-B/16. Dropout on the tokens: .1 deep, 0 shallow. The
authors keep the backbone in evaluation mode, without drop-path, which is the recipe's `drop_path: 0.0`. Attention gets
longer, and nothing can be merged. Compared with KMnP/vpt @ 4410440.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from .base import Method, fraction, positive
from .surgery import adopt, freeze, transformer_blocks


@dataclass(frozen=True)
class VPT(Method):
    """Visual prompts.

    Attributes:
        tokens: p.
        deep: new tokens in every block, instead of the same throughout.
        dropout: on the tokens while training.
    """

    neutral: ClassVar[bool] = False

    tokens: int = 50
    deep: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        positive(tokens=self.tokens)
        fraction(dropout=self.dropout)

    def inject(self, model: nn.Module) -> None:  # noqa: D102
        blocks = transformer_blocks(model, "vpt")
        freeze(model)
        width = len(blocks[0].norm1.weight)
        patch: tuple[int, int] = model.patch_embed.patch_size  # type: ignore[union-attr, assignment]
        bound = math.sqrt(6 / (3 * math.prod(patch) + width))
        for i, block in enumerate(blocks):
            prompt = None
            if self.deep or i == 0:
                prompt = nn.Parameter(block.norm1.weight.new_empty(self.tokens, width).uniform_(-bound, bound))
            leaving = self.tokens if self.deep or i == len(blocks) - 1 else 0
            if prompt is not None or leaving:
                prompted = PromptedBlock(block, model.num_prefix_tokens, prompt, self.dropout, leaving)  # type: ignore[arg-type]
                blocks[i] = prompted.train(block.training)


class PromptedBlock(Block):
    """A block before which prompts enter the sequence, behind its `prefix` first tokens, or after which they leave.

    Parameters: prompt (tokens, width), or None where none enter; `leaving` is the number of tokens that leave.
    """

    def __init__(self, base: Block, prefix: int, prompt: nn.Parameter | None, dropout: float, leaving: int) -> None:
        adopt(self, base)
        self.prefix, self.leaving = prefix, leaving
        self.prompt = prompt
        self.dropout = dropout

    def forward(self, x: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        """(batch, sequence, width) -> the same, longer by the prompts that entered and did not leave."""
        if attn_mask is not None or is_causal:
            raise ValueError("vpt does not serve attention masks: they say nothing about its prompts")
        if self.prompt is not None:
            # no module of its own: torch's FLOP counter stumbles over modules that are given parameters
            prompt = F.dropout(self.prompt.expand(len(x), -1, -1), self.dropout, self.training).to(x.dtype)
            x = torch.cat([x[:, : self.prefix], prompt, x[:, self.prefix :]], dim=1)
        x = super().forward(x)
        if self.leaving:
            x = torch.cat([x[:, : self.prefix], x[:, self.prefix + self.leaving :]], dim=1)
        return x
