"""Subnets of a GLoRA supernet: give its layers their words, evaluate them as plain models, take over their weights."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import nn

from .glora_linear import GLoRALinear
from .glora_space import LARGEST, Words
from .surgery import merge


def adapted_layers(model: nn.Module) -> list[GLoRALinear]:
    """Return the adapted layers in the order of the words."""
    return [module for module in model.modules() if isinstance(module, GLoRALinear)]


def choose(model: nn.Module, words: Words) -> None:
    """Give each adapted layer its word.

    Raises:
        ValueError: one needs tensors that the model was not given.
    """
    for layer, word in zip(adapted_layers(model), words, strict=True):
        layer.choose(word)


class MergedSubnets:
    """One plain model that becomes any subnet, by overwriting the weights of its linear layers with merged ones.

    Evaluating it costs what the backbone costs; nothing is allocated, loaded or compiled for a candidate.
    """

    def __init__(self, supernet: nn.Module) -> None:
        self.plain = deepcopy(supernet)
        choose(self.plain, (LARGEST,) * len(adapted_layers(self.plain)))  # with it every layer gets a bias
        merge(self.plain)
        self.names: list[str] = []
        self.layers: list[tuple[GLoRALinear, nn.Linear]] = []
        for name, module in supernet.named_modules():
            if isinstance(module, GLoRALinear):
                plain = self.plain.get_submodule(name)
                assert isinstance(plain, nn.Linear)
                self.names.append(name)
                self.layers.append((module, plain))

    @torch.no_grad()
    def become(self, words: Words) -> nn.Module:
        """Return the plain model as the subnet of these words, until the next call."""
        for (layer, plain), word in zip(self.layers, words, strict=True):
            layer.choose(word)
            weight, bias = layer.effective()
            plain.weight.copy_(weight)
            plain.bias.zero_() if bias is None else plain.bias.copy_(bias)
        return self.plain


@torch.no_grad()
def inherit(subnet: nn.Module, supernet: nn.Module) -> None:
    """Give a subnet what the supernet learnt: its head, its statistics, and the beginnings of its tensors."""
    source = dict(supernet.named_parameters())
    for name, parameter in subnet.named_parameters():
        if parameter.requires_grad:
            parameter.copy_(source[name][tuple(slice(size) for size in parameter.shape)])
    buffers = dict(supernet.named_buffers())
    for name, buffer in subnet.named_buffers():
        buffer.copy_(buffers[name])
