"""From a composed Hydra configuration to the values of a run; Hydra and OmegaConf stop here."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf

from visionpeft.data.official import DataSet
from visionpeft.data.task import Source, Target, Task
from visionpeft.methods.base import Method

from .mapping import from_mapping
from .overrides import preset
from .published import Published, published
from .space import Space, read_space
from .spec import Backbone, Options, Recipe, Run
from .tuned import Tuning, with_chosen


class Wanted(NamedTuple):
    """A study that is asked for: the run whose settings are searched, where, and at which cost."""

    run: Run
    space: Space
    tuning: Tuning


def compose_run(config: DictConfig, folders: tuple[Path, ...] = ()) -> Run:
    """Return the run that a configuration asks for.

    Raises:
        ValueError: a field of a section is unknown, missing, of the wrong type or out of range.
    """
    hydra = HydraConfig.get()
    chosen = hydra.runtime.choices
    overrides = tuple(hydra.overrides.task) or (f"task={chosen['task']}",)  # a line of its own, where all is left out
    literature = published(config, chosen["method"], overrides, folders)
    name, method = _method(config, chosen["method"], overrides, folders)
    run = Run(
        method_name=name,
        method=method,
        task=_sampled(read_task(config.task), config.replicate),
        recipe=from_mapping(Recipe, _plain(config.recipe), "recipe"),
        backbone=from_mapping(Backbone, _plain(config.backbone), "backbone"),
        seed=_seed(config.seed),
        label=_label(name, method, config, folders, literature),
        overrides=(*overrides, *(word for folder in folders for word in ("--config-dir", str(folder)))),
        per_task=literature.selected_on,
        preset=literature.preset,
        oracle=_switch(config.oracle, "oracle"),
    )
    tuning = from_mapping(Tuning, _plain(config.tuning), "tuning")
    if config.per_task == "tuned":
        return with_chosen(run, tuning, Path(config.runs).expanduser())
    if tuning != Tuning():
        raise ValueError(
            "trials, sampler, untuned_first, pruner, folds and study are for the command tune, and for per_task=tuned"
        )
    return run


def compose_study(config: DictConfig, folders: tuple[Path, ...] = ()) -> Wanted:
    """Return the study that a configuration asks for.

    Raises:
        ValueError: as of `compose_run`, or there is no budget, or nothing to search.
    """
    tuning = from_mapping(Tuning, _plain(config.tuning), "tuning")
    if tuning.trials is None:
        raise ValueError("trials must be given, the same number for every method that is compared: trials=32")
    if config.per_task is not None or "preset" in config:
        given = "a preset" if "preset" in config else f"per_task={config.per_task}"
        raise ValueError(f"{given} brings settings that are chosen already; tune without it")
    written = _plain(config).get("space")
    config.tuning = dataclasses.asdict(Tuning())
    run = compose_run(config, folders)
    return Wanted(run, read_space(written, run), tuning)


def compose_options(config: DictConfig, suite_sizes: Mapping[str, Mapping[str, int]]) -> Options:
    """Return how and where to execute."""
    values = _plain(config)
    own = ("method", "task", "recipe", "backbone", "seed", "per_task", "replicate", "oracle", "preset", "tuning")
    for group in (*own, "space"):
        values.pop(group, None)
    cache = values.pop("cache")
    data = values.pop("data")  # an empty environment variable is none
    folders = {
        "data": Path(data).expanduser() if data else None,
        "runs": Path(values.pop("runs")).expanduser(),
        "cache": Path(cache).expanduser() if cache else _user_cache() / "visionpeft",
    }
    checked = from_mapping(Options, values | {"suite_sizes": suite_sizes} | folders, "settings")
    if checked.data is not None and not checked.data.is_dir():
        raise ValueError(f"data: no folder {checked.data}; give DATA=<folder with the data sets> or VISIONPEFT_DATA")
    return checked


def read_method(values: Mapping[str, Any]) -> Method:
    """Return the method a mapping with `_target_` describes.

    Raises:
        ValueError: the target does not resolve to a subclass of Method, or a field is wrong.
    """
    fields = dict(values)
    cls = _class(str(fields.pop("_target_", None)), Method, "method")
    return from_mapping(cls, fields, "method")


def read_task(config: DictConfig) -> Task:
    """Return the task a configuration node describes, its sources built."""
    values = _plain(config)
    sources = _read_sources(values.pop("sources", []), "task.sources")
    targets = []
    for entry in values.pop("targets", []):
        _class(str(entry.pop("_target_", None)), Target, "task.targets")
        entry["sources"] = _read_sources(entry.pop("sources", []), "task.targets.sources")
        targets.append(from_mapping(Target, entry, "task.targets"))
    _class(str(values.pop("_target_", None)), Task, "task")
    return from_mapping(Task, values | {"sources": sources, "targets": tuple(targets)}, "task")


def _read_sources(entries: Iterable[dict[str, Any]], section: str) -> tuple[Source, ...]:
    sources = []
    for entry in entries:
        cls = _class(str(entry.pop("_target_", None)), Source, section)
        fields = {name: _read_dataset(value, f"{section}.{name}") for name, value in entry.items()}
        sources.append(from_mapping(cls, fields, section))
    return tuple(sources)


def _read_dataset(value: Any, section: str) -> Any:
    """Return a source's field: a data set is built, anything else stays as it is."""
    if not isinstance(value, dict) or "_target_" not in value:
        return value
    fields = dict(value)
    return from_mapping(_class(str(fields.pop("_target_")), DataSet, section), fields, section)


