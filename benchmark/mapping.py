"""Dataclasses from plain mappings: every key and type is checked on the way in."""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
from abc import ABCMeta
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def nearest(word: str, words: list[str]) -> str:
    """Return " did you mean ...?" with the closest of `words`, or an empty string."""
    close = difflib.get_close_matches(word, words, n=2, cutoff=0.55)
    return f" did you mean {' or '.join(close)}?" if close else ""


def from_mapping(cls: type[T], values: Mapping[str, Any], section: str) -> T:
    """Build a dataclass from a mapping; every key and type is checked.

    Raises:
        ValueError: an unknown or missing key, a value of the wrong type, or one the class itself refuses.
    """
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            raise ValueError(
                f"{section}: unknown field {key!r};{nearest(key, list(fields))} it has {', '.join(fields) or 'none'}"
            )
    absent = [
        name
        for name, f in fields.items()
        if name not in values and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if absent:
        raise ValueError(f"{section}: {', '.join(absent)} must be given")
    hints = get_type_hints(cls)
    try:
        return cls(**{key: _field(fields[key], value, hints[key]) for key, value in values.items()})
    except ValueError as error:
        raise ValueError(f"{section}: {error}") from None


def _field(field: dataclasses.Field[Any], value: Any, hint: Any) -> Any:
    """Return the value as the annotated type; a field may say in its metadata what to do `instead`."""
    try:
        return _cast(value, hint, field.name)
    except ValueError as error:
        instead = field.metadata.get("instead")
        raise ValueError(f"{error}; {instead}" if instead else str(error)) from None


def _cast(value: Any, hint: Any, name: str) -> Any:
    """Return the value as the annotated type: lists become tuples, ints become floats where a float is due."""
    origin, options = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in options:
            return None
        inner = [option for option in options if option is not type(None)]
        return _cast(value, inner[0], name) if len(inner) == 1 else value
    if origin is Literal:
        if value not in options:
            raise ValueError(f"{name} must be one of {', '.join(map(str, options))}, got {value!r}")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"{name} must be a list, got {value!r}")
        return tuple(_cast(item, options[0], name) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in (int, float, bool, str) and (type(value) is not hint):
        raise ValueError(f"{name} must be {hint.__name__}, got {value!r}")
    if isinstance(hint, ABCMeta) and not isinstance(value, hint):
        raise ValueError(f"{name} must be a {hint.__name__} (a mapping with _target_), got {value!r}")
    if hint is float and not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return value
