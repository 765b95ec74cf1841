"""What the items that nobody could score could have made of a mean, at the worst and at the best.

bounds(rate(30, 40), 10, 0.0, 1.0)                     # Bounds(low=0.6, high=0.8)
difference_bounds([1, None], [0, 0], 0.0, 1.0)         # Bounds(low=0.5, high=1.0)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from lem.stats.estimates import Estimate


class Bounds(NamedTuple):
    """The lowest and the highest a mean could have been; None where there is no such end."""

    low: float | None
    high: float | None


def bounds(estimate: Estimate, unscored: int, lowest: float | None, highest: float | None) -> Bounds:
    """Return the mean if every unscored item had got the lowest, or the highest, possible value.

    C. F. Manski, "Anatomy of the selection problem", Journal of Human Resources
    24 (1989). `lowest` and `highest` are the ends of the scale in the value's own
    unit, None where it has no end. With nothing unscored both are the value.
    """
    if unscored == 0:
        return Bounds(estimate.value, estimate.value)
    known = 0.0 if estimate.value is None else estimate.value * estimate.n
    total = estimate.n + unscored
    low, high = (None if end is None else (known + unscored * end) / total for end in (lowest, highest))
    return Bounds(low, high)


def difference_bounds(
    candidate: Sequence[float | None],
    baseline: Sequence[float | None],
    lowest: float | None,
    highest: float | None,
) -> Bounds:
    """Return the mean paired difference at the worst and at the best, over the items scored or not.

    None is an unscored item, on either side. At the worst each unscored one of
    the candidate is the scale's lowest value and each of the baseline the
    highest; at the best the other way round (Manski 1989).
    """
    pairs = list(zip(candidate, baseline, strict=True))
    worst = [_difference(a, b, lowest, highest) for a, b in pairs]
    best = [_difference(a, b, highest, lowest) for a, b in pairs]
    return Bounds(_mean(worst), _mean(best))


def _difference(
    candidate: float | None, baseline: float | None, mine: float | None, theirs: float | None
) -> float | None:
    a, b = (mine if candidate is None else candidate), (theirs if baseline is None else baseline)
    return None if a is None or b is None else a - b


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(values) else None
