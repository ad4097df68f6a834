"""Backbones: weights checked, heads fresh, everything left open filled from the model's own setting."""

import dataclasses

import pytest
import timm
import torch
from safetensors.torch import save_file

from visionpeft.benchmark.backbone import (
    build,
    describe,
    outline,
    preprocessing,
    pretraining,
    resolve,
    weights_sha256,
)
from visionpeft.benchmark.spec import Backbone
from visionpeft.data.decode import Preprocessing
from visionpeft.methods.lora import LoRA
from visionpeft.methods.surgery import heads

SMALL = {"patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 3}


def small(weights, **changes):
    return dataclasses.replace(Backbone("small", "vit_tiny_patch16_224", str(weights), SMALL, 32), **changes)


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(7)
    model = timm.create_model("vit_tiny_patch16_224", num_classes=1000, img_size=32, **SMALL)
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    torch.save(model.state_dict(), tmp_path / "w.pth")
    return model


def test_the_literature_checkpoint_is_normalised_with_a_half():
    found = resolve(Backbone("b", "vit_base_patch16_224.orig_in21k"))
    assert (found.img_size, found.mean, found.std, found.interpolation) == (224, (0.5,) * 3, (0.5,) * 3, "bicubic")


def test_what_is_given_wins():
    given = Backbone("b", "vit_base_patch16_224", mean=(0.1, 0.2, 0.3), img_size=64, interpolation="bilinear")
    assert resolve(given).mean == (0.1, 0.2, 0.3)
    assert (resolve(given).img_size, resolve(given).interpolation) == (64, "bilinear")


@pytest.mark.parametrize(
    ("name", "mean", "std"),
    [
        ("backbone", (0.5,) * 3, (0.5,) * 3),
        ("imagenet", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("unit", (0.0,) * 3, (1.0,) * 3),
    ],
)
def test_normalisation_by_name_is_recorded_by_its_numbers(name, mean, std):
    found = resolve(Backbone("b", "vit_tiny_patch16_224", "none", normalisation=name))
    assert (found.mean, found.std) == (mean, std) and resolve(found) == found
    described = describe(Backbone("b", "vit_tiny_patch16_224", "none", normalisation=name))
    assert described == describe(Backbone("b", "vit_tiny_patch16_224", "none", mean=mean, std=std))


def test_preprocessing_is_the_backbones_and_recorded():
    plain = Backbone("b", "vit_tiny_patch16_224", "none")
    other = dataclasses.replace(plain, interpolation="tf2_bilinear", resize=256, jpeg=75)
    assert preprocessing(plain) == Preprocessing(224, "bicubic")
    assert preprocessing(other) == Preprocessing(224, "tf2_bilinear", 256, 75)
    assert {"resize": 256, "jpeg": 75, "interpolation": "tf2_bilinear"}.items() <= describe(other).items()
    with pytest.raises(ValueError, match="resize must be at least the image size 224 that is cut out, got 200"):
        describe(dataclasses.replace(plain, resize=200))


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_weights_are_loaded_and_the_head_is_new(tmp_path, checkpoint, name):
    model = build(small(tmp_path / name), 5, seed=3)
    for key, value in checkpoint.state_dict().items():
        if not key.startswith("head."):
            assert torch.equal(model.state_dict()[key], value), key
    assert model.head.weight.shape == (5, 48)
    again = build(small(tmp_path / name), 5, seed=3)
    assert torch.equal(model.head.weight, again.head.weight)
    assert not torch.equal(model.head.weight, build(small(tmp_path / name), 5, seed=4).head.weight)


def test_position_embeddings_are_resampled(tmp_path, checkpoint):
    model = build(small(tmp_path / "w.safetensors", img_size=64), 5)
    assert model.pos_embed.shape == (1, 1 + 64, 48)
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 5)


def test_a_missing_tensor_is_no_small_matter(tmp_path, checkpoint):
    state = {key: value for key, value in checkpoint.state_dict().items() if key != "blocks.1.attn.qkv.weight"}
    save_file(state, tmp_path / "holes.safetensors")
    with pytest.raises(ValueError, match="does not fit vit_tiny_patch16_224: Missing key.*blocks.1.attn.qkv.weight"):
        build(small(tmp_path / "holes.safetensors"), 5)


def test_another_depth_does_not_fit(tmp_path, checkpoint):
    other = small(tmp_path / "w.safetensors", model_args=SMALL | {"depth": 3})
    with pytest.raises(ValueError, match="does not fit"):
        build(other, 5)


def test_the_digest_is_of_the_file(tmp_path, checkpoint):
    (tmp_path / "x.safetensors").write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert weights_sha256(small(tmp_path / "x.safetensors")) == digest
    described = describe(small(tmp_path / "w.safetensors"))
    assert "weights" not in described
    assert weights_sha256(small("none")) is None


def test_random_weights_follow_the_seed():
    one, two, other = (build(small("none"), 3, seed=s).pos_embed for s in (0, 0, 1))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_an_outline_takes_no_memory_and_has_the_models_shapes():
    shapes = {key: value.shape for key, value in outline(small("none"), 5).state_dict().items()}
    assert shapes == {key: value.shape for key, value in build(small("none"), 5).state_dict().items()}
    assert all(p.is_meta for p in outline(small("none"), 5).parameters())


@pytest.mark.parametrize(
    ("model", "heads_expected"),
    [("deit_tiny_distilled_patch16_224", 2), ("vit_small_patch14_reg4_dinov2.lvd142m", 1), ("vit_tiny_patch16_224", 1)],
)
def test_any_vit(model, heads_expected):
    built = outline(Backbone("x", model, "none"), 7)
    assert [head.out_features for head in heads(built)] == [7] * heads_expected
    LoRA().inject(built)


@pytest.mark.parametrize(
    ("model", "weights", "seen"),
    [
        ("vit_tiny_patch16_224.augreg_in21k_ft_in1k", "hub", True),
        ("vit_tiny_patch16_224.augreg_in21k_ft_in1k", "mine.safetensors", True),
        ("vit_base_patch16_224.augreg_in21k", "hub", False),
        ("vit_base_patch14_dinov2.lvd142m", "hub", False),
        ("resnet50", "hub", True),  # timm's default weights have 1000 classes
        ("vit_tiny_patch16_224", "folder/vit_tiny_in1k.pth", True),
        ("vit_tiny_patch16_224", "pkg://visionpeft.benchmark/weights/vit_pico.safetensors", False),
        ("resnet50", "none", False),
    ],
)
def test_names_tell_whether_a_backbone_has_learnt_from_imagenet_1k(model, weights, seen):
    assert ("in1k" in pretraining(Backbone("b", model, weights))) is seen


def test_no_model_of_that_name():
    with pytest.raises(
        ValueError, match="timm has no model 'vit_tinny_patch16_224'; did you mean vit_tiny_patch16_224"
    ):
        resolve(Backbone("b", "vit_tinny_patch16_224"))
    with pytest.raises(ValueError, match="no pretrained setting"):
        resolve(Backbone("b", "vit_base_patch16_224.nothing"))
    with pytest.raises(ValueError, match="refuses them"):
        build(small("none", model_args={"wings": 2}), 5)


def test_real_weights(shared):
    path = shared / "weights" / "vit_tiny_patch16_224.augreg_in21k_ft_in1k.safetensors"
    found = describe(Backbone("t", "vit_tiny_patch16_224.augreg_in21k_ft_in1k", str(path)))
    assert found["weights_sha256"].startswith("3f1f07da5e13")
    model = build(Backbone("t", "vit_tiny_patch16_224", str(path)), 1000)
    assert sum(p.numel() for p in model.parameters()) == 5_717_416


def test_heads_of_the_literature():
    """PyTorch's own initialisation, VPT's, and ours; each from the seed alone."""
    one, two = (build(small("none"), 400, seed=s, head_init="linear").head for s in (3, 3))
    width = one.in_features
    assert torch.equal(one.weight, two.weight) and one.weight.abs().max() <= width**-0.5
    assert one.weight.std().item() == pytest.approx((3 * width) ** -0.5, rel=0.05) and one.bias.std() > 0
    vpt = build(small("none"), 400, head_init="kaiming").head
    assert vpt.weight.std().item() == pytest.approx((2 / 400) ** 0.5, rel=0.05)
    assert vpt.bias.unique().tolist() == [pytest.approx(-4.59512)]
