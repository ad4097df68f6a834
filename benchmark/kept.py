"""Fits on disk, in the workspace of a run: finished ones, that an interrupted run need not repeat, and their epochs."""

from __future__ import annotations

import json
import os
import shutil
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


def learnt(model: nn.Module) -> dict[str, Tensor]:
    """Return what a fit may have changed in `model`: what requires a gradient, and buffers."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad} | dict(model.named_buffers())


def keep(file: Path, model: nn.Module, seen: dict[str, Any]) -> None:
    """Write what a fit may have changed in `model`, and what was seen of it, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    save_file({name: t.detach().cpu().clone() for name, t in learnt(model).items()}, new, {"seen": json.dumps(seen)})
    with new.open("rb") as written:
        os.fsync(written.fileno())
    new.replace(file)


def restore(file: Path, model: nn.Module) -> dict[str, Any] | None:
    """Give `model` what was kept, and return what was seen of the fit; None if there is nothing whole."""
    if not file.exists():
        return None
    try:
        with safe_open(file, "pt") as kept:
            tensors = {name: kept.get_tensor(name) for name in kept.keys()}  # noqa: SIM118
            seen: dict[str, Any] = json.loads(kept.metadata()["seen"])
    except (SafetensorError, ValueError, KeyError, TypeError):  # what a power cut leaves of a file
        return None
    model.load_state_dict(tensors, strict=False)
    return seen


@dataclass(frozen=True)
class Epochs:
    """The weights of a model after every epoch of a fit, so that they can be looked at when training has ended.

    Attributes:
        phase: what the fit's rows of the curve are called.
        folder: where they are.
        of: the model that was fitted, unless it is gone.
    """

    phase: str
    folder: Path
    of: weakref.ref[nn.Module]

    @classmethod
    def begin(cls, folder: Path, phase: str, model: nn.Module, epochs: int) -> Epochs:
        """Make room for a fit.

        Raises:
            ValueError: the disk has none.
        """
        folder.mkdir(parents=True, exist_ok=True)
        needed = epochs * sum(t.numel() * t.element_size() for t in learnt(model).values())
        if (free := shutil.disk_usage(folder).free) < needed:
            raise ValueError(
                f"oracle=true keeps the weights of {epochs} epochs until the run ends, {needed / 1e9:.1f} GB, and "
                f"there are {free / 1e9:.1f} GB free for {folder}; give RUNS= a folder with more room, or fewer epochs"
            )
        return cls(phase, folder, weakref.ref(model))

    def keep(self, model: nn.Module, epoch: int) -> None:
        """Keep the weights of an epoch."""
        keep(self._file(epoch), model, {})

    def give(self, model: nn.Module, epoch: int) -> None:
        """Give a copy of the fitted model the weights of an epoch."""
        model.load_state_dict(load_file(self._file(epoch)), strict=False)

    def _file(self, epoch: int) -> Path:
        return self.folder / f"{epoch}.safetensors"
