"""FLOPs of a training step of GLoRA, of LoRA on all linear layers, and of the released layer; the models for it."""

from __future__ import annotations

import random
import statistics
from functools import reduce
from unittest import mock

import timm
import torch
import torch.nn.functional as F
from glora_floor import Model
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from visionpeft.benchmark.device import write_out_attention
from visionpeft.methods.base import Method
from visionpeft.methods.glora import GLoRA
from visionpeft.methods.glora_linear import GLoRALinear
from visionpeft.methods.glora_space import Words
from visionpeft.methods.glora_subnets import adapted_layers, choose
from visionpeft.methods.linear import Linear
from visionpeft.methods.lora import LoRA

PICO = {"img_size": 32, "patch_size": 4, "embed_dim": 128, "depth": 6, "num_heads": 4}
MODELS = {
    "pico": ("vit_tiny_patch16_224", PICO),
    "tiny": ("vit_tiny_patch16_224", {}),
    "base": ("vit_base_patch16_224", {}),
}
LINEARS = ("qkv", "proj", "fc1", "fc2")
SUBNETS = ("NLNNN", "NVNNN", "VNNNN", "VVVVV", "SLVVV", "VLLVV", "LLLVV")


def official(layer: GLoRALinear, x: Tensor) -> Tensor:
    """The released layer: all supports are written out, none as zeros, whatever they are."""
    a, b = (written_out(layer, support, layer.weight) for support in "AB")
    c = written_out(layer, "C", layer.weight[:1].T)
    d, e = (written_out(layer, support, layer.weight[:1, 0]) for support in "DE")
    weight = layer.weight + layer.weight * a + b
    bias = e if layer.bias is None else layer.bias + layer.bias * d + e
    return F.linear(x, weight, bias + torch.matmul(layer.weight, c).squeeze())


def written_out(layer: GLoRALinear, support: str, like: Tensor) -> Tensor:
    """Return a support as the released layer prepares it."""
    parts = layer.read(support)
    return reduce(torch.matmul, parts) if parts else torch.zeros_like(like)


def made(model: str, method: Method, device: torch.device | str, precision: str = "fp32") -> nn.Module:
    """Return a ViT in training mode with the method in it."""
    name, arguments = MODELS[model]
    torch.manual_seed(0)
    with torch.device(device):
        vit = timm.create_model(name, num_classes=100, **arguments).train()
    method.inject(vit)
    if torch.device(device).type == "cpu" and precision == "bf16":  # as a run does
        write_out_attention(vit)
    return vit


def subnets(model: nn.Module, number: int, method: GLoRA | None = None) -> list[Words]:
    """Return random configurations, the same ones each time."""
    space, rng = (method or GLoRA()).space(adapted_layers(model)), random.Random(0)
    return [space.draw(rng) for _ in range(number)]


def step_flops(model: nn.Module, size: int, backward: bool = True) -> float:
    """Return the FLOPs of a forward pass and, unless it is left out, a backward pass per image, in 1e9."""
    x, y = torch.empty(8, 3, size, size, device="meta"), torch.zeros(8, dtype=torch.long, device="meta")
    with torch.set_grad_enabled(backward), FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        loss = F.cross_entropy(model(x), y)
        if backward:
            loss.backward()
    return counter.get_total_flops() / len(x) / 1e9


def steps(model: nn.Module, several: list[Words]) -> list[float]:
    """Return the FLOPs of a step of each subnet per image, in 1e9."""
    found = []
    for words in several:
        choose(model, words)
        found.append(step_flops(model, 224))
    return found


def counted(name: str, method: GLoRA, draws: int) -> Model:
    """Return the FLOPs per image of a supernet's steps, averaged, and of a merged candidate."""
    model, plain = made(name, method, "meta"), made(name, Linear(), "meta")
    drawn = steps(model, subnets(model, draws, method))
    return Model(1e9 * statistics.mean(drawn), 1e9 * step_flops(plain, 224, backward=False))


def flops(method: GLoRA, draws: int) -> None:
    """Print FLOPs of a step against LoRA's of the method's rank; a supernet may draw smaller ranks as well."""
    rank, ranks = method.rank, ", ".join(map(str, (method.rank, *method.smaller_ranks)))
    print(f"\n## FLOPs of a training step, rank {ranks}\n\nRelative to LoRA on all linear layers at rank {rank}.\n")
    print(f"| model | LoRA (GFLOPs per image) | {' | '.join(SUBNETS)} | supernet, mean of {draws} (range) | official |")
    print("|---|--:|" + "--:|" * (len(SUBNETS) + 2))
    for name in ("tiny", "base"):
        lora = step_flops(made(name, LoRA(rank=rank, targets=LINEARS), "meta"), 224)
        model = made(name, method, "meta")
        layers = len(adapted_layers(model))
        configurations = subnets(model, draws, method)
        fixed = [found / lora for found in steps(model, [(word,) * layers for word in SUBNETS])]
        drawn = [found / lora for found in steps(model, configurations)]
        with mock.patch.object(GLoRALinear, "forward", official):
            dense = statistics.mean(steps(model, configurations)) / lora
        mean = f"{statistics.mean(drawn):.3f} ({min(drawn):.3f} to {max(drawn):.3f})"
        row = " | ".join(f"{cell:.3f}" for cell in fixed)
        print(f"| {name} | {lora:.2f} | {row} | {mean} | {dense:.3f} |", flush=True)
