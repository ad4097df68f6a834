"""GLoRA: what a configuration does to a model, and the three phases of training."""

import json
import random
import re
from dataclasses import replace
from itertools import pairwise

import pytest
import timm
import torch
from torch import nn

from visionpeft.methods.base import Method
from visionpeft.methods.glora import GLoRA
from visionpeft.methods.glora_space import LARGEST, SMALLEST, spread
from visionpeft.methods.glora_subnets import MergedSubnets, adapted_layers, choose, inherit
from visionpeft.methods.surgery import merge

from .small import backbone

SMALL = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 3, "num_classes": 5}
R = 3


def vit(method: Method, **more) -> nn.Module:
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", **SMALL | more).double().eval()
    method.inject(model)
    return model


def moved(model: nn.Module) -> nn.Module:
    """The model with what it learns moved by noise."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model


def configure(model: nn.Module, config: str) -> None:
    choose(model, spread(config, len(adapted_layers(model))))


def live(model: nn.Module) -> int:
    head = sum(p.numel() for p in model.head.parameters())
    return sum(p.numel() for p in model.parameters() if p.requires_grad) - head


def images(number: int = 2) -> torch.Tensor:
    return torch.randn(number, 3, 32, 32, dtype=torch.float64)


def test_configure():
    model = vit(GLoRA(rank=R))
    assert [m.word for m in adapted_layers(model)] == [LARGEST] * 8
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


def test_options_reach_the_layers():
    model = vit(GLoRA(rank=R, factor="matrix", entangled=False))
    layer = model.blocks[0].mlp.fc1
    assert layer.A_down.shape == (48, R) and layer.A_vector.shape == (48, 1) and layer.B_vector.shape == (192, 1)


def sampled(steps: int, **fields) -> list[list[str]]:
    """The words of the layers in the order in which each step runs through them."""
    method, model, seen, found = GLoRA(rank=R, **fields), vit(GLoRA(rank=R, **fields)), [], []
    for layer in adapted_layers(model):
        layer.register_forward_pre_hook(lambda layer, _: seen.append(layer.word))
    torch.manual_seed(0)
    for _ in range(steps):
        assert method.loss(model, torch.ones(2, 3, 32, 32, dtype=torch.float64), torch.tensor([0, 1])).ndim == 0
        found.append(seen.copy())
        seen.clear()
    return found


def test_a_supernet_draws_a_word_for_each_layer_and_step():
    words = sampled(3)
    assert [len(step) for step in words] == [8] * 3
    assert all(len(set(step)) > 4 for step in words) and all(a != b for a, b in pairwise(words))
    assert words == sampled(3)


def test_or_one_for_all_layers_of_a_step():
    words = sampled(4, sampling="step")
    assert [len(set(step)) for step in words] == [1] * 4 and len({step[0] for step in words}) > 1


def test_or_a_sandwich():
    for step in sampled(2, sampling="sandwich"):
        assert step[:8] == [LARGEST] * 8 and step[8:16] == [SMALLEST] * 8 and len(set(step[16:])) > 4


def test_a_subnet_draws_nothing():
    model = vit(GLoRA(rank=R))
    configure(model, "NNNNN")
    GLoRA(rank=R, config="LLLVV").loss(model, images(), torch.tensor([0, 1]))
    assert {m.word for m in adapted_layers(model)} == {"NNNNN"}


@pytest.mark.parametrize(
    ("budget", "limit"), [(None, None), (1000.0, 1000), (0.25, 3246), (1.0, 12_984), (20_000.0, 20_000)]
)
def test_a_budget_is_a_number_or_a_fraction_of_the_largest_subnet(budget, limit):
    """That has 2 (in + out) r + (in + 1) r + 2 out per layer, 2 (1587 + 819 + 1971 + 2115) at width 48 and rank 3."""
    assert GLoRA(rank=R, budget=budget).limit(adapted_layers(vit(GLoRA(rank=R)))) == limit


@pytest.mark.parametrize(
    ("rank", "budget", "published"), [(8, 0.283, 860_000), (4, 0.274, 440_000), (2, 0.328, 290_000)]
)
def test_the_published_sizes(rank, budget, published):
    """On ViT-B/16; labels of the paper, whose largest subnets have 3,041,664, 1,603,776 and 884,832 parameters."""
    method = GLoRA(rank=rank, budget=budget)
    with torch.device("meta"):
        model = timm.create_model("vit_base_patch16_224", num_classes=10)
        method.inject(model)
    assert method.limit(adapted_layers(model)) == pytest.approx(published, rel=0.005)


class Job:
    """Stands in for the harness: fitting leaves a mark, validation likes gains per output."""

    seed = 7

    def __init__(self, workspace):
        self.log, self.notes, self.workspace, self.variants, self.shown = [], {}, workspace, {}, []
        self.said = []
        self.before = 0.0

    def build(self, method):
        return vit(method)

    def fit(self, model, method, *, split=None, epochs=None, keep=None):
        self.log.append((method.config, split, epochs, keep))
        return moved(model)

    def batches(self, split):
        assert split == "val"
        yield from [(torch.zeros(12, 3, 32, 32), torch.zeros(12)), (torch.zeros(8, 3, 32, 32), torch.zeros(8))]

    def outcomes(self, model, images):
        assert not adapted_layers(model)  # a plain model
        weights = [m.weight for m in model.blocks.modules() if isinstance(m, nn.Linear)]
        right = torch.arange(20) < 20 * (float(sum(w.abs().mean() for w in weights)) * 100 % 1)
        return right[images], torch.full(images.shape, torch.nan)

    def note(self, name, value):
        self.notes[name] = value

    def found(self):
        """What the search noted but for its time."""
        return {name: value for name, value in self.notes["search"].items() if name != "seconds"}

    def also(self, name, model):
        self.variants[name] = model

    def progress(self, what, done, total):
        self.shown.append((what, done, total))

    def say(self, text):
        self.said.append(text)

    def spent(self, seconds):
        self.before += seconds


TINY = GLoRA(rank=R, supernet_epochs=9, population=8, parents=3, mutants=4, crossovers=2, generations=3)


def test_three_phases(tmp_path):
    job = Job(tmp_path)
    settled, model = TINY.train(job)
    assert job.log == [(None, "train", 9, "supernet"), (settled.config, None, None, None)]
    assert settled == replace(TINY, config=settled.config)
    search = json.loads(json.dumps(job.notes["search"], allow_nan=False))
    assert search["seconds"] > 0 and job.before == 0
    assert [len(search[key]) for key in ("config", "params", "images", "accuracy", "loss", "generation")] == [32] * 6
    winner = search["winner"]
    assert search["config"][winner] == settled.config and search["accuracy"][winner] == max(search["accuracy"])
    assert search["params"][winner] == live(model)
    assert [m.word for m in adapted_layers(model)] == settled.config.split("-")
    assert list(vit(GLoRA(rank=R, config=settled.config)).state_dict()) == list(model.state_dict())
    layers = search["layers"]
    assert list(layers)[:4] == [f"blocks.0.{name}" for name in ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")]
    assert layers["blocks.1.mlp.fc1"]["B"] == {"L": R * (48 + 192), "V": 192, "S": 1, "N": 0}
    for config, params in zip(search["config"], search["params"], strict=True):
        pairs = zip(config.split("-"), layers.values(), strict=True)
        assert sum(of[s][c] for word, of in pairs for s, c in zip("ABCDE", word, strict=True)) == params
    limit = 0.33 * GLoRA(rank=R, budget=1.0).limit(adapted_layers(vit(TINY)))
    assert [(done, total) for _, done, total in job.shown] == [(i, 32) for i in range(32)]
    assert job.shown[-1][0].endswith(f" parameters, limit {limit:,.0f}")
    best = f"search, best {max(search['accuracy']):.1%} with {live(model):,} parameters, limit {limit:,.0f}"
    assert re.sub(r"\d+ s", "0 s", job.said[-1]) == f"{best}: generation 4 of 4, 0 s left"
    assert [re.findall(r"generation (\d) of 4", line) for line in job.said] == [["1"], ["2"], ["3"], ["4"]]


def test_layers_without_bias_have_no_d_to_choose(tmp_path):
    layers = adapted_layers(vit(TINY, qkv_bias=False))
    without = [layer.bias is None for layer in layers]
    assert sum(without) == 2  # qkv of two blocks
    for words in TINY.sample(TINY.space(layers), random.Random(0)):
        assert all(word[3] == "N" for word, bare in zip(words, without, strict=True) if bare)
    choices = [[kind[0] for kind in supports[3]] for supports in TINY.space(layers).choices]
    assert choices == [["N"] if bare else ["V", "S", "N"] for bare in without]


def test_the_time_left_is_that_of_the_generations_left(tmp_path, monkeypatch):
    """A second for each reading of the clock: at the start, and after each of 4 generations."""
    seconds = iter(range(100, 200))
    monkeypatch.setattr("visionpeft.methods.evolution.time.monotonic", lambda: float(next(seconds)))
    job = Job(tmp_path)
    replace(TINY, budget=None).train(job)
    assert [line.rpartition(", ")[2] for line in job.said] == ["3 s left", "2 s left", "1 s left", "0 s left"]
    assert "limit" not in job.said[0]


def test_an_interrupted_search_is_gone_on_with(tmp_path):
    whole = Job(tmp_path / "one")
    settled, _ = TINY.train(whole)
    broken = Job(tmp_path / "two")
    broken.progress = lambda what, done, total: (_ for _ in ()).throw(KeyboardInterrupt) if done == 20 else None
    with pytest.raises(KeyboardInterrupt):
        TINY.train(broken)
    again = Job(tmp_path / "two")
    kept = json.loads((tmp_path / "two" / "search.json").read_text())["seconds"]
    assert TINY.train(again)[0] == settled and again.found() == whole.found()
    assert [done for _, done, _ in again.shown] == list(range(16, 32))
    assert again.notes["search"]["seconds"] > again.before == kept > 0


def test_the_winner_may_inherit_the_supernets_weights(tmp_path):
    """As in the authors' code; else its score with them is recorded beside that of the winner trained anew."""
    trained, inherited = Job(tmp_path / "one"), Job(tmp_path / "two")
    anew, _ = TINY.train(trained)
    settled, model = replace(TINY, inherit=True).train(inherited)
    assert inherited.log == [(None, "train", 9, "supernet")] and not inherited.variants
    assert settled == anew and inherited.found() == trained.found()
    assert live(model) == inherited.notes["search"]["params"][inherited.notes["search"]["winner"]]
    x = images()
    torch.testing.assert_close(model(x), trained.variants["inherited"](x))
    assert trained.variants.keys() == {"inherited"}


