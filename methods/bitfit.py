"""BitFit (Ben Zaken et al., ACL 2022, arXiv 2106.10199): every bias of the pretrained backbone is trained.

On a ViT: patch embedding, qkv, proj, fc1, fc2 and all norms, from their pretrained values; nothing is added, so merging
is trivial. Count on ViT-B/16: L (D + 3D + D + D + M + D) + 2D = 102,912. The key third of each qkv bias is among them
but inert: softmax does not feel a constant added to all logits of a query.
Compared with KMnP/vpt @ 4410440, transfer type tinytl-bias.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from .base import Method
from .surgery import freeze

BIASED = (nn.Linear, nn.Conv2d, nn.LayerNorm)
"""The layers of a ViT that can have a bias."""


@dataclass(frozen=True)
class BitFit(Method):
    """Train the biases."""

    def inject(self, model: nn.Module) -> None:  # noqa: D102
        freeze(model)
        owners = [module for module in model.modules() if isinstance(module, BIASED)]
        frozen = [m.bias for m in owners if m.bias is not None and not m.bias.requires_grad]
        if not frozen:
            raise ValueError(f"bitfit trains biases, and {type(model).__name__} has none outside its head")
        for bias in frozen:
            bias.requires_grad_(True)
