"""What SQL leaves to statistics: estimates, paired differences with their verdicts, agreement of repeats.

    derive.measurements(con)      # one row a group of samples
    derive.differences(con)       # one row a pair: fine-tune and base, mode and naked, what was declared
    derive.judge_agreement(con)   # one row a judge, benchmark and metric with repeats

The rows are in the unit a table shows: a rate is in percent, a difference of rates in points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from statistics import fmean
from typing import TYPE_CHECKING, Any

from lem import metrics, stats

if TYPE_CHECKING:
    import duckdb

Row = dict[str, Any]
MEASURES = ("source", "model", "prompts", "benchmark", "mode", "metric", "regime", "filter", "scorer")
PAIRS = (
    *("kind", "declared", "source", "candidate", "baseline", "prompts", "benchmark"),
    *("mode", "other_mode", "metric", "regime", "filter", "scorer", "differs", "limited"),
)
SIDES = ("margin", "candidate_values", "baseline_values", "clusters")
SHAPES: dict[str, tuple[str, ...]] = {
    "measurements": (
        *(*MEASURES, "unit", "n", "unscored", "clusters", "value", "stderr", "low", "high"),
        *("method", "worst", "best", "higher_is_better"),
    ),
    "differences": (
        *(*PAIRS, "unit", "seeds", "n", "unscored", "clusters", "candidate_value", "baseline_value"),
        *("difference", "stderr", "low", "high", "method", "worst", "best", "gained", "lost", "p", "test"),
        *("p_holm", "p_equivalence", "detectable", "item_variance", "seed_variance", "residual_variance"),
        *("seed_sd", "margin", "higher_is_better", "is_primary", "verdict", "holds"),
    ),
    "judge_agreement": (
        *("source", "model", "benchmark", "mode", "metric", "scorer", "repeats", "items", "alpha"),
    ),
}
"""The columns of each table that is computed here, in order."""

TYPES = {
    **dict.fromkeys((*MEASURES, *PAIRS, "unit", "method", "test", "verdict", "holds"), "varchar"),
    **dict.fromkeys(("n", "unscored", "clusters", "seeds", "gained", "lost", "repeats", "items"), "bigint"),
    **dict.fromkeys(("higher_is_better", "is_primary", "limited"), "boolean"),
}
"""Types of the columns; any other is a double."""

Item = Sequence[float | None]
"""The values of one item, one a training seed: null where nobody could score it, fewer where one lacks it."""


def measurements(con: duckdb.DuckDBPyConnection) -> None:
    """Create `measurements`: one estimate for each group of `samples`."""
    samples = read(con, f"select {', '.join(MEASURES)}, unscored, sample_values, clusters from samples")
    _create(con, "measurements", [measurement(row) for row in samples])


def measurement(row: Row) -> Row:
    """Return a row of `measurements` from a row of `samples`."""
    metric, values = metrics.metric(row["metric"]), row["sample_values"]
    clusters = row["clusters"] if any(label is not None for label in row["clusters"]) else None
    counted = metric.is_rate and all(value in (0, 1) for value in values)
    estimate = (stats.proportion if counted else stats.mean)(values, clusters)
    worst, best = stats.bounds(estimate, row["unscored"], *_scale(metric, values))
    return {
        **{name: row[name] for name in MEASURES},
        **_interval(estimate),
        "value": estimate.value,
        "unit": metric.unit,
        "unscored": row["unscored"],
        "worst": worst,
        "best": best,
        "higher_is_better": metric.higher_is_better,
    }


def _scale(metric: metrics.Metric, values: Sequence[float]) -> tuple[float | None, float | None]:
    """Return the ends of a metric's scale; none where a foreign value lies beyond: its scale is another."""
    ends = metric.lowest, metric.highest
    low, high = (-inf if ends[0] is None else ends[0]), (inf if ends[1] is None else ends[1])
    return ends if all(low <= value <= high for value in values) else (None, None)


def _interval(estimate: stats.Estimate) -> Row:
    names = ("n", "stderr", "low", "high", "method", "clusters")
    return {name: getattr(estimate, name) for name in names}


