"""The plots of the leaderboards as SVG text: rows in, the same bytes out. Pure.

    ranks([{"panel": "own, direct", "model": "m", "rank": 1, "low": 1, "high": 3}])
    tasks([{"panel": "own, direct", "row": "math: sums", "column": "sums", "tau": 1.0}])

Each panel has an order of its own, so panels are charts below each other and no facets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from lem.report.leaderboard import by_category
from lem.report.plots import COLOURS, STEP, WIDTH, Row, inline, nothing, order, svg

if TYPE_CHECKING:
    import altair as alt

RANKS, TASKS = "Ranks", "How far tasks agree"
FEW = 8
"""Tasks up to which the values are written into the cells."""
BLUE, ORANGE, MIDDLE, NONE = COLOURS[0], COLOURS[1], "#F7F7F7", "#BBBBBB"
DARK = 0.6
"""Beyond this a cell is so dark that its value is written in white."""


def ranks(rows: Sequence[Row]) -> str:
    """Return each model's rank with its 95 % interval, one panel a source and regime.

    rows: panel, model, rank (None for a model that has only an interval), low, high; in the order to show.
    """
    if not rows:
        return nothing(RANKS, "No leaderboard has been made or imported yet.")
    return _below(rows, _ranks, f"{RANKS}, with 95 % intervals")


def _ranks(panel: str, rows: Sequence[Row]) -> alt.LayerChart | alt.FacetChart:
    import altair as alt

    last = max(row["high"] for row in rows)
    scale = alt.Scale(domain=[0.5, last + 0.5], nice=False)
    axis = alt.Axis(tickMinStep=1, format="d")
    models = alt.Y("model:N", title=None, sort=order(rows, "model"))
    base = alt.Chart().encode(y=models)
    rule = base.mark_rule(strokeWidth=1.5, color=BLUE).encode(
        x=alt.X("low:Q", title="rank", scale=scale, axis=axis), x2="high:Q"
    )
    point = base.mark_point(filled=True, opacity=1, size=45, color=BLUE).encode(x="rank:Q")
    layers = alt.layer(rule, point.transform_filter("isValid(datum.rank)"), data=inline(rows))
    return layers.properties(title=_title(panel), width=WIDTH, height=alt.Step(STEP))


def tasks(rows: Sequence[Row]) -> str:
    """Return a heat map of Kendall's tau-b of each two tasks, one panel a source and regime.

    rows: panel, row, column, tau (None for none: its cell stays grey); tasks in the order to show.
    """
    if not rows:
        return nothing(TASKS, "No leaderboard has been made or imported yet.")
    return _below(rows, _tasks, f"{TASKS} in the order of the models: Kendall's tau-b")


def _tasks(panel: str, rows: Sequence[Row]) -> alt.LayerChart | alt.FacetChart:
    import altair as alt

    names, few = order(rows, "column"), len(order(rows, "column")) <= FEW
    side = len(names) * (STEP * 2 if few else STEP)
    top = alt.Axis(orient="top", labelAngle=-60, labelOverlap=False)
    base = alt.Chart().encode(
        x=alt.X("column:N", title=None, sort=names, axis=top),
        y=alt.Y("row:N", title=None, sort=order(rows, "row"), axis=alt.Axis(labelOverlap=False)),
    )
    cells = base.mark_rect(aria=False).transform_filter("isValid(datum.tau)").encode(color=_colour())
    layers = [cells, *([_values(base)] if few else [])]
    grey = alt.ViewBackground(fill=NONE)
    chart = alt.layer(*layers, data=inline(rows), view=grey)
    return chart.properties(title=_title(panel), width=side, height=side)


def _colour() -> alt.Color:
    """Return the scale of tau: the same in every plot, orange for -1, blue for 1."""
    import altair as alt

    scale = alt.Scale(domain=[-1, 0, 1], range=[ORANGE, MIDDLE, BLUE])
    # squares: the id of a gradient counts the plots of the process, and would be other bytes
    legend = alt.Legend(
        title="tau-b",
        type="symbol",
        symbolType="square",
        symbolStrokeColor="#888888",
        values=[-1, -0.5, 0, 0.5, 1],
    )
    return alt.Color("tau:Q", scale=scale, legend=legend)


def _values(base: alt.Chart) -> alt.Chart:
    import altair as alt

    ink = alt.condition(f"abs(datum.tau) > {DARK}", alt.value("white"), alt.value("black"))
    text = base.mark_text(fontSize=11).transform_filter("isValid(datum.tau)")
    layer: alt.Chart = text.encode(text=alt.Text("tau:Q", format=".2f"), color=ink)
    return layer


def _title(panel: str) -> alt.Title:
    import altair as alt

    return alt.Title(panel, anchor="start", fontSize=11)


def _below(rows: Sequence[Row], one: Any, title: str) -> str:  # noqa: ANN401
    """Return one chart below the other, a panel each."""
    import altair as alt

    panels = [one(name, list(group)) for name, group in groupby(rows, lambda row: row["panel"])]
    return svg(alt.vconcat(*panels, title=title))


# Their rows


def rank_points(ranked: Iterable[Row]) -> list[Row]:
    """Return the rows of the plot of ranks, a panel a source and regime."""
    return [
        {
            **{"panel": _panel(row), "model": row["model"], "rank": row["rank"]},
            **{"low": row["rank_low"], "high": row["rank_high"]},
        }
        for row in ranked
        if row["rank_low"] is not None
    ]


def tau_cells(rows: Iterable[Row]) -> list[Row]:
    """Return the rows of the heat map: each two tasks both ways, and each with itself.

    Ordered by category, then by name; a task without a tau with any other has none with itself.
    """
    panels: dict[str, list[Row]] = {}
    for row in rows:
        panels.setdefault(_panel(row), []).append(row)
    return [cell for panel, pairs in panels.items() for cell in _square(panel, pairs)]


def _square(panel: str, pairs: Sequence[Row]) -> list[Row]:
    taus: dict[tuple[str, str], float | None] = {}
    kinds: list[Row] = []
    for row in pairs:
        one, other = row["task"], row["other"]
        taus[one, other] = taus[other, one] = row["tau"]
        if row["tau"] is not None:
            taus[one, one] = taus[other, other] = 1.0
        kinds += [
            {"task": one, "category": row["category"]},
            {"task": other, "category": row["other_category"]},
        ]
    category = {row["task"]: row["category"] for row in kinds}
    tasks = by_category(kinds)
    return [
        {
            **{"panel": panel, "row": f"{category[one] or 'no category'}: {one}", "column": other},
            "tau": taus.get((one, other)),
        }
        for one in tasks
        for other in tasks
    ]


def _panel(row: Row) -> str:
    return f"{row['source']}, {row['regime']}"