def test_a_config_is_trained_at_once(tmp_path):
    job = Job(tmp_path)
    method = GLoRA(rank=R, config="VNNNN")
    settled, _ = method.train(job)
    assert settled is method and job.log == [("VNNNN", None, None, None)] and not job.notes


def test_a_budget_holds_for_the_winner(tmp_path):
    _, model = replace(TINY, budget=500).train(Job(tmp_path))
    assert live(model) <= 500


@pytest.mark.parametrize("variant", ["plain", "no qkv bias", "registers and layer scale", "distilled"])
@pytest.mark.parametrize("fields", [{}, {"factor": "matrix", "entangled": False, "smaller_ranks": (1,)}])
def test_merged_subnets_are_the_subnets(variant, fields):
    """One plain model after another, and what inherits the weights, against the supernet itself."""
    method, supernet = GLoRA(rank=R, **fields), backbone(variant).double()
    method.inject(supernet)
    moved(supernet)
    layers = adapted_layers(supernet)
    merged, x = MergedSubnets(supernet), torch.randn(2, 3, *supernet.patch_embed.img_size, dtype=torch.float64)
    words = ["LVNSN", "NNNNN", "VLLNS", "SSVVV", "NNNVN", "LNNNN", "NVNNN", "SNNNN"][: len(layers)]
    for config in ("-".join(words), "NNNNN", "LLLVV", "-".join(reversed(words))):
        configure(supernet, config)
        expected = supernet(x)
        found = merged.become(tuple(m.word for m in layers))
        torch.testing.assert_close(found(x), expected)
        subnet = backbone(variant).double()
        replace(method, config=config).inject(subnet)
        inherit(subnet, supernet)
        torch.testing.assert_close(subnet(x), expected)