def differences(con: duckdb.DuckDBPyConnection) -> None:
    """Create `differences`: one paired difference for each row of `pairs`, with its verdict."""
    pairs = read(con, f"select {', '.join((*PAIRS, *SIDES))} from pairs")
    _create(con, "differences", judged([difference(row) for row in pairs]))


def difference(row: Row) -> Row:
    """Return a row of `differences` from a row of `pairs`, less its verdict.

    Where the two were not asked the same (`differs` says in what) nothing is computed.
    """
    metric = metrics.metric(row["metric"])
    factor = 100 if metric.is_rate else 1
    scored = _scored(row)
    items = [] if row["differs"] else scored
    mine, theirs = ([factor * fmean(item[side]) for item in items] for side in (0, 1))
    clusters = [item[2] for item in items]
    estimate = stats.paired(mine, theirs, clusters)
    better = metric.higher_is_better
    margin = 0.0 if better is None else row["margin"]  # nobody declares by how many characters
    seeds = max(map(len, (*row["candidate_values"], *row["baseline_values"])))
    by_seed = _by_seed(items, seeds, factor)
    parts = stats.components(by_seed)
    return {
        **{name: row[name] for name in PAIRS},
        **_interval(estimate),
        "unit": "points" if metric.is_rate else metric.unit,
        "seeds": seeds,
        "unscored": len(row["candidate_values"]) - len(scored),
        "candidate_value": fmean(mine) if mine else None,
        "baseline_value": fmean(theirs) if theirs else None,
        "difference": estimate.value,
        **dict(zip(("worst", "best"), _bounds(row, metric, factor), strict=True)),
        **_won(_tested(mine, theirs, clusters, factor if metric.is_rate and seeds == 1 else None), better),
        "p_equivalence": stats.tost(estimate, margin),
        "detectable": stats.detectable(estimate),
        "item_variance": parts.item,
        "seed_variance": parts.seed,
        "residual_variance": parts.residual,
        "seed_sd": stats.spread([fmean(seed) for seed in zip(*by_seed, strict=True)]),
        "margin": margin,
        "higher_is_better": better,
        "is_primary": metrics.is_primary(row["metric"], row["filter"]),
    }


def _won(tested: Row, better: bool | None) -> Row:
    """Return flips as the items that one side alone does better on: where fewer is better, the other way."""
    if better is not False:
        return tested
    return {**tested, "gained": tested["lost"], "lost": tested["gained"]}


def _tested(mine: list[float], theirs: list[float], clusters: list[Any], one: int | None) -> Row:
    """Return flips, p and the name of its test: McNemar's for single yes and no, else random sign flips.

    one: what a yes counts, None where a value is no yes or no. Without an item nothing is tested.
    """
    if not mine:
        return dict.fromkeys(("gained", "lost", "p", "test"))
    yes_or_no = one is not None and {*mine, *theirs} <= {0, one}
    found = (
        stats.flips([v / (one or 1) for v in mine], [v / (one or 1) for v in theirs]) if yes_or_no else None
    )
    told: Row = {"gained": found.gained if found else None, "lost": found.lost if found else None}
    alone = [cluster for cluster in clusters if cluster is not None]
    if found and len(set(alone)) == len(alone):
        return {**told, "p": found.p, "test": "McNemar, exact"}
    return {**told, "p": stats.sign_flip(mine, theirs, clusters), "test": "sign flips"}


def _bounds(row: Row, metric: metrics.Metric, factor: int) -> tuple[float | None, float | None]:
    """Return the least and the most the difference can be, whatever the unscored items would have got."""
    if row["differs"]:
        return None, None
    candidate, baseline = (
        [None if None in item or len(item) < most else factor * fmean(item) for item in row[side]]
        for side in ("candidate_values", "baseline_values")
        for most in [max(map(len, row[side]))]
    )
    every = (*row["candidate_values"], *row["baseline_values"])
    values = [value for item in every for value in item if value is not None]
    ends = (None if end is None else factor * end for end in _scale(metric, values))
    return stats.difference_bounds(candidate, baseline, *ends)


