"""Linear probe: only the classification head is trained, on the frozen backbone's pooled features."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from .base import Method
from .surgery import freeze


@dataclass(frozen=True)
class Linear(Method):
    """Train the head alone."""

    def inject(self, model: nn.Module) -> None:  # noqa: D102
        freeze(model)