SWIN = {"img_size": 28, "embed_dim": 24, "depths": (1, 1), "num_heads": (1, 2), "window_size": 7, "num_classes": 5}
CONVNEXT = {"depths": (1, 1, 1, 1), "dims": (8, 16, 24, 32), "num_classes": 5}
BIASED = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 1, "num_heads": 3, "num_classes": 5}
FAMILIES = {
    "swin_tiny_patch4_window7_224": (SWIN, 28, {"qkv", "proj", "fc1", "fc2", "reduction"}),
    "convnext_atto": (CONVNEXT | {"conv_mlp": False}, 32, {"fc1", "fc2"}),
    "vit_small_patch14_reg4_dinov2": (
        {"img_size": 28, "embed_dim": 48, "depth": 1, "num_heads": 3, "num_classes": 5},
        28,
        {"qkv", "proj", "fc1", "fc2"},
    ),
    "vit_base_patch16_siglip_224": (
        {"img_size": 32, "embed_dim": 48, "depth": 1, "num_heads": 3, "num_classes": 5},
        32,
        {"qkv", "proj", "fc1", "fc2", "q", "kv"},
    ),
    "beit_base_patch16_224": (BIASED, 32, {"qkv", "proj", "fc1", "fc2"}),
    "eva02_tiny_patch14_224": (BIASED | {"img_size": 28, "patch_size": 14}, 28, {"qkv", "proj", "fc1", "fc2"}),
    "eva02_base_patch14_224": (
        BIASED | {"img_size": 28, "patch_size": 14},
        28,
        {"q_proj", "k_proj", "v_proj", "proj", "fc1_g", "fc1_x", "fc2"},
    ),
    "cait_xxs24_224": (BIASED, 32, {"qkv", "proj", "fc1", "fc2", "proj_l", "proj_w", "q", "k", "v"}),
    "swinv2_tiny_window8_256": (
        SWIN | {"img_size": 32, "window_size": 4},
        32,
        {"qkv", "proj", "fc1", "fc2", "reduction", "0", "2"},
    ),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_families(name):
    """All linear layers but the head's, found without being named; every form trains, merges and counts right.

    Some have qkv biases beside the layer and layers with fewer inputs or outputs than the rank.
    """
    arguments, size, expected = FAMILIES[name]
    torch.manual_seed(0)
    model = timm.create_model(name, **arguments).double().eval()
    for parameter in model.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)  # biases are not zero in a trained model
    method, x, y = GLoRA(rank=4), torch.randn(2, 3, size, size, dtype=torch.float64), torch.tensor([0, 1])
    before = model(x)
    method.inject(model)
    torch.testing.assert_close(model(x), before)
    layers = adapted_layers(model)
    assert {n.rpartition(".")[2] for n, m in model.named_modules() if m in layers} == expected
    for _ in range(3):
        method.loss(model, x, y).backward()
    moved(model).zero_grad()
    configure(model, "VLLVV")
    model(x).square().sum().backward()
    assert all(layer.B_down.grad.abs().sum() > 0 for layer in layers)  # no layer that its parent reads past
    subnets = MergedSubnets(model)
    for config in ("VLLVV", "LVNSN", "SNVNV"):
        configure(model, config)
        torch.testing.assert_close(subnets.become((config,) * len(layers))(x), model(x))
    expected_logits = model(x)
    assert merge(model)
    torch.testing.assert_close(model(x), expected_logits)