def _switch(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, got {value!r}")
    return value


def _sampled(task: Task, replicate: object) -> Task:
    """Return the task with those of its sources that have the asked replicate of the training set."""
    if not isinstance(replicate, int) or isinstance(replicate, bool) or replicate < 0:
        raise ValueError(f"replicate must be a whole number from 0 on, got {replicate!r}")
    sources = tuple(source for source in task.sources if getattr(source, "replicate", 0) == replicate)
    if task.sources and not sources:
        raise ValueError(f"replicate={replicate}: {task.suite} task {task.name} has one training set only")
    return dataclasses.replace(task, sources=sources)


def _class(target: str, kind: type[Any], section: str) -> type[Any]:
    try:
        cls = get_class(target)
    except Exception as error:  # hydra wraps whatever an import may raise
        reason = str(error).strip().splitlines()[-1]
        raise ValueError(f"{section}._target_: {target!r} cannot be imported ({reason})") from None
    if not (isinstance(cls, type) and issubclass(cls, kind)):
        raise ValueError(f"{section}._target_: {target} is no subclass of {kind.__module__}.{kind.__name__}")
    return cls


def _plain(config: DictConfig) -> dict[str, Any]:
    values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def _user_cache() -> Path:
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return given if given.is_absolute() else Path.home() / ".cache"  # the standard ignores a relative one


def _seed(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**32:  # NumPy takes no more
        raise ValueError(f"seed must be a whole number from 0 to {2**32 - 1}, got {value!r}")
    return value


def _method(config: DictConfig, name: str, given: tuple[str, ...], folders: tuple[Path, ...]) -> tuple[str, Method]:
    """Return a name for tables and the method; a class given by `method._target_` gets the given fields alone."""
    written = preset("method", name, folders).method  # which refuses a file that describes none
    values = _plain(config.method)
    if values.get("_target_") == written._target_:
        return name, read_method(values)
    keys = {word.lstrip("+").partition("=")[0].removeprefix("method.") for word in given if "method." in word}
    method = read_method({key: value for key, value in values.items() if key in keys | {"_target_"}})
    return type(method).__name__.lower(), method


def _label(name: str, method: Method, config: DictConfig, folders: tuple[Path, ...], literature: Published) -> str:
    """Return the row's name: the method's and whatever differs from the yamls that were chosen.

    A class given by `method._target_` has no yaml; its fields are compared with the class's defaults.
    """
    chosen = HydraConfig.get().runtime.choices
    written = preset("method", chosen["method"], folders)
    recipe = {**preset("recipe", chosen["recipe"], folders), **written.get("recipe", {})}
    restated = OmegaConf.create()
    if literature.preset:
        restated = preset("preset", literature.preset.name, folders)
        recipe |= restated.recipe
    own = config.method._target_ == written.method._target_
    usual = written.method if own else {f.name: f.default for f in dataclasses.fields(method)}
    differing = _whose(literature, config, bool(restated.get("per_task")))
    shown = restated.get("backbone", {})  # what a preset says of it alone; the rest tells tables apart, not rows
    sections = (
        (dataclasses.asdict(method), usual, ""),
        (_plain(config.recipe), recipe, "recipe."),
        ({key: config.backbone[key] for key in shown}, shown, "backbone."),
    )
    for now, before, prefix in sections:
        for key, value in now.items():
            expected = before.get(key)
            if isinstance(value, (list, tuple)) and isinstance(expected, Sequence):
                value, expected = list(value), list(expected)
            if value != expected and f"{prefix or 'method.'}{key}" not in literature.values:
                differing.append(f"{prefix}{key}={_short(value)}")
    return f"{name} ({', '.join(differing)})" if differing else name


def _whose(literature: Published, config: DictConfig, per_task: bool) -> list[str]:
    """Return in words whose settings a run has, for its label."""
    if literature.preset is None:
        return [f"published per-task settings, chosen on {literature.selected_on}"] if literature.selected_on else []
    same = config.backbone.model == literature.preset.model
    words = [f"preset={literature.preset.name}" + ("" if same else " on another backbone")]
    alone = per_task and not literature.selected_on
    return [*words, *(["without its per-task settings"] if alone else [])]


def _short(value: object) -> str:
    return f"[{','.join(map(str, value))}]" if isinstance(value, (list, tuple)) else str(value)
