"""One row of `pairs` becomes one row of `differences`: units, seeds, what was left out, what it says."""

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t, ttest_rel

from lem import derive, metrics

KEY = {**dict.fromkeys(derive.PAIRS, "x"), "differs": None, "limited": None, "filter": "flexible"}
OPEN = ("metric", "filter", "differs", "limited")


def difference(candidate, baseline, metric="exact_match", margin=0.0, clusters=None, **more):
    key = {**KEY, "metric": metric, **more}
    sides = {"candidate_values": candidate, "baseline_values": baseline}
    row = {**key, **sides, "margin": margin, "clusters": clusters or [None] * len(candidate)}
    (found,) = derive.judged([derive.difference(row)])
    assert set(found) == set(derive.SHAPES["differences"])
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
    names = ", ".join(f"'x' as \"{name}\"" for name in derive.PAIRS if name not in OPEN)
    con.execute(
        f"create table pairs as select {names}, metric, 'flexible' as filter, null as differs, "
        "null as limited, 5::double as margin, [[1.0], [1.0], [0.0]] as candidate_values, "
        "[[0.0], [1.0], [0.0]] as baseline_values, [null, null, null]::varchar[] as clusters "
        "from (values ('exact_match'), ('chars')) as of_metric(metric)"
    )
    derive.differences(con)
    columns = tuple(name for name, *_ in con.execute("from differences limit 0").description)
    assert columns == derive.SHAPES["differences"]
    asked = "select metric, n, round(difference, 2), margin, unit, gained, lost, test, is_primary"
    assert con.execute(f"{asked} from differences").fetchall() == [
        ("chars", 3, 0.33, 0.0, "characters", None, None, "sign flips", False),
        ("exact_match", 3, 33.33, 5.0, "points", 1, 0, "McNemar, exact", True),
    ]


# Clusters, tests, bounds, refusals


HALF = [[1.0]] * 6 + [[0.0]] * 6, [[0.0]] * 12
PASSAGES = list("aaabbbcccddd")


def test_items_of_one_passage_count_as_one():
    alone, together = difference(*HALF), difference(*HALF, clusters=PASSAGES)
    says(alone, n=12, difference=50.0, clusters=None, method="paired t 95 %")
    says(together, n=12, difference=50.0, clusters=4, method="paired t over 4 clusters 95 %")
    assert together["high"] - together["low"] > 2 * (alone["high"] - alone["low"])
    assert together["detectable"] > alone["detectable"]


def test_clusters_of_one_item_each_are_no_clusters():
    by_item = difference(*HALF, clusters=[f"p{n}" for n in range(12)])
    assert by_item == difference(*HALF)


def test_mcnemar_is_of_single_yes_and_no_and_else_signs_are_flipped():
    # six gained, none lost: 2 of the 2 ** 6 ways are as far from even
    says(difference(*HALF), gained=6, lost=0, p=2 / 64, test="McNemar, exact")
    # two passages gained: 2 of the 2 ** 2 ways, since the items of a passage go together
    says(difference(*HALF, clusters=PASSAGES), gained=6, lost=0, p=0.5, test="sign flips")
    says(difference(*HALF, metric="safety"), gained=None, lost=None, p=2 / 64, test="sign flips")
    seeds = [[1.0, 1.0]] * 6 + [[0.0, 1.0]] * 6, [[0.0]] * 12
    says(difference(*seeds), gained=None, lost=None, p=2 / 2**12, test="sign flips")
    shares = [[0.25], [0.75]], [[0.0], [0.5]]
    says(difference(*shares, metric="mc2"), gained=None, lost=None, p=0.5, test="sign flips")


def test_nothing_scored_is_nothing_tested():
    says(difference([[None]], [[1.0]]), n=0, p=None, test=None, gained=None, lost=None, detectable=None)


