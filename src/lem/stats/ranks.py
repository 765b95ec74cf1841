"""Places on a leaderboard and how sure they are: other tasks and other questions give other ranks.

The order is that of the first principal component (`stats.principal`). Each rank has an interval,
and each pair of models the share of the draws in which one is above the other: where that is
neither near 0 nor near 1 the table cannot tell the two apart, whatever their places.

    ranking([[90.0, 60.0], [80.0, 55.0], [40.0, 20.0]], [[1.0, None], [1.0, None], [1.0, None]])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from lem.stats.bootstrap import BATCH, SEED, times_drawn
from lem.stats.principal import FEWEST, SCALE, Row, cells, pc1, z_scores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

RESAMPLES = 2000
ENDS = (0.025, 0.975)
DIGITS = 6
"""Decimals kept of what an eigenvector gives: what lies behind them differs from one machine to the next."""
ALIKE = 1e-6
"""Relative: two eigenvalues no further apart, or a mean loading no larger, leave the component undecided."""


class Place(NamedTuple):
    """A model's rank (1 is best) and score, the rank's 95 % interval, and the share of the draws it leads.

    A lead of several models is shared equally.
    """

    rank: int | None
    pc1: float | None
    low: int | None
    high: int | None
    p_best: float | None


class Ranking(NamedTuple):
    """A place for each model, the component's share of the variance (0-1), and who is above whom.

    `above[i][j]` is the share of the draws, 0-1, in which model i ranks above model j; a tie
    counts for neither.
    """

    places: list[Place]
    share: float | None
    above: list[list[float]] | None


def ranking(values: Sequence[Row], stderrs: Sequence[Row], resamples: int = RESAMPLES) -> Ranking:
    """Return each model's rank by the first principal component with the bootstrap's 95 % interval.

    Rows are models, columns tasks, standard errors in the unit of their values. Ranks and scores
    are those of `pc1` over the models without a missing cell; ties share the better rank. Each draw
    repeats the whole analysis, z-scores included, on tasks drawn with replacement and values with
    normal noise of their standard error (none where that is null). Nothing is filled in for a model
    with a missing cell: it has no rank and no score. In a draw that cell takes the value, the
    standard error too, of a random model that has the task, so that its interval, and by it the
    others', is as wide as not knowing makes it. A draw without one first component, or with one
    that has no direction, puts all models at the same rank. The ends are whole ranks and hold the rank.

    K. Pearson, "On lines and planes of closest fit to systems of points in space", Philosophical
    Magazine 2 (1901); B. Efron, "Bootstrap methods: another look at the jackknife", Annals of
    Statistics 7 (1979); H. Goldstein and D. J. Spiegelhalter, "League tables and their
    limitations", JRSS A 159 (1996).

    Scores have 6 decimals, so have shares. With fewer than 3 models, no tasks, or a task that no
    model has, all is None; with fewer than 3 whole rows, or where the whole rows have no one first
    component with a direction, ranks and scores are None and the intervals remain. ValueError where
    `stderrs` has other rows, or more columns, than `values`, or one is negative.
    """
    import numpy as np

    scores = cells(values)
    errors = _errors(stderrs, scores)
    if len(scores) < FEWEST or not scores.shape[1] or np.isnan(scores).all(axis=0).any():
        return Ranking([Place(None, None, None, None, None)] * len(scores), None, None)
    points, share = _points(values, scores)
    ranks, above = _drawn(scores, errors, resamples)
    return Ranking(_places(points, ranks), share, np.round(above / resamples, DIGITS).tolist())


def _errors(stderrs: Sequence[Row], scores: Array) -> Array:
    import numpy as np

    errors = cells(stderrs, scores.shape[1])
    if errors.shape != scores.shape:
        raise ValueError(f"{errors.shape} standard errors for {scores.shape} values: one a cell is expected")
    if (errors < 0).any():
        raise ValueError("a standard error is not negative")
    return np.nan_to_num(errors)


def _points(values: Sequence[Row], scores: Array) -> tuple[list[float | None], float | None]:
    """Return each whole row's score and the share, rounded; no scores where the component is undecided."""
    import numpy as np

    found = pc1(values)
    if found.share is None:
        return found.scores, None
    whole = scores[np.isfinite(scores).all(axis=1)][None]
    if not _components(whole, np.ones((1, scores.shape[1]))).any():
        return [None] * len(scores), round(found.share, DIGITS)
    rounded = [None if score is None else round(score, DIGITS) + 0.0 for score in found.scores]  # no -0.0
    return rounded, round(found.share, DIGITS)


