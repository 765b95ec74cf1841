"""A number with its standard error and its 95 % interval: a rate, a mean, a mean of paired differences.

rate(66, 150)                                     # 0.44 and Wilson's interval
proportion([1, 1, 0, 1], ["a", "a", "b", "b"])    # 0.75, counting two clusters, not four answers
paired([1.0, 1.0, 0.0], [1.0, 0.0, 0.0])          # 0.33, item by item
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lem.stats import bootstrap
from lem.stats.clusters import Clusters, Groups, by_cluster, differences, largest, stderr, whole

CONFIDENCE = 0.95
ROUNDING = 1e-12
"""Of the largest value: differences that lie no further apart differ by the floats' rounding only."""
FEW, MANY = 20, 10_000
"""Independent units (items or clusters) that a bootstrap needs, and above which Student's t says the same."""
CHANGED = 10
"""Of those, how many must differ from the commonest difference, which is mostly no difference at all."""


@dataclass(frozen=True)
class Estimate:
    """A value with its n, standard error and 95 % interval; null where n is too small to say.

    `clusters` is how many clusters the n items are in, None where each stands alone.
    """

    n: int
    value: float | None
    stderr: float | None
    low: float | None
    high: float | None
    method: str
    clusters: int | None = None

    @property
    def units(self) -> int:
        """How many of what was sampled independently: clusters, or items where each stands alone."""
        return self.n if self.clusters is None else self.clusters


def rate(successes: int, n: int) -> Estimate:
    """Return a proportion in 0-1 with Wilson's score interval.

    E. B. Wilson, "Probable inference, the law of succession, and statistical
    inference", JASA 22 (1927). The standard error is sqrt(p (1 - p) / n).
    """
    if n == 0:
        return Estimate(0, None, None, None, None, _method("wilson"))
    value = successes / n
    low, high = _wilson(value, n)
    return Estimate(n, value, math.sqrt(value * (1 - value) / n), low, high, _method("wilson"))


def proportion(values: Sequence[float], clusters: Clusters = None) -> Estimate:
    """Return the share of ones among values of 0 and 1, with Wilson's interval for the clusters' sample size.

    Where no cluster holds two items it is `rate`. Else the standard error is the
    cluster-robust one and Wilson's n is the effective sample size. A single
    cluster says nothing of another: stderr, low and high are None.
    """
    if not all(value in (0, 1) for value in values):
        raise ValueError("a proportion is of values of 0 and 1")
    if clusters is None:
        return rate(int(sum(values)), len(values))
    groups, n, ones = by_cluster(values, clusters), len(values), int(sum(values))
    if len(groups) == n:
        return rate(ones, n)
    count, value = len(groups), ones / n
    method = _method("wilson", count)
    if count == 1:
        return Estimate(n, value, None, None, None, method, 1)
    error = stderr(groups, value)
    low, high = _wilson(value, effective_size(n, count, value, error))
    return Estimate(n, value, error, low, high, method, count)


def effective_size(n: int, clusters: int, value: float, error: float) -> float:
    """Return how many independent answers n answers in clusters are worth; n at the most.

    E. L. Korn and B. I. Graubard, "Confidence intervals for proportions with
    small expected number of positive counts estimated from survey data", Survey
    Methodology 24 (1998): n / deff times (t(n - 1) / t(G - 1)) squared, where
    deff is the clustered variance over that of n independent answers, p (1 - p)
    / (n - 1). Where all answers are alike deff does not exist and each cluster
    counts as one answer, the most cautious reading.
    """
    independent = value * (1 - value) / (n - 1)
    size = float(clusters) if independent == 0 else n * independent / error**2 if error else float(n)
    return min(float(n), size * (_t_quantile(n - 1) / _t_quantile(clusters - 1)) ** 2)


def mean(values: Sequence[float], clusters: Clusters = None) -> Estimate:
    """Return a mean in the values' own unit with Student's t interval.

    "Student", "The probable error of a mean", Biometrika 6 (1908). Over G
    clusters the standard error is the cluster-robust one, with G - 1 degrees of
    freedom. One value, or one cluster, has no standard error: stderr, low and
    high are None.
    """
    return _t_interval(by_cluster(values, clusters), "t")


def paired(
    candidate: Sequence[float],
    baseline: Sequence[float],
    clusters: Clusters = None,
    resamples: int = bootstrap.RESAMPLES,
) -> Estimate:
    """Return the mean of candidate minus baseline, item by item, with the BCa bootstrap's interval.

    Both in the same order of items; the same items give the same interval, in
    whatever order. What varies from item to item alike in both is no error of a
    paired difference. B. Efron, "Better bootstrap confidence intervals", JASA 82
    (1987); with clusters, whole clusters are resampled. The standard error is
    that of `mean`.

    Fewer than 20 items (or clusters), or fewer than 10 that differ from the rest,
    are too few to be resampled: such intervals are too short (T. Hesterberg, "What
    teachers should know about the bootstrap", The American Statistician 69 (2015));
    above 10,000 both are the same. There the interval is Student's t, and `method`
    says so.

    Where all differences are the same (or all clusters' means are) they say
    nothing of how far another's may lie: stderr, low and high are None.
    """
    groups, scale = differences(candidate, baseline, clusters), largest(candidate, baseline)
    estimate = _t_interval(groups, "paired t")
    if _alike(groups, scale):
        return dataclasses.replace(estimate, stderr=None, low=None, high=None)
    if estimate.value is None or not _resampleable(groups, scale):
        return estimate
    found = bootstrap.interval(groups, scale, CONFIDENCE, resamples)
    return dataclasses.replace(
        estimate,
        low=min(found.low, estimate.value),
        high=max(found.high, estimate.value),
        method=_method(f"paired {found.name}", estimate.clusters),
    )


def _t_interval(groups: Groups, name: str) -> Estimate:
    n, count = sum(map(len, groups)), len(groups)
    clusters = count if count < n else None
    method = _method(name, clusters)
    if n == 0:
        return Estimate(0, None, None, None, None, method)
    value = math.fsum(item for group in groups for item in group) / n
    if count == 1:
        return Estimate(n, value, None, None, None, method, clusters)
    error = stderr(groups, value)
    half = error * _t_quantile(count - 1)
    return Estimate(n, value, error, value - half, value + half, method, clusters)


def _alike(groups: Groups, scale: float) -> bool:
    means = [math.fsum(group) / len(group) for group in groups]
    return bool(means) and max(means) - min(means) <= ROUNDING * scale


def _resampleable(groups: Groups, scale: float) -> bool:
    if not FEW <= len(groups) <= MANY:
        return False
    sums, _ = whole(groups, scale)
    commonest = Counter(total / len(group) for total, group in zip(sums, groups, strict=True))
    return len(groups) - max(commonest.values()) >= CHANGED


def _wilson(value: float, n: float) -> tuple[float, float]:
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(value * n, n, alpha=1 - CONFIDENCE, method="wilson")
    return min(float(low), value), max(float(high), value)


def _t_quantile(df: int) -> float:
    from scipy.stats import t

    return float(t.ppf(0.5 + CONFIDENCE / 2, df))


def _method(name: str, clusters: int | None = None) -> str:
    over = "" if clusters is None else f" over {clusters} clusters"
    return f"{name}{over} {CONFIDENCE * 100:.0f} %"
