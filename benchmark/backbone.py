"""Build a timm model from a `Backbone`, with its weights checked and a fresh head."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.resources
import importlib.util
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import load_state_dict
from torch import nn

from visionpeft.data.augment import Augmentation, View
from visionpeft.data.decode import Preprocessing
from visionpeft.methods.surgery import heads

from .head import HEADS
from .mapping import nearest
from .spec import Backbone

NORMALISATIONS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
"""Mean and std by name."""


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
    mean, std = NORMALISATIONS.get(backbone.normalisation, (tuple(config.mean), tuple(config.std)))
    return dataclasses.replace(
        backbone,
        img_size=backbone.img_size or config.input_size[-1],
        mean=backbone.mean or mean,
        std=backbone.std or std,
        normalisation="backbone",
        interpolation=backbone.interpolation or config.interpolation,
    )


def preprocessing(backbone: Backbone) -> Preprocessing:
    """Return what becomes of an image before it is normalised.

    Raises:
        ValueError: no such interpolation, or sizes that contradict each other.
    """
    backbone = resolve(backbone)
    assert backbone.img_size and backbone.interpolation
    return Preprocessing(backbone.img_size, backbone.interpolation, backbone.resize, backbone.jpeg)


def pretraining(backbone: Backbone) -> set[str]:
    """Return the tags of what a backbone has learnt from, such as augreg, in21k, ft, in1k, as far as names say.

    timm's names carry them behind a dot, and 1000 classes are those of ImageNet-1k; for weights of one's own under a
    model's bare name only the names of preset and file are left.
    """
    if backbone.weights == "none":
        return set()
    names, classes = [backbone.name, Path(backbone.weights).name], None
    if ("." in backbone.model or backbone.weights == "hub") and (config := timm.get_pretrained_cfg(backbone.model)):
        names, classes = [*names, config.tag or ""], config.num_classes
    tags = {word.lower() for name in names for word in re.split(r"[\W_]+", name) if word}
    return tags | ({"in1k"} if classes == 1000 else set())


def view(backbone: Backbone, augmentation: Augmentation, upright: bool) -> View:
    """Return how a recipe changes the images that a backbone is trained on.

    Raises:
        ValueError: the backbone's interpolation is none that images can be augmented with.
    """
    resolved = resolve(backbone)
    assert resolved.img_size and resolved.interpolation and resolved.mean and resolved.std
    given = (augmentation, resolved.img_size, resolved.interpolation, resolved.mean, resolved.std)
    return View(*given, resolved.jpeg, upright) if augmentation.crop else View(*given)  # what is decoded has had both


def describe(backbone: Backbone) -> dict[str, Any]:
    """Return the resolved backbone as the record holds it, weights by content, the normalisation by its numbers."""
    preprocessing(backbone)  # what contradicts itself shows now
    values = dataclasses.asdict(resolve(backbone))
    del values["weights"], values["normalisation"]
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


def build(
    backbone: Backbone, num_classes: int, drop_path: float = 0.0, seed: int = 0, head_init: str = "trunc_normal"
) -> nn.Module:
    """Return the pretrained model with a fresh head of `num_classes`.

    The head is drawn from `seed` alone, by default from trunc-normal(0.02) with a bias of zero: every method starts
    from the same head. Methods are injected afterwards, because timm's constructor resets every linear layer.

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
        assert isinstance(head, nn.Linear)
        HEADS[head_init](head, generator)
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
