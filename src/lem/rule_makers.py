"""What is asked of many columns alike, as rules: a value, a range, an order, a form, an interval. Pure.

list(at_least(0, "runs", "tokens", "wall_seconds"))      # a rule for each of the two columns
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from lem.rule_sql import Rule, Where

NEEDED = "without it the row says nothing"
COUNTED = "a time, a count or a size below it is none"
BOUNDED = "what was not scored may make it worse or better, never the other way round"
REGIMES = ("direct", "train_before_test")
VERDICTS = ("better", "worse", "equivalent", "inconclusive", "higher", "lower", "refused")


def not_null(table: str, *columns: str) -> Iterator[Rule]:
    """Yield a rule a column: it has a value."""
    for name in columns:
        yield Rule(table, f"{name}not_null", "not_null", (name,), NEEDED, "shape")


def at_least(low: int, table: str, *columns: str) -> Iterator[Rule]:
    """Yield a rule a column: no less than `low`."""
    for name in columns:
        yield Rule(table, f"{name}_at_least_{low}", "between", (name,), COUNTED, low=low)


def shares(table: str, whole: int, *columns: str) -> Iterator[Rule]:
    """Yield a rule a column: a share of `whole`, 1 or 100."""
    for name in columns:
        why = "a probability" if whole == 1 else "a share in percent"
        yield Rule(table, f"{name}_share", "between", (name,), why, low=0, high=whole)


def ordered(table: str, why: str, *columns: str) -> Iterator[Rule]:
    """Yield a rule for each two neighbours: the one is at most the other."""
    for low, high in pairwise(columns):
        yield Rule(table, f"{low}_at_most_{high}", "at_most", (low, high), why)


def matching(pattern: str, why: str, table: str, *columns: str, where: Where | None = None) -> Iterator[Rule]:
    """Yield a rule a column: the whole text is of this form."""
    for name in columns:
        yield Rule(table, f"{name}_form", "matches", (name,), why, where=where, pattern=pattern)


def intervals(table: str) -> Iterator[Rule]:
    """Yield what holds of an estimate: an interval and bounds around a value, and n beside it."""
    yield from ordered(table, "an interval holds the value it is about", "low", "value", "high")
    yield from ordered(table, "no end is beyond the other", "low", "high")
    yield from ordered(table, BOUNDED, "worst", "value", "best")
    yield from at_least(0, table, "n", "unscored")
    yield Rule(
        *(table, "value_null_without_rows", "null", ("value",), "nothing scored, nothing measured"),
        where=Where("n", "equal", 0),
    )
    yield Rule(
        *(table, "value_where_rows", "in_set", ("n",), "what was measured over n rows has a value"),
        where=Where("value", "null"),
        accepted=(0,),
    )


def differences(table: str) -> Iterator[Rule]:
    """Yield what holds of a paired difference with its verdict."""
    yield from ordered(table, "an interval holds the difference it is about", "low", "difference", "high")
    yield from ordered(table, BOUNDED, "worst", "best")
    yield Rule(
        *(table, "verdict_accepted", "in_set", ("verdict",)),
        why="one word from a short list, so that tables can be counted",
        accepted=VERDICTS,
    )
    yield from at_least(0, table, "n", "unscored", "seed_sd", "gained", "lost", "detectable")
    yield from at_least(1, table, "seeds")
    yield from shares(table, 1, "p")


def refused(table: str) -> Iterator[Rule]:
    """Yield the two halves of: refused exactly where the two were not asked the same."""
    yield Rule(
        *(table, "refused_where_differs", "in_set", ("verdict",)),
        why="what was not asked alike is not compared",
        where=Where("differs", "not null"),
        accepted=("refused",),
    )
    yield Rule(
        *(table, "differs_where_refused", "not_null", ("differs",)),
        why="what is not compared says why",
        where=Where("verdict", "equal", "refused"),
    )


def leaderboards() -> Iterator[Rule]:
    """Yield what holds of a leaderboard: cells, ranks, pairs of models, agreement of tasks."""
    yield from not_null("leaderboard_cells", "source", "regime", "model", "task")
    yield from not_null("leaderboard", "source", "regime", "model", "not_told_apart")
    yield from not_null("leaderboard", "coverage", "cells", "stderrs")
    yield from not_null("leaderboard_pairs", "source", "regime", "model", "other", "p_above", "told_apart")
    for table in ("leaderboard_cells", "leaderboard", "leaderboard_pairs", "task_agreement"):
        yield Rule(
            *(table, "regime_accepted", "in_set", ("regime",)),
            why="trained before the test or not: never ranked together by a misspelling",
            accepted=REGIMES,
        )
    yield Rule(
        *("leaderboard_cells", "value_or_error", "not_null", ("error",)),
        why="a score that is missing says how",
        where=Where("value", "null"),
    )
    yield Rule(
        *("leaderboard_cells", "value_not_error", "null", ("error",)),
        why="a value beside an error is an invented measurement",
        where=Where("value", "not null"),
    )
    yield from at_least(0, "leaderboard_cells", "stderr", "n")
    yield from ordered(
        "leaderboard", "an interval holds the rank it is about", "rank_low", "rank", "rank_high"
    )
    yield from ordered("leaderboard", "no end is beyond the other", "rank_low", "rank_high")
    yield from at_least(1, "leaderboard", "rank", "rank_low")
    yield from at_least(0, "leaderboard", "not_told_apart", "stderrs")
    yield from ordered("leaderboard", "a cell has one standard error", "stderrs", "cells")
    yield from shares("leaderboard", 1, "p_best", "coverage")
    yield from shares("leaderboard_pairs", 1, "p_above")
    yield from agreements()


def agreements() -> Iterator[Rule]:
    """Yield what holds of the agreement of a leaderboard's tasks, and of what training adds to it."""
    yield from not_null("agreement", "source", "regime", "models", "tasks")
    yield from not_null("task_agreement", "source", "regime", "task", "other", "models")
    yield from ordered("agreement", "an interval holds the mean it is about", "low", "tau_mean", "high")
    yield from ordered("agreement", "no end is beyond the other", "low", "high")
    yield from at_least(0, "agreement", "models", "tasks", "pairs")
    yield Rule("agreement", "tau_mean_range", "between", ("tau_mean",), "a tau less a tau", low=-2, high=2)
    yield Rule(
        "agreement", "pc1_share_range", "between", ("pc1_share",), "a share less a share", low=-1, high=1
    )
    yield Rule(
        *("agreement", "mean_or_note", "not_null", ("note",)),
        why="what cannot be computed says why",
        where=Where("tau_mean", "null"),
    )
    for regime in REGIMES:
        yield Rule(
            *("agreement", f"tau_of_{regime}", "between", ("tau_mean",)),
            why="1 is one order, -1 its reverse",
            where=Where("regime", "equal", regime),
            low=-1,
            high=1,
        )
    yield Rule(
        "task_agreement", "tau_range", "between", ("tau",), "1 is one order, -1 its reverse", low=-1, high=1
    )
    yield from at_least(0, "task_agreement", "models")
