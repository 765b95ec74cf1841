"""One row of `pairs` becomes one row of `differences`: units, seeds, what was left out, what it says."""

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from lem import derive, metrics

COLUMNS = (
    *derive.PAIRS,
    *("unit", "seeds", "n", "unscored", "candidate_value", "baseline_value", "difference", "seed_sd"),
    *("stderr", "low", "high", "method", "higher_is_better", "margin", "verdict", "holds"),
)
KEY = dict.fromkeys(derive.PAIRS, "x")


def difference(candidate, baseline, metric="exact_match", margin=0.0):
    key = {**KEY, "metric": metric}
    row = derive.difference((*key.values(), margin, candidate, baseline))
    found = dict(zip(COLUMNS, row, strict=True))
    assert {name: found[name] for name in derive.PAIRS} == key
    return found


def says(found, **expected):
    assert {name: found[name] for name in expected} == expected


def test_a_rate_is_in_points():
    found = difference([[1.0], [1.0], [0.0], [1.0]], [[0.0], [1.0], [0.0], [0.0]])
    says(found, unit="points", seeds=1, n=4, unscored=0, candidate_value=75.0, baseline_value=25.0)
    says(found, difference=50.0, seed_sd=None, method="paired t 95 %", higher_is_better=True, margin=0.0)
    says(found, verdict="inconclusive", holds="open")
    # 1, 0, 0, 1 by hand: see test_stats.py, times a hundred
    assert (found["low"], found["high"]) == pytest.approx((50 - 91.86931, 50 + 91.86931), abs=1e-4)
    assert found["stderr"] == pytest.approx(28.86751, abs=1e-4)


def test_a_judged_score_stays_in_its_points_and_a_foreign_metric_as_given():
    values = [[8.0], [7.0], [9.0]], [[6.0], [6.0], [6.0]]
    judged = difference(*values, metric="safety")
    says(judged, unit="points 1-10", candidate_value=8.0, baseline_value=6.0, difference=2.0)
    foreign = difference(*values, metric="somebodys_own")
    says(
        foreign, unit="as given", difference=2.0, higher_is_better=None, verdict="inconclusive", holds="open"
    )


FEWER = [[0.0]] * 9 + [[1.0]], [[1.0]] * 10


def test_fewer_is_better_where_it_is(monkeypatch):
    monkeypatch.setitem(metrics.METRICS, "faults", metrics.Metric("faults", True, "rate", False))
    says(difference(*FEWER, metric="faults"), difference=-90.0, verdict="better", holds="yes")
    says(difference(*FEWER[::-1], metric="faults"), difference=90.0, verdict="worse", holds="no")
    says(difference(*FEWER, metric="cut_off"), difference=-90.0, verdict="lower", holds="open")
    says(difference(*FEWER), difference=-90.0, verdict="worse", holds="no")
    says(difference(*FEWER, metric="chars"), difference=-0.9, verdict="lower", holds="open")


def test_a_margin_is_in_points_and_of_metrics_with_a_better_way():
    values = [[float(n != 5)] for n in range(100)], [[float(n != 50)] for n in range(100)]
    says(difference(*values, margin=5.0), difference=0.0, margin=5.0, verdict="equivalent", holds="yes")
    says(difference(*values, margin=0.05), verdict="inconclusive", holds="open")  # 5 of 100, not of 1
    says(difference(*values, margin=5.0, metric="chars"), margin=0.0, verdict="inconclusive", holds="open")


def test_what_nobody_could_score_is_left_out_of_both_sides_and_counted():
    candidate = [[1.0], [None], [1.0], [None], [0.0]]
    baseline = [[0.0], [0.0], [None], [None], [0.0]]
    found = difference(candidate, baseline)
    says(found, n=2, unscored=3, candidate_value=50.0, baseline_value=0.0, difference=50.0)


def test_where_nothing_is_scored_nothing_is_measured():
    found = difference([[None], [1.0]], [[1.0], [None]])
    empty = ("candidate_value", "baseline_value", "difference", "seed_sd", "stderr", "low", "high")
    says(found, n=0, unscored=2, verdict="inconclusive", holds="open", seeds=1, **dict.fromkeys(empty))
    says(difference([[None, 1.0]], [[1.0]]), n=0, unscored=1, seeds=2, seed_sd=None)


def test_equal_differences_say_nothing():
    says(difference([[1.0]] * 30, [[0.0]] * 30), difference=100.0, low=None, high=None, holds="open")
    says(difference([[1.0]] * 30, [[1.0]] * 30, margin=5.0), difference=0.0, verdict="inconclusive")
    # 1/3 and 1 - 2/3 differ by rounding alone
    thirds = [[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]], [[0.0, 0.0, 0.0], [1.0, 1.0, 0.0]]
    says(difference(*thirds), low=None, high=None, verdict="inconclusive", holds="open")


