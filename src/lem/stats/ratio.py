"""The ratio of two paired means with its 95 % interval: how many times as much, by how many percent more.

Dividing a difference's interval by the baseline's mean takes that mean as known. It was measured on the
same items, so its error belongs to the ratio, and so does what the two errors share.

    ratio([4.0, 5.0, 6.0], [2.0, 2.0, 3.0])   # Estimate(n=3, value=2.14, ..., method='Fieller 95 %')
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lem.stats.clusters import Clusters, Groups, by_cluster
from lem.stats.estimates import CONFIDENCE, ROUNDING, Estimate

NAME = f"Fieller {CONFIDENCE * 100:.0f} %"


def ratio(candidate: Sequence[float], baseline: Sequence[float], clusters: Clusters = None) -> Estimate:
    """Return mean(candidate) / mean(baseline) over the same items with Fieller's interval.

    E. C. Fieller, "Some problems in interval estimation", JRSS B 16 (1954): all r for which the
    mean of candidate - r * baseline is within Student's t of zero. Over G clusters the variances
    are the cluster-robust ones, with G - 1 degrees of freedom. No interval (low and high None)
    where the baseline's mean is not distinguishable from zero, of a single item or cluster, and
    where every candidate is the same multiple of its baseline. No value where the baseline's mean
    is zero, or there is no item. The interval is not symmetric, so there is no standard error.

    Raises ValueError where the sides or labels are not of the same items.
    """
    if len(candidate) != len(baseline):
        raise ValueError("expected a candidate and a baseline of the same items")
    sides = by_cluster(candidate, clusters), by_cluster(baseline, clusters)
    n, count = len(candidate), len(sides[0])
    label = count if count < n else None
    means = [math.fsum(side) / n if n else 0.0 for side in (candidate, baseline)]
    if means[1] == 0:
        return Estimate(n, None, None, None, None, NAME, label)
    low, high = _fieller(means, sides, n) or (None, None)
    return Estimate(n, means[0] / means[1], None, low, high, NAME, label)


def _fieller(means: Sequence[float], sides: tuple[Groups, Groups], n: int) -> tuple[float, float] | None:
    """Return the roots of (a - r b)^2 = t^2 (Vaa - 2 r Vab + r^2 Vbb); None where they bound nothing."""
    from scipy.stats import t

    count = len(sides[0])
    if count < 2:
        return None
    squared = float(t.ppf(0.5 + CONFIDENCE / 2, count - 1)) ** 2
    (aa, ab), (_, bb) = _covariances(means, sides, n)
    a, b = means
    square, half, rest = b * b - squared * bb, a * b - squared * ab, a * a - squared * aa
    if square <= ROUNDING * b * b:
        return None
    spread = math.sqrt(max(half * half - square * rest, 0.0)) / square
    centre, value = half / square, a / b
    if spread <= math.sqrt(ROUNDING) * max(1.0, abs(value)):
        return None  # of no variance, but for rounding
    return min(centre - spread, value), max(centre + spread, value)


def _covariances(means: Sequence[float], sides: tuple[Groups, Groups], n: int) -> list[list[float]]:
    """Return the variances and the covariance of both means, cluster-robust as in `clusters.stderr`."""
    count = len(sides[0])
    residuals = [
        [math.fsum(item - mean for item in group) for group in side]
        for mean, side in zip(means, sides, strict=True)
    ]
    factor = count / (count - 1) / n**2
    return [
        [factor * math.fsum(x * y for x, y in zip(one, other, strict=True)) for other in residuals]
        for one in residuals
    ]
