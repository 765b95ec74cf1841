"""The tests of a difference against published worked examples, scipy, statsmodels and simulation."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nct, permutation_test, t
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from lem import stats

# A. Agresti, "Categorical Data Analysis" (1990), section 10.1: 1,600 people asked twice whether they
# approve of the prime minister: 794 twice yes, 570 twice no, 150 no longer, 86 now. McNemar's z is -4.17.
FIRST = [1] * 794 + [1] * 150 + [0] * 86 + [0] * 570
SECOND = [1] * 794 + [0] * 150 + [1] * 86 + [0] * 570


def test_mcnemar_as_published():
    gained, lost, p = stats.flips(SECOND, FIRST)
    assert (gained, lost) == (86, 150)
    assert (gained - lost) / math.sqrt(gained + lost) == pytest.approx(-4.17, abs=0.005)
    assert p == pytest.approx(
        float(2 * Fraction(sum(math.comb(236, k) for k in range(87)), 2**236)), rel=1e-9
    )


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 0.0625), (6, 0, 0.03125), (3, 3, 1.0), (1, 8, 20 / 512)],
)
def test_mcnemar_by_hand(gained, lost, p):
    candidate = [1] * gained + [0] * lost + [1, 0]
    baseline = [0] * gained + [1] * lost + [1, 0]
    assert stats.flips(candidate, baseline) == (gained, lost, pytest.approx(p))
    assert stats.flips(baseline, candidate) == (lost, gained, pytest.approx(p))


def test_mcnemar_needs_items_and_yes_or_no():
    assert stats.flips([], []) == (0, 0, None)
    with pytest.raises(ValueError, match="0 and 1"):
        stats.flips([0.5], [1.0])


# C. Darwin's fifteen pairs of maize plants, crossed minus self-fertilised in eighths of an inch: R. A.
# Fisher, "The design of experiments" (1935), section 21, counts 1,726 of the 32,768 ways, 5.267 %.
MAIZE = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


def test_sign_flips_as_published():
    assert stats.sign_flip(MAIZE, [0] * 15) == 1726 / 32768


def test_sign_flips_by_hand():
    # 1, 0.5, 2: only all plus and all minus of the eight reach 3.5
    assert stats.sign_flip([8.0, 7.5, 9.0], [7.0, 7.0, 7.0]) == 0.25
    assert stats.sign_flip([8.0, 7.5, 9.0, 1.0], [7.0, 7.0, 7.0, 1.0]) == 0.25  # a tie adds nothing
    assert stats.sign_flip([1.0, 2.0], [1.0, 2.0]) == stats.sign_flip([0.0], [0.0]) == 1.0
    assert stats.sign_flip([9.0], [1.0]) == 1.0
    assert stats.sign_flip([], []) is None


def test_items_of_one_cluster_change_places_together():
    assert stats.sign_flip([1.0] * 6, [0.0] * 6) == 2 / 64
    assert stats.sign_flip([1.0] * 6, [0.0] * 6, list("aabbcc")) == 2 / 8
    assert stats.sign_flip([1.0] * 6, [0.0] * 6, ["a", "a", None, None, "c", "c"]) == 2 / 16
    assert (
        stats.sign_flip([1.0, 0.0, 1.0], [0.0, 1.0, 0.0], list("aab")) == 1.0
    )  # of the first nothing is left


TENTHS = st.integers(-30, 30).map(lambda n: n / 10)


@settings(max_examples=30)
@given(st.lists(st.tuples(TENTHS, TENTHS), min_size=2, max_size=9))
def test_sign_flips_are_scipys(pairs):
    a, b = map(list, zip(*pairs, strict=True))
    other = permutation_test(
        (np.round(np.subtract(a, b), 6),), np.mean, permutation_type="samples", n_resamples=np.inf
    ) if any(x != y for x, y in pairs) else None  # fmt: skip
    assert stats.sign_flip(a, b) == pytest.approx(other.pvalue if other else 1.0, abs=1e-9)


def test_drawn_flips_agree_with_counted_ones():
    """Sixteen differences are drawn, fifteen counted: one so small that it hardly matters."""
    exact = stats.sign_flip(MAIZE, [0] * 15)
    drawn = stats.sign_flip([*MAIZE, 1e-6], [0] * 16)
    assert drawn == pytest.approx(exact, abs=4 * math.sqrt(exact / 9999))
    assert stats.sign_flip([1.0] * 200, [0.0] * 200) == 1e-4  # never 0


@given(st.lists(st.tuples(TENTHS, TENTHS), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_order_and_sides_change_no_p(pairs, random):
    a, b = map(list, zip(*pairs, strict=True))
    c, d = map(list, zip(*random.sample(pairs, len(pairs)), strict=True))
    assert stats.sign_flip(a, b) == stats.sign_flip(c, d) == stats.sign_flip(b, a)
    assert 0 < stats.sign_flip(a, b) <= 1


def share_below(p_values, level=0.05):
    return sum(p <= level for p in p_values) / len(p_values)


def test_mcnemar_holds_its_level():
    draws = np.random.default_rng(1947)
    sides = draws.random((2, 2000, 60)) < 0.4 + 0.3 * draws.random((1, 2000, 60))
    p_values = [stats.flips(a.astype(float), b.astype(float)).p for a, b in zip(*sides, strict=True)]
    assert 0.01 < share_below(p_values) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


@pytest.mark.parametrize("n", [10, 60])
def test_sign_flips_hold_their_level(n):
    draws = np.random.default_rng(1935).standard_t(3, size=(1500, n))
    p_values = [stats.sign_flip(list(one), [0.0] * n) for one in draws]
    assert share_below(p_values) == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 1500))


def test_sign_flips_over_clusters_hold_their_level_where_plain_ones_do_not():
    draws, clusters = np.random.default_rng(1935), [place // 4 for place in range(80)]
    values = draws.normal(0, 1, (800, 20, 1)) + draws.normal(0, 0.7, (800, 20, 4))
    flat = [list(one.ravel()) for one in values]
    over = [stats.sign_flip(one, [0.0] * 80, clusters) for one in flat]
    assert share_below(over) == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 800))
    assert share_below([stats.sign_flip(one, [0.0] * 80) for one in flat[:200]]) > 0.15


def test_both_tests_find_what_is_there():
    draws = np.random.default_rng(3)
    assert stats.sign_flip(list(draws.normal(0.6, 1, 50)), [0.0] * 50) < 0.01
    assert stats.flips([1.0] * 15 + [0.0] * 3, [0.0] * 15 + [1.0] * 3).p < 0.01


def test_holm_by_hand():
    # 4 x 0.005, 3 x 0.01, 2 x 0.03, then no smaller than the one before
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert stats.holm([0.6, 0.7]) == [1.0, 1.0]


def test_holm_does_not_count_what_was_not_tested():
    assert stats.holm([0.01, None, 0.04]) == [pytest.approx(0.02), None, pytest.approx(0.04)]
    assert stats.holm([None, 0.04]) == [None, pytest.approx(0.04)]
    assert stats.holm([]) == [] and stats.holm([None]) == [None]


@settings(max_examples=10)  # statsmodels collects garbage at each call
@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12))
def test_holm_lies_between_none_and_bonferroni(p_values):
    count = sum(p is not None for p in p_values)
    for p, adjusted in zip(p_values, stats.holm(p_values), strict=True):
        assert (p is None) == (adjusted is None)
        assert p is None or p <= adjusted + 1e-12 <= min(1.0, count * p) + 1e-9


@given(st.lists(st.tuples(TENTHS, TENTHS), min_size=3, max_size=25), st.sampled_from([0.1, 0.5, 2.0]))
def test_equivalence_is_statsmodels(pairs, margin):
    a, b = map(list, zip(*pairs, strict=True))
    difference = stats.paired(a, b)
    if difference.stderr is None:
        assert stats.tost(difference, margin) is None
    else:
        other, _, _ = ttost_paired(np.array(a), np.array(b), -margin, margin)
        assert stats.tost(difference, margin) == pytest.approx(float(other), abs=1e-9)


def test_equivalence_is_below_5_percent_where_the_90_percent_interval_lies_within_the_margin():
    difference = stats.Estimate(30, 0.5, 0.4, None, None, "paired t 95 %")
    reach = 0.5 + 0.4 * float(t.ppf(0.95, 29))
    assert stats.tost(difference, reach) == pytest.approx(0.05)
    assert stats.tost(difference, reach + 0.1) < 0.05 < stats.tost(difference, reach - 0.1)
    clustered = stats.Estimate(30, 0.5, 0.4, None, None, "paired t over 10 clusters 95 %", 10)
    assert stats.tost(clustered, 0.5 + 0.4 * float(t.ppf(0.95, 9))) == pytest.approx(0.05)
    assert stats.tost(difference, 0.0) is None


@pytest.mark.parametrize("n", [5, 20, 50, 150, 5000])
@pytest.mark.parametrize("power", [0.8, 0.9])
def test_what_can_be_detected_is_statsmodels(n, power):
    difference = stats.Estimate(n, 1.0, 0.3, 0.4, 1.6, "paired t 95 %")
    other = float(TTestPower().solve_power(nobs=n, alpha=0.05, power=power)) * 0.3 * math.sqrt(n)
    assert stats.detectable(difference, power) == pytest.approx(other, rel=1e-3)


@pytest.mark.parametrize("n", [2, 3, 7, 100])
@pytest.mark.parametrize("power", [0.5, 0.8, 0.99])
def test_what_can_be_detected_has_the_power_it_says(n, power):
    errors = stats.detectable(stats.Estimate(n, 1.0, 1.0, 0.0, 2.0, ""), power)
    assert float(nct.sf(t.ppf(0.975, n - 1), n - 1, errors)) == pytest.approx(power, abs=1e-6)


def test_what_is_detectable_is_detected_in_80_of_100_samples():
    draws = np.random.default_rng(1988)
    found = stats.paired(list(draws.normal(0, 1, 40)), [0.0] * 40)
    there = stats.detectable(found) / (found.stderr * math.sqrt(40))  # in standard deviations
    again = draws.normal(there, 1.0, (1500, 40))
    t_values = again.mean(axis=1) / (again.std(axis=1, ddof=1) / math.sqrt(40))
    assert (abs(t_values) > t.ppf(0.975, 39)).mean() == pytest.approx(0.8, abs=0.032)


def test_nothing_can_be_said_of_power_without_a_standard_error():
    assert stats.detectable(stats.paired([1.0], [0.0])) is None
    assert stats.detectable(stats.paired([1.0] * 30, [0.0] * 30)) is None
    clusters = stats.Estimate(60, 1.0, 1.0, 0.0, 2.0, "", 10)
    assert stats.detectable(clusters) == stats.detectable(stats.Estimate(10, 1.0, 1.0, 0.0, 2.0, ""))
