"""How far tasks agree: by hand, against scipy on the resampled data, and what must not change it."""

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lem.stats.bootstrap import bca_levels, times_drawn
from lem.stats.concordance import agreement, difference, tau_b


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(0, 1, shape)


CELL = st.one_of(st.none(), st.integers(0, 4).map(float))
TABLES = st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=2, max_size=8)


def with_gaps(seed, models=9, tasks=3):
    """A table of few different values, some of them missing, in which tasks agree more or less."""
    draw = np.random.default_rng(seed)
    values = (np.arange(models)[:, None] / 2 + draw.normal(0, 2, (models, tasks))).round()
    gaps = draw.random((models, tasks)) < 0.1
    return [
        [None if gap else float(v) for v, gap in zip(*row, strict=True)]
        for row in zip(values, gaps, strict=True)
    ]


def pairs(table):
    return list(itertools.combinations(range(len(table[0])), 2))


def taus_by_scipy(table):
    return [tau_b([row[i] for row in table], [row[j] for row in table]) for i, j in pairs(table)]


def drawn(table, times):
    return [row for row, n in zip(table, times, strict=True) for _ in range(int(n))]


def interval_by_loop(statistic, models, resamples):
    """The interval of a mean over task pairs from a list of models' places, with nothing vectorised."""
    everyone = list(range(models))
    value = statistic(everyone)
    draws = [statistic(drawn(everyone, times)) for times in times_drawn(models, 0, resamples)]
    draws = np.array([draw for draw in draws if draw is not None])
    left_out = np.array([statistic(everyone[:i] + everyone[i + 1 :]) for i in everyone])
    low, high = bca_levels(draws, value, left_out, 0.95)
    return value, np.quantile(draws, low, method="lower"), np.quantile(draws, high, method="higher")


def mean(taus):
    there = [tau for tau in taus if tau is not None]
    return round(math.fsum(there) / len(there), 12) if there else None


