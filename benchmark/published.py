"""What the literature set: the protocol of a repository (conf/preset) and settings per task (conf/published)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from .mapping import from_mapping, nearest
from .overrides import choices, preset
from .spec import Preset


class Published(NamedTuple):
    """The literature's settings for one method and task: dotted keys and values, what they were chosen on, by whom."""

    values: Mapping[str, Any]
    selected_on: str
    preset: Preset | None


def published(config: DictConfig, method: str, given: Sequence[str], folders: tuple[Path, ...]) -> Published:
    """Return the settings that a preset and `per_task=published` ask for, but for those that the command line gives.

    Raises:
        ValueError: the preset's repository never had the method, there are no such settings, or the two contradict.
    """
    known = _preset(config, method)
    values = {str(k): v for k, v in (config.preset.get("per_method", {}).get(method, {}) if known else {}).items()}
    selected_on = ""
    if config.per_task not in (None, "tuned"):
        if known and not preset("preset", known.name, folders).get("per_task"):
            raise ValueError(
                f"preset={known.name} has one setting for all tasks, and per_task={config.per_task} is another "
                "repository's: leave one of the two out"
            )
        found = _per_task(config, method, folders)
        values |= {str(k): v for k, v in found.tasks[config.task.name].items()}
        selected_on = found.selected_on
    asked = {word.lstrip("+~").partition("=")[0] for word in given}
    for key, value in values.items():
        if key not in asked:
            OmegaConf.update(config, key, value)
    if known and (absent := [name for name in config.preset.get("needs", []) if f"recipe.{name}" not in asked]):
        raise ValueError(f"preset={known.name}: its {absent[0]} per task was not released; give {absent[0]}=")
    return Published({k: v for k, v in values.items() if k not in asked}, selected_on, known)


def _preset(config: DictConfig, method: str) -> Preset | None:
    if "preset" not in config:
        return None
    values = OmegaConf.to_container(config.preset)
    assert isinstance(values, dict)
    found = from_mapping(Preset, {str(k): v for k, v in values.items() if k not in ("per_method", "needs")}, "preset")
    if method not in found.methods:
        close = nearest(method, list(found.methods))
        raise ValueError(
            f"preset={found.name} restates a repository that never trained {method!r};{close} "
            f"it has {', '.join(found.methods)}"
        )
    return found


def _per_task(config: DictConfig, name: str, folders: tuple[Path, ...]) -> DictConfig:
    """Return the yaml of a method's published settings.

    Raises:
        ValueError: there is none, or it has not this task.
    """
    if config.per_task != "published":
        raise ValueError(f"per_task must be published, tuned or null, got {config.per_task!r}")
    known = [choice.name for choice in choices("published", folders)]
    if name not in known:
        raise ValueError(f"no published per-task settings for method {name!r}; there are some for {', '.join(known)}")
    found = preset("published", name, folders)
    if config.task.suite != found.suite or config.task.name not in found.tasks:
        raise ValueError(f"no published setting of {name} for {config.task.suite} task {config.task.name}")
    return found
