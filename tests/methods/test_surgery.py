"""The one piece of code that rewires models."""

import copy

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn

from visionpeft.methods.surgery import adopt, foreign, freeze, heads, merge, plain_linear, swap, transformer_blocks

SMALL = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 3, "num_classes": 5}


def vit(**more) -> nn.Module:
    torch.manual_seed(0)
    return timm.create_model("vit_tiny_patch16_224", **SMALL | more)


class Doubled(nn.Linear):
    def __init__(self, base: nn.Linear) -> None:
        adopt(self, base)

    def forward(self, x):
        return 2 * super().forward(x)

    def fold(self):
        return plain_linear(2 * self.weight, 2 * self.bias)


def test_freeze_leaves_the_head():
    model = vit()
    freeze(model)
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {"head.weight", "head.bias"}


def test_a_distilled_model_has_two_heads():
    model = timm.create_model("deit_tiny_distilled_patch16_224", **SMALL)
    assert heads(model) == [model.head, model.head_dist]
    freeze(model)
    assert model.head_dist.weight.requires_grad


def test_adopt_takes_over_without_a_copy():
    base = nn.Linear(3, 4)
    new = Doubled(base)
    assert new.weight is base.weight and new.bias is base.bias
    assert (new.in_features, new.out_features) == (3, 4)
    new.extra = nn.Parameter(torch.zeros(1))
    assert list(base.state_dict()) == ["weight", "bias"]


def test_swap_and_merge():
    model = vit().double().eval()
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    keys = list(model.state_dict())
    swap(model, ["fc1"], Doubled)
    assert [name for name, m in model.named_modules() if isinstance(m, Doubled)] == [
        "blocks.0.mlp.fc1",
        "blocks.1.mlp.fc1",
    ]
    assert list(model.state_dict()) == keys
    before = model(x)
    assert merge(model)
    assert type(model.blocks[0].mlp.fc1) is nn.Linear and not model.blocks[0].mlp.fc1.weight.requires_grad
    torch.testing.assert_close(model(x), before)


def test_merge_says_when_something_is_left():
    model = vit()
    model.blocks[0] = nn.Sequential(model.blocks[0])
    assert merge(model)

    class Foreign(nn.Identity):
        pass

    model.blocks[1].drop_path1 = Foreign()
    assert foreign(model.blocks[1].drop_path1)
    assert not merge(model)


def test_a_target_that_is_not_there():
    with pytest.raises(ValueError, match="no Linear called qvk in VisionTransformer; it has fc1, fc2, proj, qkv"):
        swap(vit(), ["qkv", "qvk"], Doubled)
    with pytest.raises(ValueError, match="no Linear called head"):
        swap(vit(), ["qkv", "head"], Doubled)
    with pytest.raises(ValueError, match="no Linear called norm1"):
        swap(vit(), ["norm1"], Doubled)


def test_a_layer_is_adapted_once():
    model = vit()
    swap(model, ["fc1"], Doubled)
    with pytest.raises(ValueError, match=r"blocks\.0\.mlp\.fc1 is already adapted \(Doubled\); inject one method once"):
        swap(model, ["fc1"], Doubled)


class PastTheLayer(nn.Module):
    """Reads the weight of one layer and calls the other, as BEiT's attention does without its switch."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x):
        return self.proj(F.linear(x, weight=self.qkv.weight, bias=None))


@pytest.mark.parametrize(("model", "leaf"), [(PastTheLayer(), "qkv"), (nn.MultiheadAttention(4, 2), "out_proj")])
def test_a_layer_that_is_not_called_is_refused(model, leaf):
    said = rf"0\.{leaf} cannot be adapted: {type(model).__name__} reads its weights past"
    with pytest.raises(ValueError, match=said):
        swap(nn.Sequential(model), [leaf], Doubled)
    assert not foreign(model.get_submodule(leaf))


def test_its_neighbour_that_is_called_is_adapted():
    model, x = nn.Sequential(PastTheLayer()), torch.randn(2, 3)
    before = model(x)
    swap(model, ["proj"], Doubled)
    torch.testing.assert_close(model(x), 2 * before)


class Tripled(nn.Linear):
    def __init__(self, base: nn.Linear) -> None:
        adopt(self, base)

    def forward(self, x):
        return 3 * super().forward(x)

    def fold(self):
        return plain_linear(3 * self.weight, self.bias)


def test_where_timm_has_a_switch_the_layer_is_called():
    """BEiT's biases of q and v lie beside the layer: they are added as they are, and the checkpoint's keys stay."""
    torch.manual_seed(0)
    plain = timm.create_model("beit_base_patch16_224", **SMALL | {"depth": 1}).double().eval()
    attention, x = plain.blocks[0].attn, torch.randn(2, 17, 48, dtype=torch.float64)
    nn.init.normal_(attention.q_bias)
    nn.init.normal_(attention.v_bias)
    model = copy.deepcopy(plain)
    attention.qkv.weight.data *= 3
    swap(model, ["qkv"], Tripled)
    assert list(model.state_dict()) == list(plain.state_dict())
    torch.testing.assert_close(model.blocks[0].attn(x), attention(x))
    assert merge(model)
    torch.testing.assert_close(model.blocks[0].attn(x), attention(x))
    assert list(model.state_dict()) == list(plain.state_dict())


def test_an_error_names_the_layer():
    def refuse(base):
        raise ValueError("no")

    with pytest.raises(ValueError, match=r"blocks\.0\.attn\.qkv: no"):
        swap(vit(), ["qkv"], refuse)


def test_stock_blocks_alone():
    assert transformer_blocks(vit(), "this") is not None
    with pytest.raises(ValueError, match="this needs the blocks of a timm VisionTransformer; Linear has"):
        transformer_blocks(nn.Linear(1, 1), "this")
    parallel = vit(block_fn=timm.models.vision_transformer.ParallelScalingBlock)
    with pytest.raises(ValueError, match="VisionTransformer has .'ParallelScalingBlock'."):
        transformer_blocks(parallel, "this")


def test_plain_linear_copies():
    weight, bias = torch.ones(4, 3), torch.zeros(4)
    layer = plain_linear(weight, bias)
    assert layer.weight.data_ptr() != weight.data_ptr() and torch.equal(layer.weight, weight)
    assert plain_linear(weight, None).bias is None
