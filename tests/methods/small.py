"""The methods as their yaml files set them, and small models to try them on."""

import importlib
from importlib import resources

import timm
import torch
import yaml
from torch import nn

from visionpeft.methods.base import Method

FOLDER = resources.files("visionpeft.conf") / "method"
TEXTS = {
    entry.name.removesuffix(".yaml"): entry.read_text()
    for entry in sorted(FOLDER.iterdir(), key=str)
    if entry.name.endswith(".yaml")
}
VALUES = {name: yaml.safe_load(text) for name, text in TEXTS.items()}


def kind(name: str) -> type[Method]:
    module, _, leaf = VALUES[name]["method"]["_target_"].rpartition(".")
    return getattr(importlib.import_module(module), leaf)


def fields(name: str) -> dict:
    values = {key: value for key, value in VALUES[name]["method"].items() if key != "_target_"}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


METHODS = {name: kind(name)(**fields(name)) for name in VALUES}

SMALL = {"embed_dim": 48, "depth": 2, "num_heads": 3, "num_classes": 5}
VARIANTS = {
    "plain": ("vit_tiny_patch16_224", {"img_size": 32, "patch_size": 8}),
    "registers and layer scale": ("vit_small_patch14_reg4_dinov2", {"img_size": 28}),
    "distilled": ("deit_tiny_distilled_patch16_224", {"img_size": 32, "patch_size": 8}),
    "average pooling": (
        "vit_tiny_patch16_224",
        {"img_size": 32, "patch_size": 8, "class_token": False, "global_pool": "avg", "fc_norm": True},
    ),
    "no qkv bias": ("vit_tiny_patch16_224", {"img_size": 32, "patch_size": 8, "qkv_bias": False}),
}


def backbone(variant: str = "plain", **more) -> nn.Module:
    """A small model with no zero and no equal weights, as if it had been trained."""
    name, arguments = VARIANTS[variant]
    torch.manual_seed(0)
    model = timm.create_model(name, **SMALL | arguments | more).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model


def injected(method: Method, variant: str = "plain", noise: float = 0.0) -> nn.Module:
    """The same small model with the method in it, its trainable tensors moved by noise."""
    model = backbone(variant)
    torch.manual_seed(1)
    method.inject(model)
    with torch.no_grad():
        for parameter in trainable(model).values():
            parameter.add_(torch.randn_like(parameter), alpha=noise)
    return model


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def images(model: nn.Module, number: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    dtype = next(model.parameters()).dtype
    return torch.randn(number, 3, *model.patch_embed.img_size, generator=generator).to(dtype)


@torch.no_grad()
def logits(model: nn.Module) -> torch.Tensor:
    return model.eval()(images(model))


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    """Largest difference relative to the largest logit."""
    return ((one - other).abs().max() / one.abs().max()).item()
