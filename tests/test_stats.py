"""The statistics against published worked values, other implementations and simulation."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, t, ttest_rel

from lem import stats
from lem.stats.estimates import effective_size

# R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in
# Medicine 17 (1998), table I, method 3 (score): the same four cases, to four digits.
NEWCOMBE = {
    (81, 263): (0.2553, 0.3662),
    (15, 148): (0.0624, 0.1605),
    (0, 20): (0.0, 0.1611),
    (1, 29): (0.0061, 0.1718),
}


@pytest.mark.parametrize(("successes", "n"), NEWCOMBE)
def test_wilson_as_published(successes, n):
    found = stats.rate(successes, n)
    assert (round(found.low, 4), round(found.high, 4)) == NEWCOMBE[successes, n]
    assert (found.n, found.value, found.method) == (n, successes / n, "wilson 95 %")


COUNTS = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(COUNTS)
def test_wilson_is_the_closed_form_and_scipys(counts):
    successes, n = counts
    found = stats.rate(successes, n)
    z, p = 1.959963984540054, successes / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    other = binomtest(successes, n).proportion_ci(0.95, method="wilson")
    for low, high in ((middle - half, middle + half), other):
        assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)
    assert found.stderr == pytest.approx(math.sqrt(p * (1 - p) / n))


@given(COUNTS)
def test_a_rate_lies_in_its_interval_and_that_between_0_and_1(counts):
    found = stats.rate(*counts)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high


@given(COUNTS)
def test_successes_and_failures_mirror_each_other(counts):
    successes, n = counts
    one, other = stats.rate(successes, n), stats.rate(n - successes, n)
    assert (one.low, one.high) == pytest.approx((1 - other.high, 1 - other.low), abs=1e-12)


@given(st.integers(0, 50), st.integers(1, 20))
def test_more_answers_at_the_same_rate_narrow_the_interval(successes, times):
    few, many = stats.rate(successes, 50), stats.rate(successes * (times + 1), 50 * (times + 1))
    assert many.high - many.low < few.high - few.low


# The sleep data of Student's own paper (Biometrika 6, 1908): extra hours under two drugs, and the
# interval of their differences as R's t.test prints it.
SLEEP = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]


def test_t_as_published():
    found = stats.mean(SLEEP)
    assert found.value == pytest.approx(1.58)
    assert (found.low, found.high) == pytest.approx((0.7001142, 2.4598858), abs=1e-7)
    assert found.stderr == pytest.approx(0.3889587, abs=1e-7)
    assert (found.n, found.method) == (10, "t 95 %")


VALUES = st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=30)


@given(VALUES)
def test_t_is_scipys(values):
    found = stats.mean(values)
    stderr = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    assert found.value == pytest.approx(float(np.mean(values)), abs=1e-5)
    assert found.stderr == pytest.approx(stderr, rel=1e-6, abs=1e-6)
    if stderr > 1e-3:
        low, high = t.interval(0.95, len(values) - 1, loc=found.value, scale=stderr)
        assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6, abs=1e-5)


@given(VALUES)
def test_a_mean_lies_in_its_interval(values):
    found = stats.mean(values)
    assert found.low <= found.value <= found.high
    assert found.stderr >= 0


@given(VALUES, st.randoms(use_true_random=False))
def test_the_order_of_the_values_changes_nothing(values, random):
    shuffled = random.sample(values, len(values))
    assert stats.mean(shuffled) == stats.mean(values)


def test_the_interval_of_a_mean_covers_it_in_95_of_100_samples():
    draws = np.random.default_rng(1908).normal(5.0, 2.0, size=(2000, 6))
    found = [stats.mean(list(draw)) for draw in draws]
    covered = sum(e.low <= 5.0 <= e.high for e in found) / len(found)
    assert covered == pytest.approx(0.95, abs=0.015)  # three standard errors of that share
    normal = sum(abs(e.value - 5.0) <= 1.96 * e.stderr for e in found) / len(found)
    assert normal < 0.92  # so the quantile is Student's and not the normal one


def test_the_interval_of_a_rate_covers_it_at_any_rate():
    """Exactly, by adding up the chances of the counts whose interval covers the rate."""
    n, shares = 50, np.linspace(0.05, 0.95, 181)
    chance = binom.pmf(np.arange(n + 1), n, shares[:, None])
    inside = [[e.low <= p <= e.high for e in map(stats.rate, range(n + 1), [n] * (n + 1))] for p in shares]
    covered = (chance * inside).sum(axis=1)
    assert 0.94 <= covered.mean() <= 0.965
    assert covered.min() >= 0.925


def test_no_answers_have_no_value():
    for found, method in ((stats.rate(0, 0), "wilson 95 %"), (stats.mean([]), "t 95 %")):
        assert found == stats.Estimate(0, None, None, None, None, method)


def test_one_value_has_no_interval_and_one_answer_a_wide_one():
    assert stats.mean([7.5]) == stats.Estimate(1, 7.5, None, None, None, "t 95 %")
    one = stats.rate(1, 1)
    assert (one.value, one.high, one.stderr) == (1.0, 1.0, 0.0)
    assert one.low == pytest.approx(0.2065, abs=1e-4)


def test_equal_values_have_an_interval_of_no_width():
    found = stats.mean([3.0] * 5)
    assert (found.low, found.value, found.high, found.stderr) == (3.0, 3.0, 3.0, 0.0)


# The other column of the sleep data, and the interval of the paired differences as R's
# t.test(extra ~ group, sleep, paired = TRUE) prints it: t = 4.0621, df = 9.
SLEEP_OTHER = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SLEEP_SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def test_paired_t_as_published():
    found = stats.paired(SLEEP_SECOND, SLEEP_OTHER)
    assert found.value == pytest.approx(1.58)
    assert (found.low, found.high) == pytest.approx((0.7001142, 2.4598858), abs=1e-7)
    assert found.value / found.stderr == pytest.approx(4.0621, abs=1e-4)
    assert (found.n, found.method) == (10, "paired t 95 %")


def test_paired_by_hand():
    # differences 1, 0, 0, 1: mean 1/2, variance 1/3, standard error sqrt(1/12), t(0.975, 3) = 3.182446
    found = stats.paired([1, 1, 0, 1], [0, 1, 0, 0])
    assert (found.value, found.stderr) == pytest.approx((0.5, 0.2886751), abs=1e-7)
    assert (found.low, found.high) == pytest.approx((0.5 - 0.9186931, 0.5 + 0.9186931), abs=1e-6)


GRID = st.integers(-4000, 4000).map(lambda n: n / 8)
PAIRS = st.lists(st.tuples(GRID, GRID), min_size=2, max_size=30)
FEW_PAIRS = st.lists(st.tuples(GRID, GRID), min_size=2, max_size=19)


def sides(pairs):
    return [a for a, _ in pairs], [b for _, b in pairs]


def numbers(found):
    return found.value, found.stderr, found.low, found.high


@given(FEW_PAIRS)
def test_paired_t_is_scipys(pairs):
    found, other = stats.paired(*sides(pairs)), [a - b for a, b in pairs]
    if len(set(other)) == 1:
        assert numbers(found) == (other[0], None, None, None)
    else:
        whole = ttest_rel(*sides(pairs)).confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((whole.low, whole.high), rel=1e-9, abs=1e-9)
        assert found.low < found.value < found.high


@given(PAIRS)
def test_the_other_way_round_is_the_other_sign(pairs):
    a, b = sides(pairs)
    one, other = stats.paired(a, b), stats.paired(b, a)
    assert one.value == -other.value
    assert (one.n, one.stderr, one.method) == (other.n, other.stderr, other.method)
    if one.low is not None:
        assert (one.low, one.high) == (-other.high, -other.low)


@given(PAIRS, st.floats(-1000, 1000))
def test_what_both_sides_have_more_changes_nothing(pairs, more):
    """No verdict may hang on rounding: 8.3 - 8.2 is not quite 7.3 - 7.2."""
    a, b = sides(pairs)
    plain, moved = stats.paired(a, b), stats.paired([v + more for v in a], [v + more for v in b])
    for one, other in zip(numbers(plain), numbers(moved), strict=True):
        assert (one is None) == (other is None)
        assert one is None or other == pytest.approx(one, rel=1e-9, abs=1e-9)


@given(PAIRS, st.randoms(use_true_random=False))
def test_the_order_of_the_items_changes_nothing(pairs, random):
    assert stats.paired(*sides(random.sample(pairs, len(pairs)))) == stats.paired(*sides(pairs))


def test_pairing_leaves_out_what_varies_alike_in_both():
    hard, gain = np.linspace(0, 100, 21), np.tile([1.0, 2.0, 3.0], 7)
    found = stats.paired(list(hard + gain), list(hard))
    assert stats.verdict(found, True) == "better"
    assert stats.mean(list(hard + gain)).low < stats.mean(list(hard)).high  # apart, they overlap


def test_the_paired_interval_covers_the_difference_in_95_of_100_samples():
    draws = np.random.default_rng(1908)
    shared = draws.normal(0.0, 5.0, size=(2000, 8))
    a, b = (shared + draws.normal(mean, 1.0, size=shared.shape) for mean in (0.7, 0.0))
    found = [stats.paired(list(one), list(other)) for one, other in zip(a, b, strict=True)]
    assert sum(e.low <= 0.7 <= e.high for e in found) / len(found) == pytest.approx(0.95, abs=0.015)


SAME = {
    "no answer": ([], []),
    "one item": ([3.0], [1.0]),
    "all equal": ([1.0, 0.0, 1.0], [1.0, 0.0, 1.0]),
    "all right, all wrong": ([100.0] * 40, [0.0] * 40),
    "equal but for rounding": ([8.3, 7.3, 0.3], [8.2, 7.2, 0.2]),
    "thirds": ([100 / 3, 100.0], [0.0, 200 / 3]),
}


@pytest.mark.parametrize("case", SAME)
def test_differences_that_are_all_the_same_have_no_interval(case):
    """However large: of how far the next item lies from them they say nothing."""
    candidate, baseline = SAME[case]
    found = stats.paired(candidate, baseline)
    assert (found.n, found.method) == (len(candidate), "paired t 95 %")
    assert (found.stderr, found.low, found.high) == (None, None, None)
    assert (found.value is None) == (candidate == [])
    for better in (True, False, None):
        for margin in (0.0, 5.0, 1000.0):
            assert stats.verdict(found, better, margin) == "inconclusive"
            assert stats.holds(found, better, margin) == "open"


def test_a_small_difference_between_differences_is_none_of_rounding():
    assert stats.paired([8.3, 7.3 + 1e-9], [8.2, 7.2]).low is not None


def test_sides_of_other_lengths_are_no_pairs():
    with pytest.raises(ValueError, match="shorter"):
        stats.paired([1.0, 2.0], [1.0])


def test_a_spread_is_the_sample_standard_deviation():
    assert stats.spread([]) is stats.spread([4.0]) is None
    assert stats.spread([4.0, 4.0]) == 0.0
    assert stats.spread([1.0, 3.0]) == pytest.approx(math.sqrt(2))
    assert stats.spread([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]) == pytest.approx(math.sqrt(32 / 7))


# Two clusters by hand: values 1, 1 in one and 0, 1 in the other. Mean 3/4; residuals of the clusters
# 1/2 and -1/2; variance 2 / 1 * (1/4 + 1/4) / 16 = 1/16; t(0.975, 1) = 12.7062.
def test_clusters_by_hand():
    found = stats.mean([1, 1, 0, 1], ["a", "a", "b", "b"])
    assert (found.n, found.clusters, found.units, found.method) == (4, 2, 2, "t over 2 clusters 95 %")
    assert (found.value, found.stderr) == pytest.approx((0.75, 0.25))
    assert found.high - found.value == pytest.approx(12.7062 / 4, abs=1e-4)


CLUSTERED = st.lists(st.tuples(GRID, st.sampled_from([None, "a", "b", "c", 7])), min_size=2, max_size=25)


@given(CLUSTERED)
def test_a_clustered_standard_error_is_statsmodels(items):
    values, clusters = map(list, zip(*items, strict=True))
    labels = [f"item {place}" if label is None else label for place, label in enumerate(clusters)]
    numbers_of = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    found = stats.mean(values, clusters)
    assert found.units == len(numbers_of)
    if found.units == 1:
        assert (found.stderr, found.low, found.high) == (None, None, None)
        return
    groups = np.array([numbers_of[label] for label in labels])
    model = sm.OLS(values, np.ones(len(values)))
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    assert found.stderr == pytest.approx(float(fit.bse[0]), rel=1e-6, abs=1e-6)


@given(VALUES)
def test_clusters_of_one_item_change_nothing(values):
    for clusters in (None, [None] * len(values), list(range(len(values)))):
        assert stats.mean(values, clusters) == stats.mean(values)
        ones = [float(value > 0) for value in values]
        assert stats.proportion(ones, clusters) == stats.rate(int(sum(ones)), len(ones))


def test_answers_that_only_repeat_each_other_count_once():
    """Fifty answers, each given twice, are worth fifty, less a little for t's degrees of freedom."""
    once = [1.0, 1.0, 0.0, 1.0, 0.0] * 10
    twice, single = stats.proportion(once * 2, list(range(50)) * 2), stats.rate(30, 50)
    assert (twice.n, twice.clusters, twice.method) == (100, 50, "wilson over 50 clusters 95 %")
    assert twice.stderr == pytest.approx(single.stderr * math.sqrt(50 / 49))
    assert (twice.low, twice.high) == pytest.approx((single.low, single.high), abs=0.004)
    assert twice.high - twice.low > single.high - single.low