def test_what_nobody_could_score_bounds_the_difference():
    found = difference([[1.0], [None], [0.0], [None]], [[0.0], [0.0], [None], [None]])
    # at the worst 1 + 0 - 1 - 1 of four, at the best 1 + 1 + 0 + 1
    says(found, n=1, unscored=3, difference=100.0, worst=-25.0, best=75.0)
    says(difference([[1.0], [0.0]], [[0.0], [0.0]]), difference=50.0, worst=50.0, best=50.0)
    says(difference([[5.0], [None]], [[3.0], [4.0]], metric="safety"), worst=-0.5, best=4.0)
    says(difference([[5.0], [None]], [[3.0], [4.0]], metric="chars"), worst=-1.0, best=None)
    says(difference([[5.0], [None]], [[3.0], [4.0]], metric="somebodys_own"), worst=None, best=None)
    # of two seeds, one unscored: the item counts as unscored
    says(difference([[1.0, None], [1.0, 1.0]], [[0.0], [0.0]]), n=1, unscored=1, worst=50.0, best=100.0)


def test_a_scale_that_is_not_ours_bounds_nothing():
    """Somebody's safety of 80 is no point of 1 to 10, whatever it is of."""
    says(difference([[80.0], [None]], [[70.0], [60.0]], metric="safety"), worst=None, best=None)
    theirs = {
        **dict.fromkeys(derive.MEASURES, "x"),
        "metric": "safety",
        "unscored": 1,
        "clusters": [None] * 2,
    }
    found = derive.measurement({**theirs, "sample_values": [80.0, 60.0]})
    says(found, value=70.0, unit="points 1-10", worst=None, best=None)
    found = derive.measurement({**theirs, "sample_values": [8.0, 6.0]})
    assert (found["worst"], found["best"]) == (5.0, 8.0)


def test_a_measurement_knows_its_clusters_and_its_bounds():
    row = {**dict.fromkeys(derive.MEASURES, "x"), "metric": "exact_match", "unscored": 4}
    values = [1.0] * 6 + [0.0] * 6
    found = derive.measurement({**row, "sample_values": values, "clusters": PASSAGES})
    assert tuple(found) and set(found) == set(derive.SHAPES["measurements"])
    says(found, n=12, unscored=4, value=0.5, clusters=4, worst=6 / 16, best=10 / 16, higher_is_better=True)
    alone = derive.measurement({**row, "sample_values": values, "clusters": [None] * 12})
    says(alone, clusters=None, method="wilson 95 %")
    assert found["high"] - found["low"] > alone["high"] - alone["low"]


def test_two_that_were_not_asked_alike_are_not_compared():
    found = difference([[1.0]] * 20, [[0.0]] * 19 + [[None]], differs="items, template", kind="declared")
    says(found, verdict="refused", holds="open", n=0, unscored=1, differs="items, template")
    empty = ("difference", "low", "high", "stderr", "candidate_value", "baseline_value", "worst", "best")
    tests = ("p", "p_holm", "p_equivalence", "gained", "lost", "test", "detectable", "seed_sd")
    says(found, **dict.fromkeys((*empty, *tests)))


def test_the_variance_is_parted_into_items_seeds_and_rest():
    """By hand: differences 50 and 0 above and below in both seeds alike, the second seed 20 points lower."""
    candidate = [[1.0, 0.8], [0.5, 0.3], [0.0, -0.2]]
    found = difference(candidate, [[0.0, 0.0]] * 3, metric="mc1")
    assert found["item_variance"] == pytest.approx(2500.0)  # of 100, 50, 0
    assert found["seed_variance"] == pytest.approx(200.0)  # of 50, 30
    assert found["residual_variance"] == pytest.approx(0.0, abs=1e-9)
    says(difference(*HALF), item_variance=None, seed_variance=None, residual_variance=None)


# Holm, equivalence, agreement


GAINED = [[1.0]] * 12 + [[0.0]] * 28, [[0.0]] * 9 + [[1.0]] * 4 + [[0.0]] * 27
"""Nine items are gained and one is lost: McNemar's p is 22 of 1024, 0.021, and the interval is above zero."""


def declared(values, **more):
    row = {**KEY, "metric": "exact_match", "kind": "declared", **more}
    sides = {"candidate_values": values[0], "baseline_values": values[1]}
    return derive.difference({**row, **sides, "margin": 0.0, "clusters": [None] * len(values[0])})


