"""Fieller's interval of a ratio: against its definition, a worked case, and where there is none."""

from __future__ import annotations

import math
import random
from statistics import fmean

import pytest
from scipy.stats import t, ttest_1samp

from lem import stats
from lem.stats.ratio import ratio


def sample(seed: int, n: int = 40) -> tuple[list[float], list[float]]:
    draw = random.Random(seed)
    baseline = [draw.gauss(5, 2) for _ in range(n)]
    return [1.3 * value + draw.gauss(0, 1.5) for value in baseline], baseline


@pytest.mark.parametrize("seed", range(5))
def test_its_ends_are_the_ratios_that_a_t_test_just_does_not_reject(seed: int) -> None:
    candidate, baseline = sample(seed)
    found = ratio(candidate, baseline)
    assert found.low is not None and found.high is not None
    assert found.value == pytest.approx(fmean(candidate) / fmean(baseline))
    for end in (found.low, found.high):
        apart = [a - end * b for a, b in zip(candidate, baseline, strict=True)]
        assert ttest_1samp(apart, 0).pvalue == pytest.approx(0.05, abs=1e-9)


def test_a_case_by_hand() -> None:
    # means 3 and 2, variances 1 and 1, covariance 1/2 of 3 items; t(2)^2 = 18.51: the baseline's
    # mean of 2 has the squared error 18.51 / 3 = 6.17 > 4, so it may be zero
    assert ratio([2, 3, 4], [2, 1, 3]).low is None
    # ten times the mean: (30, 20) with the same errors, r from 900 - 6.17, 600 - 3.09, 400 - 6.17
    found = ratio([29, 30, 31], [20, 19, 21])
    error = float(t.ppf(0.975, 2)) ** 2 / 3
    square, half, rest = 400 - error, 600 - error / 2, 900 - error
    root = math.sqrt(half**2 - square * rest)
    assert (found.low, found.high) == pytest.approx(((half - root) / square, (half + root) / square))


def test_the_baseline_is_not_taken_as_known() -> None:
    draw = random.Random(7)
    baseline = [draw.gauss(5, 4) for _ in range(30)]
    candidate = [value + draw.gauss(2, 1) for value in baseline]
    found, apart = (
        ratio(candidate, baseline),
        stats.mean([a - b for a, b in zip(candidate, baseline, strict=True)]),
    )
    assert found.low is not None and found.high is not None
    assert apart.low is not None and apart.high is not None
    assert found.high - found.low > 1.5 * (apart.high - apart.low) / fmean(baseline)


@pytest.mark.parametrize(
    ("candidate", "baseline", "value"),
    [
        ([], [], None),
        ([1], [2], 0.5),
        ([1, 2], [0, 0], None),
        ([1, 2, 3], [-1, 0, 1], None),
        ([5, 6, 7, 6], [-9, 10, 8, -7], 12),
        ([0.3, 0.6, 0.9], [0.1, 0.2, 0.3], 3),
        ([4, 4, 4], [4, 4, 4], 1),
    ],
)
def test_where_there_is_no_interval(
    candidate: list[float], baseline: list[float], value: float | None
) -> None:
    found = ratio(candidate, baseline)
    assert (found.low, found.high, found.n) == (None, None, len(candidate))
    assert found.value == (None if value is None else pytest.approx(value))


def test_doubled_items_in_clusters_say_no_more_than_the_items() -> None:
    candidate, baseline = sample(3, 20)
    once = ratio(candidate, baseline)
    twice = ratio(candidate * 2, baseline * 2, [*range(20), *range(20)])
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))
    assert twice.clusters == 20
    assert ratio(candidate, baseline, ["one"] * 20).low is None


def test_sides_of_other_items_are_refused() -> None:
    with pytest.raises(ValueError, match="of the same items"):
        ratio([1], [1, 2])