def test_training_seeds_are_averaged_for_each_item():
    candidate = [[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]]
    baseline = [[0.0], [1.0], [0.0], [0.0]]
    found = difference(candidate, baseline)
    says(found, seeds=2, n=4, candidate_value=50.0, baseline_value=25.0, difference=25.0)
    whole = ttest_rel([50, 100, 0, 50], [0, 100, 0, 0]).confidence_interval(0.95)
    assert (found["low"], found["high"]) == pytest.approx((whole.low, whole.high))  # n is 4 items, not 8
    # the seeds lie 50 and 0 points above the baseline
    assert found["seed_sd"] == pytest.approx(35.3553, abs=1e-4)


def test_an_item_needs_a_score_of_every_seed():
    found = difference([[1.0, None], [1.0, 0.0], [0.0, 0.0]], [[0.0], [0.0], [0.0]])
    says(found, seeds=2, n=2, unscored=1, candidate_value=25.0)


def test_an_item_that_one_seed_was_never_asked_is_left_out_and_counted():
    found = difference([[1.0, 0.0], [1.0], [0.0, 1.0]], [[0.0], [0.0], [0.0]])
    says(found, seeds=2, n=2, unscored=1, candidate_value=50.0, seed_sd=0.0)
    found = difference([[1.0], [1.0, 0.0]], [[0.0], [0.0]])  # wherever it stands
    says(found, seeds=2, n=1, unscored=1)


def test_a_seed_is_compared_with_the_same_seed():
    """The two seeds lie far apart, the difference of each to itself does not."""
    candidate = [[0.9, 0.2], [0.8, 0.1], [0.7, 0.1]]
    baseline = [[0.8, 0.1], [0.7, 0.0], [0.6, 0.0]]
    found = difference(candidate, baseline, metric="safety")
    assert found["difference"] == pytest.approx(0.1)
    assert found["seed_sd"] == pytest.approx(0.0, abs=1e-12)
    against_mean = difference(candidate, [[0.45], [0.35], [0.3]], metric="safety")
    assert against_mean["seed_sd"] == pytest.approx(0.4714, abs=1e-4)


def test_seeds_of_the_baseline_count_too():
    found = difference([[0.0], [0.0]], [[1.0, 0.0], [1.0, 0.0]])
    says(found, seeds=2, n=2, difference=-50.0)
    assert found["seed_sd"] == pytest.approx(70.7107, abs=1e-4)


VALUE = st.sampled_from([None, 0.0, 1.0])
ITEMS = st.lists(st.tuples(*[st.lists(VALUE, min_size=1, max_size=3)] * 2), min_size=1, max_size=8)


@given(ITEMS, st.sampled_from(["exact_match", "cut_off", "safety", "chars"]), st.sampled_from([0.0, 5.0]))
def test_nothing_is_lost_and_the_other_way_round_is_the_opposite(items, metric, margin):
    candidate, baseline = ([pair[side] for pair in items] for side in (0, 1))
    one, other = (
        difference(candidate, baseline, metric, margin),
        difference(baseline, candidate, metric, margin),
    )
    for found in (one, other):
        assert found["n"] + found["unscored"] == len(items)
        assert (found["difference"] is None) == (found["n"] == 0)
        if found["low"] is not None:
            assert found["low"] <= found["difference"] <= found["high"]
    for same in ("n", "unscored", "seeds", "unit", "margin"):
        assert one[same] == other[same]
    if one["n"]:
        assert one["difference"] == pytest.approx(-other["difference"], abs=1e-9)
        assert one["seed_sd"] == pytest.approx(other["seed_sd"], abs=1e-9)
    opposite = {"better": "worse", "worse": "better", "higher": "lower", "lower": "higher"}
    assert other["verdict"] == opposite.get(one["verdict"], one["verdict"])


def test_the_table_has_the_columns_of_its_rows():
    con = duckdb.connect()
    names = ", ".join(f"'{KEY[name]}' as {name}" for name in derive.PAIRS if name != "metric")
    con.execute(
        f"create table pairs as select {names}, metric, 5.0 as margin, "
        "[[1.0], [1.0], [0.0]] as candidate_values, [[0.0], [1.0], [0.0]] as baseline_values "
        "from (values ('exact_match'), ('chars')) as of_metric(metric)"
    )
    derive.differences(con)
    assert tuple(name for name, *_ in con.execute("from differences limit 0").description) == COLUMNS
    found = con.execute("select metric, n, round(difference, 2), margin, unit from differences").fetchall()
    assert found == [("chars", 3, 0.33, 0.0, "characters"), ("exact_match", 3, 33.33, 5.0, "points")]
