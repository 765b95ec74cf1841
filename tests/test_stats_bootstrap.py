"""The bootstrap's intervals against scipy's, against simulation, and against what they must never do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap

from lem import stats
from lem.stats.bootstrap import bca_levels, interval, resampled, times_drawn

BCA = "paired BCa bootstrap 95 %"
NORMAL = np.random.default_rng(1987).normal(0.4, 1.0, size=60)
SKEWED = np.random.default_rng(1987).exponential(1.0, size=40) - 0.5


def ends(found):
    return found.low, found.high


def paired(differences, clusters=None, **settings):
    return stats.paired(list(differences), [0.0] * len(differences), clusters, **settings)


@pytest.mark.parametrize("values", [NORMAL, SKEWED, np.round(NORMAL)])
def test_bca_is_scipys_on_the_same_resamples(values):
    other = bootstrap((values,), np.mean, n_resamples=4000, method="BCa", rng=np.random.default_rng(1))
    means, n = other.bootstrap_distribution, len(values)
    levels = bca_levels(means, float(values.mean()), (values.sum() - values) / (n - 1), 0.95)
    found = np.quantile(means, levels)
    assert found == pytest.approx(tuple(other.confidence_interval), rel=1e-12)


def test_bca_over_clusters_is_scipys_on_the_same_resamples():
    sums, sizes = SKEWED, np.arange(40) % 4 + 1.0

    def ratio(drawn, axis=-1):
        return sums[drawn].sum(axis=axis) / sizes[drawn].sum(axis=axis)

    places = np.arange(40)
    other = bootstrap((places,), ratio, n_resamples=4000, method="BCa", rng=np.random.default_rng(1))
    left_out = (sums.sum() - sums) / (sizes.sum() - sizes)
    levels = bca_levels(other.bootstrap_distribution, float(ratio(places)), left_out, 0.95)
    found = np.quantile(other.bootstrap_distribution, levels)
    assert found == pytest.approx(tuple(other.confidence_interval), rel=1e-12)


@pytest.mark.parametrize("values", [NORMAL, SKEWED])
def test_with_resamples_of_its_own_it_is_scipys_but_for_chance(values):
    other = bootstrap((values,), np.mean, n_resamples=10_000, method="BCa", rng=np.random.default_rng(1))
    found = paired(values)
    assert found.method == BCA
    assert ends(found) == pytest.approx(tuple(other.confidence_interval), abs=0.1 * found.stderr)


def test_each_resample_holds_as_many_as_there_are_each_as_likely():
    times = times_drawn(30, 0, 5000)
    assert (times.sum(axis=1) == 30).all()
    assert times.mean(axis=0) == pytest.approx(np.ones(30), abs=0.06)  # four standard errors
    assert (times == 0).mean() == pytest.approx((29 / 30) ** 30, abs=0.01)


def test_batches_draw_anew():
    sums, ones = np.arange(400.0) ** 2, np.ones(400)
    found = resampled(sums, ones, 10_000)  # two batches
    assert len(found) == 10_000
    assert len(set(found)) > 9_900
    assert found.std() == pytest.approx(sums.std() / 20, rel=0.05)


def test_the_interval_leans_towards_the_long_tail():
    found = paired(SKEWED)
    assert found.high - found.value > 1.1 * (found.value - found.low)


GRID = st.integers(-40, 40).map(lambda n: n / 10)
ITEMS = st.lists(st.tuples(GRID, GRID, st.sampled_from([None, *range(30)])), min_size=30, max_size=60)


@settings(max_examples=40)
@given(ITEMS, st.randoms(use_true_random=False))
def test_order_and_sides_change_nothing_with_clusters_either(items, random):
    one, moved = (stats.paired(*map(list, zip(*rows, strict=True)))
                  for rows in (items, random.sample(items, len(items))))  # fmt: skip
    assert one == moved
    a, b, clusters = map(list, zip(*items, strict=True))
    back = stats.paired(b, a, clusters)
    assert (back.value, back.stderr, back.method) == (-one.value, one.stderr, one.method)
    if one.low is not None:
        assert ends(back) == (-one.high, -one.low)
        assert one.low <= one.value <= one.high


def test_rounding_does_not_break_ties():
    """0.3 - 0.2 is not 0.1: a resample that ties with the data must be seen to."""
    candidate, baseline = [0.3, 0.2, 0.1] * 20, [0.2, 0.3, 0.1] * 20
    tenths = stats.paired(candidate, baseline)
    whole = stats.paired([10 * v for v in [0.3, 0.2, 0.1]] * 20, [2.0, 3.0, 1.0] * 20)
    assert ends(tenths) == pytest.approx((whole.low / 10, whole.high / 10), rel=1e-12)
    assert -tenths.low == pytest.approx(tenths.high, rel=0.05)


def test_clusters_are_resampled_whole():
    """Three copies of each item are no more evidence than one."""
    once, thrice = paired(NORMAL), paired(np.tile(NORMAL, 3), list(range(60)) * 3)
    assert thrice.method == "paired BCa bootstrap over 60 clusters 95 %"
    assert (thrice.n, thrice.clusters) == (180, 60)
    assert (thrice.stderr, *ends(thrice)) == pytest.approx((once.stderr, *ends(once)), rel=1e-9)
    assert paired(np.tile(NORMAL, 3)).stderr < 0.6 * once.stderr


def test_items_alone_are_clusters_of_one():
    assert paired(NORMAL, [None] * 60) == paired(NORMAL, list(range(60))) == paired(NORMAL)


def test_clusters_whose_means_are_the_same_say_nothing_of_another():
    found = paired([0.0, 1.0] * 30, [place // 2 for place in range(60)])
    assert (found.value, found.stderr, *ends(found)) == (0.5, None, None, None)


@pytest.mark.parametrize(
    ("changed", "same", "method"),
    [
        (19, 0, "paired t 95 %"),  # too few items
        (20, 0, BCA),
        (9, 91, "paired t 95 %"),  # too few that changed
        (10, 90, BCA),
    ],
)
def test_too_few_to_resample_get_students_interval(changed, same, method):
    found = paired([*np.arange(1.0, changed + 1), *[0.0] * same])
    assert found.method == method
    if "t 95" in method.removeprefix("paired "):
        assert found.high - found.value == pytest.approx(found.value - found.low)


def test_too_many_to_resample_get_students_interval():
    found = paired(np.arange(10_001.0))
    assert (found.n, found.method) == (10_001, "paired t 95 %")


def test_three_gains_among_fifty_are_no_proof():
    """A bootstrap alone would leave out zero here, where McNemar's p is 0.25."""
    assert paired([1.0] * 3 + [0.0] * 47).low < 0


