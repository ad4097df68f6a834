"""Charts of what searches chose: rows of `searches` as Altair charts, which carry their rows with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .searches import Rows

if TYPE_CHECKING:
    import altair as alt

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#d1d5db"
GROUPS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9"]
"""Okabe and Ito's colours, which people who see few colours tell apart too."""
LETTERS = "L low rank, V vector, S scalar, N none"


def choices(rows: Rows, about: str) -> alt.LayerChart:
    """Bars: how often winners have each choice; ticks: how often random candidates under the same budget do."""
    import altair as alt

    order = list(dict.fromkeys(row["choice"] for row in rows))
    base = alt.Chart().encode(y=alt.Y("choice:N", sort=order, title=None))
    shown = [row | _interval(row) for row in rows]
    end = max(0.5, *(max(row["high"], row["drawn"]) for row in shown))
    share = alt.X(
        "winners:Q", axis=alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1]), scale=alt.Scale(domain=[0, end])
    )
    bars = base.mark_bar(color=BLUE, height={"band": 0.65}).encode(x=share.title("share of layers"))
    spread = base.mark_rule(color="black").encode(x=alt.X("low:Q"), x2="high:Q")
    drawn = base.mark_tick(color=ORANGE, thickness=3, height=15).encode(x="drawn:Q")
    chart = alt.layer(bars, spread, drawn).properties(width=130, height=alt.Step(17))
    layers, supports = (list(dict.fromkeys(row[key] for row in rows)) for key in ("layer", "support"))
    grid = chart.facet(
        row=alt.Row("support:N", sort=supports, title=None, header=alt.Header(labelAngle=0, labelFontSize=15)),
        column=alt.Column("layer:N", sort=layers, title=None, header=alt.Header(labelFontSize=14)),
        data=alt.Data(values=shown),
    )
    note = f"{LETTERS}. Bar: winners, with the 95 % interval over runs. Orange: random candidates of the same budget."
    return _finished(grid.resolve_scale(y="independent"), "What winners choose in each kind of layer", about, note)


def _interval(row: dict[str, Any]) -> dict[str, float]:
    half = row["half_width"] or 0.0
    return {"low": max(0.0, row["winners"] - half), "high": min(1.0, row["winners"] + half)}


def entropies(rows: Rows, about: str) -> alt.LayerChart:
    """Points: entropy of the winners' choices; bars: the middle 95 % of as many uniform draws."""
    import altair as alt

    supports = list(dict.fromkeys(row["support"] for row in rows))
    base = alt.Chart().encode(y=alt.Y("support:N", sort=supports, title=None))
    low = min(0.8, *(min(row["winners"], row["null_low"]) for row in rows))
    axis = alt.X(
        "null_low:Q", title="entropy / largest possible", scale=alt.Scale(domain=[low, 1]), axis=alt.Axis(tickCount=3)
    )
    null = base.mark_bar(color=GREY, height=14).encode(x=axis, x2="null_high:Q")
    points = base.mark_point(color=BLUE, filled=True, size=90, opacity=1).encode(x="winners:Q")
    chart = alt.layer(null, points).properties(width=160, height=alt.Step(24))
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    header = alt.Header(labelFontSize=14)
    grid = chart.facet(column=alt.Column("layer:N", sort=layers, title=None, header=header), data=alt.Data(values=rows))
    note = "Blue: winners. Grey: where 95 % of as many uniform draws lie; left of it there was a choice."
    return _finished(grid, "Do winners choose at all? Entropy of their choices", about, note)


def sizes(rows: Rows, about: str) -> alt.LayerChart:
    """Bars: mean live parameters of a layer by kind and group of tasks; ticks: of random candidates."""
    import altair as alt

    layers = list(dict.fromkeys(row["layer"] for row in rows))
    groups = list(dict.fromkeys(row["group"] for row in rows))
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("layer:N", sort=layers, title=None, axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("group:N", sort=groups),
    )
    colour = alt.Color("group:N", sort=groups, scale=alt.Scale(range=GROUPS), title="tasks")
    bars = base.mark_bar().encode(y=alt.Y("params:Q", title="live parameters per layer"), color=colour)
    drawn = base.mark_tick(color="black", thickness=2, width=16).encode(y="drawn:Q")
    chart = alt.layer(bars, drawn, data=alt.Data(values=rows)).properties(width=460, height=280)
    note = "Mean over layers, seeds and tasks. Black: random candidates of the same searches."
    return _finished(chart, "Where winners spend their parameters", about, note)


def places(rows: Rows, about: str) -> alt.LayerChart:
    """A map: the part of its largest size that each layer has, by place and kind, for each group of tasks."""
    import altair as alt

    layers = list(dict.fromkeys(row["layer"] for row in rows))
    cells = (
        alt.Chart()
        .mark_rect()
        .encode(
            x=alt.X("place:O", title="block", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("layer:N", sort=layers, title=None),
            color=alt.Color(
                "share:Q", scale=alt.Scale(scheme="cividis"), title="of its largest", legend=alt.Legend(format="%")
            ),
        )
    )
    blocks = max(row["place"] for row in rows)
    chart = cells.properties(width=max(160, 26 * blocks), height=alt.Step(28))
    header = alt.Header(labelFontSize=14)
    grid = chart.facet(column=alt.Column("group:N", title=None, header=header), data=alt.Data(values=rows))
    return _finished(grid, "Live parameters of each layer", about, "Mean over seeds and tasks of a group.")


def _finished(chart: Any, title: str, about: str, note: str) -> alt.LayerChart:
    import altair as alt

    heading = alt.Title(title, subtitle=[about, note], anchor="start", fontSize=17, subtitleFontSize=12, offset=14)
    styled = chart.properties(title=heading, background="white", padding=12)
    styled = styled.configure_axis(labelFontSize=12, titleFontSize=12, titleFontWeight="normal", gridColor="#e5e7eb")
    return styled.configure_view(stroke=GREY).configure_legend(labelFontSize=12, titleFontSize=12)