def judged(rows: Sequence[Row]) -> list[Row]:
    """Return rows with their verdicts; the primary ones of all that was declared are one family (Holm)."""
    filters: dict[tuple[Any, ...], list[str]] = {}
    for row in rows:
        filters.setdefault(_reading(row), []).append(row["filter"])
    rows = [{**row, "is_primary": _is_primary(row, filters[_reading(row)])} for row in rows]
    family = [row for row in rows if row["kind"] == "declared" and row["is_primary"]]
    adjusted = dict(zip(map(id, family), stats.holm([row["p"] for row in family]), strict=True))
    return [{**row, **_said(row, adjusted.get(id(row)))} for row in rows]


def _is_primary(row: Row, filters: Sequence[str]) -> bool:
    """Return whether a verdict is about a row, among the readings there are of the same answers.

    A stored reading is not where ours is there; where none of the known ones is, the first by name is.
    """
    if row["filter"] == "stored" and "flexible" in filters:
        return False
    if not set(filters) & set(metrics.PRIMARY_FILTERS):
        return row["higher_is_better"] is not None and row["filter"] == min(filters)
    return bool(row["is_primary"])


def _reading(row: Row) -> tuple[Any, ...]:
    """Return what a row is of, whoever read it and however."""
    names = ("kind", "declared", "source", "candidate", "baseline", "prompts", "mode", "metric")
    return tuple(row[name] for name in names)


def _said(row: Row, p_holm: float | None) -> Row:
    if row["differs"]:
        return {"p_holm": None, "verdict": "refused", "holds": "open"}
    estimate = stats.Estimate(*(row[name] for name in ESTIMATE))
    better, margin = row["higher_is_better"], row["margin"]
    p = row["p"] if p_holm is None else p_holm  # one test by itself where there is no family
    return {
        "p_holm": p_holm,
        "verdict": stats.verdict(estimate, better, margin, p, row["p_equivalence"]),
        "holds": stats.holds(estimate, better, margin, p),
    }


ESTIMATE = ("n", "difference", "stderr", "low", "high", "method", "clusters")


def _scored(row: Row) -> list[tuple[list[float], list[float], Any]]:
    """Return the items that both sides have a value of from every one of their training seeds."""
    whole = [max(map(len, row[side])) for side in ("candidate_values", "baseline_values")]
    found = (
        (*([value for value in item if value is not None] for item in pair), cluster)
        for *pair, cluster in zip(
            row["candidate_values"], row["baseline_values"], row["clusters"], strict=True
        )
    )
    return [(a, b, cluster) for a, b, cluster in found if [len(a), len(b)] == whole]


def _by_seed(
    items: Sequence[tuple[list[float], list[float], Any]], seeds: int, factor: int
) -> list[list[float]]:
    """Return each item's difference by training seed, to the same seed where both sides have several."""
    sides = [[side if len(side) == seeds else [fmean(side)] * seeds for side in item[:2]] for item in items]
    return [[factor * (a[seed] - b[seed]) for seed in range(seeds)] for a, b in sides]


def judge_agreement(con: duckdb.DuckDBPyConnection) -> None:
    """Create `judge_agreement`: Krippendorff's alpha over the repeats of a judge, where it repeated."""
    _create(con, "judge_agreement", [agreed(row) for row in read(con, "select * from repeats")])


def agreed(row: Row) -> Row:
    """Return a row of `judge_agreement`; alpha is null where fewer than two repeats could be scored."""
    said = row["said"]
    most = max(map(len, said))
    table = [[one[repeat] if repeat < len(one) else None for one in said] for repeat in range(most)]
    return {**row, "repeats": most, "items": len(said), "alpha": stats.alpha(table, "ordinal")}


def read(
    con: duckdb.DuckDBPyConnection, sql: str, given: Sequence[object] = (), order: str = "all"
) -> list[Row]:
    """Return a query's rows as {column: value}, in the order of all columns where no other is named."""
    found = con.execute(f"{sql} order by {order}", given)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _create(con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Row]) -> None:
    create(con, table, {name: TYPES.get(name, "double") for name in SHAPES[table]}, rows)


def create(
    con: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str], rows: Sequence[Row]
) -> None:
    """Create a table of these {column: type of DuckDB} with the rows, each of which has every column."""
    shape = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    con.execute(f"create table {table} ({shape})")
    values = ", ".join(f"unnest(?::{kind}[])" for kind in columns.values())  # a row at a time takes seconds
    con.execute(f"insert into {table} select {values}", [[row[name] for row in rows] for name in columns])
