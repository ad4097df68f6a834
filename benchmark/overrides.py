"""From a command line to Hydra overrides: bare field names find their section, typing mistakes get an answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import timm
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from .mapping import nearest

GROUPS = ("method", "task", "recipe", "backbone", "preset")
CONF = Path(str(files("visionpeft.conf")))


@dataclass(frozen=True)
class Choice:
    """A yaml of a group: its name and the one-line description in its first comment."""

    name: str
    description: str


def choices(group: str, folders: Iterable[Path] = ()) -> list[Choice]:
    """Return what a group offers, from the package's configuration and further folders (`--config-dir`)."""
    found: dict[str, Choice] = {}
    for folder in (CONF, *folders):
        for path in sorted((folder / group).glob("*.yaml")):
            comments = [line[1:].strip() for line in path.read_text().splitlines() if line.startswith("#")]
            described = [line for line in comments if not line.startswith("@package")]
            found[path.stem] = Choice(path.stem, described[0] if described else "")
    return list(found.values())


@lru_cache(maxsize=64)
def preset(group: str, name: str, folders: tuple[Path, ...] = ()) -> DictConfig:
    """Return a yaml of a group as it is written, without composing anything."""
    for folder in (*folders, CONF):
        path = folder / group / f"{name}.yaml"
        if path.is_file():
            return _load(path, {"method": ("method._target_",), "task": ("name", "suite", "group")}.get(group, ()))
    raise ValueError(f"no {group} called {name!r}")


def _load(path: Path, needed: Iterable[str]) -> DictConfig:
    """Read a yaml that has to have some keys.

    Raises:
        ValueError: it has not; the message names the file.
    """
    try:
        loaded = OmegaConf.load(path)
    except Exception as error:  # the yaml reader's many kinds
        raise ValueError(f"{path} is not readable as yaml ({str(error).splitlines()[0]})") from None
    if not isinstance(loaded, DictConfig):
        raise ValueError(f"{path} is a list, expected keys with values")
    if absent := [key for key in needed if OmegaConf.select(loaded, key) is None]:
        has = ", ".join(map(str, loaded)) or "none"
        raise ValueError(f"{path} lacks the key{'s' * (len(absent) > 1)} {', '.join(absent)}; it has {has}")
    return loaded


def suite_sizes(folders: Iterable[Path] = ()) -> dict[str, dict[str, int]]:
    """Return how many tasks each group of each suite has."""
    sizes: dict[str, dict[str, int]] = {}
    for choice in choices("task", folders):
        task = preset("task", choice.name, tuple(folders))
        group = sizes.setdefault(task.suite, {})
        group[task.group] = group.get(task.group, 0) + 1
    return sizes


class CommandLine:
    """The arguments after `python -m visionpeft.benchmark`, spelled out for Hydra.

    A bare `name=value` belongs to the section that has such a field: the top level, the method, the recipe, the
    backbone or the tuning, in this order; a dotted name passes through. A timm model
    serves as a backbone like a preset.

    Raises:
        ValueError: an unknown method, task, recipe, backbone or field, with the nearest names.
    """

    def __init__(self, argv: list[str]) -> None:
        self.folders = tuple(_config_dirs(argv))
        self._chosen: dict[str, list[str]] = {}
        self._external = any(word.lstrip("+").startswith("method._target_=") for word in argv)
        multirun = [word for word in argv if word in ("-m", "--multirun")]  # between names argparse would not know it
        rest = [word for word in argv if word not in multirun]
        words = multirun + [word for part in rest for word in self._expand_backbone(part)]
        for word in words:
            self._check_group(word)
        self.argv = [self._spell(word) for word in words]

    def _expand_backbone(self, word: str) -> list[str]:
        name, _, value = word.partition("=")
        known = {choice.name for choice in choices("backbone", self.folders)}
        if name == "backbone" and value not in known and timm.is_model(value):
            return ["backbone=timm", f"backbone.model={value}"]
        return [word]

    def _check_group(self, word: str) -> None:
        group, _, value = word.partition("=")
        if group not in GROUPS:
            return
        names = [choice.name for choice in choices(group, self.folders)]
        self._chosen[group] = []
        for pattern in _patterns(value):
            matching = [name for name in names if fnmatch(name, pattern)]
            if not matching:
                listed = f" it is one of {', '.join(names)}" if len(names) < 30 else " `make list` shows them"
                raise ValueError(f"unknown {group} {pattern!r};{nearest(pattern, names)}{listed}")
            self._chosen[group] += matching

    def _spell(self, word: str) -> str:
        name, equals, _ = word.partition("=")
        if equals and not word.startswith("-"):
            _check_syntax(word)
        if word.startswith("-") or not equals or not name.isidentifier() or name in GROUPS or name in self._top():
            return word
        sections = {section: self._fields(section) for section in ("method", "recipe", "backbone")}
        sections["tuning"] = [str(key) for key in _top_level().tuning]
        for section, fields in sections.items():
            if name in fields:
                return f"{section}.{word}"
        if self._external:
            return f"+method.{word}"
        known = [*self._top(), *GROUPS, *(field for fields in sections.values() for field in fields)]
        raise ValueError(
            f"unknown setting {name!r};{nearest(name.lower(), known)} "
            + "; ".join(f"{section}: {', '.join(fields)}" for section, fields in sections.items() if fields)
        )

    def _top(self) -> list[str]:
        return [str(key) for key in _top_level() if key not in ("defaults", "hydra")]

    def _fields(self, section: str) -> list[str]:
        """Return the fields that all chosen presets of a section have."""
        common: list[str] | None = None
        for name in self._chosen.get(section) or [_defaults()[section]]:
            node: Any = preset(section, name, self.folders)
            keys = [str(key) for key in (node.method if section == "method" else node) if key != "_target_"]
            common = keys if common is None else [key for key in common if key in keys]
        return common or []


def _check_syntax(word: str) -> None:
    try:
        OverridesParser.create().parse_override(word)
    except HydraException as error:
        raise ValueError(
            f"cannot read {word!r} as name=value ({str(error).splitlines()[0]}); quote odd values"
        ) from None


@lru_cache(maxsize=1)
def _top_level() -> DictConfig:
    loaded = OmegaConf.load(CONF / "config.yaml")
    assert isinstance(loaded, DictConfig)
    return loaded


def _defaults() -> dict[str, str]:
    """Return what each group is set to when nothing is said."""
    return {
        str(group): name
        for entry in _top_level().defaults
        if isinstance(entry, DictConfig)
        for group, name in entry.items()
    }


def _config_dirs(argv: list[str]) -> Iterable[Path]:
    for i, word in enumerate(argv):
        flag, equals, value = word.partition("=")
        if flag in ("--config-dir", "-cd"):
            yield Path(value if equals else argv[i + 1] if i + 1 < len(argv) else ".")


def _patterns(value: str) -> list[str]:
    """Return the names or globs in a group override such as lora,ssf or glob(vtab_*)."""
    value = value.strip("'\"")
    if value.startswith("glob(") and value.endswith(")"):
        value = value[5:-1]
    return [part.strip().strip("'\"[]") for part in value.split(",") if "exclude=" not in part]
