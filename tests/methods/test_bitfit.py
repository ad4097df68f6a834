"""BitFit trains exactly the biases, of which the keys' are inert."""

import pytest
import timm
import torch
from torch import nn

from visionpeft.methods.bitfit import BitFit

SMALL = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 1, "num_heads": 3, "num_classes": 5}


def trained(**more) -> set[str]:
    model = timm.create_model("vit_tiny_patch16_224", **SMALL | more)
    BitFit().inject(model)
    return {name for name, p in model.named_parameters() if p.requires_grad}


def test_the_biases_and_the_head():
    block = {f"blocks.0.{name}.bias" for name in ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")}
    assert trained() == block | {"patch_embed.proj.bias", "norm.bias", "head.weight", "head.bias"}


def test_without_qkv_bias_and_with_average_pooling():
    found = trained(qkv_bias=False, class_token=False, global_pool="avg", fc_norm=True)
    assert "blocks.0.attn.qkv.bias" not in found and {"fc_norm.bias", "blocks.0.attn.proj.bias"} <= found


def test_a_model_without_biases():
    class Headed(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Linear(2, 2, bias=False), nn.Linear(2, 2)

        def get_classifier(self):
            return self.head

    with pytest.raises(ValueError, match="bitfit trains biases, and Headed has none outside its head"):
        BitFit().inject(Headed())


def test_the_key_bias_is_inert():
    """Softmax does not feel what all keys have in common; q and v parts of the same tensor learn."""
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", **SMALL).double()
    BitFit().inject(model)
    model(torch.randn(2, 3, 32, 32, dtype=torch.float64)).square().sum().backward()
    q, k, v = model.blocks[0].attn.qkv.bias.grad.chunk(3)
    assert k.abs().max() < 1e-12 * v.abs().max() and q.abs().max() > 1e-6 * v.abs().max()
