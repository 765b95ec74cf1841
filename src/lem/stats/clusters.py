"""Items of one cluster go together: grouping, a standard error that knows it, values without rounding noise.

Five questions on one passage are no five independent questions. A cluster is a
label or None for each item; an item of None is a cluster of its own.

    by_cluster([1.0, 0.0, 1.0], ["a", "a", None])   # [[1.0, 0.0], [1.0]]
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

Clusters = Sequence[Hashable | None] | None
"""One label or None an item, in the items' order; None instead of them all where no item has a cluster."""
Groups = list[list[float]]
"""The values of each cluster: what is independent of each other is one list."""

DIGITS = 11
"""Decimal digits that `whole` keeps of the largest value: sums of 10,000 such stay exact in a float."""


def by_cluster(values: Sequence[float], clusters: Clusters = None) -> Groups:
    """Return the values of each cluster, clusters in order of their first item.

    Raises ValueError where there are more or fewer labels than values.
    """
    if clusters is None:
        return [[value] for value in values]
    groups: dict[Hashable, list[float]] = {}
    for place, (value, label) in enumerate(zip(values, clusters, strict=True)):
        key = ("item", place) if label is None else ("cluster", label)
        groups.setdefault(key, []).append(value)
    return list(groups.values())


def differences(candidate: Sequence[float], baseline: Sequence[float], clusters: Clusters = None) -> Groups:
    """Return candidate minus baseline, item by item, of each cluster."""
    return by_cluster([a - b for a, b in zip(candidate, baseline, strict=True)], clusters)


def largest(*sides: Sequence[float]) -> float:
    """Return the largest absolute value, 0 for none: rounding is measured against it."""
    return max((abs(value) for side in sides for value in side), default=0.0)


def stderr(groups: Groups, value: float) -> float:
    """Return the cluster-robust standard error of the mean `value` of at least two clusters.

    K.-Y. Liang and S. L. Zeger, "Longitudinal data analysis using generalized
    linear models", Biometrika 73 (1986), with the factor G / (G - 1) for G
    clusters; E. Miller, "Adding error bars to evals", arXiv 2411.00640 (2024),
    for questions. Where each cluster is one item it is the standard error of
    the mean as everybody knows it, s / sqrt(n).
    """
    count, n = len(groups), sum(map(len, groups))
    residuals = [math.fsum(item - value for item in group) for group in groups]
    return math.sqrt(math.fsum(r * r for r in residuals) / (count - 1) * count) / n


def whole(groups: Groups, scale: float) -> tuple[list[float], float]:
    """Return each cluster's sum in whole steps, and how many of them are 1: a power of ten, by `scale`.

    8.3 - 8.2 and 7.3 - 7.2 differ by the floats' rounding. Counted in steps, each
    between 1e-11 and 1e-10 of `scale`, they are equal, their sums are exact
    in any order, and a resample that ties with the data is seen to, on every machine.
    """
    steps = 10.0 ** (DIGITS - math.ceil(math.log10(scale)))
    return [float(sum(round(value * steps) for value in group)) for group in groups], steps