def test_the_effective_size_by_hand():
    # independent variance 0.24 / 99, clustered 0.006: deff 2.475, so 40.4, times (1.98422 / 2.09302) ** 2
    assert effective_size(100, 20, 0.4, math.sqrt(0.006)) == pytest.approx(40.40404 * 0.898733, rel=1e-5)
    assert effective_size(100, 20, 0.4, math.sqrt(0.0001)) == 100  # never more than there are
    # all clusters alike: all that is taken off is for t's freedom
    assert effective_size(100, 50, 0.4, 0.0) == pytest.approx(100 * (1.98422 / 2.00958) ** 2, rel=1e-5)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abcdef")), min_size=2, max_size=60))
def test_a_clustered_rate_lies_in_its_interval_and_that_is_no_shorter(items):
    ones, clusters = ([float(item[0]) for item in items], [item[1] for item in items])
    found, plain = stats.proportion(ones, clusters), stats.rate(int(sum(ones)), len(ones))
    assert found.value == plain.value
    if found.low is not None:
        assert 0 <= found.low <= found.value <= found.high <= 1
        assert found.high - found.low >= plain.high - plain.low - 1e-9


def test_one_cluster_says_nothing_of_another():
    assert stats.proportion([1, 0, 1], ["a"] * 3) == stats.Estimate(
        3, 2 / 3, None, None, None, "wilson over 1 clusters 95 %", 1
    )
    assert stats.paired([1.0, 0.0, 1.0], [0.0] * 3, ["a"] * 3).low is None


