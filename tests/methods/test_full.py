"""Full fine-tuning trains every tensor, and adds none."""

import timm

from visionpeft.methods.full import Full


def test_all_of_it():
    model = timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=48, depth=1, num_heads=3)
    names = [name for name, _ in model.named_parameters()]
    model.requires_grad_(False)
    Full().inject(model)
    assert [name for name, p in model.named_parameters() if p.requires_grad] == names
