"""Build a timm model from a `Backbone`, with its weights checked and a fresh head."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.resources
import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import load_state_dict
from torch import nn

from visionpeft.methods.surgery import heads

from .spec import Backbone, nearest

HEAD_STD = 0.02


def resolve(backbone: Backbone) -> Backbone:
    """Fill what was left to the model: input size, normalisation, interpolation.

    Raises:
        ValueError: timm has no such model.
    """
    if not timm.is_model(backbone.model):
        close = nearest(backbone.model.partition(".")[0], timm.list_models())
        raise ValueError(f"timm has no model {backbone.model!r};{close} `make list` shows the presets")
    try:
        config = timm.get_pretrained_cfg(backbone.model, allow_unregistered=False)
    except RuntimeError:
        raise ValueError(f"timm has no pretrained setting {backbone.model!r}; see timm.list_pretrained()") from None
    assert config is not None
    return dataclasses.replace(
        backbone,
        img_size=backbone.img_size or config.input_size[-1],
        mean=backbone.mean or tuple(config.mean),
        std=backbone.std or tuple(config.std),
        interpolation=backbone.interpolation or config.interpolation,
    )


def describe(backbone: Backbone) -> dict[str, Any]:
    """Return the resolved backbone as the record holds it, weights by content."""
    values = dataclasses.asdict(resolve(backbone))
    del values["weights"]
    return values | {"weights_sha256": weights_sha256(backbone)}


def weights_file(backbone: Backbone) -> Path | None:
    """Return the file with the weights, downloading it if need be; None for `weights=none`.

    Raises:
        ValueError: there is no such file, or it cannot be downloaded.
    """
    weights = backbone.weights
    if weights == "none":
        return None
    if weights == "hub":
        return _download(backbone.model)
    if weights.startswith("pkg://"):
        package, _, name = weights.removeprefix("pkg://").partition("/")
        if not package.startswith("visionpeft.") or importlib.util.find_spec(package) is None:
            raise ValueError(f"backbone.weights: {weights} is not in this package; give a file")
        return Path(str(importlib.resources.files(package))) / name
    path = Path(weights).expanduser()
    if not path.is_file():
        raise ValueError(f"backbone.weights: no file {weights}; give a .safetensors, .npz or .pth file, or hub")
    return path


@lru_cache(maxsize=8)
def _download(model: str) -> Path:
    from huggingface_hub import hf_hub_download
    from timm.models._hub import download_cached_file

    config = timm.get_pretrained_cfg(model)
    repository = config.hf_hub_id if config else None
    reasons = []
    for name in ("model.safetensors", "pytorch_model.bin") if repository else ():
        try:
            return Path(hf_hub_download(str(repository), name))
        except Exception as error:  # the hub client raises many kinds; all mean: not to be had from there
            reasons.append(f"{type(error).__name__}")
    if config and config.url:
        try:
            return Path(download_cached_file(config.url, progress=False))
        except OSError as error:
            reasons.append(type(error).__name__)
    raise ValueError(
        f"the weights of {model} cannot be downloaded ({', '.join(dict.fromkeys(reasons)) or 'timm knows no source'}); "
        "fetch them on a machine with a network and give backbone.weights=<file>"
    )


def weights_sha256(backbone: Backbone) -> str | None:
    """Return the digest of the weights file, or None for `weights=none`."""
    path = weights_file(backbone)
    return None if path is None else _sha256(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _sha256(path: Path, _mtime: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(file)


def _digest(file: Any) -> str:  # python 3.10 has no hashlib.file_digest
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def outline(backbone: Backbone, num_classes: int) -> nn.Module:
    """Return the model without memory or weights (device meta), to check a method against it and count parameters."""
    with torch.device("meta"):
        return _create(resolve(backbone), num_classes, 0.0)


def build(backbone: Backbone, num_classes: int, drop_path: float = 0.0, seed: int = 0) -> nn.Module:
    """Return the pretrained model with a fresh head of `num_classes`.

    The head's weights come from trunc-normal(0.02) drawn from `seed` alone, its bias is zero: every method starts from
    the same head. Methods are injected afterwards, because timm's constructor resets every linear layer.

    Raises:
        ValueError: the weights file is damaged, belongs to another architecture, or holds more than weights.
    """
    backbone = resolve(backbone)
    path = weights_file(backbone)
    torch.manual_seed(seed)  # weights=none is drawn from it
    if path is None:
        model = _create(backbone, 0, drop_path)
    elif path.suffix == ".npz":
        model = _load_npz(backbone, path, drop_path)
    else:
        model = _load_state(backbone, path, drop_path)
    model.reset_classifier(num_classes)  # type: ignore[operator]
    generator = torch.Generator().manual_seed(seed)
    for head in heads(model):
        nn.init.trunc_normal_(head.weight, std=HEAD_STD, generator=generator)  # type: ignore[arg-type]
        nn.init.zeros_(head.bias)  # type: ignore[arg-type]
    return model


def _create(backbone: Backbone, num_classes: int, drop_path: float, **pretrained: Any) -> nn.Module:
    size = {} if backbone.img_size is None else {"img_size": backbone.img_size}
    depth = {"drop_path_rate": drop_path} if drop_path else {}  # not all models know it
    arguments = {"num_classes": num_classes, **depth, **size, **backbone.model_args, **pretrained}
    try:
        return timm.create_model(backbone.model, **arguments)
    except TypeError as error:
        if "img_size" not in str(error):
            raise ValueError(f"backbone.model_args: {backbone.model} refuses them ({error})") from None
    del arguments["img_size"]  # convolutional networks take any size
    return timm.create_model(backbone.model, **arguments)


def _load_state(backbone: Backbone, path: Path, drop_path: float) -> nn.Module:
    try:
        state = load_state_dict(str(path), weights_only=True)
    except Exception as error:  # safetensors, zip, torch and timm each raise their own kind
        if "weights_only" in str(error).lower():
            raise ValueError(
                f"{path} is a pickle that holds more than weights, so it is not loaded; convert it to .safetensors"
            ) from None
        raise ValueError(f"{path} cannot be read as weights ({type(error).__name__}: {error})") from None
    config = timm.get_pretrained_cfg(backbone.model)
    classifier = (config.classifier if config else None) or "head"
    name = classifier if isinstance(classifier, str) else classifier[0]
    classes = len(state[f"{name}.weight"]) if f"{name}.weight" in state else 0
    overlay = {"state_dict": state, "num_classes": classes, "custom_load": False}
    try:
        return _create(backbone, classes, drop_path, pretrained=True, pretrained_cfg_overlay=overlay)
    except (RuntimeError, KeyError, AttributeError) as error:
        first = str(error).strip().splitlines()
        detail = (first[1] if len(first) > 1 else first[0]).strip()[:160]
        raise ValueError(f"{path} does not fit {backbone.model}: {detail}") from None


def _load_npz(backbone: Backbone, path: Path, drop_path: float) -> nn.Module:
    overlay = {"file": str(path), "custom_load": True, "num_classes": 0}
    try:
        return _create(backbone, 0, drop_path, pretrained=True, pretrained_cfg_overlay=overlay)
    except Exception as error:  # timm's npz reader asserts and indexes; numpy refuses pickled arrays by itself
        raise ValueError(f"{path} does not fit {backbone.model} ({type(error).__name__}: {error})") from None
