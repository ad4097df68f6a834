"""A finished fit on disk, in the workspace of a run, so that an interrupted run does not train it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn


def keep(file: Path, model: nn.Module, seen: dict[str, Any]) -> None:
    """Write what a fit may have changed in `model`, and what was seen of it, whole or not at all."""
    learnt = {name: p for name, p in model.named_parameters() if p.requires_grad} | dict(model.named_buffers())
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    save_file({name: t.detach().cpu().clone() for name, t in learnt.items()}, new, {"seen": json.dumps(seen)})
    new.replace(file)


def restore(file: Path, model: nn.Module) -> dict[str, Any]:
    """Give `model` what was kept, and return what was seen of the fit."""
    with safe_open(file, "pt") as kept:
        model.load_state_dict({name: kept.get_tensor(name) for name in kept.keys()}, strict=False)  # noqa: SIM118
        seen: dict[str, Any] = json.loads(kept.metadata()["seen"])
    return seen
