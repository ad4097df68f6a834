"""The digests of a store's splits beside the pinned ones, a file that the caller names: reports know no data."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from visionpeft.benchmark.record import Record

from .finding import Finding, error, warning

Pins = Mapping[tuple[str, str], Mapping[str, str]]
SUITE = "vtab"
OFFICIAL = "official"
"""What records call images whose splits are all confirmed."""
NAMELESS = "keys assumed"
"""The state of a split whose examples are called by their position, which no digest of names can confirm."""


class PinsError(ValueError):
    """A file of pinned digests that cannot be read; the message names it."""


def read(path: Path) -> Pins:
    """Return {(task, split): {size, examples, labels, ...}}; blank where it is not known.

    Raises:
        PinsError: there is no such file, it is no such table, or nothing is pinned in it.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
            pins = {(row["task"], row["split"]): row for row in rows if row["size"] or row["examples"]}
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as problem:
        raise PinsError(f"{path} holds no pinned digests ({problem}); expected task, split, size, examples") from None
    if not pins:
        raise PinsError(f"{path} holds no pinned digests (it has no such row); expected task, split, size, examples")
    return pins


def compared(file: str, record: Record, labels: Mapping[str, str], pins: Pins) -> Iterator[Finding]:
    """Yield splits of an official source that are not what is pinned, or that nobody could confirm yet.

    Args:
        file: the record's.
        record: what it holds; copies, which say so, are not compared: their tables are their own.
        labels: digests of the labels stored beside it.
        pins: what is known.
    """
    task, data = record.run["task"], record.run["data"]
    states = data.get("confirmed")
    if data.get("flavour") == OFFICIAL and not states:
        yield error("calls its images official, but not which of its splits are confirmed; edited by hand?", file)
    if task["suite"] != SUITE or not isinstance(states, dict):
        return
    for name, split in data["splits"].items():
        line = f"{name}/{data['sample']}" if data.get("sample") and name != "test" else name
        pin = pins.get((task["name"], line), {})
        known = {"size": str(split["size"]), "labels": labels.get(name, "")}
        known |= {} if states.get(name) == NAMELESS else {"examples": split["digest"]}
        wrong = [what for what, found in known.items() if found and pin.get(what) and pin[what] != found]
        for what in wrong:
            yield error(
                f"{what} of {task['name']}'s {line} are {known[what][:16]}, pinned are {pin[what][:16]}: this is not "
                "the split that the literature uses",
                file,
            )
        if not wrong and states.get(name) != "confirmed":
            yield warning(f"{task['name']}'s {line} is not yet confirmed by pinned digests ({states.get(name)})", file)
        elif not wrong and not pin.get("examples"):
            yield warning(f"says that {task['name']}'s {line} is confirmed, but nothing is pinned of it here", file)