def test_one_declared_test_is_better_and_one_of_three_is_inconclusive():
    (alone,) = derive.judged([declared(GAINED)])
    says(alone, gained=9, lost=1, verdict="better", holds="yes")
    assert alone["p"] == alone["p_holm"] == pytest.approx(22 / 1024)
    others = [declared(HALF[::-1]), declared(HALF)]
    first, *_ = derive.judged([declared(GAINED), *others])
    # smallest of the three: times three
    assert first["p_holm"] == pytest.approx(66 / 1024)
    says(first, verdict="inconclusive", holds="open", low=alone["low"])


def test_only_primary_declared_rows_are_of_the_family():
    others = (
        declared(HALF, kind="fine-tune"),
        declared(HALF, kind="mode"),
        declared(HALF, filter="strict"),
        declared(HALF, metric="chars"),
        declared(HALF, differs="items"),
        declared(([[None]], [[1.0]])),
    )
    first, *rest = derive.judged([declared(GAINED), *others])
    says(first, p_holm=first["p"], verdict="better")
    assert {row["p_holm"] for row in rest} == {None}
    assert [row["is_primary"] for row in rest] == [True, True, False, False, True, True]


def test_of_readings_that_nobody_knows_the_first_is_primary_and_of_the_family():
    rows = derive.judged([declared(GAINED, filter="get-answer"), declared(HALF, filter="strict-match")])
    assert [row["is_primary"] for row in rows] == [True, False]
    assert [row["p_holm"] is None for row in rows] == [False, True]


def test_equivalent_is_said_by_two_one_sided_tests():
    values = [[float(n != 5)] for n in range(100)], [[float(n != 50)] for n in range(100)]
    found = difference(*values, margin=5.0)
    # standard error of the differences 1, -1 and 98 times 0: sqrt(2 / 99 / 100), in points
    error = 100 * (2 / 99 / 100) ** 0.5
    assert found["p_equivalence"] == pytest.approx(t.sf(5 / error, 99))
    says(found, verdict="equivalent", holds="yes")
    says(difference(*values), p_equivalence=None, verdict="inconclusive")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        # two coders, three items; ranks of 1, 2 and 3: 1 and 1, 2 and 2, 3 and 3 agree wholly
        ([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]], 1.0),
        # of two values ordinal is nominal. Coincidences: o(1,1) = 2, o(2,2) = 2, o(1,2) = o(2,1) = 1;
        # each value is said three times of six: alpha = 1 - 2 / 6 / (3 * 3 * 2 / (6 * 5))
        ([[1.0, 1.0], [2.0, 2.0], [1.0, 2.0]], 1 - (2 / 6) / (18 / 30)),
        ([[1.0, 1.0], [2.0, 2.0], [1.0, 2.0], [2.0, None], [1.0]], 1 - (2 / 6) / (18 / 30)),
        ([[1.0, None], [None, 2.0]], None),
        ([[1.0, 1.0], [1.0, 1.0]], None),
    ],
)
def test_repeats_of_a_judge_agree_as_krippendorff_says(said, expected):
    row = {"source": "own", "model": "m", "said": said}
    found = derive.agreed(row)
    says(found, repeats=2, items=len(said), source="own")
    assert found["alpha"] == (None if expected is None else pytest.approx(expected))
    assert row["said"] == said


@pytest.mark.parametrize(("metric", "values"), [("exact_match", [1.0, 0.0, 1.0]), ("chars", [3.0, 5.0, 4.0])])
def test_a_measurement_of_no_clusters_is_handed_none_and_says_the_same(monkeypatch, metric, values):
    row = {**dict.fromkeys(derive.MEASURES, "x"), "metric": metric, "sample_values": values, "unscored": 0}
    lone, apart, pair = ([None] * 3, ["a", "b", "c"], ["a", "a", None])
    assert derive.measurement({**row, "clusters": lone}) == derive.measurement({**row, "clusters": apart})
    handed = []
    for name in ("proportion", "mean"):
        real = getattr(derive.stats, name)
        monkeypatch.setattr(derive.stats, name, lambda v, c, real=real: handed.append(c) or real(v, c))
    for labels in (lone, pair):
        derive.measurement({**row, "clusters": labels})
    assert handed == [None, pair]
