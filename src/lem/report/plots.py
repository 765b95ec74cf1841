"""The report's plots as SVG text: rows in, the same bytes out. Pure.

    accuracy([{"panel": "gsm8k", "model": "m", "role": "baseline", "value": 44.0, "low": 36.3, "high": 52.0}])

An SVG holds no clock, no random id and no font: its reader's own sans-serif is used.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair as alt

Row = dict[str, Any]
WIDTH, STEP = 560, 18  # pixels: of a plot, of a line in it
FONT = "sans-serif"
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442"]
"""Okabe and Ito's palette (2008), for colour-blind readers too; yellow, faint on white, is last."""
INTERVAL = "isValid(datum.low) && isValid(datum.high)"


def accuracy(rows: Sequence[Row]) -> str:
    """Return a point and its 95 % interval for each model, one panel a benchmark.

    rows: panel, model, role, value, low, high in percent; models in the order to show.
    """
    drawn = [row for row in rows if row["value"] is not None]
    if not drawn:
        return nothing("Benchmarks", "No benchmark has been scored yet.")
    import altair as alt

    percent = alt.X("value:Q", title="correct, in percent", scale=alt.Scale(domain=[0, 100]))
    models = alt.Y("model:N", title=None, sort=order(drawn, "model"))
    colour = _colour("role", order(drawn, "role"), "")
    layers = [_rule(alt.X("low:Q"), models, colour), _point(percent, models, colour)]
    return _panels(drawn, layers, "Benchmarks")


def modes(rows: Sequence[Row]) -> str:
    """Return the paired difference of each mode to naked with its 95 % interval, and a line at zero.

    rows: panel, model, mode, difference, low, high in points.
    """
    drawn = [row for row in rows if row["difference"] is not None]
    if not drawn:
        return nothing("What the wrapping does", "No rate was measured in naked and in another mode.")
    import altair as alt

    points = alt.X("difference:Q", title="mode minus naked, in points")
    mode = alt.Y("mode:N", title=None, sort=order(drawn, "mode"))
    names = order(drawn, "model")
    colour, offset = _colour("model", names, "model"), alt.YOffset("model:N", sort=names)
    zero = alt.Chart().mark_rule(color="#888888", strokeDash=[3, 3]).encode(x=alt.datum(0))
    rule, point = _rule(alt.X("low:Q"), mode, colour), _point(points, mode, colour)
    return _panels(
        drawn, [zero, rule.encode(yOffset=offset), point.encode(yOffset=offset)], "What the wrapping does"
    )


def losses(rows: Sequence[Row]) -> str:
    """Return the losses of each training, a line a model and split.

    rows: model, split, iteration, loss in nats an answer token.
    """
    if not rows:
        return nothing("Losses in training", "No fine-tune has been trained yet.")
    import altair as alt

    splits = alt.Scale(domain=["train", "valid"], range=[[1, 0], [6, 3]])
    legend = alt.Legend(title="split", orient="bottom", symbolType="stroke", symbolSize=300)
    curve = alt.Chart().encode(
        x=alt.X("iteration:Q", title="training iterations"),
        y=alt.Y("loss:Q", title="loss, in nats an answer token", scale=alt.Scale(zero=False)),
        color=_colour("model", order(rows, "model"), "model"),
    )
    dashed = curve.mark_line().encode(strokeDash=alt.StrokeDash("split:N", scale=splits, legend=legend))
    chart = alt.layer(dashed, curve.mark_point(filled=True, opacity=1, size=20), data=inline(rows))
    return svg(chart.properties(title="Losses in training", width=WIDTH, height=WIDTH // 2))


def nothing(title: str, why: str) -> str:
    """Return a plot that says why there is none."""
    import altair as alt

    chart = alt.Chart(inline([{"why": why}]), title=title, width=WIDTH, height=60)
    return svg(chart.mark_text(fontSize=13).encode(text="why:N"))


def inline(rows: Sequence[Row]) -> alt.InlineData:
    """Return rows as a chart's own data."""
    import altair as alt

    return alt.InlineData(values=list(rows))


def order(rows: Sequence[Row], field: str) -> list[str]:
    """Return the values of a field, each once, in the order of the rows."""
    return list(dict.fromkeys(row[field] for row in rows))


def _colour(field: str, names: list[str], title: str) -> alt.Color:
    import altair as alt

    scale = alt.Scale(domain=names, range=COLOURS)
    legend = alt.Legend(title=title or None, orient="bottom", labelLimit=WIDTH // 2, columns=2)
    return alt.Color(f"{field}:N", scale=scale, legend=legend)


def _rule(low: alt.X, y: alt.Y, colour: alt.Color) -> alt.Chart:
    """Return the layer of intervals; a row without one has none."""
    import altair as alt

    rules = alt.Chart().mark_rule(strokeWidth=1.5).transform_filter(INTERVAL)
    layer: alt.Chart = rules.encode(x=low, x2="high:Q", y=y, color=colour)
    return layer


def _point(x: alt.X, y: alt.Y, colour: alt.Color) -> alt.Chart:
    import altair as alt

    points = alt.Chart().mark_point(filled=True, opacity=1, size=45)
    layer: alt.Chart = points.encode(x=x, y=y, color=colour)
    return layer


def _panels(rows: Sequence[Row], layers: list[alt.Chart], title: str) -> str:
    """Return layers over the same rows, one panel below the other."""
    import altair as alt

    header = alt.Header(title=None, labelOrient="top", labelAnchor="start", labelFontWeight="bold")
    panel = alt.Row("panel:N", sort=order(rows, "panel"), header=header)
    one = alt.layer(*layers).properties(width=WIDTH, height=alt.Step(STEP))
    chart = one.facet(data=inline(rows), row=panel, title=f"{title}, with 95 % intervals")
    return svg(chart.resolve_scale(y="independent"))


def svg(chart: Any) -> str:  # noqa: ANN401 (any chart of Altair's)
    """Return a chart as SVG in the look of the report."""
    out = io.StringIO()
    styled = chart.configure(font=FONT, background="white").configure_axis(labelLimit=WIDTH // 2)
    styled.save(out, format="svg")
    return out.getvalue().rstrip("\n") + "\n"
