"""What GLoRA contains, output for output: LoRA, BitFit and SSF on the adapted layers, a shift of their inputs."""

import torch
import torch.nn.functional as F
from torch import nn

from visionpeft.methods.bitfit import BitFit
from visionpeft.methods.glora import GLoRA
from visionpeft.methods.glora_subnets import adapted_layers
from visionpeft.methods.lora import LoRA
from visionpeft.methods.repadapter import RepAdapter
from visionpeft.methods.ssf import SSF, ScaledLayerNorm, ScaledLinear
from visionpeft.methods.surgery import freeze

from .small import backbone, images

R = 3
LINEARS = ("qkv", "proj", "fc1", "fc2")


def model(method, variant="plain", noise=0.1) -> nn.Module:
    """A small ViT in double precision with a method in it, what it trains moved by noise."""
    made = backbone(variant).double()
    method.inject(made)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=noise)
    return made


def pair(config: str, other: nn.Module, **fields) -> nn.Module:
    """GLoRA on the same backbone, with the other model's head."""
    ours = model(GLoRA(rank=R, config=config, **fields))
    ours.head.load_state_dict(other.head.state_dict())
    return ours


def by_name(one: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    return [m for name, m in one.named_modules() if isinstance(m, kind) and name.rpartition(".")[2] in LINEARS]


def train(one: nn.Module, steps: int = 4) -> torch.Tensor:
    """Train by AdamW as it comes; return the logits before each step and at the end."""
    learnt = [p for p in one.parameters() if p.requires_grad]
    optimizer, x, seen = torch.optim.AdamW(learnt, lr=0.01, weight_decay=0.0), images(one), []
    for _ in range(steps):
        logits = one(x)
        seen.append(logits.detach())
        F.cross_entropy(logits, torch.arange(len(x))).backward()
        optimizer.step()
        optimizer.zero_grad()
    return torch.stack([*seen, one(x).detach()])


@torch.no_grad()
def test_lora():
    """B low rank and nothing else: the same outputs, and the same training."""
    lora = model(LoRA(rank=R, targets=LINEARS))
    ours = pair("NLNNN", lora)
    for one, other in zip(adapted_layers(ours), by_name(lora, nn.Linear), strict=True):
        one.B_up.copy_(other.A[0])
        one.B_down.copy_(other.B[0])
    with torch.enable_grad():
        torch.testing.assert_close(train(ours), train(lora))
    counts = [sum(p.numel() for p in m.parameters() if p.requires_grad) for m in (ours, lora)]
    assert counts[0] == counts[1]


@torch.no_grad()
def test_bitfit():
    """E a vector and nothing else: what BitFit adds to the biases of these layers, and the same training."""
    bitfit = model(BitFit())
    frozen = {m: m.bias.clone() for m in by_name(backbone().double(), nn.Linear)}.values()
    for module in bitfit.modules():
        if isinstance(module, (nn.LayerNorm, nn.Conv2d)):
            module.requires_grad_(False)
    ours = pair("NNNNV", bitfit)
    ours.load_state_dict({k: v for k, v in bitfit.state_dict().items() if "norm" in k or "patch" in k}, strict=False)
    for one, other, bias in zip(adapted_layers(ours), by_name(bitfit, nn.Linear), frozen, strict=True):
        one.E.copy_(other.bias - bias)
    with torch.enable_grad():
        torch.testing.assert_close(train(ours), train(bitfit))


@torch.no_grad()
def test_scale_and_shift_of_outputs():
    """gamma (W x + b) + beta, SSF behind a linear layer, by A = D = gamma - 1 and E = beta."""
    ssf = model(SSF())
    for module in ssf.modules():  # SSF behind linear layers alone
        if hasattr(module, "gamma") and not isinstance(module, ScaledLinear):
            module.gamma.fill_(1.0)
            module.beta.fill_(0.0)
    assert any(isinstance(module, ScaledLayerNorm) for module in ssf.modules())
    ours = pair("VNNVV", ssf)
    for one, other in zip(adapted_layers(ours), by_name(ssf, ScaledLinear), strict=True):
        one.A_down.copy_(other.gamma[:, None] - 1)
        one.D.copy_(other.gamma - 1)
        one.E.copy_(other.beta)
    torch.testing.assert_close(ours(images(ours)), ssf(images(ours)))


@torch.no_grad()
def test_a_shift_of_inputs():
    """C a vector and nothing else: W (x + c) + b, and the same training of c."""
    ours = model(GLoRA(rank=R, config="NNVNN"))
    plain = backbone().double()
    freeze(plain)
    plain.head.load_state_dict(ours.head.state_dict())
    for one, other in zip(adapted_layers(ours), by_name(plain, nn.Linear), strict=True):
        other.shift = nn.Parameter(one.C_down[:, 0].clone())
        other.register_forward_pre_hook(lambda layer, given: given[0] + layer.shift)
    with torch.enable_grad():
        torch.testing.assert_close(train(ours), train(plain))


@torch.no_grad()
def test_a_matrix_factor_contains_repadapter():
    """W (x + s (up (down x + b) + c)) by A = s up down and C = s (up b + c); no Hadamard factor does that."""
    rep = model(RepAdapter(bottleneck=R - 1, up_groups=1, scale=0.5, targets=LINEARS, dropout=0.0))
    ours = pair("L2NVNN", rep, factor="matrix")
    for one, other in zip(adapted_layers(ours), by_name(rep, nn.Linear), strict=True):
        up = other.dense_up()
        one.A_down.copy_(0.5 * up)
        one.A_up.copy_(other.down.weight)
        one.C_down.copy_((0.5 * (up @ other.down.bias + other.up_bias))[:, None])
    torch.testing.assert_close(ours(images(ours)), rep(images(ours)))
