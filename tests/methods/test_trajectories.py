"""Our loop under a preset beside the authors' own training: same tensors, same batches, 50 steps, then predictions.

`golden/README.md` says what was run. Dropout and drop-path of rate p are x + p x^2 on both sides.
"""

import dataclasses
import json

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from timm.layers import DropPath
from torch import Tensor, nn

from visionpeft.benchmark.backbone import NORMALISATIONS
from visionpeft.benchmark.loop import Course, Loop, predict
from visionpeft.benchmark.mapping import from_mapping
from visionpeft.benchmark.overrides import preset
from visionpeft.benchmark.spec import Recipe
from visionpeft.data.loader import Batches
from visionpeft.methods.fact import FacTTK, FacTTT
from visionpeft.methods.repadapter import RepAdapter

from .official import CLASSES, GOLDEN, D, draw, small_vit
from .test_official import both, fact_tk, fact_tt, rep

CASES = {
    "fact_tk": (FacTTK(4, 1.0), fact_tk, "fact"),
    "fact_tt": (FacTTT(4, 1.0), fact_tt, "fact"),
    "repadapter": (RepAdapter(scale=1.0), both(rep("attn.qkv", "adapter_attn"), rep("mlp.fc1", "adapter_mlp")), None),
}
ZERO = ("FacTv.weight", "conv_B.weight", "conv_B.bias", "conv_A.bias")
MEAN, STD = NORMALISATIONS["imagenet"]


class Smooth(nn.Module):
    """What stands in the place of dropout and drop-path."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return x + self.p * x * x if self.training else x


def images() -> tuple[Batches, Batches]:
    """The 40 to learn from and the 100 to predict."""
    random, cpu = np.random.RandomState(20260), torch.device("cpu")
    labels = random.randint(CLASSES, size=40)
    learnt, other = (random.randint(0, 256, size=(n, 32, 32, 3)).astype(np.uint8) for n in (40, 100))
    return Batches(learnt, labels, MEAN, STD, cpu), Batches(other, np.zeros(100, dtype=int), MEAN, STD, cpu)


def started(name: str) -> nn.Module:
    """The small backbone with the method, all trained tensors as the authors' were."""

    def tensor(theirs: str, *shape: int) -> Tensor:
        return torch.zeros(shape) if theirs.endswith(ZERO) else draw(f"{name}.{theirs}", *shape, std=0.3)

    method, mapping, _ = CASES[name]
    model = small_vit(drop_path=0.1).float()
    method.inject(model)
    head = {f"head.{part}": draw(f"{name}.head.{part}", *shape, std=0.02) for part, shape in HEAD.items()}
    own = head | dict(mapping(tensor))
    assert set(own) == {key for key, p in model.named_parameters() if p.requires_grad}
    model.load_state_dict(own, strict=False)
    for module in list(model.modules()):
        for key, child in list(module.named_children()):
            if isinstance(child, (nn.Dropout, DropPath)):
                setattr(module, key, Smooth(child.p if isinstance(child, nn.Dropout) else child.drop_prob))
    return model


HEAD = {"weight": (CLASSES, D), "bias": (CLASSES,)}


def course(name: str) -> Course:
    """The recipe of the preset as the yaml has it, with batches of 8."""
    written = OmegaConf.to_container(preset("recipe", "vtab"))
    written |= OmegaConf.to_container(preset("preset", CASES[name][2] or name).recipe)
    return Course(from_mapping(Recipe, written | {"batch_size": 8}, "recipe"), 100, 0, "fp32")


def losses_of(model: nn.Module, name: str, learnt: Batches, by: Course) -> list[float]:
    found: list[float] = []

    class Watched(Loop):
        def _step(self, x: Tensor, y: Tensor, t: int) -> Tensor:
            loss = super()._step(x, y, t)
            found.append(loss.item())
            return loss

    for row in Watched(model, CASES[name][0], learnt, by).epochs():
        if row["epoch"] == 10:
            return found
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_preset_trains_as_its_authors_do(name):
    golden = json.loads((GOLDEN / "trajectories.json").read_text())[name]
    model, (learnt, other) = started(name), images()
    found = losses_of(model, name, learnt, course(name))
    assert found == pytest.approx(golden["losses"], rel=1e-5)
    classes, _ = predict(model, other, "fp32")
    assert sum(map(int.__eq__, classes.tolist(), map(int, golden["classes"]))) >= 99


@pytest.mark.parametrize("changes", [{"lag": 0}, {"weight_decay": 0.1}, {"warmup_lr": 1e-5}])
def test_another_recipe_is_seen(changes):
    """The comparison is no formality: what differs in the recipe shows in the losses."""
    golden = json.loads((GOLDEN / "trajectories.json").read_text())["fact_tk"]["losses"]
    by = course("fact_tk")
    by = dataclasses.replace(by, recipe=dataclasses.replace(by.recipe, **changes))
    found = losses_of(started("fact_tk"), "fact_tk", images()[0], by)
    assert max(abs(a - b) / b for a, b in zip(found, golden, strict=True)) > 1e-5
