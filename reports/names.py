"""Names of rows that fit on an axis: short, and still told apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

WIDE, NARROW = 28, 17
"""Letters that a chart has room for beside or below it, and on a phone."""
LEFT_OUT = "\u2026"


def short(labels: Sequence[str], most: int = WIDE) -> dict[str, str]:
    """Return a name of at most `most` letters for each of some labels, no two alike.

    A label that fits is its own name. Of one that does not, what it shares with all others, or with all of its method,
    gives way first: values, then words; then the end of the method's name, then the middle. Names that are alike even
    so are numbered.

    Args:
        labels: names of rows, `method` or `method (setting, ...)`, all of them different.
        most: letters of the longest name; enough for a few and a number.
    """
    names: dict[str, str] = {}
    every = [(method, set(settings)) for method, settings in map(_parts, labels)]
    for label in sorted(labels, key=lambda label: len(label) > most):  # what fits keeps its name
        for long in _shorter(label, every, most):  # the first that fits, else the last
            if len(long) <= most:
                break
        taken, number = {*names.values()}, 1
        while (name := _cut(long, most, "" if number == 1 else f" {number}")) in taken:
            number += 1
        names[label] = name
    return {label: names[label] for label in labels}


def _shorter(label: str, every: Sequence[tuple[str, set[str]]], most: int) -> Iterator[str]:
    """Yield a label, then with less and less of it."""
    yield label
    method, settings = _parts(label)
    families = [own for _, own in every], [own for name, own in every if name == method]
    shared = {one for family in families if len(family) > 1 for one in set.intersection(*family)}
    yield method + _settings([LEFT_OUT if one in shared and "=" in one else one for one in settings])
    yield method + _settings([LEFT_OUT if one in shared else one for one in settings])
    own = _settings([one for one in settings if one not in shared])
    yield method + own
    if (room := most - len(own) - 1) > 2:
        yield method[:room] + LEFT_OUT + own


def _parts(label: str) -> tuple[str, list[str]]:
    method, opened, settings = label.partition(" (")
    return (method, settings[:-1].split(", ")) if opened and label.endswith(")") else (label, [])


def _settings(words: Sequence[str]) -> str:
    """Return what stands behind a method, what is left out in a row once."""
    kept = [one for i, one in enumerate(words) if one != LEFT_OUT or i == 0 or words[i - 1] != LEFT_OUT]
    return f" ({', '.join(kept)})" if kept else ""


def _cut(name: str, most: int, end: str) -> str:
    """Return a name without its middle where it is too long, and an end after it."""
    room = most - len(end)
    tail = (room - 1) // 2  # settings end with what most often sets rows apart
    return (name if len(name) <= room else name[: room - 1 - tail] + LEFT_OUT + name[len(name) - tail :]) + end