def test_without_an_acceleration_it_is_the_percentile_interval():
    found = interval([[1.0 + place % 3 * 1e-12] for place in range(40)], 1.0, 0.95)
    assert found == (1.0, 1.0, "percentile bootstrap")
    assert bca_levels(np.array([2.0, 3.0]), 1.0, np.array([1.0, 2.0]), 0.95) is None  # no bias either


def test_bca_covers_the_difference_in_95_of_100_samples():
    """400 data sets of 50 items; three standard errors of that share are 0.033."""
    draws, covered = np.random.default_rng(1987), {}
    kinds = {
        "normal": (lambda: draws.normal(0.5, 1.0, 50), 0.5),
        "judged": (lambda: np.round(draws.normal(0.5, 2.0, 50)), 0.5),
        "flipped": (lambda: draws.choice([-1.0, 0.0, 1.0], 50, p=[0.15, 0.45, 0.4]), 0.25),
    }
    for kind, (draw, truth) in kinds.items():
        found = [paired(draw(), resamples=2000) for _ in range(400)]
        covered[kind] = sum(e.low - 1e-9 <= truth <= e.high + 1e-9 for e in found) / 400
    assert all(0.915 <= share <= 0.98 for share in covered.values()), covered


def test_bca_over_clusters_covers_where_the_plain_one_does_not():
    draws, clusters = np.random.default_rng(1986), [place // 3 for place in range(120)]
    values = 0.3 + draws.normal(0, 1, (300, 40, 1)) + draws.normal(0, 0.5, (300, 40, 3))
    over, plain = (
        sum(e.low <= 0.3 <= e.high for e in (paired(v.ravel(), c, resamples=2000) for v in values)) / 300
        for c in (clusters, None)
    )
    assert 0.905 <= over <= 0.985
    assert plain < 0.85
