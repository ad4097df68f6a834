"""What tuning searches: the section `space` of a method's yaml, read into values and checked before anything runs.

A field of the method or the recipe has a list of values, or a range: `{log: [1e-5, 1e-2]}` or `{uniform: [0, 0.5]}`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .mapping import from_mapping, nearest
from .record import canonical
from .spec import Recipe, Run

SCALES = ("log", "uniform")
SECTIONS = ("method", "recipe")
FIXED = ("name", "select", "train_on")
"""Fields of a recipe that are no settings: what it is called, and the rules by which trials are judged."""
STEPS = 5
"""How many points of a uniform range a grid has; of a logarithmic one it has two a decade, or each power of two."""


class Trial(Protocol):
    """What a domain needs of a trial of Optuna."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Return a number of a range."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """Return a whole number of a range."""

    def suggest_categorical(self, name: str, choices: list[str]) -> str:
        """Return one of a few texts."""


@dataclass(frozen=True)
class Values:
    """Some values; optuna is given their JSON texts, so that lists may be among them."""

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if len({canonical(value) for value in self.values}) != len(self.values):
            raise ValueError(f"has a value twice: {canonical(self.values)}")

    def suggest(self, trial: Trial, name: str) -> Any:
        """Return the value that a trial tries."""
        return json.loads(trial.suggest_categorical(name, self.grid))

    @property
    def grid(self) -> list[Any]:
        """Every value, as Optuna sees it."""
        return [canonical(value) for value in self.values]

    def held(self, value: Any) -> str | None:
        """Return a value as Optuna sees it; None if it is none of these."""
        plain = list(value) if isinstance(value, tuple) else value  # a yaml has lists
        return self.grid[self.values.index(plain)] if plain in self.values else None

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values that between them show whether a method takes all."""
        return self.values

    @property
    def written(self) -> Any:
        """The plain value that the yaml has."""
        return list(self.values)


@dataclass(frozen=True)
class Range:
    """Everything between two numbers, both of them included; whole: whole numbers alone."""

    low: float
    high: float
    scale: str
    whole: bool

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"is an empty range: {self.low:g} is not below {self.high:g}")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"is logarithmic, so it must begin above 0, got {self.low:g}")

    def suggest(self, trial: Trial, name: str) -> float:
        """Return the value that a trial tries."""
        log = self.scale == "log"
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=log)
        return trial.suggest_float(name, self.low, self.high, log=log)

    @property
    def grid(self) -> list[Any]:
        """Points at even distances, the ends among them."""
        if self.scale == "log":
            base = 2.0 if self.whole else 10**0.5
            count = max(2, round(math.log(self.high / self.low, base)) + 1)
            points = [self.low * (self.high / self.low) ** (i / (count - 1)) for i in range(count)]
        else:
            points = [self.low + (self.high - self.low) * i / (STEPS - 1) for i in range(STEPS)]
        points = [self.low, *points[1:-1], self.high]  # the powers need not come back to the ends
        return sorted({round(point) for point in points}) if self.whole else points

    def held(self, value: Any) -> float | None:
        """Return a value as Optuna sees it; None if it lies outside."""
        return value if isinstance(value, (int, float)) and self.low <= value <= self.high else None

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values that between them show whether a method takes all."""
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)

    @property
    def written(self) -> Any:
        """The plain value that the yaml has."""
        return {self.scale: list(self.ends)}


