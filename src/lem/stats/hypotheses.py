"""The tests of a difference: McNemar, sign flips, Holm's correction, equivalence, and what could be detected.

flips([1, 1, 0], [0, 1, 0])              # Flips(gained=1, lost=0, p=1.0)
sign_flip([8.0, 7.5, 9.0], [7, 7, 7])    # 0.25: two of the eight ways to swap the sides
holm([0.01, None, 0.04])                 # [0.02, None, 0.04]
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from lem.stats.clusters import Clusters, differences, largest, whole
from lem.stats.estimates import Estimate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIGNIFICANCE = 0.05
EXACT = 15
"""Differences other than zero up to which all the sign flips are counted, 32,768 of them."""
FLIPS = 9_999
SEED = 1935
BATCH = 1_000_000
"""Signs drawn at a time, 8 bytes each; eight such batches are kept."""


class Flips(NamedTuple):
    """Items that only the candidate got right, items that only the baseline did, and McNemar's p."""

    gained: int
    lost: int
    p: float | None


def flips(candidate: Sequence[float], baseline: Sequence[float]) -> Flips:
    """Return how many answers of 0 or 1 changed, and the two-sided p of McNemar's test in its exact form.

    Q. McNemar, "Note on the sampling error of the difference between correlated
    proportions or percentages", Psychometrika 12 (1947): given how many changed,
    the gained ones are binomial with 1/2. It takes items as independent: in
    clusters use `sign_flip`. Without items p is None; ValueError for other values.
    """
    from statsmodels.stats.contingency_tables import mcnemar

    pairs = list(zip(candidate, baseline, strict=True))
    if not all(value in (0, 1) for pair in pairs for value in pair):
        raise ValueError("McNemar's test is of values of 0 and 1")
    gained, lost = sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)
    if not pairs:
        return Flips(0, 0, None)
    return Flips(gained, lost, float(mcnemar([[0, gained], [lost, 0]], exact=True).pvalue))


def sign_flip(
    candidate: Sequence[float], baseline: Sequence[float], clusters: Clusters = None
) -> float | None:
    """Return the two-sided p of the mean difference, if the two could change places in each item.

    R. A. Fisher, "The design of experiments" (1935), section 21. Items of one
    cluster change places together. Up to 15 differences that are not zero all
    the ways are counted; for more, 9,999 drawn ones and the data themselves (B.
    Phipson and G. K. Smyth, "Permutation p-values should never be zero", SAGMB 9
    (2010)). Neither the order of the items nor that of the sides changes it.
    """
    groups, scale = differences(candidate, baseline, clusters), largest(candidate, baseline)
    if not groups:
        return None
    sums, _ = whole(groups, scale) if scale else ([0.0], 1.0)
    sizes = sorted(abs(total) for total in sums if total)
    observed = abs(sum(sums))
    return _exact(sizes, observed) if len(sizes) <= EXACT else _drawn(sizes, observed)


def _exact(sizes: Sequence[float], observed: float) -> float:
    import numpy as np

    totals = np.zeros(1)
    for size in sizes:
        totals = np.concatenate([totals + size, totals - size])
    return float((np.abs(totals) >= observed).mean())


def _drawn(sizes: Sequence[float], observed: float) -> float:
    import numpy as np

    weights, reached, rows = np.array(sizes), 0, max(1, BATCH // len(sizes))
    for start in range(0, FLIPS, rows):
        signs = _signs(len(sizes), start, min(rows, FLIPS - start))
        reached += int((np.abs(np.einsum("ij,j->i", signs, weights)) >= observed).sum())
    return (reached + 1) / (FLIPS + 1)


@lru_cache(maxsize=8)
def _signs(units: int, start: int, rows: int) -> NDArray[np.float64]:
    import numpy as np

    rng = np.random.default_rng((SEED, start))
    return rng.integers(0, 2, (rows, units), dtype=np.uint8).astype(np.float64) * 2 - 1


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return the p values adjusted for their number; None stays None and is not counted.

    S. Holm, "A simple sequentially rejective multiple test procedure",
    Scandinavian Journal of Statistics 6 (1979): below 0.05 each, the chance of
    even one false one among all is below 0.05.
    """
    from statsmodels.stats.multitest import multipletests

    known = [p for p in p_values if p is not None]
    adjusted = iter(multipletests(known, method="holm")[1] if known else [])
    return [None if p is None else float(next(adjusted)) for p in p_values]


def tost(difference: Estimate, margin: float) -> float | None:
    """Return the p of equivalence: the larger of two one-sided tests, one against each end of the margin.

    D. J. Schuirmann, "A comparison of the two one-sided tests procedure and the
    power approach for assessing the equivalence of average bioavailability",
    Journal of Pharmacokinetics and Biopharmaceutics 15 (1987). `margin` is in
    the difference's own unit, the tests are Student's with one degree of freedom
    fewer than there are items (or clusters). None without a margin or a
    standard error.
    """
    from scipy.stats import t

    if margin <= 0 or difference.value is None or not difference.stderr:
        return None
    df = difference.units - 1
    above = float(t.sf((difference.value + margin) / difference.stderr, df))
    below = float(t.cdf((difference.value - margin) / difference.stderr, df))
    return max(above, below)


def detectable(difference: Estimate, power: float = 0.8) -> float | None:
    """Return the smallest true difference, in its own unit, that a t test finds with this power.

    Two-sided at 5 %, for as many items (or clusters) as were measured and their
    standard error. J. Cohen, "Statistical power analysis for the behavioral
    sciences" (1988), chapter 2: the power of Student's t is noncentral t's. None
    without a standard error.
    """
    if not difference.stderr:
        return None
    return _standard_errors(difference.units - 1, power) * difference.stderr


@lru_cache(maxsize=1024)
def _standard_errors(df: int, power: float) -> float:
    """Return it in standard errors; finding a difference of the wrong sign does not count as power.

    statsmodels' solver adds that tail, which scipy cannot compute far out, and so
    misses the power asked for where there are few items.
    """
    from scipy.optimize import brentq
    from scipy.stats import nct, t

    critical = float(t.ppf(1 - SIGNIFICANCE / 2, df))

    def missing(errors: float) -> float:
        return float(nct.sf(critical, df, errors)) - power

    return float(brentq(missing, 0.0, 3 * (critical + float(t.ppf(power, df)))))
