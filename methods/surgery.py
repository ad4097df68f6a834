"""The only code that rewires a model: freeze it, find layers, let new ones adopt them, fold them back.

An adapted layer is a subclass of the layer it replaces and *adopts* it: same parameters under the same names, so the
base checkpoint still fits and `isinstance(layer, nn.Linear)` still holds. If its effect can be expressed by plain
layers it has a method `fold()`, which returns the equivalent plain module, or None if the module simply goes away.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def heads(model: nn.Module) -> list[nn.Module]:
    """Return the classification layers; a distilled DeiT has two."""
    found = model.get_classifier()  # type: ignore[operator]
    return list(found) if isinstance(found, tuple) else [found]


def freeze(model: nn.Module) -> None:
    """Freeze everything but the classification head."""
    model.requires_grad_(False)
    for head in heads(model):
        head.requires_grad_(True)


def adopt(new: nn.Module, base: nn.Module) -> None:
    """Initialise `new` as a module that owns everything `base` owned, under the same names, without a copy.

    Stands in place of `super().__init__()` in a subclass of `type(base)` (or of one of its bases).
    """
    nn.Module.__init__(new)
    for name, value in vars(base).items():
        new.__dict__[name] = value.copy() if isinstance(value, dict) else value


def swap(
    model: nn.Module,
    targets: Iterable[str],
    wrap: Callable[[M], nn.Module],
    kind: type[M] = nn.Linear,  # type: ignore[assignment]
) -> None:
    """Replace every layer of class `kind` whose last name is in `targets` by `wrap(layer)`.

    Where timm hands qkv's weight to a function, with biases that are the parent's, its own switch makes it call the
    layer and add these biases afterwards. The layer itself has no bias then.

    Raises:
        ValueError: a target names no layer of that class, one that is already adapted, or one that is not called.
    """
    wanted = set(targets)
    whole = hasattr(model, "get_classifier")  # else it is a part of one, which has no head
    head = heads(model) if whole else []
    layers = {name: m for name, m in model.named_modules() if isinstance(m, kind) and m not in head}
    found = [name for name in layers if name.rpartition(".")[2] in wanted]
    if missing := wanted - {name.rpartition(".")[2] for name in found}:
        names = sorted({name.rpartition(".")[2] for name in layers})
        raise ValueError(
            f"no {kind.__name__} called {', '.join(sorted(missing))} in {type(model).__name__}; "
            f"it has {', '.join(names)}"
        )
    for name in found:
        parent = model.get_submodule(name.rpartition(".")[0])
        if bypassed(type(parent), name.rpartition(".")[2]):
            if not hasattr(parent, "qkv_bias_separate"):
                raise ValueError(
                    f"{name} cannot be adapted: {type(parent).__name__} reads its weights past the layer; a method "
                    "that has targets can leave it out, such as with targets=[fc1,fc2]"
                )
            parent.qkv_bias_separate = True  # type: ignore[assignment]
        if foreign(layers[name]):
            raise ValueError(f"{name} is already adapted ({type(layers[name]).__name__}); inject one method once")
        try:
            model.set_submodule(name, wrap(layers[name]).train(layers[name].training))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None


def bypassed(parent: type[nn.Module], leaf: str) -> bool:
    """Whether the forward of a class hands the weight of a layer of its own to a function, past the layer."""
    try:
        source = inspect.getsource(parent.forward)
    except (OSError, TypeError):  # a class without a file has no text to look at
        return False
    return re.search(rf"\b(F|torch)\.\w+\([^()]*\bself\.{re.escape(leaf)}\.weight\b", source) is not None


def transformer_blocks(model: nn.Module, who: str) -> Any:
    """Return `model.blocks`, a Sequential, if they are stock pre-norm blocks of a timm VisionTransformer.

    Raises:
        ValueError: they are not; the message names `who` asked for them and what the model has.
    """
    blocks = getattr(model, "blocks", None)
    if (
        not isinstance(model, VisionTransformer)
        or not isinstance(blocks, nn.Sequential)
        or any(type(block) is not Block for block in blocks)
    ):
        kinds = sorted({type(b).__name__ for b in blocks}) if isinstance(blocks, nn.Sequential) else ["no blocks"]
        raise ValueError(f"{who} needs the blocks of a timm VisionTransformer; {type(model).__name__} has {kinds}")
    return blocks


def foreign(module: nn.Module) -> bool:
    """Whether a module's class comes from a method, i.e. neither from timm nor from torch."""
    return type(module).__module__.partition(".")[0] not in ("timm", "torch")


@torch.no_grad()
def merge(model: nn.Module) -> bool:
    """Fold every layer that can be folded, in place; return True if nothing of a method is left to run."""
    for name, module in list(model.named_modules()):
        if not hasattr(module, "fold"):
            continue
        plain = module.fold()
        parent, _, leaf = name.rpartition(".")
        if plain is None:
            delattr(model.get_submodule(parent), leaf)
        else:
            plain.train(module.training)
            plain.requires_grad_(False)
            model.set_submodule(name, plain)
    return not any(foreign(module) for module in model.modules())


def plain_linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """Return a stock linear layer with copies of these values. weight: (out, in); bias: (out,)."""
    out_features, in_features = weight.shape
    layer = nn.Linear(in_features, out_features, bias is not None, device="meta")
    layer.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone())
    return layer
