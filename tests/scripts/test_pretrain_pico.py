"""The pre-training of vit_pico: what it paints, that it can be repeated, that the committed weights are its kind."""

import math
import sys
from importlib.resources import files

import pytest
import timm
import torch
from safetensors.torch import load_file


@pytest.fixture
def pico(load_script):
    return load_script("pretrain_pico")


def test_committed_weights_are_a_headless_pico(pico):
    path = files("visionpeft.benchmark").joinpath("weights", "vit_pico.safetensors")
    assert path.stat().st_size < 5_000_000
    state = load_file(path)
    assert {value.dtype for value in state.values()} == {torch.float16}
    model = timm.create_model("vit_tiny_patch16_224", num_classes=0, **pico.ARGS)
    model.load_state_dict({name: value.float() for name, value in state.items()})
    assert sum(p.numel() for p in model.parameters()) == 1_204_608
    assert all(torch.isfinite(value).all() for value in state.values())


def test_training_can_be_repeated(pico):
    first, second = (pico.pretrain(steps=2, rate=1e-3, batch=4, seed=0) for _ in range(2))
    other = pico.pretrain(steps=2, rate=1e-3, batch=4, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.pos_embed, other.pos_embed) or not torch.equal(first.cls_token, other.cls_token)


def test_scenes_are_images_with_their_facts(pico):
    scenes = sys.modules["pico_scenes"]
    dice = scenes.Dice(torch.Generator().manual_seed(0))
    figures = scenes.atlas(dice)
    assert figures.shape == (scenes.FIGURES, 1, 64, 64) and figures.sum((1, 2, 3)).min() > 20
    image, truth = scenes.scenes(dice, figures, 64)
    assert image.shape == (64, 3, 32, 32) and image.min() >= -1 and image.max() <= 1
    assert set(truth["number"].tolist()) > {0, 1}
    assert (truth["owner"] < truth["number"][:, None]).all()
    assert (truth["owner"][truth["number"] == 0] == -1).all()


def test_a_wedge_points_to_its_tip(pico):
    scenes = sys.modules["pico_scenes"]
    y, x = torch.meshgrid(torch.linspace(-1.25, 1.25, 64), torch.linspace(-1.25, 1.25, 64), indexing="ij")
    wedge = ((x > -1) & (x < 1) & (y.abs() < (1 - x) / 6)).float()
    stack = torch.stack([wedge, wedge.flip(1), wedge.T])[:, None]
    expected = torch.tensor([0.0, math.pi, math.pi / 2])
    assert (scenes.pointing(stack) - expected).cos().min() > 0.999
