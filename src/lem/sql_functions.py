"""What a query may call besides DuckDB's own functions: the statistics of `lem.stats`, in SQL.

    difference('lem-standard', 'lem_ethics', 'instruction_tuned', 'truthful', 'stored')
                                            -- a table: the paired difference for each prompt set and mode,
                                            -- change: the same in percent of the baseline's mean
    rate(66, 150)                           -- {value, low, high} of a rate in percent
    rate_difference(1, 100, 3, 100)         -- {difference, low, high} of two rates in points, unpaired
    pc1_share([[90, 60], [80, 55], [40, 20]])     -- variance that the first principal component tells, 0-1
    pc1_scores([[90, 60], [80, 55], [40, 20]])    -- a score for each row, times 100

A query of `lem sql` and of a claim has them:

    lem sql "from difference('own', 'smollm2-135m-lek', 'smollm2-135m', 'exact_match', 'flexible')"
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files
from statistics import fmean
from typing import TYPE_CHECKING, Any

from lem import derive, stats
from lem.stats.principal import pc1

if TYPE_CHECKING:
    import duckdb

NEEDS = ("item_values", "basis", "models", "items")
"""The tables that `difference` is computed from, as in `lem compare`."""

FOUND = ("candidate_value", "baseline_value", "difference", "low", "high", "n", "p", "unscored", "unit")
"""What `difference` tells of a pair: columns of the table `comparisons`, less its verdict."""

CHANGE = ("change", "change_low", "change_high")
"""The same in percent of the baseline's mean, whose own error is in the interval: see `stats.ratio`."""

Values = Sequence[Sequence[float | None]]
"""For each item the values of an answer to it, one a training seed."""

Table = Sequence[Sequence[float | None] | None]
"""A row a model, a cell a task; null where one is missing."""

# Every table is named with its schema: else a table that the caller names in WITH stands for it.
DIFFERENCE = """
create macro difference(source_name, candidate_model, baseline_model, metric_name, reading) as table
with item_values as (
    select every.* from main.item_values as every
    where every.source = source_name and every.metric = metric_name and every.filter = reading
),
basis as (from main.basis),
models as (from main.models),
items as (from main.items),
lineage as (select null::varchar as source, null::varchar as entry, null::varchar as below where false),
declared as (
    select
        source_name as source, 'asked' as declared, candidate_model as candidate, baseline_model as baseline,
        0 as margin, null::varchar as prompts
),
pairs as ({pairs}),
measured as (
    select
        *, paired_difference(candidate_values, baseline_values, clusters, metric, filter, differs) as found
    from pairs where kind = 'declared'
)
select prompts, mode, scorer, regime, {found}, differs
from measured
order by all
"""


def register(con: duckdb.DuckDBPyConnection) -> None:
    """Give a connection these functions; `difference` only where the tables it is computed from are."""
    from duckdb.func import FunctionNullHandling
    from duckdb.sqltypes import BIGINT, DOUBLE, VARCHAR

    table = con.list_type(con.list_type(DOUBLE))
    pair: list[Any] = [table, table, con.list_type(VARCHAR), VARCHAR, VARCHAR, VARCHAR]
    types = {**dict.fromkeys((*FOUND, *CHANGE), DOUBLE), "n": BIGINT, "unscored": BIGINT, "unit": VARCHAR}
    rates = dict.fromkeys(("difference", "low", "high"), DOUBLE)
    functions: list[tuple[Callable[..., Any], list[Any], Any]] = [
        (paired_difference, pair, con.struct_type(types)),
        (rate, [BIGINT] * 2, con.struct_type(dict.fromkeys(("value", "low", "high"), DOUBLE))),
        (rate_difference, [BIGINT] * 4, con.struct_type(rates)),
        (pc1_share, [table], DOUBLE),
        (pc1_scores, [table], con.list_type(DOUBLE)),
    ]
    for function, takes, gives in functions:
        con.create_function(
            function.__name__, function, takes, gives, null_handling=FunctionNullHandling.SPECIAL
        )
    there = con.execute("select view_name from duckdb_views() where not internal").fetchall()
    if {(table,) for table in NEEDS} <= set(there):
        _add_difference(con)