def test_a_layer_smaller_than_the_rank_has_all_the_rank_it_can():
    """CaiT mixes its 3 heads by linear layers: B and A have 2 x 3 x 3, C 3 x 3 + 3, D and E 3 each."""
    model = timm.create_model("cait_xxs24_224", **BIASED)
    GLoRA(rank=8, smaller_ranks=(4, 2)).inject(model)
    layer = model.blocks[0].attn.proj_l
    assert [tuple(layer.B_down.shape), tuple(layer.B_up.shape)] == [(3, 3), (3, 3)]
    assert (layer.live("LLLVV"), layer.live("L4NNNN"), layer.live("L2NNNN")) == (18 + 18 + 12 + 6, 18, 12)


def test_without_linear_layers_it_is_refused():
    with pytest.raises(ValueError, match="ResNet has no linear layer but its head"):
        GLoRA().inject(timm.create_model("resnet18", num_classes=5))


@pytest.mark.parametrize("target", ["head", "fc3"])
def test_what_is_no_target(target):
    said = f"no Linear called {target} in VisionTransformer; it has fc1, fc2, proj, qkv"
    with pytest.raises(ValueError, match=said):
        vit(GLoRA(rank=R, targets=(target, "qkv")))


@pytest.mark.parametrize("budget", [1e-9, 1.1, 7])
def test_a_budget_that_leaves_nothing_is_refused_at_once(budget):
    with pytest.raises(ValueError, match=f"budget {budget:g} leaves .* of 12,984 parameters for 8 layers"):
        vit(GLoRA(rank=R, budget=budget))
    assert vit(GLoRA(rank=R, budget=8)) and vit(GLoRA(rank=R, budget=budget, config="NNNNN"))


