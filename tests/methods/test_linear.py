"""A linear probe trains the head, or the two heads of a distilled model, and nothing else."""

import pytest
import timm

from visionpeft.methods.linear import Linear


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vit_tiny_patch16_224", ["head.weight", "head.bias"]),
        ("deit_tiny_distilled_patch16_224", ["head.weight", "head.bias", "head_dist.weight", "head_dist.bias"]),
    ],
)
def test_the_head_alone(name, expected):
    model = timm.create_model(name, img_size=32, patch_size=8, embed_dim=48, depth=1, num_heads=3)
    Linear().inject(model)
    assert [name for name, p in model.named_parameters() if p.requires_grad] == expected
