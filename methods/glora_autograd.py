"""The linear map of GLoRA and its gradients, which keep of a layer what LoRA keeps: its inputs or outputs, no weights.

W' = W * (1 + gain) + left @ right, with narrow left and right. Forward is one product with W'. Backward, what is learnt
comes from narrow products and sums over tokens; the gradient of W', which costs as much as the map itself, is formed
for a gain of low rank alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable


def fold(weight: Tensor, gain: Sequence[Tensor], left: Tensor, right: Tensor) -> Tensor:
    """Return W'. weight: (out, in); gain: factors of what broadcasts to it; left: (out, k); right: (k, in)."""
    if gain:
        weight = torch.addcmul(weight, weight, reduce(torch.matmul, gain))
    return weight + left @ right if len(right) else weight


def no_autocast(device: str) -> contextlib.AbstractContextManager[Any]:
    """Return a context without autocast, on a device that may have none (meta)."""
    known = torch.amp.is_autocast_available(device)
    return torch.autocast(device, enabled=False) if known else contextlib.nullcontext()


def structured_linear(
    x: Tensor, weight: Tensor, shift: Tensor, gain: Sequence[Tensor], pair: tuple[Tensor, Tensor]
) -> Tensor:
    """Return x W'^T + shift, in the type of autocast where that is on.

    Args:
        x: (..., in).
        weight: W, (out, in), not learnt.
        shift: (out,).
        gain: nothing; (out, 1) per output, (1, in) per input, or (1, 1); or down (out, r) and up (r, in).
        pair: left (out, k) and right (k, in); k may be 0.

    Raises:
        ValueError: W requires a gradient, of which there is none here.
    """
    if not torch.is_grad_enabled():
        return F.linear(x, fold(weight, gain, *pair), shift)
    if weight.requires_grad:
        raise ValueError(f"W, {tuple(weight.shape)}, requires a gradient, and GLoRA forms none for it; freeze it again")
    device = x.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):  # there is none on meta
        x = x.to(torch.get_autocast_dtype(device))
    if len(gain) == 1 and gain[0].numel() == 1 and len(weight) < weight.shape[1]:
        gain = [gain[0].expand(len(weight), 1)]  # a scalar can be had on either side; the output is the narrower one
    if len(gain) == 2:
        function: type[Function] = LowRankGainLinear
    else:
        function = GainedLinear if gain and len(gain[0]) > 1 else FoldedLinear
    y: Tensor = function.apply(x.reshape(-1, x.shape[-1]), weight, shift, *pair, *gain)
    return y.view(*x.shape[:-1], len(weight))


class FoldedLinear(Function):
    """With no gain, or one per input: that needs x and H = G W, on the way to the gradient of x."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, shift: Tensor, left: Tensor, right: Tensor, *gain: Tensor
    ) -> Tensor:
        """(n, in) -> (n, out)."""
        low = x @ right.to(x.dtype).T
        ctx.save_for_backward(x if gain or ctx.needs_input_grad[4] else None, weight, left, right, low, *gain)
        return F.linear(x, fold(weight, gain, left, right).to(x.dtype), shift.to(x.dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        """(n, out) -> gradients of x (n, in) and of what is learnt."""
        x, weight, left, right, low, *gain = ctx.saved_tensors
        d_left, d_shift = sums(g, low)
        through = g @ left.to(g.dtype)
        d_right = through.T @ x if ctx.needs_input_grad[4] else None
        if not gain and not ctx.needs_input_grad[0]:
            return None, None, d_shift, d_left, d_right
        d_x = g @ weight.to(g.dtype)
        d_gain = [(d_x * x).sum_to_size(part.shape) for part in gain]
        for part in gain:
            d_x = d_x.addcmul_(d_x, part.to(g.dtype))
        d_x = d_x.addmm_(through, right.to(g.dtype)) if len(right) else d_x
        return d_x, None, d_shift, d_left, d_right, *d_gain


class GainedLinear(Function):
    """With a gain per output: that needs z = W x, of which y = z * (1 + gain) + shift + left (right x) is made.

    In bfloat16 a factor of 1.001 is 1. What rounding takes from it is given to W instead, a `rest` very near 1.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, shift: Tensor, left: Tensor, right: Tensor, gain: Tensor
    ) -> Tensor:
        """(n, in) -> (n, out)."""
        factor = (1 + gain).to(x.dtype)
        rest = torch.nan_to_num((1 + gain) / factor, nan=1.0)  # 0 / 0 where nothing is left of W
        low, z = x @ right.to(x.dtype).T, F.linear(x, (weight * rest).to(x.dtype))
        y = torch.addcmul(shift.to(x.dtype), z, factor.T)
        ctx.save_for_backward(x if ctx.needs_input_grad[4] else None, weight, left, right, gain, rest, low, z)
        return y.addmm_(low, left.to(x.dtype).T) if len(right) else y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        """(n, out) -> gradients of x (n, in) and of what is learnt."""
        x, weight, left, right, gain, rest, low, z = ctx.saved_tensors
        d_left, d_shift = sums(g, low)
        d_gain = (g * z).sum(0).unsqueeze(1) / rest
        d_right = (g @ left.to(g.dtype)).T @ x if ctx.needs_input_grad[4] else None
        d_x = g @ fold(weight, [gain], left, right).to(g.dtype) if ctx.needs_input_grad[0] else None
        return d_x, None, d_shift, d_left, d_right, d_gain


class LowRankGainLinear(Function):
    """With a gain of low rank: its gradient is W times that of W'. Backward forms W' anew, cheap beside g W'."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, shift: Tensor, left: Tensor, right: Tensor, down: Tensor, up: Tensor
    ) -> Tensor:
        """(n, in) -> (n, out)."""
        ctx.save_for_backward(x, weight, left, right, down, up)
        return F.linear(x, fold(weight, [down, up], left, right).to(x.dtype), shift.to(x.dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        """(n, out) -> gradients of x (n, in) and of what is learnt."""
        x, weight, left, right, down, up = ctx.saved_tensors
        dense = (g.T @ x).to(weight.dtype)
        d_left = dense @ right.T
        d_right = left.T @ dense if ctx.needs_input_grad[4] else None
        dense *= weight
        d_down, d_up = dense @ up.T, down.T @ dense
        d_x = g @ fold(weight, [down, up], left, right).to(g.dtype) if ctx.needs_input_grad[0] else None
        return d_x, None, g.sum(0), d_left, d_right, d_down, d_up


def sums(g: Tensor, low: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sums over n of g times low, (out, k), and of g, (out,), in one product. g: (n, out); low: (n, k)."""
    if not low.shape[1]:
        return g.new_empty(g.shape[1], 0), g.sum(0)
    total = torch.cat([low, low.new_ones(len(low), 1)], 1).T @ g
    return total[:-1].T, total[-1]
