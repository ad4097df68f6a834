"""One GLoRA layer in all of its 432 configurations against outputs of the authors' code; see `golden/README.md`."""

from functools import partial, reduce

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from visionpeft.methods.glora_linear import GLoRALinear
from visionpeft.methods.glora_space import LARGEST

from .official import GOLDEN, TOLERANCE, WORDS, draw

LAYER = np.load(GOLDEN / "glora_layer.npz")
OURS = ("A_down", "A_up", "B_down", "B_up", "C_down", "C_up", "D", "E")
THEIRS = ("Ad", "Au", "Bd", "Bu", "Cd", "Cu", "D", "E")


def official(name: str) -> Tensor:
    shapes = {"Ad": (12, 4), "Au": (4, 8), "Bd": (12, 4), "Bu": (4, 8), "Cd": (8, 4), "Cu": (4, 1)}
    return draw(f"glora.layer.{name}", *shapes.get(name, (12,)), std=0.5)


def layer(word: str, bias: bool = True) -> GLoRALinear:
    base = nn.Linear(8, 12, bias, dtype=torch.float64)
    base.weight = nn.Parameter(draw("glora.layer.weight", 12, 8, std=0.4))
    if bias:
        base.bias = nn.Parameter(draw("glora.layer.bias", 12, std=0.4))
    adapted = GLoRALinear(base, 4, word)
    with torch.no_grad():
        for ours, theirs in zip(OURS, THEIRS, strict=True):
            if (parameter := getattr(adapted, ours, None)) is not None:
                # a layer made for a vector or scalar alone stores the first column or element
                parameter.copy_(official(theirs)[tuple(slice(size) for size in parameter.shape)])
    return adapted


def worst(found: Tensor, golden: np.ndarray) -> float:
    """Largest difference relative to the largest golden value, in the worst configuration."""
    difference = np.abs(found.detach().double().numpy() - golden).max((1, 2))
    return float((difference / np.abs(golden).max((1, 2))).max())


def outputs(x: Tensor, bias: bool, fold: bool, entangled: bool) -> Tensor:
    full, found = layer(LARGEST, bias).to(x.dtype), []
    for word in WORDS:
        adapted = full if entangled else layer(word, bias).to(x.dtype)
        adapted.choose(word)
        found.append((adapted.fold() if fold else adapted)(x))
    return torch.stack(found)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("entangled", [False, True])
def test_all_configurations_equal_the_official_ones(dtype: torch.dtype, fold: bool, entangled: bool) -> None:
    x = draw("glora.layer.input", 3, 8).to(dtype)
    assert worst(outputs(x, True, fold, entangled), LAYER["outputs"]) <= TOLERANCE[dtype]
    assert worst(outputs(x[:1], False, fold, entangled), LAYER["outputs_no_bias"]) <= TOLERANCE[dtype]


def test_gradients_equal_the_official_ones() -> None:
    x, cotangent = draw("glora.layer.input", 3, 8), draw("glora.layer.cotangent", 3, 12)
    full = layer(LARGEST)
    tensors = [getattr(full, name) for name in OURS]
    directions = [draw(f"glora.layer.direction.{n}", *t.shape) for n, t in zip(THEIRS, tensors, strict=True)]
    for word, golden in zip(WORDS, LAYER["slopes"], strict=True):
        full.choose(word)
        loss = (full(x) * cotangent).sum()
        found = [torch.zeros_like(tensor) for tensor in tensors]
        if loss.requires_grad:
            found = list(torch.autograd.grad(loss, tensors, allow_unused=True, materialize_grads=True))
        slopes = [float((g * d).sum()) for g, d in zip(found, directions, strict=True)]
        assert slopes == pytest.approx(golden.tolist(), rel=1e-9, abs=1e-10), word


def dense(adapted: GLoRALinear, x: Tensor) -> Tensor:
    """The formula as it is written, with W' in full: W' = W + W * A + B, b' = b + b * D + E + W C."""
    weight, bias = adapted.weight, adapted.bias
    likes = {"A": weight, "B": weight, "C": weight[:1].T, "D": weight[:, 0], "E": weight[:, 0]}
    a, b, c, d, e = (
        reduce(torch.matmul, parts) if (parts := adapted.read(support)) else torch.zeros_like(like)
        for support, like in likes.items()
    )
    shift = e + (weight @ c)[:, 0]
    return x @ (weight + weight * a + b).T + (shift if bias is None else bias + bias * d + shift)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("bias", [True, False])
def test_all_gradients_equal_those_through_a_dense_weight(dtype: torch.dtype, bias: bool) -> None:
    """Of the input and of every tensor that is trained, relative to the largest gradient of the configuration."""
    full, cotangent = layer(LARGEST, bias).to(dtype), draw("glora.layer.cotangent", 3, 12).to(dtype)
    x = draw("glora.layer.input", 3, 8).to(dtype).requires_grad_()
    tensors = [x, *(getattr(full, name) for name in OURS if hasattr(full, name))]  # no D without a bias
    for word in WORDS:
        full.choose(word)
        ours, theirs = (
            torch.autograd.grad((f(x) * cotangent).sum(), tensors, allow_unused=True, materialize_grads=True)
            for f in (full, partial(dense, full))
        )
        largest = max(float(g.abs().max()) for g in theirs)
        furthest = max(float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True))
        assert furthest <= TOLERANCE[dtype] * largest, word