def test_a_supernet_has_a_length_of_its_own():
    assert GLoRA(supernet_epochs=7).lengths() == {"supernet_epochs": 7} and GLoRA(config="LLLVV").lengths() == {}


def test_statistics_of_the_supernet_are_inherited():
    """XCiT has batch normalisation, which a fit moves."""

    def xcit(method):
        torch.manual_seed(1)
        model = timm.create_model("xcit_nano_12_p16_224", img_size=32, depth=1, num_classes=5)
        method.inject(model)
        return model

    supernet = xcit(GLoRA(rank=R)).train()
    for _ in range(3):
        supernet(torch.randn(8, 3, 32, 32) + 2)
    words = ("LVVSV",) * len(adapted_layers(supernet))
    subnet = xcit(GLoRA(rank=R, config="LVVSV"))
    inherit(subnet, supernet)
    x = torch.randn(4, 3, 32, 32)
    plain = MergedSubnets(supernet).become(words).eval()
    torch.testing.assert_close(subnet.eval()(x), plain(x))


def test_merge_gives_biases_where_there_were_none():
    model = moved(vit(GLoRA(rank=R, config="NNVNN", targets=("qkv",)), qkv_bias=False))
    x = images()
    before = model(x)
    assert merge(model) and model.blocks[0].attn.qkv.bias is not None
    torch.testing.assert_close(model(x), before)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rank": 0}, "rank must be above 0"),
        ({"smaller_ranks": (8,)}, "smaller_ranks must lie between 0 and the rank 8"),
        ({"smaller_ranks": (4, 4)}, r"smaller_ranks .* each once, got \(4, 4\)"),
        ({"config": "LLLVV", "inherit": True}, "with a config there is none; leave one out"),
        ({"config": "LLLL"}, "config needs words of five letters"),
        ({"targets": ()}, "targets is empty"),
        ({"budget": 0}, "budget must be above 0"),
        ({"supernet_epochs": 0}, "supernet_epochs must be above 0"),
        ({"parents": 0}, "parents must be above 0"),
        ({"generations": -1}, "generations must not be negative"),
        ({"mutation": 1.5}, "mutation must lie in"),
        ({"mutants": 40, "crossovers": 20}, r"mutants \(40\) and crossovers \(20\) .* together at most the population"),
    ],
)
def test_bad_fields(fields, message):
    with pytest.raises(ValueError, match=message):
        GLoRA(**fields)


def test_rank_above_a_layer():
    with pytest.raises(ValueError, match=r"rank 99999 is above min\(in, out\) of every layer to adapt, at most 48"):
        vit(GLoRA(rank=99999))
    with pytest.raises(ValueError, match=r"blocks\.0\.attn\.qkv: config has L16 and the rank is 3"):
        vit(GLoRA(rank=R, config="L16NNNN"))
