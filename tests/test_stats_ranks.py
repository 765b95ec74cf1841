"""Ranks with their intervals: by hand, against a plain loop, on what widens them, on a published table."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lem.stats.bootstrap import times_drawn
from lem.stats.principal import pc1
from lem.stats.ranks import Place, ranking

PUBLISHED = Path(__file__).parents[1] / "seeds" / "published" / "lm-harmony-readme.csv"
NOWHERE = Place(None, None, None, None, None)


def normal(*shape):
    return np.random.default_rng(1904).normal(0, 1, shape)


TABLE = (np.arange(8.0)[:, None] * 3 + 4 * normal(8, 6)).round(2).tolist()


def exact(table):
    return [[] for _ in table]


def errors(table, size):
    return [[size] * len(row) for row in table]


def without(table, *gaps):
    return [[None if (i, j) in gaps else cell for j, cell in enumerate(row)] for i, row in enumerate(table)]


def width(place):
    return place.high - place.low


def test_tasks_that_agree_leave_no_doubt():
    table = [[1.0, 10.0], [3.0, 30.0], [2.0, 20.0]]
    found = ranking(table, exact(table), 200)
    top = 100 * math.sqrt(1.5) * math.sqrt(2)
    assert found.places == [
        Place(3, round(-top, 6), 3, 3, 0.0),
        Place(1, round(top, 6), 1, 1, 1.0),
        Place(2, 0.0, 2, 2, 0.0),
    ]
    assert found.share == 1.0
    assert found.above == [[0.0, 0.0, 0.0], [1.0, 0.0, 1.0], [1.0, 0.0, 0.0]]


def test_ties_share_the_better_rank_and_the_lead():
    table = [[5.0, 1.0], [9.0, 4.0], [9.0, 4.0], [1.0, 0.0]]
    found = ranking(table, exact(table), 100)
    assert [place.rank for place in found.places] == [3, 1, 1, 4]
    assert [place.p_best for place in found.places] == [0.0, 0.5, 0.5, 0.0]
    assert found.above[1][2] == found.above[2][1] == 0.0


def test_models_alike_tie_in_every_draw_whatever_the_rounding():
    table = normal(13, 9).tolist()
    table += table[:6]  # a product of matrices need not give two equal rows the same last bit
    above = np.array(ranking(table, exact(table), 500).above)
    assert [(above[twin, 13 + twin], above[13 + twin, twin]) for twin in range(6)] == [(0, 0)] * 6


def test_zero_has_no_sign():
    table = [[1.0, 10.0], [3.0, 30.0], [2.0, 20.0]]
    assert "-0.0" not in json.dumps(ranking(table, exact(table), 50))
    assert "-0.0" not in json.dumps(ranking([[-cell for cell in row] for row in table], exact(table), 50))


@pytest.mark.parametrize("tasks", [3, 6, 20])
def test_without_errors_it_is_a_loop_over_resampled_tasks(tasks):
    table = normal(7, tasks) + np.sin(np.arange(7.0))[:, None]
    drawn = []
    for times in times_drawn(tasks, 0, 300).astype(int):
        scores = pc1(np.repeat(table, times, axis=1).tolist()).scores
        drawn.append([1 + sum(other > score + 1e-7 for other in scores) for score in scores])
    ranks, found = np.array(drawn), ranking(table.tolist(), exact(table), 300)
    assert [place.low for place in found.places] == np.quantile(ranks, 0.025, axis=0, method="lower").tolist()
    assert [place.high for place in found.places] == np.quantile(
        ranks, 0.975, axis=0, method="higher"
    ).tolist()
    assert [place.p_best for place in found.places] == pytest.approx((ranks == 1).mean(axis=0), abs=1e-6)
    above = (ranks[:, :, None] < ranks[:, None, :]).mean(axis=0)
    assert np.array(found.above) == pytest.approx(above, abs=1e-6)


def test_noise_decides_between_two_alike_as_chance_does():
    table = [[10.0], [11.0], [50.0]]
    found = ranking(table, [[1.0], [1.0], [0.0]], 20_000)
    expected = 0.5 * (1 + math.erf(1 / math.sqrt(2) / math.sqrt(2)))  # a difference of 1, its error sqrt(2)
    assert found.above[1][0] == pytest.approx(expected, abs=0.012)  # four standard errors
    assert found.above[2] == [1.0, 1.0, 0.0]


def test_larger_standard_errors_widen():
    widths = [
        sum(map(width, ranking(TABLE, errors(TABLE, size), 1000).places)) for size in (0.0, 3.0, 10.0, 100.0)
    ]
    assert widths == sorted(set(widths))


def test_a_missing_cell_is_not_filled_in_and_widens():
    gaps = [(7, task) for task in range(4)]
    whole, found = ranking(TABLE, exact(TABLE)), ranking(without(TABLE, *gaps), exact(TABLE))
    assert found.places[7].rank is found.places[7].pc1 is None
    assert width(found.places[7]) > width(whole.places[7])
    assert found.places[7].p_best < whole.places[7].p_best
    rest = pc1(TABLE[:7])
    assert [place.pc1 for place in found.places[:7]] == pytest.approx(rest.scores[:7], abs=1e-6)
    assert sorted(place.rank for place in found.places[:7]) == list(range(1, 8))
    assert found.share == pytest.approx(rest.share, abs=1e-6)


def test_a_missing_cell_is_one_of_the_values_that_others_have():
    table = [[1.0], [2.0], [3.0], [None]]
    found = ranking(table, exact(table), 20_000)
    assert found.places[3] == Place(None, None, 1, 3, found.places[3].p_best)
    assert found.above[2][3] == pytest.approx(2 / 3, abs=0.014)  # four standard errors
    assert found.above[3][0] == pytest.approx(2 / 3, abs=0.014)
    assert found.above[3][2] == 0.0
    assert found.places[3].p_best == pytest.approx(1 / 6, abs=0.011)  # tied with the best in a third


def test_the_interval_holds_the_rank_among_the_whole_rows():
    table = [[float(model)] * 20 for model in range(3)] + [
        [3.0] * 19 + [None]
    ]  # the best of all in most draws
    found = ranking(table, exact(table))
    assert (found.places[2].rank, found.places[2].low, found.places[2].high) == (1, 1, 2)
    assert found.places[2].p_best < 0.025


def test_the_value_filled_in_has_its_own_error():
    table = [[10.0], [10.0], [None], [99.0]]
    found = ranking(table, [[], [0.5], [7.0], []], 4000)
    assert found.above[2][3] == 0.0  # the 7 is of no value
    assert found.above[2][0] + found.above[0][2] == pytest.approx(
        2 / 3, abs=0.03
    )  # else it is model 0's value
    assert found.above[2][0] == pytest.approx(1 / 2, abs=0.032)  # the last's, or half of those of model 1


def test_with_too_few_whole_rows_there_are_intervals_only():
    table = without(TABLE[:4], (0, 0), (1, 1))
    found = ranking(table, errors(table, 1.0), 200)
    assert found.share is None
    assert all(place.rank is place.pc1 is None for place in found.places)
    assert all(1 <= place.low <= place.high <= 4 for place in found.places)


@pytest.mark.parametrize(
    "table",
    [[], [[], [], []], [[1.0, 2.0], [2.0, 3.0]], [[1.0, None], [2.0, None], [3.0, math.nan]]],
    ids=["no models", "no tasks", "two models", "a task that nobody has"],
)
def test_where_there_is_nothing_to_rank_nothing_is_said(table):
    assert ranking(table, exact(table), 50) == ([NOWHERE] * len(table), None, None)


def test_a_table_without_spread_says_that_all_are_alike():
    found = ranking([[3.0, 0.1]] * 3, exact(TABLE[:3]), 50)  # the mean of 0.1 three times is not 0.1
    assert found.places == [Place(None, None, 1, 1, 0.333333)] * 3
    assert found.share is None


@pytest.mark.parametrize(
    "table",
    [
        [[cell, 1 - 3 * cell] for row in TABLE for cell in row[:1]],
        [[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]],
    ],
    ids=["opposed", "unrelated"],
)
def test_a_component_that_rounding_would_decide_ranks_nobody(table):
    found = ranking(table, exact(table), 400)
    assert all(place.rank is place.pc1 is None for place in found.places)
    both = (times_drawn(2, 0, 400) == 1).all(axis=1).mean()
    assert found.above[0][-1] + found.above[-1][0] == pytest.approx(1 - both)  # only by one task alone


def test_a_task_in_which_all_are_alike_changes_no_score():
    wider = [[*row, 0.1 + 0.2] for row in TABLE]
    found = [place.pc1 for place in ranking(wider, exact(TABLE), 50).places]
    assert found == pytest.approx([place.pc1 for place in ranking(TABLE, exact(TABLE), 50).places], abs=2e-6)


@pytest.mark.parametrize(
    ("stderrs", "says"),
    [
        ([[1.0]] * 2, "one a cell"),
        ([[1.0, 1.0]] * 3, "one a cell"),
        ([[1.0], [-1.0], [1.0]], "not negative"),
    ],
)
def test_standard_errors_of_something_else_are_refused(stderrs, says):
    with pytest.raises(ValueError, match=says):
        ranking([[1.0], [2.0], [3.0]], stderrs)


def test_batches_draw_anew():
    tasks, noise = normal(400, 5).tolist(), [[float(model)] for model in range(400)]
    for table, size in ((tasks, 0.0), (noise, 9.0)):
        six, twelve = (
            ranking(table, errors(table, size), draws).above for draws in (6, 12)
        )  # of six a batch
        assert six != twelve


CELL = st.one_of(st.none(), st.integers(-20, 20).map(float))
TABLES = st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=3, max_size=6)


@settings(max_examples=60, deadline=None)
@given(TABLES, st.floats(0, 5))
def test_what_holds_of_every_ranking(table, size):
    found = ranking(table, errors(table, size), 40)
    assert found == ranking(table, errors(table, size), 40)
    if found.above is None:
        assert any(all(row[task] is None for row in table) for task in range(3))
        return
    assert sum(place.p_best for place in found.places) == pytest.approx(1, abs=1e-5)
    for place, row in zip(found.places, table, strict=True):
        assert 1 <= place.low <= place.high <= len(table)
        assert (place.rank is None) == (place.pc1 is None)
        assert place.rank is None or place.low <= place.rank <= place.high
        assert place.rank is None or None not in row
    above = np.array(found.above)
    assert (above.diagonal() == 0).all()
    assert (above + above.T <= 1 + 1e-9).all()


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([0.5, 2.0, 64.0]), st.integers(0, 5))
def test_the_unit_of_a_task_changes_nothing(factor, task):
    scaled, sizes = ([[*row] for row in table] for table in (TABLE, errors(TABLE, 2.0)))
    for row in (*scaled, *sizes):
        row[task] *= factor
    assert ranking(scaled, sizes, 50) == ranking(TABLE, errors(TABLE, 2.0), 50)


def test_the_published_leaderboard():
    with PUBLISHED.open(newline="") as file:
        rows = list(csv.DictReader(file))
    stated = {(row["model"], row["benchmark"] or row["metric"]): float(row["value"]) for row in rows}
    models = list(dict.fromkeys(row["model"] for row in rows if row["metric"] == "rank"))
    tasks = list(dict.fromkeys(row["benchmark"] for row in rows if row["metric"] == "score"))
    assert (len(models), len(tasks)) == (61, 24)
    table = [[stated[model, task] for task in tasks] for model in models]
    found = ranking(table, exact(table))
    ranks, scores = ([stated[model, name] for model in models] for name in ("rank", "pc1"))
    assert sum(place.rank == rank for place, rank in zip(found.places, ranks, strict=True)) >= 59
    ours = [place.pc1 for place in found.places]
    assert np.corrcoef(ours, scores)[0, 1] >= 0.99999
    assert ours == pytest.approx(scores, abs=1.5)
    assert round(100 * found.share, 2) == 85.46
    assert all(place.low <= place.rank <= place.high for place in found.places)
    assert found.places == ranking(table, exact(table)).places
    assert found.places[0].p_best == max(place.p_best for place in found.places) < 1