@dataclass(frozen=True)
class Space:
    """What is searched.

    Attributes:
        domains: by dotted field, such as recipe.lr.
        usual: the value that each field has in a run that is not tuned.
    """

    domains: Mapping[str, Values | Range]
    usual: Mapping[str, Any]

    @property
    def written(self) -> dict[str, Any]:
        """The space as plain values."""
        return {name: domain.written for name, domain in self.domains.items()}

    @property
    def digest(self) -> str:
        """10 hex digits that tell it from others."""
        return hashlib.sha256(canonical(self.written).encode()).hexdigest()[:10]

    @property
    def points(self) -> int:
        """How many points its grid has."""
        return math.prod(len(domain.grid) for domain in self.domains.values())

    @property
    def lacking(self) -> dict[str, Any]:
        """Settings of a run that is not tuned which are not in the space."""
        return {name: value for name, value in self.usual.items() if self.domains[name].held(value) is None}

    @property
    def untuned(self) -> dict[str, Any] | None:
        """The settings of a run that is not tuned, as Optuna sees them; None if one of them is not in the space."""
        held = {name: domain.held(self.usual[name]) for name, domain in self.domains.items()}
        return None if self.lacking else held

    def suggest(self, trial: Trial) -> dict[str, Any]:
        """Return the settings that a trial tries."""
        return {name: domain.suggest(trial, name) for name, domain in self.domains.items()}


def read_space(written: object, run: Run) -> Space:
    """Return the space that a method's yaml declares for the method and the recipe of a run.

    Raises:
        ValueError: there is none, or a field is unknown, a range is empty, a value is of a wrong type or refused.
    """
    where = f"conf/method/{run.method_name}.yaml"
    if not isinstance(written, Mapping) or not any(written.values()):
        raise ValueError(
            f"method {run.method_name} declares no space to tune in; give {where} a section such as "
            "space: {recipe: {lr: {log: [1e-4, 1e-1]}}}"
        )
    domains: dict[str, Values | Range] = {}
    usual: dict[str, Any] = {}
    for section, fields in written.items():
        if section not in SECTIONS or not isinstance(fields, Mapping):
            raise ValueError(f"space: unknown section {section!r}; expected {' or '.join(SECTIONS)} with fields below")
        for field, domain in fields.items():
            name = f"{section}.{field}"
            try:
                usual[name] = _default(run, section, str(field))
                domains[name] = _domain(domain, usual[name])
                for value in domains[name].ends:
                    tried(run, {name: value})
            except ValueError as error:
                raise ValueError(f"space.{name}: {error}") from None
    return Space(domains, usual)


def tried(run: Run, settings: Mapping[str, Any]) -> Run:
    """Return a run with other settings, by dotted fields."""
    values = {"method": _plain(run.method), "recipe": _plain(run.recipe)}
    for name, value in settings.items():
        section, _, field = name.partition(".")
        values[section][field] = value
    return dataclasses.replace(
        run,
        method=from_mapping(type(run.method), values["method"], "method"),
        recipe=from_mapping(Recipe, values["recipe"], "recipe"),
    )


def _plain(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}


def _default(run: Run, section: str, field: str) -> Any:
    values = _plain(run.method if section == "method" else run.recipe)
    if field not in values:
        known = ", ".join(values) or "none"
        raise ValueError(f"{section} has no such field;{nearest(field, list(values))} it has {known}")
    if section == "recipe" and field in FIXED:
        raise ValueError("this is no setting to be tuned; it says how a run is judged")
    return values[field]


def _domain(written: Any, default: Any) -> Values | Range:
    """Read a list of values or a range; a range is of whole numbers where the field is."""
    if isinstance(written, (list, tuple)):
        if not written:
            raise ValueError("is an empty list; give at least one value")
        return Values(tuple(written))
    if not isinstance(written, Mapping) or len(written) != 1 or next(iter(written)) not in SCALES:
        raise ValueError(f"expected a list, {{log: [low, high]}} or {{uniform: [low, high]}}, got {written!r}")
    scale, ends = next(iter(written.items()))
    numbers = isinstance(ends, (list, tuple)) and all(type(end) in (int, float) for end in ends)
    if not numbers or len(ends) != 2 or not all(map(math.isfinite, ends)):
        raise ValueError(f"{scale} needs two numbers [low, high], got {ends!r}")
    whole = type(default) is int
    if whole and any(end != int(end) for end in ends):
        raise ValueError(f"the field is a whole number, got a range of {ends!r}")
    return Range(float(ends[0]), float(ends[1]), scale, whole)
