"""How a new head is drawn, from a generator of its own: ours, and those of repositories whose figures are restated."""

from __future__ import annotations

import math

import torch
from torch import nn

HEAD_STD = 0.02


def _trunc_normal(head: nn.Linear, generator: torch.Generator) -> None:
    nn.init.trunc_normal_(head.weight, std=HEAD_STD, generator=generator)
    nn.init.zeros_(head.bias)


def _linear(head: nn.Linear, generator: torch.Generator) -> None:
    """Draw as nn.Linear does: weight and bias uniform within one over the root of the inputs."""
    bound = 1 / math.sqrt(head.in_features)
    nn.init.uniform_(head.weight, -bound, bound, generator=generator)
    nn.init.uniform_(head.bias, -bound, bound, generator=generator)


def _kaiming(head: nn.Linear, generator: torch.Generator) -> None:
    """Draw as VPT does: every class starts at a probability of about .01."""
    nn.init.kaiming_normal_(head.weight, a=0, mode="fan_out", generator=generator)
    nn.init.constant_(head.bias, -math.log(99))


HEADS = {"trunc_normal": _trunc_normal, "linear": _linear, "kaiming": _kaiming}
"""How a new head is drawn, by name."""
