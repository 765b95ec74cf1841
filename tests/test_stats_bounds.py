"""What the unscored items could have made of a value, by hand and against trying every score."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lem import stats


def test_bounds_by_hand():
    found = stats.bounds(stats.rate(30, 40), 10, 0.0, 1.0)
    assert found == (pytest.approx(0.6), pytest.approx(0.8))
    assert (found.low, found.high) == tuple(found)
    judged = stats.bounds(stats.mean([8.0, 6.0]), 2, 1.0, 10.0)
    assert judged == (pytest.approx(4.0), pytest.approx(8.5))


def test_with_nothing_unscored_they_are_the_value():
    for low, high in ((0.0, 1.0), (None, None)):
        assert stats.bounds(stats.rate(3, 4), 0, low, high) == (0.75, 0.75)
        assert stats.bounds(stats.rate(0, 0), 0, low, high) == (None, None)


def test_a_scale_without_an_end_has_no_bound_there():
    assert stats.bounds(stats.mean([4.0, 6.0]), 2, 0.0, None) == (2.5, None)
    assert stats.bounds(stats.mean([4.0, 6.0]), 1, None, None) == (None, None)


def test_where_nothing_was_scored_anything_is_possible():
    assert stats.bounds(stats.rate(0, 0), 5, 0.0, 1.0) == (0.0, 1.0)


SCORES = st.sampled_from([None, 0.0, 1.0])


@given(st.lists(st.tuples(SCORES, SCORES), min_size=1, max_size=5))
def test_no_scores_could_lead_beyond_the_bounds_of_a_difference(pairs):
    a, b = map(list, zip(*pairs, strict=True))
    missing = [(side, place) for side in (0, 1) for place in range(len(a)) if (a, b)[side][place] is None]
    possible = []
    for scores in itertools.product((0.0, 1.0), repeat=len(missing)):
        sides = [list(a), list(b)]
        for (side, place), score in zip(missing, scores, strict=True):
            sides[side][place] = score
        possible.append(sum(x - y for x, y in zip(*sides, strict=True)) / len(a))
    assert stats.difference_bounds(a, b, 0.0, 1.0) == pytest.approx((min(possible), max(possible)))


def test_the_bounds_of_a_difference_by_hand():
    assert stats.difference_bounds([1, None], [0, 0], 0.0, 1.0) == (0.5, 1.0)
    assert stats.difference_bounds([8.0, 7.0], [None, 5.0], 1.0, 10.0) == (0.0, 4.5)
    assert stats.difference_bounds([8.0], [5.0], None, None) == (3.0, 3.0)
    assert stats.difference_bounds([], [], 0.0, 1.0) == (None, None)


def test_a_difference_needs_the_end_that_is_asked_for():
    assert stats.difference_bounds([None, 7.0], [1.0, 5.0], 0.0, None) == (0.5, None)
    assert stats.difference_bounds([6.0, 7.0], [None, 5.0], 0.0, None) == (None, 4.0)
    with pytest.raises(ValueError, match="shorter"):
        stats.difference_bounds([1.0], [], 0.0, 1.0)
