"""What SQL leaves to statistics: estimates from `samples`, paired differences from `pairs`.

    derive.measurements(con)      # one row a group of samples
    derive.differences(con)       # one row a pair: fine-tune and base, mode and naked, what was declared

The rows are in the unit a table shows: a rate is in percent, a difference of rates in points.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from lem import metrics, stats

if TYPE_CHECKING:
    import duckdb

MEASURES = ("source", "model", "prompts", "benchmark", "mode", "metric", "regime", "filter", "scorer")
PAIRS = (
    *("kind", "declared", "source", "candidate", "baseline", "prompts", "benchmark"),
    *("mode", "other_mode", "metric", "regime", "filter", "scorer"),
)
ESTIMATE = "stderr double, low double, high double, method varchar, higher_is_better boolean"
Item = Sequence[float | None]
"""The values of one item, one a training seed: null where nobody could score it, fewer where one lacks it."""


def measurements(con: duckdb.DuckDBPyConnection) -> None:
    """Create `measurements`: one estimate for each group of `samples`."""
    con.execute(
        f"create table measurements ({', '.join(f'{name} varchar' for name in MEASURES)}, unit varchar, "
        f"n bigint, unscored bigint, value double, {ESTIMATE})"
    )
    select = f"select {', '.join(MEASURES)}, unscored, sample_values from samples order by all"
    _insert(con, "measurements", [measurement(row) for row in con.execute(select).fetchall()])


def measurement(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row of `measurements` from a row of `samples`."""
    *key, unscored, values = row
    metric = metrics.metric(key[MEASURES.index("metric")])
    counted = metric.is_rate and all(value in (0, 1) for value in values)
    estimate = stats.rate(int(sum(values)), len(values)) if counted else stats.mean(values)
    interval = (estimate.value, estimate.stderr, estimate.low, estimate.high, estimate.method)
    return (*key, metric.unit, estimate.n, unscored, *interval, metric.higher_is_better)


def differences(con: duckdb.DuckDBPyConnection) -> None:
    """Create `differences`: one paired difference for each row of `pairs`."""
    con.execute(
        f"create table differences ({', '.join(f'{name} varchar' for name in PAIRS)}, unit varchar, "
        "seeds bigint, n bigint, unscored bigint, candidate_value double, baseline_value double, "
        f"difference double, seed_sd double, {ESTIMATE}, margin double, verdict varchar, holds varchar)"
    )
    select = f"select {', '.join(PAIRS)}, margin, candidate_values, baseline_values from pairs order by all"
    _insert(con, "differences", [difference(row) for row in con.execute(select).fetchall()])


def difference(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row of `differences` from a row of `pairs`."""
    *key, margin, candidate, baseline = row
    metric = metrics.metric(key[PAIRS.index("metric")])
    factor = 100 if metric.is_rate else 1
    both = _scored(candidate, baseline)
    mine, theirs = ([factor * fmean(pair[side]) for pair in both] for side in (0, 1))
    estimate = stats.paired(mine, theirs)
    seeds = max(map(len, (*candidate, *baseline)))
    better = metric.higher_is_better
    margin = 0.0 if better is None else margin  # nobody declares by how many characters
    return (
        *key,
        "points" if metric.is_rate else metric.unit,
        seeds,
        estimate.n,
        len(candidate) - len(both),
        fmean(mine) if mine else None,
        fmean(theirs) if theirs else None,
        estimate.value,
        stats.spread(_by_seed(both, seeds, factor)),
        estimate.stderr,
        estimate.low,
        estimate.high,
        estimate.method,
        better,
        margin,
        stats.verdict(estimate, better, margin),
        stats.holds(estimate, better, margin),
    )


def _scored(candidate: Sequence[Item], baseline: Sequence[Item]) -> list[tuple[list[float], list[float]]]:
    """Return the items that both sides have a value of from every one of their training seeds."""
    whole = [max(map(len, side)) for side in (candidate, baseline)]
    pairs = (
        tuple([value for value in item if value is not None] for item in pair)
        for pair in zip(candidate, baseline, strict=True)
    )
    return [(a, b) for a, b in pairs if [len(a), len(b)] == whole]


def _by_seed(both: list[tuple[list[float], list[float]]], seeds: int, factor: int) -> list[float]:
    """Return the difference of each training seed, to the same seed where both sides have several."""
    sides = [[side if len(side) == seeds else [fmean(side)] * seeds for side in pair] for pair in both]
    return [factor * fmean(a[seed] - b[seed] for a, b in sides) for seed in range(seeds)] if both else []


def _insert(con: duckdb.DuckDBPyConnection, table: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        con.executemany(f"insert into {table} values ({', '.join('?' * len(rows[0]))})", rows)
