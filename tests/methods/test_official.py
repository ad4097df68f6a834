"""Our methods against outputs of the authors' code: same weights, same adapter tensors, same images.

`golden/README.md` says what was run and how tensors are drawn; each mapping says where official tensors go.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from timm.layers import DropPath
from torch import Tensor, nn

from visionpeft.methods.adapter import Adapter, Bottleneck
from visionpeft.methods.adaptformer import AdaptFormer
from visionpeft.methods.base import Method
from visionpeft.methods.bitfit import BitFit
from visionpeft.methods.fact import FacTTK, FacTTT
from visionpeft.methods.glora import GLoRA
from visionpeft.methods.glora_subnets import choose
from visionpeft.methods.lora import LoRA
from visionpeft.methods.repadapter import RepAdapter
from visionpeft.methods.ssf import SSF
from visionpeft.methods.surgery import merge
from visionpeft.methods.vpt import VPT

from .official import CLASSES, DEPTH, GOLDEN, TOLERANCE, WORDS, D, distance, draw, small_vit

Official = Callable[..., Tensor]
"""(name of the tensor in the authors' model, *its shape) -> its values."""
Mapping = Callable[[Official], Iterator[tuple[str, Tensor]]]
"""Yields the name and value of each of our parameters."""


def vpt_shallow(t: Official) -> Iterator[tuple[str, Tensor]]:
    yield "blocks.0.prompt", t("transformer.prompt_embeddings", 1, 5, D)[0]


def vpt_deep(t: Official) -> Iterator[tuple[str, Tensor]]:
    yield from vpt_shallow(t)
    for b, prompt in enumerate(t("transformer.deep_prompt_embeddings", DEPTH - 1, 5, D), 1):
        yield f"blocks.{b}.prompt", prompt


def bottlenecks(ours: str, theirs: str, down: str, up: str) -> Mapping:
    def mapping(t: Official) -> Iterator[tuple[str, Tensor]]:
        for b in range(DEPTH):
            yield f"blocks.{b}.{ours}.down.weight", t(f"blocks.{b}.{theirs}.{down}.weight", 8, D)
            yield f"blocks.{b}.{ours}.down.bias", t(f"blocks.{b}.{theirs}.{down}.bias", 8)
            yield f"blocks.{b}.{ours}.up.weight", t(f"blocks.{b}.{theirs}.{up}.weight", D, 8)
            yield f"blocks.{b}.{ours}.up.bias", t(f"blocks.{b}.{theirs}.{up}.bias", D)

    return mapping


def both(first: Mapping, second: Mapping) -> Mapping:
    def mapping(t: Official) -> Iterator[tuple[str, Tensor]]:
        yield from first(t)
        yield from second(t)

    return mapping


def lora(t: Official) -> Iterator[tuple[str, Tensor]]:
    for b in range(DEPTH):
        yield f"blocks.{b}.attn.qkv.A", t(f"blocks.{b}.attn.qkv.lora_A", 8, D).unflatten(0, (2, 4))
        yield f"blocks.{b}.attn.qkv.B", t(f"blocks.{b}.attn.qkv.lora_B", 2 * D, 4).unflatten(0, (2, D))


LINEARS = {"attn.qkv": (D, 3 * D), "attn.proj": (D, D), "mlp.fc1": (D, 4 * D), "mlp.fc2": (4 * D, D)}


def lora_all(t: Official) -> Iterator[tuple[str, Tensor]]:
    for b in range(DEPTH):
        for name, (ins, outs) in LINEARS.items():
            yield f"blocks.{b}.{name}.A", t(f"blocks.{b}.{name}.lora_A", 4, ins)[None]
            yield f"blocks.{b}.{name}.B", t(f"blocks.{b}.{name}.lora_B", outs, 4)[None]


def lora_noah(t: Official) -> Iterator[tuple[str, Tensor]]:
    for b in range(DEPTH):
        yield f"blocks.{b}.attn.qkv.A", t(f"blocks.{b}.attn.LoRA_a.weight", 4, D)[None]
        yield f"blocks.{b}.attn.qkv.B", t(f"blocks.{b}.attn.LoRA_b.weight", 3 * D, 4)[None]


def ssf(t: Official) -> Iterator[tuple[str, Tensor]]:
    places = {"patch_embed.proj": ("patch_embed.", 1, D), "norm": ("", 1, D)}
    for b in range(DEPTH):
        places[f"blocks.{b}.norm1"], places[f"blocks.{b}.norm2"] = (f"blocks.{b}.", 1, D), (f"blocks.{b}.", 2, D)
        for name, number in (("attn.qkv", 1), ("attn.proj", 2), ("mlp.fc1", 1), ("mlp.fc2", 2)):
            places[f"blocks.{b}.{name}"] = (f"blocks.{b}.{name.split('.')[0]}.", number, LINEARS[name][1])
    for ours, (prefix, number, width) in places.items():
        yield f"{ours}.gamma", t(f"{prefix}ssf_scale_{number}", width)
        yield f"{ours}.beta", t(f"{prefix}ssf_shift_{number}", width)


def fact_tt(t: Official) -> Iterator[tuple[str, Tensor]]:
    yield "fact.U", t("FacTu.weight", 4, D)
    yield "fact.V", t("FacTv.weight", D, 4)
    for b in range(DEPTH):
        qkv = [t(f"blocks.{b}.attn.{part}_FacTs.weight", 4, 4) for part in "qkv"]
        yield f"fact.cores.sigmas.{4 * b}", torch.cat(qkv)
        yield f"fact.cores.sigmas.{4 * b + 1}", t(f"blocks.{b}.attn.proj_FacTs.weight", 4, 4)
        yield f"fact.cores.sigmas.{4 * b + 2}", t(f"blocks.{b}.mlp.fc1_FacTs.weight", 16, 4)
        yield f"fact.cores.sigmas.{4 * b + 3}", t(f"blocks.{b}.mlp.fc2_FacTs.weight", 4, 16)


def fact_tk(t: Official) -> Iterator[tuple[str, Tensor]]:
    yield "fact.U", t("FacTu.weight", 4, D)
    yield "fact.V", t("FacTv.weight", D, 4)
    yield "fact.cores.C", t("FacTc", 4, 4, 4)
    yield "fact.cores.P", t("FacTp", 4, 144)[:, : 12 * DEPTH]


def rep(ours: str, theirs: str) -> Mapping:
    def mapping(t: Official) -> Iterator[tuple[str, Tensor]]:
        for b in range(DEPTH):
            yield f"blocks.{b}.{ours}.down.weight", t(f"blocks.{b}.{theirs}.conv_A.weight", 8, D, 1)[..., 0]
            yield f"blocks.{b}.{ours}.down.bias", t(f"blocks.{b}.{theirs}.conv_A.bias", 8)
            yield f"blocks.{b}.{ours}.up", t(f"blocks.{b}.{theirs}.conv_B.weight", D, 4, 1)[..., 0]
            yield f"blocks.{b}.{ours}.up_bias", t(f"blocks.{b}.{theirs}.conv_B.bias", D)

    return mapping


GLORA = {"A_down": "Ad", "A_up": "Au", "B_down": "Bd", "B_up": "Bu", "C_down": "Cd", "C_up": "Cu", "D": "D", "E": "E"}


def glora(t: Official) -> Iterator[tuple[str, Tensor]]:
    for b in range(DEPTH):
        for name, (ins, outs) in LINEARS.items():
            shapes = [(outs, 4), (4, ins), (outs, 4), (4, ins), (ins, 4), (4, 1), (outs,), (outs,)]
            for (ours, theirs), shape in zip(GLORA.items(), shapes, strict=True):
                yield f"blocks.{b}.{name}.{ours}", t(f"blocks.{b}.{name}.{theirs}", *shape)


def each_layer_its_own(model: nn.Module) -> None:
    choose(model, tuple(WORDS[(37 * j + 11) % 432] for j in range(4 * DEPTH)))


def gelu_instead(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, Bottleneck):
            module.activation = nn.GELU()


@dataclass(frozen=True)
class Case:
    method: Method
    mapping: Mapping
    alter: Callable[[nn.Module], None] = lambda model: None


AFTER_ATTN, AFTER_MLP = "drop_path1.bottleneck", "drop_path2.bottleneck"
NOAH = bottlenecks(AFTER_MLP, "adapter", "ln1", "ln2")
HOULSBY = both(bottlenecks(AFTER_ATTN, "adapter_attn", "ln1", "ln2"), NOAH)
PLUS = [
    bottlenecks(ours, theirs, "bottleneck.1", "bottleneck.4")
    for ours, theirs in ((AFTER_ATTN, "adapter_attn"), (AFTER_MLP, "adapter"))
]
CASES = {
    "vpt_shallow": Case(VPT(tokens=5), vpt_shallow),
    "vpt_deep": Case(VPT(tokens=5, deep=True, dropout=0.1), vpt_deep),
    "adapter_pfeiffer": Case(Adapter(bottleneck=8, after=("mlp",)), NOAH),
    "adapter_houlsby": Case(Adapter(bottleneck=8), HOULSBY),
    "adapter_plus": Case(Adapter(bottleneck=8), both(*PLUS), gelu_instead),
    "adaptformer": Case(AdaptFormer(bottleneck=8), bottlenecks("parallel", "adaptmlp", "down_proj", "up_proj")),
    "lora": Case(LoRA(rank=4, scale=2.0, dropout=0.1), lora),
    "lora_all": Case(LoRA(rank=4, scale=2.0, targets=("qkv", "proj", "fc1", "fc2")), lora_all),
    "lora_noah": Case(LoRA(rank=4, targets=("qkv",), dropout=0.1), lora_noah),
    "ssf": Case(SSF(), ssf),
    "fact_tt": Case(FacTTT(rank=4, scale=0.7), fact_tt),
    "fact_tk": Case(FacTTK(rank=4, scale=0.7), fact_tk),
    "repadapter": Case(RepAdapter(scale=0.5), both(rep("attn.qkv", "adapter_attn"), rep("mlp.fc1", "adapter_mlp"))),
    "repattn": Case(RepAdapter(scale=0.5, targets=("qkv",)), rep("attn.qkv", "adapter_attn")),
    "glora": Case(GLoRA(rank=4), glora, each_layer_its_own),
}
UNMERGEABLE = {n for n in CASES if n.startswith(("vpt", "adapt"))}


def adapted(name: str, drop_path: float = 0.0) -> nn.Module:
    case, model = CASES[name], small_vit(drop_path)
    case.method.inject(model)
    case.alter(model)
    values = dict(case.mapping(lambda n, *shape: draw(f"{name}.{n}", *shape, std=0.3, mean=float("ssf_scale" in n))))
    trained = {n for n, p in model.named_parameters() if p.requires_grad and not n.startswith("head")}
    assert set(values) == trained
    with torch.no_grad():
        for n, value in values.items():
            parameter = model.get_parameter(n)
            assert parameter.shape == value.shape, n
            parameter.copy_(value)
    return model.eval()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_logits_equal_the_official_ones(name: str, dtype: torch.dtype) -> None:
    golden = np.load(GOLDEN / f"{name}.npz")
    model = adapted(name).to(dtype)
    images = draw("image", 2, 3, 32, 32).to(dtype)
    assert distance(model(images), golden["logits"]) <= TOLERANCE[dtype]
    if "merged" in golden:
        merge(model)
        assert distance(model(images), golden["merged"]) <= TOLERANCE[dtype]


def visible_dropout(x: Tensor, p: float, training: bool, inplace: bool = False) -> Tensor:
    return x + p * x * x if training and p else x


@pytest.mark.parametrize("name", [name for name in CASES if "training" in np.load(GOLDEN / f"{name}.npz")])
def test_dropout_and_drop_path_stand_where_they_do_officially(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn.functional, "dropout", visible_dropout)
    monkeypatch.setattr(DropPath, "forward", lambda self, x: visible_dropout(x, self.drop_prob, self.training))
    model = adapted(name, drop_path=0.0 if name.startswith("vpt") else 0.1).train()
    assert distance(model(draw("image", 2, 3, 32, 32)), np.load(GOLDEN / f"{name}.npz")["training"]) <= 1e-9


@pytest.mark.parametrize("name", CASES)
def test_gradients_equal_the_official_ones(name: str) -> None:
    golden, model = np.load(GOLDEN / f"{name}.npz"), adapted(name)
    (model(draw("image", 2, 3, 32, 32)) * draw("cotangent", 2, CLASSES)).sum().backward()
    directions = CASES[name].mapping(lambda n, *shape: draw(f"direction.{n}", *shape))
    gradients = ((model.get_parameter(n).grad, value) for n, value in directions)
    slope = sum(float((gradient * value).sum()) for gradient, value in gradients if gradient is not None)
    assert slope == pytest.approx(float(golden["slope"]), rel=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_merged_logits_equal_the_official_ones(name: str) -> None:
    golden, model = np.load(GOLDEN / f"{name}.npz"), adapted(name)
    assert merge(model) == (name not in UNMERGEABLE)
    assert distance(model(draw("image", 2, 3, 32, 32)), golden["logits"]) <= 1e-9


def test_bitfit_trains_as_many_parameters_as_the_official_code() -> None:
    model = small_vit()
    BitFit().inject(model)
    count = sum(p.numel() for n, p in model.named_parameters() if p.requires_grad and not n.startswith("head"))
    assert count == np.load(GOLDEN / "bitfit.npz")["trained"]
