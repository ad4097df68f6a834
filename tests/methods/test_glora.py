"""GLoRA: the three phases of training, and what a configuration does to a model."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from visionpeft.methods.base import Method, Score
from visionpeft.methods.evolution import FULL
from visionpeft.methods.glora import GLoRA, adapted_layers, configure, draw
from visionpeft.methods.lora import LoRA
from visionpeft.methods.surgery import merge

SMALL = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 3, "num_classes": 5}
R = 3


def vit(method: Method, **more) -> nn.Module:
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", **SMALL | more).double().eval()
    method.inject(model)
    return model


def test_configure():
    model = vit(GLoRA(rank=R))
    assert [m.word for m in adapted_layers(model)] == [FULL] * 8
    configure(model, "LVNSN-NNNNN-VLLNS-SSVVV-NNNVN-LNNNN-NVNNN-SNNNN")
    assert [m.word for m in adapted_layers(model)][2:4] == ["VLLNS", "SSVVV"]
    configure(model, "NNNNN")
    assert {m.word for m in adapted_layers(model)} == {"NNNNN"}
    with pytest.raises(ValueError, match="config has 2 words and the model 8 layers"):
        configure(model, "NNNNN-NNNNN")
    with pytest.raises(ValueError, match="a layer made for VNNNN has no tensors for NNNNS"):
        configure(vit(GLoRA(rank=R, config="VNNNN")), "NNNNS")


def test_a_config_allocates_what_it_uses():
    model = vit(GLoRA(rank=R, config="VNNNN", targets=("fc1",)))
    names = {name for name, p in model.named_parameters() if p.requires_grad}
    assert names == {"head.weight", "head.bias", "blocks.0.mlp.fc1.A_down", "blocks.1.mlp.fc1.A_down"}


def test_it_contains_lora():
    """B low rank and nothing else is LoRA at scale 1."""
    targets = ("qkv", "proj", "fc1", "fc2")
    ours, lora = vit(GLoRA(rank=R, config="NLNNN")), vit(LoRA(rank=R, targets=targets))
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        for one in adapted_layers(ours):
            one.B_down.normal_()
        pairs = zip(adapted_layers(ours), (m for m in lora.modules() if hasattr(m, "chosen")), strict=True)
        for one, other in pairs:
            other.A[0], other.B[0] = one.B_up, one.B_down
    torch.testing.assert_close(ours(x), lora(x))


def test_a_supernet_draws_for_every_batch():
    method, model = GLoRA(rank=R), vit(GLoRA(rank=R))
    x, y = torch.randn(2, 3, 32, 32, dtype=torch.float64), torch.tensor([0, 1])
    seen = set()
    torch.manual_seed(0)
    for _ in range(3):
        method.loss(model, x, y)
        seen.add(tuple(m.word for m in adapted_layers(model)))
    assert len(seen) == 3
    torch.manual_seed(0)
    assert draw(8) in seen
    configure(model, "NNNNN")
    replace(method, config="LLLVV").loss(model, x, y)
    assert {m.word for m in adapted_layers(model)} == {"NNNNN"}


class Job:
    """Stands in for the harness: fitting leaves a mark, validation likes vectors."""

    seed, workspace = 7, Path()

    def __init__(self):
        self.log, self.notes = [], {}

    def build(self, method):
        return vit(method)

    def fit(self, model, method, *, split=None, epochs=None):
        self.log.append((method.config, split, epochs))
        return model

    def validate(self, model):
        words = "".join(m.word for m in adapted_layers(model))
        return Score(words.count("V") / len(words), float("nan"))

    def note(self, name, value):
        self.notes[name] = value


def test_three_phases():
    method, job = GLoRA(rank=R, supernet_epochs=9, population=8, mutants=4, crossovers=2, generations=5), Job()
    settled, model = method.train(job)
    assert job.log == [(None, "train", 9), (settled.config, None, None)]
    assert settled == replace(method, config=settled.config)
    search = json.loads(json.dumps(job.notes["search"], allow_nan=False))
    assert [len(search[key]) for key in ("config", "params", "accuracy", "loss", "generation")] == [48] * 5
    winner = search["winner"]
    assert search["config"][winner] == settled.config and search["accuracy"][winner] == max(search["accuracy"])
    head = sum(p.numel() for p in model.head.parameters())
    live = sum(p.numel() for p in model.parameters() if p.requires_grad) - head
    assert search["params"][winner] == live
    assert [m.word for m in adapted_layers(model)] == settled.config.split("-")
    again = GLoRA(rank=R, config=settled.config)
    assert list(vit(again).state_dict()) == list(model.state_dict())


def test_a_config_is_trained_at_once():
    job = Job()
    method = GLoRA(rank=R, config="VNNNN")
    settled, _ = method.train(job)
    assert settled is method and job.log == [("VNNNN", None, None)] and not job.notes


def test_a_budget_holds_for_the_winner():
    _, model = GLoRA(rank=R, budget=500, population=6, mutants=2, crossovers=2, generations=2).train(Job())
    head = sum(p.numel() for p in model.head.parameters())
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) - head <= 500


def test_merge_gives_biases_where_there_were_none():
    model = vit(GLoRA(rank=R, config="NNVNN", targets=("qkv",)), qkv_bias=False)
    with torch.no_grad():
        for m in adapted_layers(model):
            m.C_down.normal_()
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    before = model(x)
    assert merge(model) and model.blocks[0].attn.qkv.bias is not None
    torch.testing.assert_close(model(x), before)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rank": 0}, "rank must be above 0"),
        ({"config": "LLLL"}, "config needs words of five letters"),
        ({"targets": ()}, "targets is empty"),
        ({"budget": 0}, "budget must be above 0"),
        ({"supernet_epochs": 0}, "supernet_epochs must be above 0"),
        ({"parents": 0}, "parents must be above 0"),
        ({"mutation": 1.5}, "mutation must lie in"),
        ({"mutants": 40, "crossovers": 20}, r"mutants \(40\) and crossovers \(20\) .* together at most the population"),
    ],
)
def test_bad_fields(fields, message):
    with pytest.raises(ValueError, match=message):
        GLoRA(**fields)


def test_rank_above_a_layer():
    with pytest.raises(ValueError, match=r"blocks\.0\.attn\.qkv: rank 99999 is above min\(in, out\) = 48"):
        vit(GLoRA(rank=99999))
