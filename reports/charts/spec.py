"""Words that the specifications share: a chart over "rows", a field, an interval, a tooltip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..names import WIDE, short

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
Spec = dict[str, Any]
Rows = list[dict[str, Any]]
STEP = 24
"""Height of a method's line in points."""


def chart(description: str, **parts: Any) -> Spec:
    """Return a specification over the data set "rows", as wide as what holds it.

    The description says in a sentence what is drawn: to those who cannot see it, and below a figure's title.
    """
    return {
        "$schema": SCHEMA,
        "description": description,
        "data": {"name": "rows"},
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
        **parts,
    }


def number(field: str, title: str | None = None, **more: Any) -> Spec:
    """Return a quantitative channel; its scale need not reach down to zero."""
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": {"zero": False, **more.pop("scale", {})},
        **more,
    }


def name(field: str, **more: Any) -> Spec:
    """Return a nominal channel without a title, its values in the order of the rows."""
    return {"field": field, "type": "nominal", "title": None, "sort": None, **more}


def named(labels: Sequence[str], most: int = WIDE) -> dict[str, Spec]:
    """Return the fields that say whose a row is: `method`, the whole label, and `name`, what an axis has room for."""
    return {label: {"method": label, "name": name} for label, name in short(labels, most).items()}


def tooltip(*fields: tuple[str, str] | tuple[str, str, str]) -> list[Spec]:
    """Return what a mark says when it is pointed at, as (field, title) or (field, title, number format)."""
    return [
        {
            "field": field,
            "title": title,
            "type": "quantitative" if form else "nominal",
            **({"format": form[0]} if form else {}),
        }
        for field, title, *form in fields
    ]


def interval(value: float | None, half: float | None) -> Spec:
    """Return a value and the ends of its interval; None where there is none."""
    ends = {"low": None, "high": None} if value is None or half is None else {"low": value - half, "high": value + half}
    return {"value": value, "half": half, **ends}


def present(*fields: str) -> list[Spec]:
    """Return the transform that keeps rows which have these fields."""
    return [{"filter": " && ".join(f"isValid(datum.{field})" for field in fields)}]


def valued(params: dict[str, Any]) -> list[Spec]:
    """Return parameters with their values before the rows are known."""
    return [{"name": key, "value": value} for key, value in params.items()]


def panelled(spec: Spec) -> Spec:
    """Return a specification of several panels, which have widths of their own."""
    return {key: value for key, value in spec.items() if key not in ("width", "autosize")}


def filled(spec: Spec, rows: Sequence[dict[str, Any]], values: dict[str, Any]) -> Spec:
    """Return a specification with its rows and the values of its parameters."""
    params = [
        {**one, **({"value": values[one["name"]]} if one["name"] in values else {})} for one in spec.get("params", ())
    ]
    return {**spec, "data": {"name": "rows", "values": list(rows)}, **({"params": params} if params else {})}
