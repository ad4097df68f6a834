"""SSF: gamma * z + beta after every operation, and its folding."""

import pytest
import timm
import torch
from torch import nn

from visionpeft.methods.ssf import SSF, ScaledConv2d, ScaledLayerNorm, ScaledLinear

SMALL = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 1, "num_heads": 3, "num_classes": 5}


def injected(**more) -> nn.Module:
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", **SMALL | more)
    SSF().inject(model)
    return model


LAYERS = {
    "linear": (ScaledLinear, lambda: nn.Linear(6, 4), (3, 5, 6), 4, -1),
    "linear without bias": (ScaledLinear, lambda: nn.Linear(6, 4, bias=False), (3, 5, 6), 4, -1),
    "convolution": (ScaledConv2d, lambda: nn.Conv2d(3, 4, 2, stride=2), (2, 3, 8, 8), 4, 1),
    "convolution without bias": (ScaledConv2d, lambda: nn.Conv2d(3, 4, 2, stride=2, bias=False), (2, 3, 8, 8), 4, 1),
    "norm": (ScaledLayerNorm, lambda: nn.LayerNorm(6), (3, 5, 6), 6, -1),
}


@pytest.mark.parametrize("name", LAYERS)
def test_scale_and_shift_of_channels(name):
    kind, make, shape, channels, axis = LAYERS[name]
    torch.manual_seed(0)
    base = make().double()
    layer = kind(base)
    with torch.no_grad():
        layer.gamma.copy_(torch.arange(channels) + 1.0)
        layer.beta.copy_(torch.arange(channels) * 10.0)
    x = torch.randn(shape, dtype=torch.float64)
    z, y, folded = (f(x).movedim(axis, -1) for f in (base, layer, layer.fold()))
    torch.testing.assert_close(y, z * layer.gamma + layer.beta)
    torch.testing.assert_close(folded, y)
    assert type(layer.fold()) is type(base) and list(layer.fold().state_dict()) == ["weight", "bias"]


def test_every_operation_has_one():
    block = {f"blocks.0.{name}" for name in ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")}
    found = {name.removesuffix(".gamma") for name, _ in injected().named_parameters() if name.endswith(".gamma")}
    assert found == block | {"patch_embed.proj", "norm"}
    averaged = injected(class_token=False, global_pool="avg", fc_norm=True)
    assert isinstance(averaged.fc_norm, ScaledLayerNorm) and isinstance(averaged.norm, nn.Identity)


def test_start():
    torch.manual_seed(0)
    layer = ScaledLinear(nn.Linear(2, 40_000))
    for values, mean in ((layer.gamma, 1.0), (layer.beta, 0.0)):
        assert abs(values.mean().item() - mean) < 1e-3
        assert 0.0195 < values.std().item() < 0.0205


def test_a_norm_without_weight():
    with pytest.raises(ValueError, match="this norm has none"):
        ScaledLayerNorm(nn.LayerNorm(4, elementwise_affine=False))
