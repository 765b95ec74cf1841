"""How far tasks agree in the order of the models: Kendall's tau-b of each two, their mean and its interval.

A mean near 1 says that any of the tasks would rank the models alike, one near 0 that a model's
place depends on the task it is measured by.

    found = agreement([[90.0, 60.0], [80.0, 55.0], [40.0, 20.0]])
    found.taus      # [[1.0, 1.0], [1.0, 1.0]]
    found.mean      # 1.0
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from lem.stats.bootstrap import BATCH, bca_levels, times_drawn
from lem.stats.estimates import CONFIDENCE
from lem.stats.principal import Row, cells

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Statistic = Callable[[Array], Array]
    """From how often each model counts (draws by models) to a number a task pair (draws by pairs), or NaN."""

RESAMPLES = 2000
DIGITS = 12
"""Decimals kept of a mean of taus: a draw that ties with the data is then seen to, on every machine."""
NO_INTERVAL = "no interval"


class Agreement(NamedTuple):
    """Tau-b of each two tasks (tasks by tasks), the mean over `pairs` of them and its 95 % interval."""

    taus: list[list[float | None]]
    pairs: int
    mean: float | None
    low: float | None
    high: float | None
    models: int
    method: str


class Difference(NamedTuple):
    """A mean tau less another, its 95 % interval, and how many models both are over."""

    value: float | None
    low: float | None
    high: float | None
    method: str
    models: int


def tau_b(x: Row, y: Row) -> float | None:
    """Return Kendall's tau-b, -1 to 1, of two tasks over the models that have both.

    M. G. Kendall, "The treatment of ties in ranking problems", Biometrika 33 (1945). None where it
    is not defined: fewer than 2 such models, or all alike in one of the tasks. ValueError where one
    task has more models than the other.
    """
    import numpy as np
    from scipy.stats import kendalltau

    if len(x) != len(y):
        raise ValueError(f"{len(x)} and {len(y)} models: both tasks must be of the same ones")
    both = cells([x, y])
    both = both[:, np.isfinite(both).all(axis=0)]
    if both.shape[1] < 2 or (both == both[:, :1]).all(axis=1).any():
        return None
    return float(kendalltau(*both).statistic)


def agreement(matrix: Sequence[Row], resamples: int = RESAMPLES) -> Agreement:
    """Return tau-b of each two tasks and their mean with the bootstrap's interval.

    Rows are models, columns tasks. A tau is over the models that have both tasks (null, not finite,
    or beyond a row's end is missing); where it is not defined it is None and not in the mean.
    `models` are those with at least two tasks; whole models are resampled, and one drawn twice ties
    with itself, which tau-b leaves out. The interval is BCa (B. Efron, "Better bootstrap confidence
    intervals", JASA 82 (1987)), the percentile one where that does not exist; `method` says which.
    Draws that all say the same, as those of two models do, say nothing of other models: low and
    high are None. With few models the interval is too short.
    """
    import numpy as np

    values = cells(matrix)
    compared = values[np.isfinite(values).sum(axis=1) >= 2]
    taus = partial(_taus, _signs(compared))
    each = taus(np.ones((1, len(compared))))[0]
    pairs = int(np.isfinite(each).sum())
    return Agreement(_square(each, values), pairs, *_interval(taus, len(compared), resamples))


def difference(a: Sequence[Row], b: Sequence[Row], resamples: int = RESAMPLES) -> Difference:
    """Return the mean tau-b of `b` less that of `a`, the same models and tasks measured in two ways.

    Both have the same models and the same tasks in the same order. Only cells that both have count,
    and only pairs of tasks with a tau in both, so that the same is compared with the same; in each
    draw of the bootstrap both have the same models. For the interval see `agreement`. ValueError
    where one has more models or tasks than the other.
    """
    import numpy as np

    first, second = cells(a), cells(b)
    if first.shape != second.shape:
        raise ValueError(f"{first.shape} and {second.shape} models by tasks: both must be of the same ones")
    shared = np.isfinite(first) & np.isfinite(second)
    kept = shared.sum(axis=1) >= 2
    signs = [_signs(np.where(shared, values, np.nan)[kept]) for values in (first, second)]
    found = _interval(
        lambda times: _taus(signs[1], times) - _taus(signs[0], times), int(kept.sum()), resamples
    )
    return Difference(found.mean, found.low, found.high, found.method, found.models)


class _Signs(NamedTuple):
    """Of each two models: which they are, and by task the sign of left less right (0 if unknown)."""

    left: NDArray[np.intp]
    right: NDArray[np.intp]
    better: Array
    known: Array


def _signs(values: Array) -> _Signs:
    import numpy as np

    left, right = np.triu_indices(len(values), 1)
    differences = values[left] - values[right]
    known = np.isfinite(differences)
    return _Signs(left, right, np.sign(np.where(known, differences, 0.0)), known.astype(float))


def _taus(signs: _Signs, times: Array) -> Array:
    """Return tau-b of each two tasks for each row of `times`, how often each model counts; NaN for no tau.

    Columns are the pairs of tasks in the order of the upper triangle. Two models that count k and l
    times are k l pairs. Sums of whole numbers are exact: nothing of a machine's rounding is in a tau.
    """
    import numpy as np

    tasks, rows = signs.better.shape[1], max(1, BATCH // max(1, len(signs.left)))
    found = np.full((len(times), tasks * (tasks - 1) // 2), np.nan)
    for start in range(0, len(times), rows):
        some, end = times[start : start + rows], 0
        weights = some[:, signs.left] * some[:, signs.right]
        for task in range(tasks - 1):
            begin, end = end, end + tasks - 1 - task
            _against_later(signs, weights, task, found[start : start + rows, begin:end])
    return found


def _against_later(signs: _Signs, weights: Array, task: int, out: Array) -> None:
    """Write tau-b of `task` with each later one."""
    import numpy as np

    better, known = signs.better[:, task, None], signs.known[:, task, None]
    others, have = signs.better[:, task + 1 :], signs.known[:, task + 1 :]
    untied = (weights @ (np.abs(better) * have)) * (weights @ (known * np.abs(others)))
    np.divide(weights @ (better * others), np.sqrt(untied), out=out, where=untied > 0)


def _square(taus: Array, values: Array) -> list[list[float | None]]:
    """Return the upper triangle as a table, with 1.0 for each task in which models differ."""
    import numpy as np

    tasks = values.shape[1]
    table = np.full((tasks, tasks), np.nan)
    upper = np.triu_indices(tasks, 1)
    table[upper] = table.T[upper] = taus
    for task in range(tasks):
        if len(np.unique(values[np.isfinite(values[:, task]), task])) > 1:
            table[task, task] = 1.0
    return [[None if math.isnan(tau) else tau for tau in row] for row in table.tolist()]


def _means(taus: Array) -> Array:
    """Return the mean of each row over the taus there are, NaN for none."""
    import numpy as np

    there = np.isfinite(taus)
    counts = there.sum(axis=1)
    sums = np.where(there, taus, 0.0).sum(axis=1)
    means: Array = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return means.round(DIGITS) + 0.0  # no -0.0


class _Interval(NamedTuple):
    mean: float | None
    low: float | None
    high: float | None
    models: int
    method: str


def _interval(statistic: Statistic, models: int, resamples: int) -> _Interval:
    """Return the statistic's mean over task pairs and its interval by resampled models.

    A draw without a tau, such as one of a single model, is left out.
    """
    import numpy as np

    value = float(_means(statistic(np.ones((1, models))))[0])
    if math.isnan(value):
        return _Interval(None, None, None, models, NO_INTERVAL)
    draws = _means(statistic(times_drawn(models, 0, resamples)))
    draws = draws[np.isfinite(draws)]
    if not draws.size or draws.min() == draws.max():
        return _Interval(value, None, None, models, NO_INTERVAL)
    left_out = _means(statistic(1.0 - np.eye(models)))
    levels, name = _levels(draws, value, left_out)
    low, high = np.quantile(draws, levels[0], method="lower"), np.quantile(draws, levels[1], method="higher")
    method = f"{name} bootstrap over {models} models {CONFIDENCE * 100:.0f} %"
    return _Interval(value, min(float(low), value), max(float(high), value), models, method)


def _levels(draws: Array, value: float, left_out: Array) -> tuple[tuple[float, float], str]:
    levels = None
    if left_out.min() < left_out.max():  # not so where without some model there is no tau
        levels = bca_levels(draws, value, left_out, CONFIDENCE)
    if levels is None:
        return ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2), "percentile"
    return levels, "BCa"