def _add_difference(con: duckdb.DuckDBPyConnection) -> None:
    """Create the table macro, of the same pairs that `lem compare` is made of."""
    import duckdb

    pairs = files("lem").joinpath("sql", "marts", "pairs.sql").read_text()
    found = ", ".join(f"found.{name} as {name}" for name in (*FOUND, *CHANGE))
    try:
        con.execute(DIFFERENCE.format(pairs=pairs, found=found))
    except (duckdb.CatalogException, duckdb.BinderException):
        return  # tables of another lem: they can still be asked


def paired_difference(
    candidate: Values | None,
    baseline: Values | None,
    clusters: Sequence[str | None] | None,
    metric: str | None,
    reading: str | None,
    differs: str | None,
) -> dict[str, Any] | None:
    """Return FOUND and CHANGE of candidate minus baseline over the same items.

    FOUND as `derive.difference` computes it: points for a rate, the metric's own unit for any other.
    CHANGE is in percent of the baseline's mean. Where the two were not asked alike (`differs` says in
    what) there is no difference. Without clusters each item stands alone. None without a metric, or
    without an item.
    """
    if not candidate or not baseline or metric is None:
        return None
    clusters = [None] * len(candidate) if clusters is None else clusters
    row = {**dict.fromkeys(derive.PAIRS), "metric": metric, "filter": reading, "differs": differs}
    sides = {"candidate_values": candidate, "baseline_values": baseline, "clusters": clusters}
    found = derive.difference({**row, **sides, "margin": 0})
    change = [None] * len(CHANGE) if differs else _change(candidate, baseline, clusters)
    return {**{name: found[name] for name in FOUND}, **dict(zip(CHANGE, change, strict=True))}


def _change(candidate: Values, baseline: Values, clusters: Sequence[str | None]) -> list[float | None]:
    """Return the change in percent and its interval, of the items that both sides have every value of."""
    most = [max(map(len, side)) for side in (candidate, baseline)]
    scored = [
        (fmean(mine), fmean(theirs), cluster)
        for *pair, cluster in zip(candidate, baseline, clusters, strict=True)
        for mine, theirs in [[[value for value in side if value is not None] for side in pair]]
        if [len(mine), len(theirs)] == most
    ]
    found = stats.ratio(
        [mine for mine, _, _ in scored],
        [theirs for _, theirs, _ in scored],
        [cluster for *_, cluster in scored],
    )
    return [None if end is None else 100 * (end - 1) for end in (found.value, found.low, found.high)]


def rate(successes: int | None, n: int | None) -> dict[str, float | None] | None:
    """Return a rate in percent with Wilson's 95 % interval; None for a count that is no part of its n."""
    if successes is None or not n or not 0 <= successes <= n:
        return None
    found = stats.rate(successes, n)
    return {name: 100 * getattr(found, name) for name in ("value", "low", "high")}


def rate_difference(
    successes: int | None, n: int | None, other_successes: int | None, other_n: int | None
) -> dict[str, float] | None:
    """Return the difference of two independent rates in points, with its 95 % interval.

    For rates that are stated without their rows; rows give the shorter paired interval. R. G.
    Newcombe, "Interval estimation for the difference between independent proportions: comparison
    of eleven methods", Statistics in Medicine 17 (1998), method 10. None where an argument is null
    or a count is no part of its n.
    """
    from statsmodels.stats.proportion import confint_proportions_2indep

    if successes is None or n is None or other_successes is None or other_n is None:
        return None
    if not (0 <= successes <= n and 0 <= other_successes <= other_n and n and other_n):
        return None
    counts = successes, n, other_successes, other_n
    low, high = confint_proportions_2indep(*counts, method="newcomb", compare="diff")
    difference = 100 * successes / n - 100 * other_successes / other_n
    return {"difference": difference, "low": 100 * float(low), "high": 100 * float(high)}


def pc1_share(matrix: Table | None) -> float | None:
    """Return the share of the variance, 0-1, of the first principal component; see `stats.principal`."""
    return pc1([row or [] for row in matrix or []]).share


def pc1_scores(matrix: Table | None) -> list[float | None]:
    """Return each row's score, times 100, on the first principal component; see `stats.principal`."""
    return pc1([row or [] for row in matrix or []]).scores
