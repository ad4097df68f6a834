"""Keep what a run learnt: `adapter.safetensors` and `adapter.yaml` beside the backbone, or one merged model.

The folder holds tensors and plain values alone: what it loads is checked against the class it names, never unpickled.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from visionpeft.methods.base import Method
from visionpeft.methods.surgery import merge

from .backbone import build, outline, resolve, weights_sha256
from .compose import read_method
from .cost import stored
from .mapping import from_mapping
from .spec import Backbone, Run

TENSORS, VALUES = "adapter.safetensors", "adapter.yaml"


def save(folder: Path, run: Run, method: Method, model: nn.Module) -> None:
    """Write the tensors that the backbone lacks or that were trained, and the values that rebuild the model.

    The folder appears whole or not at all. One that is there is a left-over without a record and makes way.
    """
    new = folder.with_name(f".tmp-{folder.name}")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    keys = set(outline(run.backbone, run.task.num_classes).state_dict())
    _write({k: t.detach().cpu().contiguous() for k, t in stored(model, keys).items()}, new / TENSORS, {})
    cls = type(method)
    values = {
        "method": {"_target_": f"{cls.__module__}.{cls.__qualname__}", **dataclasses.asdict(method)},
        "backbone": dataclasses.asdict(resolve(run.backbone)),
        "weights_sha256": weights_sha256(run.backbone),
        "task": {"name": run.task.name, "suite": run.task.suite, "num_classes": run.task.num_classes},
    }
    OmegaConf.save(OmegaConf.create(values), new / VALUES)
    shutil.rmtree(folder, ignore_errors=True)
    new.replace(folder)


def save_beside(record: Path, run: Run, method: Method, model: nn.Module) -> OSError | None:
    """Save beside a record's place, or return why not, so that the record is written all the same."""
    try:
        save(record.with_suffix(".adapter"), run, method, model)
    except OSError as error:
        return OSError(f"{error}; the result is in {record}, which has to be moved away to have the run made again")
    return None


def _write(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    try:
        save_file(tensors, path, metadata=metadata)
    except SafetensorError as error:
        raise OSError(f"cannot write {path} ({error})") from None


def load(
    folder: Path, weights: str | None = None, trust: bool = False
) -> tuple[nn.Module, Backbone, Mapping[str, Any]]:
    """Return the model of a saved adapter in eval mode, its backbone, and the saved values.

    Args:
        folder: what `save` wrote.
        weights: the backbone's weights, if they lie elsewhere than when the adapter was saved.
        trust: let the folder name a class from outside this package; importing one runs its code.

    Raises:
        ValueError: files are missing, the weights are not those the adapter was trained on, or tensors do not fit.
    """
    for name in (TENSORS, VALUES):
        if not (folder / name).is_file():
            raise ValueError(f"no {name} in {folder}; it is written by a run with save=true")
    values = _read(folder / VALUES, trust)
    backbone = from_mapping(Backbone, values["backbone"] | ({"weights": weights} if weights else {}), "backbone")
    if (found := weights_sha256(backbone)) != values["weights_sha256"]:
        raise ValueError(
            f"the adapter was trained on weights {str(values['weights_sha256'])[:10]}, these are {str(found)[:10]}"
        )
    model = build(backbone, values["task"]["num_classes"])
    read_method(values["method"]).inject(model)
    _fill(model, folder / TENSORS)
    return model.eval(), backbone, values


def _read(path: Path, trust: bool) -> dict[str, Any]:
    """Return the values of an adapter, as far as they can be checked without building anything."""
    try:
        values: Any = OmegaConf.to_container(OmegaConf.load(path))
        target, classes = values["method"]["_target_"], values["task"]["num_classes"]
        if not {"backbone", "weights_sha256"} <= set(values) or not 0 < classes < 1_000_000:
            raise ValueError("backbone, weights_sha256 or a number of classes is missing")
    except Exception as error:  # whatever a damaged or forged yaml sets off
        raise ValueError(f"{path} does not describe an adapter ({type(error).__name__}: {error})") from None
    if not trust and not str(target).startswith("visionpeft."):
        raise ValueError(f"{path} names {target}, which is not of this package; --trust imports and runs it")
    return {str(key): value for key, value in values.items()}


def _fill(model: nn.Module, path: Path) -> None:
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged ({error})") from None
    expected = set(model.state_dict())
    learns = {name for name, p in model.named_parameters() if p.requires_grad}
    if not learns <= set(tensors) <= expected:
        odd = sorted((learns - set(tensors)) | (set(tensors) - expected))
        raise ValueError(f"{path} does not fit its method: {', '.join(odd[:3])}")
    try:
        model.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit its method: {str(error).splitlines()[-1].strip()}") from None


def save_merged(folder: Path, out: Path, weights: str | None = None, trust: bool = False) -> None:
    """Merge an adapter into its backbone and write weights that plain timm loads.

    Raises:
        ValueError: something of the method is left to run after merging, or layers have a bias that timm's lack.
    """
    model, backbone, values = load(folder, weights, trust)
    if not merge(model):
        raise ValueError(f"{values['method']['_target_']} does not merge into plain layers; use the adapter as it is")
    with torch.no_grad():
        tensors = {key: tensor.contiguous() for key, tensor in model.state_dict().items()}
    if added := sorted(set(tensors) - set(outline(backbone, values["task"]["num_classes"]).state_dict())):
        raise ValueError(
            f"merging gave {backbone.model} tensors that it lacks ({added[0]}, {len(added)} in all), so plain timm "
            "cannot load them; use the adapter as it is"
        )
    _write(tensors, out, {"model": backbone.model, "num_classes": str(values["task"]["num_classes"])})
