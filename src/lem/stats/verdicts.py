"""What a difference says in one word, and whether what was declared of it holds.

verdict(paired(mine, theirs), higher_is_better=True)           # better
holds(paired(mine, theirs), higher_is_better=True, margin=2)   # yes
"""

from __future__ import annotations

from lem.stats.estimates import Estimate
from lem.stats.hypotheses import SIGNIFICANCE


def verdict(
    difference: Estimate,
    higher_is_better: bool | None,
    margin: float = 0.0,
    p_adjusted: float | None = None,
    p_equivalence: float | None = None,
) -> str:
    """Return what a difference says: better, worse, equivalent or inconclusive.

    It is equivalent when it lies within a declared margin either way, even where
    its interval leaves out zero: a difference can be real and too small to matter.
    That is decided by `p_equivalence` (see `tost`) below 0.05, or, without one,
    by the interval wholly inside the margin, which is stricter. Else it is
    better or worse when the interval leaves out zero and `p_adjusted`, where
    there is one (see `holm`), is below 0.05 too; both must agree. Where neither
    way is better it is higher or lower. Without an interval it is inconclusive.
    """
    if difference.low is None or difference.high is None:
        return "inconclusive"
    if margin > 0 and _within(difference.low, difference.high, margin, p_equivalence):
        return "equivalent"
    if difference.low <= 0 <= difference.high or not _significant(p_adjusted):
        return "inconclusive"
    up = difference.low > 0
    if higher_is_better is None:
        return "higher" if up else "lower"
    return "better" if up is higher_is_better else "worse"


def holds(
    difference: Estimate,
    higher_is_better: bool | None,
    margin: float = 0.0,
    p_adjusted: float | None = None,
) -> str:
    """Return whether a candidate is better by more than -margin: yes, no, or open.

    For margin 0 this is superiority, for a positive one non-inferiority; yes
    and no are said only by an interval wholly on one side. Where that side
    leaves out zero as well, `p_adjusted`, where there is one, must be below 0.05,
    as in `verdict`: so better is never beside open or no, and no only beside
    worse or, within no margin, higher or lower. The interval asks 2.5 % of each
    side, `tost` 5 %: equivalent may stand beside open, but never beside no.
    """
    if higher_is_better is None or difference.low is None or difference.high is None:
        return "open"
    low, high = difference.low, difference.high
    if not higher_is_better:
        low, high = -high, -low
    if low > -margin:
        return "yes" if margin > 0 or _significant(p_adjusted) else "open"
    return "no" if high < -margin and _significant(p_adjusted) else "open"


def _within(low: float, high: float, margin: float, p_equivalence: float | None) -> bool:
    if p_equivalence is None:
        return -margin < low and high < margin
    return p_equivalence < SIGNIFICANCE


def _significant(p_adjusted: float | None) -> bool:
    return p_adjusted is None or p_adjusted < SIGNIFICANCE
