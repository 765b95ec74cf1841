"""What an interval, its p values and a margin say together, and that verdict and holds agree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lem import stats
from lem.stats import Estimate

GRID = st.integers(-4000, 4000).map(lambda n: n / 8)

# Each interval by where it lies to zero and to a margin of 2 either way; what it says with and
# without that margin, where more is better; then whether "better by more than -margin" holds.
SAYS = {
    (-9, -3): ("worse", "worse", "no", "no"),
    (-9, -2): ("worse", "worse", "no", "open"),  # it ends on the margin
    (-9, -1): ("worse", "worse", "no", "open"),
    (-1.5, -1): ("worse", "equivalent", "no", "yes"),
    (-2, -1): ("worse", "worse", "no", "open"),
    (-9, 0): ("inconclusive", "inconclusive", "open", "open"),
    (-9, 1): ("inconclusive", "inconclusive", "open", "open"),
    (-9, 9): ("inconclusive", "inconclusive", "open", "open"),
    (-1, 0): ("inconclusive", "equivalent", "open", "yes"),
    (-1, 1): ("inconclusive", "equivalent", "open", "yes"),
    (-1, 2): ("inconclusive", "inconclusive", "open", "yes"),
    (-1, 9): ("inconclusive", "inconclusive", "open", "yes"),
    (0, 1): ("inconclusive", "equivalent", "open", "yes"),
    (0, 9): ("inconclusive", "inconclusive", "open", "yes"),
    (1, 1.5): ("better", "equivalent", "yes", "yes"),
    (1, 2): ("better", "better", "yes", "yes"),
    (1, 9): ("better", "better", "yes", "yes"),
    (3, 9): ("better", "better", "yes", "yes"),
}
OPPOSITE = {"better": "worse", "worse": "better", "higher": "lower", "lower": "higher"}


def between(low, high):
    return Estimate(9, (low + high) / 2, 1.0, low, high, "paired t 95 %")


@pytest.mark.parametrize(("low", "high"), SAYS)
def test_what_an_interval_says(low, high):
    plain, with_margin, superior, not_inferior = SAYS[low, high]
    up, down = between(low, high), between(-high, -low)
    for better, found in ((True, up), (False, down)):  # fewer cut-off answers are as good as more right ones
        assert stats.verdict(found, better) == plain
        assert stats.verdict(found, better, 2.0) == with_margin
        assert stats.holds(found, better) == superior
        assert stats.holds(found, better, 2.0) == not_inferior
    for better in (True, False):
        there, back = stats.verdict(up, better), stats.verdict(down, better)
        assert back == OPPOSITE.get(there, there)


@pytest.mark.parametrize(("low", "high"), SAYS)
def test_where_neither_way_is_better_a_difference_is_higher_or_lower_and_nothing_holds(low, high):
    words = {"better": "higher", "worse": "lower"}
    plain, with_margin, *_ = SAYS[low, high]
    assert stats.verdict(between(low, high), None) == words.get(plain, plain)
    assert stats.verdict(between(low, high), None, 2.0) == words.get(with_margin, with_margin)
    assert stats.holds(between(low, high), None) == stats.holds(between(low, high), None, 2.0) == "open"


ENDS = st.tuples(GRID, GRID).map(sorted)
MARGINS = st.floats(0, 600)


@given(ENDS, st.booleans(), MARGINS, MARGINS)
def test_a_wider_margin_only_ever_lets_more_hold(ends, better, one, other):
    order = ("no", "open", "yes")
    narrow, wide = (stats.holds(between(*ends), better, margin) for margin in sorted((one, other)))
    assert order.index(narrow) <= order.index(wide)


@given(ENDS, st.booleans(), MARGINS)
def test_verdict_and_holds_never_contradict_each_other(ends, better, margin):
    verdict, holds = (of(between(*ends), better, margin) for of in (stats.verdict, stats.holds))
    assert verdict not in ("better", "equivalent") or holds == "yes"
    assert holds != "no" or verdict == "worse"


P = st.one_of(st.none(), st.floats(0, 1))


@given(ENDS, st.booleans(), MARGINS, P)
def test_with_a_p_value_verdict_and_holds_do_not_contradict_each_other_either(ends, better, margin, p):
    difference = between(*ends)
    equivalence = stats.tost(difference, margin)
    verdict = stats.verdict(difference, better, margin, p, equivalence)
    holds = stats.holds(difference, better, margin, p)
    assert verdict != "better" or holds == "yes"
    assert verdict != "equivalent" or holds != "no"
    assert holds != "no" or verdict == "worse"
    assert margin > 0 or holds != "yes" or verdict == "better"


def test_a_difference_is_better_only_where_interval_and_p_agree():
    up, wide = between(1, 9), between(-1, 9)
    for p, said, held in ((None, "better", "yes"), (0.049, "better", "yes"), (0.05, "inconclusive", "open")):
        assert (stats.verdict(up, True, 0.0, p), stats.holds(up, True, 0.0, p)) == (said, held)
    assert stats.verdict(between(-9, -1), True, 0.0, 0.2) == "inconclusive"
    assert stats.verdict(wide, True, 0.0, 0.001) == "inconclusive"
    assert stats.verdict(up, None, 0.0, 0.001) == "higher"
    assert stats.verdict(up, None, 0.0, 0.2) == "inconclusive"


def test_no_p_of_zero_takes_non_inferiority_away():
    assert stats.holds(between(-1, 9), True, 2.0, 0.6) == stats.holds(between(1, 9), True, 2.0, 0.6) == "yes"
    assert stats.holds(between(-9, -3), True, 2.0, 0.6) == "open"


def test_equivalence_is_tests_where_there_is_one_and_the_intervals_else():
    inside, outside = between(-1, 1), between(-1, 3)
    assert stats.verdict(inside, True, 2.0, None, 0.2) == "inconclusive"
    assert stats.verdict(outside, True, 2.0, None, 0.01) == "equivalent"
    assert (
        stats.verdict(between(1, 1.5), True, 2.0, 0.001, 0.01) == "equivalent"
    )  # real, and too small to matter
    assert stats.verdict(between(1, 1.5), True, 2.0, 0.001, 0.2) == "better"
    assert stats.verdict(inside, True, 0.0, None, 0.01) == "inconclusive"  # no margin, nothing to lie within
    nothing = Estimate(1, 2.0, None, None, None, "paired t 95 %")
    assert stats.verdict(nothing, True, 2.0, 0.01, 0.01) == "inconclusive"


def test_the_words_are_among_those_of_the_rules():
    from lem import rule_makers

    said = {word for row in SAYS.values() for word in row[:2]} | {"higher", "lower"}
    assert said <= set(rule_makers.VERDICTS)