def test_tau_by_hand():
    assert tau_b([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(4 / 6)  # five pairs agree, one does not
    assert tau_b([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert tau_b([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / math.sqrt(2 * 3))


def test_tau_is_over_the_models_that_have_both():
    assert tau_b([1, 2, 3, None, 9], [1, 2, 3, 4, math.nan]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("x", "y"), [([], []), ([1], [2]), ([1, None], [1, 2]), ([1, 1], [1, 2]), ([1, 2, 3], [5, 5, None])]
)
def test_where_tau_is_not_defined_nothing_is_said(x, y):
    assert tau_b(x, y) is None


def test_tasks_of_other_models_are_refused():
    with pytest.raises(ValueError, match="3 and 2 models"):
        tau_b([1, 2, 3], [1, 2])


def test_agreement_by_hand():
    found = agreement([[1.0, 1.0, 4.0], [2.0, 2.0, 3.0], [3.0, 4.0, 1.0], [4.0, 3.0, 1.0]], 500)
    last, middle = (
        -5 / math.sqrt(6 * 5),
        -5 / math.sqrt(6 * 5),
    )  # the last task ties the two that change places
    expected = [[1, 4 / 6, last], [4 / 6, 1, middle], [last, middle, 1]]
    assert np.array(found.taus) == pytest.approx(np.array(expected))
    assert (found.pairs, found.models) == (3, 4)
    assert found.mean == pytest.approx((4 / 6 + last + middle) / 3)
    assert -1 <= found.low <= found.mean <= found.high <= 1


def test_opposed_tasks_cancel_in_every_draw():
    table = [[1.0, 1.0, 4.0], [2.0, 2.0, 3.0], [3.0, 4.0, 2.0], [4.0, 3.0, 1.0]]
    found = agreement(
        table, 500
    )  # the third is the first turned round: the mean is -1/3 whatever the second is
    assert found[2:] == (pytest.approx(-1 / 3), None, None, 4, "no interval")
    drawn = normal(1, 15, 2)
    assert agreement(np.column_stack([drawn[:, 0], -drawn[:, 0], drawn[:, 1]]).tolist(), 500).low is None


def test_a_task_without_differences_has_no_tau():
    found = agreement([[1.0, 7.0, 1.0], [2.0, 7.0, 2.0], [3.0, 7.0, 3.0], [None, None, 0.0]], 100)
    assert found.taus == [[1.0, None, 1.0], [None, None, None], [1.0, None, 1.0]]
    assert (found.pairs, found.mean, found.models) == (1, 1.0, 3)  # the last has one task: nothing to compare


def test_models_of_which_every_draw_says_the_same_say_nothing_of_others():
    found = agreement([[i, i * i, 2.0**i] for i in range(20)], 200)
    assert found[2:] == (1.0, None, None, 20, "no interval")


@pytest.mark.parametrize(
    "table", [[], [[], []], [[1.0], [2.0], [3.0]], [[1.0, 2.0]], [[1.0, None], [None, 1.0]]]
)
def test_where_nothing_can_be_compared_there_is_no_mean(table):
    found = agreement(table, 50)
    assert (found.pairs, found.mean, found.low, found.high, found.method) == (
        0,
        None,
        None,
        None,
        "no interval",
    )
    assert len(found.taus) == max(map(len, table), default=0)


def test_a_single_task_agrees_with_itself():
    assert agreement([[1.0], [2.0], [3.0]], 50).taus == [[1.0]]


def test_two_models_have_a_tau_but_no_interval():
    found = agreement([[1.0, 1.0], [2.0, 5.0]], 50)
    assert found == ([[1.0, 1.0], [1.0, 1.0]], 1, 1.0, None, None, 2, "no interval")


@settings(max_examples=60, deadline=None)
@given(TABLES)
def test_every_tau_is_scipys(table):
    found = agreement(table, 5)
    for (i, j), tau in zip(pairs(table), taus_by_scipy(table), strict=True):
        assert found.taus[i][j] == found.taus[j][i]
        assert found.taus[i][j] == (None if tau is None else pytest.approx(tau, abs=1e-12))
    expected = mean(taus_by_scipy(table))
    assert found.mean == (None if expected is None else pytest.approx(expected, abs=2e-12))


@pytest.mark.parametrize("seed", range(3))
def test_the_interval_is_scipys_on_the_resampled_models(seed):
    table = with_gaps(seed)
    found = agreement(table, 150)
    assert found.method == "BCa bootstrap over 9 models 95 %"
    looped = interval_by_loop(lambda places: mean(taus_by_scipy([table[i] for i in places])), 9, 150)
    assert (found.mean, found.low, found.high) == pytest.approx(looped, abs=2e-12)


def test_what_cannot_be_corrected_is_the_percentile_interval():
    table = [
        [1.0, 0.0],
        [2.0, 0.0],
        [3.0, 0.0],
        [4.0, 1.0],
        [5.0, 0.0],
    ]  # without one of them there is no tau
    found = agreement(table, 400)
    draws = [mean(taus_by_scipy(drawn(table, times))) for times in times_drawn(5, 0, 400)]
    draws = np.array([draw for draw in draws if draw is not None])
    assert found.method == "percentile bootstrap over 5 models 95 %"
    assert found.low == pytest.approx(np.quantile(draws, 0.025, method="lower"), abs=2e-12)
    assert found.high == pytest.approx(np.quantile(draws, 0.975, method="higher"), abs=2e-12)


def test_more_models_narrow_the_interval():
    few, many = (agreement(with_gaps(3, models=n, tasks=4), 500) for n in (10, 80))
    assert many.high - many.low < 0.6 * (few.high - few.low)


def test_many_draws_are_made_in_batches():
    table = (np.arange(150.0)[:, None] / 20 + 2 * normal(2, 150, 3)).tolist()  # 89 draws a batch
    found = agreement(table, 120)
    taus = [mean(taus_by_scipy(drawn(table, times))) for times in times_drawn(150, 0, 120)]
    assert min(taus) - 1e-11 <= found.low < found.mean < found.high <= max(taus) + 1e-11
    assert any(found.low == pytest.approx(tau, abs=2e-12) for tau in taus)
    assert any(found.high == pytest.approx(tau, abs=2e-12) for tau in taus)


@settings(max_examples=40, deadline=None)
@given(TABLES, st.randoms(use_true_random=False))
def test_the_order_of_the_models_changes_no_tau(table, random):
    shuffled = random.sample(table, len(table))
    assert agreement(shuffled, 5)[:3] == agreement(table, 5)[:3]


@settings(max_examples=40, deadline=None)
@given(TABLES, st.integers(0, 2), st.sampled_from([0.5, 3.0, 100.0]))
def test_the_unit_of_a_task_changes_nothing(table, task, factor):
    scaled = [[c if c is None or j != task else c * factor for j, c in enumerate(row)] for row in table]
    assert agreement(scaled, 20) == agreement(table, 20) == agreement(table, 20)


@settings(max_examples=40, deadline=None)
@given(TABLES)
def test_one_task_turned_round_turns_its_taus(table):
    turned = [[row[0] if row[0] is None else -row[0], *row[1:]] for row in table]
    before, after = agreement(table, 5).taus, agreement(turned, 5).taus
    for task in (1, 2):
        assert after[0][task] == (None if before[0][task] is None else -before[0][task])
    assert after[1] == [after[1][0], *before[1][1:]]


def test_a_difference_is_of_the_means():
    one = [[1.0, 1.0, 1.0], [2.0, 3.0, 2.0], [3.0, 2.0, 3.0], [4.0, 4.0, 4.0]]
    other = [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [3.0, 3.0, 3.0], [4.0, 4.0, 4.0]]
    found = difference(one, other, 300)
    assert found.value == pytest.approx((0 + 1 / 3 + 1 / 3) / 3)
    assert (found.low, found.models) == (0.0, 4)
    assert found.value <= found.high
    assert difference(other, one, 300).value == -found.value


def test_a_difference_to_itself_is_none():
    table = with_gaps(1)
    assert difference(table, table, 100) == (0.0, None, None, "no interval", 9)


def test_no_difference_has_no_sign():
    one = [[0.0, 1.0, 1.0, 2.0], [1.0, 2.0, 1.0, 1.0], [2.0, 2.0, 1.0, 0.0]]
    other = [[2.0, 0.0, 1.0, 1.0], [1.0, 2.0, 1.0, 0.0], [1.0, 0.0, 0.0, 1.0]]  # a sum of -1e-16
    assert difference(one, other, 50).value == 0
    assert "-0.0" not in json.dumps(difference(one, other, 50))


def test_a_model_without_two_tasks_in_both_is_not_drawn():
    a, b = with_gaps(2), with_gaps(6)
    found = difference([*a, [1.0, None, 3.0]], [*b, [None, 2.0, 3.0]], 100)
    assert found == difference(a, b, 100)


def test_only_what_both_have_is_compared():
    a, b = with_gaps(4), with_gaps(5)
    shared = [
        [None if y is None else x for x, y in zip(*rows, strict=True)] for rows in zip(a, b, strict=True)
    ]
    assert difference(a, b, 100) == difference(shared, b, 100)
    less = mean(taus_by_scipy(shared))
    kept = [[None if x is None else y for x, y in zip(*rows, strict=True)] for rows in zip(a, b, strict=True)]
    assert difference(a, b, 100).value == pytest.approx(mean(taus_by_scipy(kept)) - less, abs=1e-11)


def test_the_same_models_are_drawn_in_both():
    a, b = (2 * normal(k, 12, 3) + np.arange(12)[:, None] / k for k in (2, 4))

    def less(places):
        before, after = (np.array(taus_by_scipy(table[places].tolist()), dtype=float) for table in (a, b))
        return round(float((after - before).mean()), 12)

    found = difference(a.tolist(), b.tolist(), 150)
    looped = interval_by_loop(less, 12, 150)
    assert found.method == "BCa bootstrap over 12 models 95 %"
    assert (found.value, found.low, found.high) == pytest.approx(looped, abs=2e-12)


def test_pairing_narrows_the_interval():
    a = np.arange(40.0)[:, None] / 8 + 2 * normal(3, 40, 4)
    found, alone = (
        difference(a.tolist(), (a + 0.2 * normal(4, *a.shape)).tolist(), 400),
        agreement(a.tolist(), 400),
    )
    assert found.high - found.low < 0.5 * (alone.high - alone.low)


@pytest.mark.parametrize("other", [[[1.0, 2.0]], [[1.0], [2.0]]])
def test_a_difference_between_other_models_or_tasks_is_refused(other):
    with pytest.raises(ValueError, match="both must be of the same"):
        difference([[1.0, 2.0], [2.0, 3.0]], other)
