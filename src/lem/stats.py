"""The only statistics: each number with its standard error, its interval and the method's name. Pure.

rate(66, 150)             # Estimate(n=150, value=0.44, ..., method='wilson 95 %')
mean([8.0, 9.0, 7.0])     # Estimate(n=3, value=8.0, ..., method='t 95 %')
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


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
