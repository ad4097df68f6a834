"""Adapters in series: formula, place, start."""

import pytest
import timm
import torch
from torch import nn

from visionpeft.methods.adapter import Adapter, Serial

SMALL = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 1, "num_heads": 3, "num_classes": 5}


def injected(method: Adapter, **more) -> nn.Module:
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", **SMALL | more).double().eval()
    method.inject(model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "bottleneck" in name:
                parameter.normal_(0, 0.2)
    return model


def by_hand(serial: Serial, z: torch.Tensor) -> torch.Tensor:
    """z + W_u f(W_d z + b_d) + b_u with f(a) = a sigmoid(1.702 a)."""
    a = z @ serial.bottleneck.down.weight.T + serial.bottleneck.down.bias
    return z + (a * torch.sigmoid(1.702 * a)) @ serial.bottleneck.up.weight.T + serial.bottleneck.up.bias


def test_inside_the_residual_of_both_branches():
    block = injected(Adapter(), init_values=0.5).blocks[0]
    x = torch.randn(2, 17, 48, dtype=torch.float64)
    middle = x + by_hand(block.drop_path1, block.ls1(block.attn(block.norm1(x))))
    expected = middle + by_hand(block.drop_path2, block.ls2(block.mlp(block.norm2(middle))))
    torch.testing.assert_close(block(x), expected)


def test_after_the_mlp_alone():
    block = injected(Adapter(after=("mlp",))).blocks[0]
    assert isinstance(block.drop_path1, nn.Identity)
    x = torch.randn(2, 17, 48, dtype=torch.float64)
    middle = x + block.attn(block.norm1(x))
    torch.testing.assert_close(block(x), middle + by_hand(block.drop_path2, block.mlp(block.norm2(middle))))


def test_behind_drop_path():
    """A dropped branch still passes through the adapter, as zero."""
    model = injected(Adapter(dropout=0.0), depth=2, drop_path_rate=0.5)
    serial = model.blocks[1].drop_path2.train()
    serial.drop_path.drop_prob = 0.999999
    z = torch.randn(4, 17, 48, dtype=torch.float64)
    torch.testing.assert_close(serial(z), by_hand(serial, torch.zeros_like(z)))


def test_dropout_while_training():
    serial = injected(Adapter(dropout=0.5)).blocks[0].drop_path1.train()
    z = torch.randn(2, 17, 48, dtype=torch.float64)
    assert not torch.equal(serial(z), serial(z))


def test_start_survives_timms_constructor():
    """Normal(0, .01) cut at two deviations, standard deviation .0088; timm's constructor would have made it .02."""
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", depth=1)
    Adapter(bottleneck=64).inject(model)
    for linear in (model.blocks[0].drop_path1.bottleneck.down, model.blocks[0].drop_path2.bottleneck.up):
        assert 0.0086 < linear.weight.std().item() < 0.0090
        assert linear.weight.abs().max().item() <= 0.02
        assert not linear.bias.any()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bottleneck": 0}, "bottleneck must be above 0, got 0"),
        ({"after": ()}, r"after must name some of attn, mlp, got \[\]"),
        ({"after": ("mlp", "head")}, r"after must name some of attn, mlp, got \['mlp', 'head'\]"),
        ({"dropout": 1}, "dropout must lie in"),
    ],
)
def test_bad_fields(fields, message):
    with pytest.raises(ValueError, match=message):
        Adapter(**fields)


def test_bottleneck_above_the_width():
    with pytest.raises(ValueError, match="bottleneck 99999 is above the model's width 48"):
        injected(Adapter(bottleneck=99999))
