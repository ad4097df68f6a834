"""What racing saves a search of GLoRA, and that it changes nothing: from records of searches that differ in it alone.

    python -m visionpeft.benchmark -m method=glora race=true,false task=mini_digits,mini_location backbone=vit_pico
    python scripts/glora_race.py runs

Of each pair of searches: the part of the validation images that candidates were scored on, the seconds of the search
(of the wall clock, so nothing else should run), and whether candidates and winner are the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from visionpeft.benchmark.record import Record, read, record_files

HEAD = "| task | seed | candidates | images seen | s, racing | s, all images | ratio | the same candidates and winner |"


def pairs(records: Iterable[Record]) -> list[tuple[Record, Record]]:
    """Return searches that raced, each with the one that did not and is the same in all else."""
    found: dict[str, dict[bool, Record]] = {}
    for record in records:
        fields = record.run["method"]["fields"]
        if record.status == "ok" and "race" in fields and "search" in record.notes:
            method = record.run["method"] | {"fields": {k: v for k, v in fields.items() if k != "race"}}
            found.setdefault(json.dumps(record.run | {"method": method}, sort_keys=True), {})[fields["race"]] = record
    return [(both[True], both[False]) for both in found.values() if len(both) == 2]


def line(raced: Record, whole: Record) -> str:
    """Return a row of the table."""
    one, other = (record.notes["search"] for record in (raced, whole))
    seen, seconds = sum(one["images"]) / sum(other["images"]), (one["seconds"], other["seconds"])
    cells = [
        *(raced.run["task"]["name"], raced.run["seed"], f"{len(one['config']):,}", f"{seen:.1%}"),
        *(f"{seconds[0]:.0f}", f"{seconds[1]:.0f}", f"{seconds[0] / seconds[1]:.2f}"),
        "yes" if found(one) == found(other) else "NO",
    ]
    return f"| {' | '.join(map(str, cells))} |"


def found(search: dict[str, Any]) -> tuple[Any, ...]:
    """Return the candidates of a search in order, and its winner with its accuracy and loss."""
    winner = search["winner"]
    return search["config"], winner, search["accuracy"][winner], search["loss"][winner]


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="folder of records")
    both = pairs(read(path) for path in record_files(parser.parse_args(argv).runs))
    if not both:
        print("no two searches that differ in race alone; the help says how to make some", file=sys.stderr)
        return 2
    print("\n".join([HEAD, "|---|--:|--:|--:|--:|--:|--:|---|", *(line(*pair) for pair in both)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
