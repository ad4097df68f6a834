"""Names of rows that fit on an axis: short, and still told apart."""

from __future__ import annotations

from collections.abc import Sequence

WIDE, NARROW = 28, 17
"""Letters that a chart has room for beside or below it, and on a phone."""
LEFT_OUT = "\u2026"


def short(labels: Sequence[str], most: int = WIDE) -> dict[str, str]:
    """Return a name of at most `most` letters for each of some labels, no two alike.

    A label that fits is its own name. Of one that does not, the values that it shares with all others, or with all of
    its method, give way first, then the middle; names that are alike even so are numbered.

    Args:
        labels: names of rows, `method` or `method (setting, ...)`, all of them different.
        most: letters of the longest name, at least 5.
    """
    names: dict[str, str] = {}
    for label in sorted(labels, key=lambda label: len(label) > most):  # what fits keeps its name
        long = _own(label, labels) if len(label) > most else label
        taken, number = {*names.values()}, 1
        while (name := _cut(long, most, "" if number == 1 else f" {number}")) in taken:
            number += 1
        names[label] = name
    return {label: names[label] for label in labels}


def _own(label: str, labels: Sequence[str]) -> str:
    """Return a label without the values that say nothing of it among the others; words stay."""
    (method, settings), every = _parts(label), [(name, set(own)) for name, own in map(_parts, labels)]
    families = [own for _, own in every], [own for name, own in every if name == method]
    shared = {one for family in families if len(family) > 1 for one in set.intersection(*family) if "=" in one}
    kept: list[str] = []
    for one in settings:
        if one not in shared:
            kept.append(one)
        elif kept[-1:] != [LEFT_OUT]:
            kept.append(LEFT_OUT)
    return f"{method} ({', '.join(kept)})" if kept else method


def _parts(label: str) -> tuple[str, list[str]]:
    method, _, settings = label.partition(" (")
    return method, settings.removesuffix(")").split(", ") if settings else []


def _cut(name: str, most: int, end: str) -> str:
    """Return a name without its middle where it is too long, and an end after it."""
    room = most - len(end)
    tail = (room - 1) // 2  # settings end with what most often sets rows apart
    return (name if len(name) <= room else name[: room - 1 - tail] + LEFT_OUT + name[-tail:]) + end
