"""Means by group, by number of shots and by test set, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping

from ..shots import MEAN, curves
from ..table import Mean, Table
from .spec import STEP, Rows, Spec, chart, interval, name, named, number, panelled, present, tooltip
from .theme import DASHES, STROKES

VALUE = (("value", "accuracy", ".2f"), ("half", "\u00b1", ".2f"))


def groups() -> Spec:
    """Return the mean of each group, a line per method."""
    y = name("name")
    x = number("value", "mean of the group (%)", axis={"grid": True, "tickCount": 8})
    tip = tooltip(("method", "method"), ("group", "group"), *VALUE)
    colour = name("group", legend={"symbolType": "circle"})
    low, high = ({"aggregate": way, "field": "value", "type": "quantitative"} for way in ("min", "max"))
    return chart(
        "Mean accuracy of each group of tasks, a line per method, with 95 % intervals.",
        height={"step": STEP},
        layer=[
            {
                "mark": {"type": "rule", "style": "span", "aria": False},
                "encoding": {"y": y, "x": {**x, **low}, "x2": high},
            },
            {
                "transform": present("low"),
                "mark": {"type": "rule", "strokeWidth": 2, "aria": False},
                "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": colour},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1, "cursor": "pointer"},
                "encoding": {"y": y, "x": x, "color": colour, "tooltip": tip},
            },
        ],
    )


def group_rows(table: Table) -> Rows:
    """Return the means of the groups that have several tasks."""
    wide = [group for group in table.groups if table.group_tasks[group] > 1]
    who = named([row.label for row in table.rows])
    return [
        {**who[row.label], "group": group, **_ends(row.groups[group])}
        for row in table.rows
        for group in wide
        if group in row.groups
    ]


def shots() -> Spec:
    """Return accuracy against the number of images per class, a panel per data set."""
    x = {
        "field": "shots",
        "type": "ordinal",
        "title": "images per class",
        "sort": "ascending",
        "axis": {"labelAngle": 0},
        "scale": {"type": "point", "padding": 0.3},
    }
    says = "Accuracy against the number of training images per class, with 95 % intervals, a panel per data set."
    return panels(says, "set", {"layer": lines(x, number("value", "accuracy (%)"), "name", "shots")}, 210)


def lines(x: Spec, y: Spec, by: str, at: str) -> list[Spec]:
    """Return lines with intervals and points, each with its own colour and dashes; the one pointed at stands out."""
    hover = {"name": "hover", "select": {"type": "point", "fields": [by], "on": "pointerover", "clear": "pointerout"}}
    colour, dash = name(by, legend=STROKES), name(by, legend=STROKES, scale={"range": DASHES})
    tip = tooltip(("method", "method"), (at, at), *VALUE)
    seen = {"opacity": {"condition": {"param": "hover", "empty": True, "value": 1}, "value": 0.2}}
    ends = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colour, **seen}
    ends["strokeDash"] = dash  # else the legend would name every line twice
    return [
        {
            "mark": {"type": "line", "strokeWidth": 2, "aria": False},
            "encoding": {"x": x, "y": y, "color": colour, "strokeDash": dash, **seen},
        },
        {"transform": present("low"), "mark": {"type": "rule", "strokeWidth": 1.2, "aria": False}, "encoding": ends},
        {
            "params": [hover],
            "mark": {"type": "point", "filled": True, "size": 36},
            "encoding": {"x": x, "y": y, "color": colour, "strokeDash": dash, "tooltip": tip, **seen},
        },
    ]


def panels(description: str, by: str, inner: Spec, height: object) -> Spec:
    """Return a panel per value, in the order of the rows' places; what shows it sets how many stand side by side."""
    whole = chart(
        description,
        facet=name(by, sort={"field": "place", "op": "min"}),
        columns=3,
        spec={"width": 270, "height": height, **inner},
        resolve={"scale": {"y": "independent"}, "axis": {"x": "independent"}},
        spacing={"row": 28, "column": 34},
    )
    return panelled(whole)


def shot_rows(table: Table) -> Rows:
    """Return the curves of a few-shot table: the mean of the data sets first, where it is complete."""
    found, who = [], named([row.label for row in table.rows])
    for row in table.rows:
        of_groups = {int(group.partition("-")[0]): mean for group, mean in row.groups.items()} if curves(table) else {}
        found += _curve(who[row.label], MEAN, of_groups)
        for dataset, columns in curves(table).items():
            cells = {k: row.cells[c.name] for k, c in columns.items() if c.name in row.cells}
            found += _curve(who[row.label], dataset, {k: cell.mean for k, cell in cells.items() if cell.clean})
    several = {
        one["set"] for one in found if sum(o["set"] == one["set"] and o["method"] == one["method"] for o in found) > 1
    }
    order = [MEAN, *curves(table)]
    return [{**one, "place": order.index(one["set"])} for one in found if one["set"] in several]


def _curve(whose: Spec, dataset: str, points: Mapping[int, Mean | None]) -> Rows:
    return [{**whose, "set": dataset, "shots": shots, **_ends(mean)} for shots, mean in sorted(points.items()) if mean]


def shift() -> Spec:
    """Return bars of the test sets of a training task, a panel per test set."""
    y = name("name", axis={"labelLimit": 190, "domain": False})
    x = {"field": "value", "type": "quantitative", "title": None, "axis": None}
    tip = tooltip(("method", "method"), ("column", "test set"), *VALUE)
    bar = {"type": "bar", "height": {"band": 0.66}, "cornerRadiusEnd": 2, "cursor": "pointer"}
    best = {"condition": {"test": "datum.mark == 'best'", "value": 0.85}, "value": 0.4}
    bars = {"mark": {**bar, "style": "bar"}, "encoding": {"x": x, "y": y, "fillOpacity": best, "tooltip": tip}}
    ends = {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}}
    text = {"type": "text", "style": "name-off", "align": "left", "dx": 5, "aria": False}
    whisker = {
        "transform": present("low"),
        "mark": {"type": "rule", "style": "whisker", "aria": False},
        "encoding": ends,
    }
    end = [{"calculate": "isValid(datum.high) ? datum.high : datum.value", "as": "end"}]
    label = {
        "transform": end,
        "mark": text,
        "encoding": {
            "y": y,
            "x": {**x, "field": "end"},
            "text": {"field": "value", "format": ".1f", "type": "quantitative"},
        },
    }
    says = "Accuracy of the same models on each of a task's test sets, with 95 % intervals; the best in full colour."
    return panels(says, "column", {"layer": [bars, whisker, label]}, {"step": STEP})


def shift_rows(table: Table, marks: Mapping[tuple[str, str], str]) -> Rows:
    """Return the accuracies on the test sets of tasks that have several."""
    who = named([row.label for row in table.rows])
    return [
        {
            **who[row.label],
            "column": column.name,
            **_ends(mean),
            "mark": marks.get((column.name, row.label)),
            "place": place,
        }
        for place, column in enumerate(table.columns)
        if column.target
        for row in table.rows
        if column.name in row.cells and (mean := row.cells[column.name].mean)
    ]


def _ends(mean: Mean) -> Spec:
    return interval(mean.value, mean.half_width)
