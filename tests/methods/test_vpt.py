"""VPT written out, on every kind of prefix and pooling."""

import pytest
import timm
import torch
from torch import nn

from visionpeft.methods.vpt import VPT

SMALL = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 3, "num_heads": 3, "num_classes": 5}
MODELS = {  # arguments and number of prefix tokens
    "class token": ("vit_tiny_patch16_224", {}, 1),
    "registers": ("vit_tiny_patch16_224", {"reg_tokens": 4}, 5),
    "distilled": ("deit_tiny_distilled_patch16_224", {}, 2),
    "average pooling": ("vit_tiny_patch16_224", {"class_token": False, "global_pool": "avg"}, 0),
    "average with class token": ("vit_tiny_patch16_224", {"global_pool": "avg"}, 1),
    "pooling by attention": ("vit_tiny_patch16_224", {"class_token": False, "global_pool": "map"}, 0),
}
every = pytest.mark.parametrize("name", MODELS)
both = pytest.mark.parametrize("deep", [False, True], ids=["shallow", "deep"])


def pair(name: str, method: VPT) -> tuple[nn.Module, nn.Module]:
    """The same model without and with the method."""
    models = []
    for _ in range(2):
        torch.manual_seed(0)
        arguments = SMALL | MODELS[name][1]
        models.append(timm.create_model(MODELS[name][0], **arguments).double().eval())
    method.inject(models[1])
    return models[0], models[1]


def image() -> torch.Tensor:
    return torch.randn(2, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@every
@both
def test_formula(name, deep):
    model, adapted = pair(name, VPT(tokens=4, deep=deep))
    prefix, x = MODELS[name][2], image()
    z = model._pos_embed(model.patch_embed(x))
    for i, block in enumerate(model.blocks):
        if i == 0 or deep:
            kept = z if i == 0 else torch.cat([z[:, :prefix], z[:, prefix + 4 :]], 1)
            prompt = adapted.blocks[i].prompt.expand(2, -1, -1)
            z = torch.cat([kept[:, :prefix], prompt, kept[:, prefix:]], 1)
        z = block(z)
    z = torch.cat([z[:, :prefix], z[:, prefix + 4 :]], 1)
    torch.testing.assert_close(adapted(x), model.forward_head(model.norm(z)))
    assert adapted.forward_features(x).shape == model.forward_features(x).shape


@both
def test_one_block(deep):
    model = timm.create_model("vit_tiny_patch16_224", **SMALL | {"depth": 1}).double()
    VPT(tokens=4, deep=deep).inject(model)
    assert model.forward_features(image()).shape == (2, 17, 48)


@both
def test_with_gradient_checkpointing(deep):
    _, model = pair("registers", VPT(tokens=4, deep=deep))
    expected = model(image())
    model.set_grad_checkpointing(True)
    torch.testing.assert_close(model(image()), expected)


@both
def test_masks_are_refused(deep):
    _, model = pair("class token", VPT(tokens=4, deep=deep))
    for arguments in ({"is_causal": True}, {"attn_mask": torch.zeros(17, 17, dtype=torch.float64)}):
        with pytest.raises(ValueError, match="vpt does not serve attention masks"):
            model(image(), **arguments)


@pytest.mark.parametrize(("patch", "width", "bound"), [(16, 768, 0.0625), (8, 48, (6 / 240) ** 0.5)])
def test_start(patch, width, bound):
    torch.manual_seed(0)
    model = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, patch_size=patch, embed_dim=width, depth=2, num_heads=3
    )
    VPT(tokens=50, deep=True).inject(model)
    for block in model.blocks:
        assert 0.98 * bound < block.prompt.abs().max().item() <= bound
        assert abs(block.prompt.std().item() / (bound / 3**0.5) - 1) < 0.05


def test_dropout_on_the_tokens():
    _, model = pair("class token", VPT(tokens=4, dropout=0.5))
    assert torch.equal(model(image()), model(image()))
    model.train()
    assert not torch.equal(model(image()), model(image()))


@pytest.mark.parametrize(
    ("fields", "message"), [({"tokens": 0}, "tokens must be above 0"), ({"dropout": 2.0}, "dropout must lie in")]
)
def test_bad_fields(fields, message):
    with pytest.raises(ValueError, match=message):
        VPT(**fields)
