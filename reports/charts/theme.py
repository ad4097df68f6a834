"""Colours and type of all charts, light and dark; specifications name a style or a scale, never a colour."""

from __future__ import annotations

from typing import Any

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif'
COLOURS = {
    "light": {
        "ink": "#1c2126", "soft": "#55606b", "faint": "#8b959f", "line": "#e4e6e8", "card": "#ffffff",
        "accent": "#1a5fb4", "up": "#1769b5", "down": "#c4560f",
        "more": "#4a90d9", "middle": "#f4f5f6", "less": "#e07a3a",
        "category": ["#0068a8", "#c75000", "#00805c", "#b0568a", "#a87400", "#b3261e", "#2f8ea8", "#7a6a58"],
    },
    "dark": {
        "ink": "#e6e9ec", "soft": "#a4aeb8", "faint": "#78838e", "line": "#2b3138", "card": "#1a1e23",
        "accent": "#86b6ff", "up": "#4f9df0", "down": "#e5874a",
        "more": "#1f5f9e", "middle": "#20252b", "less": "#9c4a12",
        "category": ["#4aa8e8", "#f08a45", "#35c79a", "#e39ac4", "#e8b53c", "#f2766d", "#6fd0e4", "#c0ae98"],
    },
}  # fmt: skip
DASHES = [*[[1, 0]] * 8, *[[5, 3]] * 8, *[[1.5, 3]] * 8]
"""The ninth line has the first one's colour again, and dashes."""

STROKES = {"symbolType": "stroke", "symbolStrokeWidth": 2, "symbolSize": 240}
"""The legend of lines."""


def config(name: str) -> dict[str, Any]:
    """Return the configuration of a theme, light or dark."""
    colours = COLOURS[name]
    axis = {
        "labelColor": colours["soft"], "titleColor": colours["soft"], "gridColor": colours["line"],
        "domainColor": colours["faint"], "tickColor": colours["faint"], "labelFontSize": 12, "titleFontSize": 12,
        "titleFontWeight": "normal", "titlePadding": 10, "labelPadding": 6, "labelLimit": 190,
    }  # fmt: skip
    header = {"labelColor": colours["ink"], "labelFontSize": 13, "labelFontWeight": 600, "labelAnchor": "start"}
    return {
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": None},
        "axis": axis,
        "axisX": {"grid": False},
        "axisY": {"domain": False, "ticks": False, "labelLimit": 240},
        "header": {**header, "title": None, "labelPadding": 6},
        "legend": {
            "labelColor": colours["soft"], "labelFontSize": 12, "title": None, "orient": "bottom",
            "titleColor": colours["soft"], "titleFontWeight": "normal",
            "symbolType": "circle", "labelLimit": 320, "columnPadding": 18, "symbolStrokeWidth": 2,
        },
        "title": {"color": colours["ink"], "anchor": "start", "fontSize": 15, "fontWeight": 600, "offset": 12},
        "range": {
            "category": colours["category"],
            "ordinal": [colours["down"], colours["faint"], colours["up"]],
            "diverging": [colours["less"], colours["middle"], colours["more"]],  # ink is read on all of them
        },
        "style": _styles(colours),
    }  # fmt: skip


def _styles(colours: dict[str, Any]) -> dict[str, Any]:
    text = {"fontSize": 12, "baseline": "middle"}
    accent, faint = colours["accent"], colours["faint"]
    return {
        "on": {"color": accent, "filled": True, "size": 75, "opacity": 1},
        "off": {"color": faint, "fill": colours["card"], "strokeWidth": 1.6, "size": 75, "opacity": 1},
        "interval-on": {"color": accent, "strokeWidth": 1.3},
        "interval-off": {"color": faint, "strokeWidth": 1.3},
        "front": {"color": accent, "strokeWidth": 1.5, "strokeDash": [2, 3]},
        "name-on": {**text, "color": colours["ink"]},
        "name-off": {**text, "color": colours["soft"]},
        "value": {**text, "color": colours["ink"]},
        "zero": {"color": faint, "strokeWidth": 1},
        "span": {"color": colours["line"], "strokeWidth": 2},
        "bar": {"color": accent},
        "whisker": {"color": colours["ink"], "strokeWidth": 1.2},
    }
