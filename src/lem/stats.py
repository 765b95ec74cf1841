"""The only statistics: each number with its standard error, its interval and the method's name. Pure.

rate(66, 150)             # Estimate(n=150, value=0.44, ..., method='wilson 95 %')
mean([8.0, 9.0, 7.0])     # Estimate(n=3, value=8.0, ..., method='t 95 %')
paired([1, 1, 0], [1, 0, 0])   # Estimate(n=3, value=0.33, ..., method='paired t 95 %')
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
ROUNDING = 1e-12
"""Of the largest value: differences that lie no further apart differ by the floats' rounding only."""


@dataclass(frozen=True)
class Estimate:
    """A value with its n, standard error and 95 % interval; null where n is too small to say."""

    n: int
    value: float | None
    stderr: float | None
    low: float | None
    high: float | None
    method: str


def rate(successes: int, n: int) -> Estimate:
    """Return a proportion in 0-1 with Wilson's score interval.

    E. B. Wilson, "Probable inference, the law of succession, and statistical
    inference", JASA 22 (1927). The standard error is sqrt(p (1 - p) / n).
    """
    from statsmodels.stats.proportion import proportion_confint

    method = f"wilson {CONFIDENCE:.0%}".replace("%", " %")
    if n == 0:
        return Estimate(0, None, None, None, None, method)
    value = successes / n
    low, high = proportion_confint(successes, n, alpha=1 - CONFIDENCE, method="wilson")
    stderr = math.sqrt(value * (1 - value) / n)
    return Estimate(n, value, stderr, min(float(low), value), max(float(high), value), method)


def mean(values: Sequence[float]) -> Estimate:
    """Return a mean in the values' own unit with Student's t interval.

    "Student", "The probable error of a mean", Biometrika 6 (1908). One value
    alone has no standard error: stderr, low and high are None.
    """
    from scipy.stats import t

    n, method = len(values), f"t {CONFIDENCE:.0%}".replace("%", " %")
    if n == 0:
        return Estimate(0, None, None, None, None, method)
    value = math.fsum(values) / n
    if n == 1:
        return Estimate(1, value, None, None, None, method)
    variance = math.fsum((v - value) ** 2 for v in values) / (n - 1)
    stderr = math.sqrt(variance / n)
    half = stderr * float(t.ppf(0.5 + CONFIDENCE / 2, n - 1))
    return Estimate(n, value, stderr, value - half, value + half, method)


def paired(candidate: Sequence[float], baseline: Sequence[float]) -> Estimate:
    """Return the mean of candidate minus baseline, item by item, with Student's t interval.

    Both in the same order of items. What varies from item to item alike in
    both is no error of a paired difference ("Student" 1908, section IX). Where
    all differences are the same they say nothing of how far another item's may
    lie: stderr, low and high are None.
    """
    differences = [a - b for a, b in zip(candidate, baseline, strict=True)]
    estimate = dataclasses.replace(mean(differences), method=f"paired t {CONFIDENCE:.0%}".replace("%", " %"))
    largest = max(map(abs, (*candidate, *baseline)), default=0.0)
    if differences and max(differences) - min(differences) <= ROUNDING * largest:
        return dataclasses.replace(estimate, stderr=None, low=None, high=None)
    return estimate


def spread(values: Sequence[float]) -> float | None:
    """Return the sample standard deviation; None for fewer than two values."""
    return statistics.stdev(values) if len(values) > 1 else None


def verdict(difference: Estimate, higher_is_better: bool | None, margin: float = 0.0) -> str:
    """Return what a difference says: better, worse, equivalent or inconclusive.

    A difference is equivalent when its interval lies within a declared margin
    either way, even where it leaves out zero; else better or worse when it
    leaves out zero. Where neither way is better it is higher or lower.
    """
    if difference.low is None or difference.high is None:
        return "inconclusive"
    if -margin < difference.low and difference.high < margin:
        return "equivalent"
    if difference.low <= 0 <= difference.high:
        return "inconclusive"
    up = difference.low > 0
    if higher_is_better is None:
        return "higher" if up else "lower"
    return "better" if up is higher_is_better else "worse"


def holds(difference: Estimate, higher_is_better: bool | None, margin: float = 0.0) -> str:
    """Return whether a candidate is better by more than -margin: yes, no, or open.

    For margin 0 this is superiority, for a positive one non-inferiority; yes
    and no are said only by an interval wholly on one side.
    """
    if higher_is_better is None or difference.low is None or difference.high is None:
        return "open"
    low, high = difference.low, difference.high
    if not higher_is_better:
        low, high = -high, -low
    if low > -margin:
        return "yes"
    return "no" if high < -margin else "open"
