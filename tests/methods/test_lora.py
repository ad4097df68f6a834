"""LoRA against its formula written out, and what it refuses."""

import pytest
import torch
from torch import nn

from visionpeft.methods.lora import LoRA, LoRALinear


def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(6, 12).double()


def filled(layer: LoRALinear) -> LoRALinear:
    with torch.no_grad():
        layer.B.normal_()
    return layer


def test_whole_layer():
    base = linear()
    layer = filled(LoRALinear(base, LoRA(rank=2, scale=0.5)))
    x = torch.randn(3, 4, 6, dtype=torch.float64)
    expected = x @ (base.weight + 0.5 * layer.B[0] @ layer.A[0]).T + base.bias
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(layer.fold()(x), expected)


def test_thirds():
    """q and v change, each by a pair of its own; k is the base's."""
    base = linear()
    layer = filled(LoRALinear(base, LoRA(rank=2, scale=0.5), parts=3, chosen=(0, 2)))
    x = torch.randn(3, 6, dtype=torch.float64)
    change = layer(x) - base(x)
    torch.testing.assert_close(change[:, :4], 0.5 * x @ (layer.B[0] @ layer.A[0]).T)
    torch.testing.assert_close(change[:, 8:], 0.5 * x @ (layer.B[1] @ layer.A[1]).T)
    assert torch.equal(change[:, 4:8], torch.zeros(3, 4, dtype=torch.float64))
    torch.testing.assert_close(layer.fold()(x), layer(x))


def test_start():
    layer = LoRALinear(nn.Linear(100, 100), LoRA(rank=4, scale=1.0, dropout=0.0))
    assert not layer.B.any()
    bound = 0.1  # Kaiming-uniform with a = sqrt 5 is 1 / sqrt(inputs)
    assert 0.95 * bound < layer.A.abs().max() <= bound


def test_dropout_acts_on_the_input_while_training():
    layer = filled(LoRALinear(linear(), LoRA(rank=2, dropout=0.5)))
    x = torch.randn(3, 6, dtype=torch.float64)
    assert not torch.equal(layer.train()(x), layer(x))
    assert torch.equal(layer.eval()(x), layer(x))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rank": 0}, "rank must be above 0, got 0"),
        ({"scale": -1.0}, "scale must be above 0"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
        ({"targets": ()}, "targets is empty"),
        ({"targets": ("q", "qkv")}, "names qkv and a third of it"),
    ],
)
def test_bad_fields(fields, message):
    with pytest.raises(ValueError, match=message):
        LoRA(**fields)


def test_rank_above_the_layer():
    with pytest.raises(ValueError, match=r"rank 5 is above min\(in, out\) = 4"):
        LoRALinear(linear(), LoRA(rank=5), parts=3, chosen=(0,))