def test_a_proportion_is_of_zeros_and_ones_and_labels_are_as_many_as_values():
    with pytest.raises(ValueError, match="0 and 1"):
        stats.proportion([0.5, 1.0])
    with pytest.raises(ValueError, match="shorter"):
        stats.mean([1.0, 2.0], ["a"])


def test_a_clustered_interval_covers_where_the_plain_one_does_not():
    draws = np.random.default_rng(1986)
    shared = draws.beta(1.5, 1.5, size=(600, 25, 1))  # each cluster has its own rate, 0.5 on average
    answers = (draws.random((600, 25, 4)) < shared).astype(float).reshape(600, 100)
    clusters = [place // 4 for place in range(100)]
    for of in (stats.proportion, stats.mean):
        found = [of(list(one), clusters) for one in answers]
        assert sum(e.low <= 0.5 <= e.high for e in found) / 600 == pytest.approx(0.95, abs=0.03)
    plain = [stats.rate(int(one.sum()), 100) for one in answers]
    assert sum(e.low <= 0.5 <= e.high for e in plain) / 600 < 0.9


@given(st.lists(st.sampled_from([0.0, 1.0]), max_size=60))
def test_a_proportion_without_clusters_is_the_rate_and_that_of_items_alone(values):
    expected = stats.rate(int(sum(values)), len(values))
    assert stats.proportion(values) == stats.proportion(values, [None] * len(values)) == expected
