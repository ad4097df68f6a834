"""What a run counted and measured, parameters, cost and shared images: whether the numbers can be what they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from visionpeft.benchmark.record import Record

from ..flat import LARGEST
from ..sound import is_number
from .finding import Finding, error

COUNTS = ("head", "trainable", "total")
"""Each is a part of the next."""
NO_NUMBER = ("phases", "peak_memory_kind")
"""What of the cost is no number."""


def measured(file: str, record: Record) -> Iterator[Finding]:
    """Yield counts and costs that no run writes; a failed run need not have them."""
    if record.status == "ok" or record.params:
        yield from _params(file, record.params)
    for name, value in record.cost.items():
        nothing = value is None or isinstance(value, float) and value != value  # NaN is named as no finite number
        if name not in NO_NUMBER and not nothing and not (is_number(value) and value >= 0):
            yield error(f"cost.{name} is {_short(value)}, expected a number from 0", file)
    splits = record.run["data"]["splits"]
    for name, count in record.shared.items():
        size = splits.get(name, {}).get("size", 0)
        if not 0 <= count <= size:
            yield error(f"shared.{name} is {_short(count)}, expected a count of its {size} images", file)


def _params(file: str, params: dict[str, Any]) -> Iterator[Finding]:
    parts: list[Any] = [params.get(name) for name in COUNTS]
    if not (all(map(_is_count, parts)) and parts == sorted(parts)):
        said = ", ".join(f"{name} {_short(params.get(name))}" for name in COUNTS)
        yield error(f"params are {said}; expected counts, head <= trainable <= total", file)
    for name in sorted(params.keys() - {*COUNTS}):
        if params[name] is not None and not _is_count(params[name]):
            yield error(f"params.{name} is {_short(params[name])}, expected a count", file)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST["count"]


def _short(value: Any) -> str:
    return f"{value!r:.40}"
