"""The statistics against published worked values, other implementations and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, t

from lem import stats

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


def test_the_interval_of_a_rate_covers_it_on_average():
    n = 30
    shares = np.linspace(0.02, 0.98, 49)
    chance = np.array([[math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)] for p in shares])
    inside = [[e.low <= p <= e.high for e in map(stats.rate, range(n + 1), [n] * (n + 1))] for p in shares]
    assert float((chance * inside).sum(axis=1).mean()) == pytest.approx(0.95, abs=0.01)


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