def _drawn(scores: Array, errors: Array, resamples: int) -> tuple[NDArray[np.int64], Array]:
    """Return the ranks, draws by models, and in how many draws one model is above another."""
    import numpy as np

    models, tasks = scores.shape
    rows, above = max(1, BATCH // (models * max(models, tasks))), np.zeros((models, models))
    ranks = np.empty((resamples, models), dtype=np.int64)
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        tables = _tables(scores, errors, np.random.default_rng((SEED, start, 1)), count)
        found = _components(tables, times_drawn(tasks, start, count))
        better = found[:, :, None] > found[:, None, :]
        above += better.sum(axis=0)
        ranks[start : start + count] = 1 + better.sum(axis=1)
    return ranks, above


def _tables(scores: Array, errors: Array, rng: np.random.Generator, draws: int) -> Array:
    """Return tables that might have been measured: draws by models by tasks, without a missing cell."""
    import numpy as np

    known = np.isfinite(scores)
    model, task = np.nonzero(~known)
    holders = np.argsort(~known, axis=0, kind="stable")  # of each task, those who have it come first
    chosen = holders[rng.integers(0, known.sum(axis=0)[task], (draws, len(task))), task]
    centres, spreads = np.repeat(scores[None], draws, axis=0), np.repeat(errors[None], draws, axis=0)
    centres[:, model, task], spreads[:, model, task] = scores[chosen, task], errors[chosen, task]
    return centres + spreads * rng.standard_normal(centres.shape)


def _components(tables: Array, times: Array) -> Array:
    """Return the first principal component's scores, draws by models; zeros where it is undecided.

    `times` is how often each task counts, draws by tasks. The eigenvector is that of the smaller
    of the two products of the table with itself; the other one follows from it.
    """
    import numpy as np

    standard = z_scores(tables)
    weighted = standard * np.sqrt(times)[:, None, :]
    turned = weighted.swapaxes(1, 2)
    if tables.shape[2] <= tables.shape[1]:
        sizes, vectors = np.linalg.eigh(turned @ weighted)
        scores = (weighted @ vectors[:, :, -1:])[:, :, 0]
    else:
        sizes, vectors = np.linalg.eigh(weighted @ turned)
        scores = vectors[:, :, -1] * np.sqrt(np.maximum(sizes[:, -1:], 0))
    first, second = sizes[:, -1], sizes[:, -2] if sizes.shape[1] > 1 else 0.0
    loading = (scores * (standard @ times[:, :, None])[:, :, 0]).sum(axis=1)  # sum of loadings, by `first`
    decided = (first - second > ALIKE * first) & (
        np.abs(loading) > ALIKE * first * np.sqrt(times.sum(axis=1))
    )
    signed: Array = SCALE * scores * np.where(decided, np.sign(loading), 0.0)[:, None]
    return signed.round(DIGITS)


def _places(points: Sequence[float | None], ranks: NDArray[np.int64]) -> list[Place]:
    import numpy as np

    lows = np.quantile(ranks, ENDS[0], axis=0, method="lower").tolist()
    highs = np.quantile(ranks, ENDS[1], axis=0, method="higher").tolist()
    leads = ranks == 1
    best = np.round((leads / leads.sum(axis=1, keepdims=True)).mean(axis=0), DIGITS).tolist()
    known, places = [point for point in points if point is not None], []
    for point, low, high, p_best in zip(points, lows, highs, best, strict=True):
        rank = None if point is None else 1 + sum(other > point for other in known)
        ends = (low, high) if rank is None else (min(low, rank), max(high, rank))
        places.append(Place(rank, point, *ends, p_best))
    return places
