"""AdaptFormer: formula, pinned to timm's block on its variants, start."""

import pytest
import timm
import torch
from timm.models.vision_transformer import Block
from torch import nn

from visionpeft.methods.adapter import Bottleneck
from visionpeft.methods.adaptformer import AdaptFormer, ParallelBlock

BLOCKS = {
    "plain": {"qkv_bias": True},
    "layer scale": {"init_values": 0.3, "qkv_bias": True},
    "qk norm": {"qk_norm": True},
    "scaled norms": {"scale_attn_norm": True, "scale_mlp_norm": True},
    "drop path": {"drop_path": 0.5, "proj_drop": 0.1, "attn_drop": 0.1},
}


def pair(scale: float = 0.3, **more) -> tuple[Block, ParallelBlock]:
    torch.manual_seed(0)
    block = Block(48, 3, **more).double()
    parallel = Bottleneck(block.norm1.weight, 8, nn.ReLU(), 0.0)
    return block, ParallelBlock(block, parallel, scale)


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("arguments", [{}, {"is_causal": True}, {"attn_mask": torch.ones(7, 7).tril().bool()}])
def test_without_the_bottleneck_it_is_timms_block(name, arguments):
    block, adapted = pair(scale=0.0, **BLOCKS[name])
    x = torch.randn(4, 7, 48, dtype=torch.float64)
    outputs = []
    for module in (block, adapted):
        torch.manual_seed(1)
        outputs.append(module.train()(x, **arguments))
    assert torch.equal(*outputs)


def test_formula():
    """s (W_u relu(W_d x + b_d) + b_u) of the un-normalised x after attention, outside drop-path."""
    block, adapted = pair(scale=0.3, drop_path=0.5)
    p = adapted.parallel
    torch.manual_seed(1)
    x = torch.randn(4, 7, 48, dtype=torch.float64)
    middle = x + block.eval().attn(block.norm1(x))
    beside = torch.relu(middle @ p.down.weight.T + p.down.bias) @ p.up.weight.T + p.up.bias
    expected = middle + block.mlp(block.norm2(middle)) + 0.3 * beside
    torch.testing.assert_close(adapted.eval()(x), expected)


def test_start():
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", depth=1)
    AdaptFormer(bottleneck=64).inject(model)
    parallel = model.blocks[0].parallel
    bound = 192**-0.5
    assert 0.99 * bound < parallel.down.weight.abs().max().item() <= bound
    assert not parallel.down.bias.any() and not parallel.up.weight.any() and not parallel.up.bias.any()
    assert parallel.drop.p == 0.1


@pytest.mark.parametrize("fields", [{"bottleneck": 0}, {"scale": 0.0}, {"dropout": -0.1}])
def test_bad_fields(fields):
    with pytest.raises(ValueError, match=f"{next(iter(fields))} must"):
        AdaptFormer(**fields)
