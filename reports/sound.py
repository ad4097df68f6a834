"""Whether a file holds a record that tables can read: this schema, unedited, all they need and of the right types."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType

from visionpeft.benchmark.record import BadRecord, Record, read

Kind = type | tuple[type, ...]
SPLIT: dict[str, Kind] = {"size": int, "expected": (int, NoneType), "digest": str, "order": str}
OBSERVED: dict[str, Kind] = {
    **{"label": str, "error": str, "curve": list},
    **dict.fromkeys(("settled", "absent", "images", "shared", "scores", "losses"), dict),
    **dict.fromkeys(("params", "cost", "notes", "predictions", "provenance"), dict),
}
NEEDED: dict[str, dict[str, Kind]] = {
    "task": {"name": str, "suite": str, "group": str, "group_tasks": int, "suite_tasks": int},
    "method": {"name": str},
    "backbone": {
        "name": str,
        "model": str,
        "weights_sha256": (str, NoneType),
        "img_size": int,
        "mean": list,
        "std": list,
        "interpolation": str,
    },
    "recipe": {"name": str, "epochs": int, "select": str, "train_on": str},
    "data": {"source": str, "splits": dict},
}
"""What tables read of a resolved run, and its types."""
OPTIONAL: dict[str, dict[str, Kind]] = {
    "task": {"num_classes": int, "targets": dict, "in_domain": list, "seen": list},
    "method": {"version": int, "fields": dict},
    "backbone": {"model_args": dict, "resize": (int, NoneType), "jpeg": (int, NoneType)},
    "data": {"sample": int, "by_seed": bool, "flavour": str, "confirmed": dict},
    "preset": dict.fromkeys(("name", "model", "data", "selected", "lacks"), str),
    "tuned": {"study": str, "trials": int, "folds": int},
}
"""The same of what not every run has; a section that is there is there with all of it, but for those of `NEEDED`."""
INSIDE: dict[str, Kind] = {
    **dict.fromkeys(("task.in_domain", "task.seen", "images", "predictions"), str),
    **dict.fromkeys(("backbone.mean", "backbone.std"), (int, float)),
    "shared": int,
}
"""The types of what is in a list or a mapping."""
EPOCH: dict[str, Kind] = {"epoch": int, "val": (int, float, NoneType), "val_loss": (int, float, NoneType)}
"""The same of an epoch, where selection rules are applied to a curve."""
RULES = ("last", "best_val")
"""The selection rules that tables have words for."""

UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""What no name has and figures, files or terminals choke on: control characters and halves of surrogate pairs."""
LARGEST = sys.float_info.max


def sound(path: Path) -> Record:
    """Return the record of a file.

    Raises:
        BadRecord: it holds none that tables can read; the message leaves out which file it is.
    """
    try:
        record = read(path)
        _complete(record)
    except KeyError as error:
        raise BadRecord(f"lacks {error}") from None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BadRecord(str(error).removeprefix(f"{path}: ").replace(f"{path.parent}/", "")) from None
    return record


def _complete(record: Record) -> None:
    """Check that a record has all that tables read.

    Raises:
        KeyError: something is not there.
        TypeError: something is of another type.
        ValueError: its name is of another method.
    """
    run = record.run
    for section, names in NEEDED.items():
        for name, kind in names.items():
            _of_kind(run[section][name], kind, f"run.{section}.{name}")
    for section, names in OPTIONAL.items():
        for name, kind in names.items() if section in run else ():
            if section not in NEEDED or name in run[section]:
                _of_kind(run[section][name], kind, f"run.{section}.{name}")
    for name, split in run["data"]["splits"].items():
        for key, kind in SPLIT.items():
            _of_kind(split[key], kind, f"run.data.splits.{name}.{key}")
    _of_kind(run["seed"], int, "run.seed")
    for name, kind in OBSERVED.items():
        _of_kind(getattr(record, name), kind, name)
    _check_inside(record)
    for text in _texts([record.label, run]):
        if found := UNSEEN.search(text):
            raise ValueError(f"has {found[0]!r}, which cannot be shown, in {text!r:.60}; edited by hand?")
    method = run["method"]["name"]
    if record.label != method and not record.label.startswith(f"{method} ("):
        raise ValueError(f"is called {record.label!r:.60}, but its method is {method}; edited by hand?")
    if run["recipe"]["select"] not in RULES:
        raise TypeError(f"run.recipe.select is {run['recipe']['select']!r:.60}, expected one of {', '.join(RULES)}")


def _texts(value: object) -> Iterator[str]:
    """Yield all text in a plain value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts([*value, *value.values()])
    elif isinstance(value, list):
        for entry in value:
            yield from _texts(entry)


def _check_inside(record: Record) -> None:
    for where, kind in INSIDE.items():
        section, _, name = where.partition(".")
        values = record.run[section].get(name, ()) if name else getattr(record, section)
        for value in values.values() if isinstance(values, dict) else values:
            _of_kind(value, kind, f"an entry of {'run.' if name else ''}{where}")
    for row in record.curve if record.run.get("oracle") else ():
        _of_kind(row, dict, "a row of curve")
        for name, kind in EPOCH.items():
            _of_kind(row.get(name), kind, f"{name} of a row of curve")


def _of_kind(value: object, kind: Kind, where: str) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{where} is {value!r:.60}, which tables cannot read")


def is_number(value: object) -> bool:
    """Whether a value is a finite number."""
    whole = isinstance(value, (int, float)) and not isinstance(value, bool)
    return whole and -LARGEST <= value <= LARGEST  # type: ignore[operator]


def is_accuracy(value: object) -> bool:
    """Whether a value is a number from 0 to 1."""
    return is_number(value) and 0 <= value <= 1  # type: ignore[operator]
