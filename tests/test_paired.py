"""A paired difference in words: every number that a row has, and none that it has not."""

from __future__ import annotations

import pytest

from lem.report import paired

ROW = {
    "candidate": "tuned", "baseline": "base", "prompts": "sums", "mode": "naked", "metric": "exact_match",
    "filter": "flexible", "scorer": "number", "regime": "direct", "unit": "points", "candidate_value": 40.0,
    "baseline_value": 44.0, "difference": -4.0, "low": -11.7, "high": 3.7, "n": 150, "unscored": 0,
    "clusters": None, "seeds": 1, "seed_sd": None, "gained": 13, "lost": 19, "test": "McNemar, exact",
    "p": 0.3771, "p_holm": None, "detectable": 10.9, "margin": 0.0, "worst": -4.0, "best": -4.0,
    "verdict": "inconclusive", "differs": None,
}  # fmt: skip
PLAIN = ["95 % -11.7 to +3.7", "n = 150", "13 gained and 19 lost", "McNemar, exact: p = 0.377"]


def row(**more):
    assert set(more) <= set(ROW)
    return {**ROW, **more}


def test_a_sentence_says_both_sides_the_difference_and_the_verdict():
    assert paired.sentence(ROW) == (
        "On sums (exact_match, flexible, naked), tuned has 40.0 % and base 44.0 %: paired difference "
        "-4.0 points (95 % -11.7 to +3.7, n = 150, 13 gained and 19 lost, McNemar, exact: p = 0.377): "
        "inconclusive (a true difference of 10.9 points would have been found with 80 % "
        "power by one test at 5 %)."
    )


def test_evidence_is_what_the_row_has():
    assert paired.evidence(ROW) == PLAIN


@pytest.mark.parametrize(
    ("more", "at", "told"),
    [
        ({"clusters": 30}, 2, "30 clusters"),
        ({"n": 1500, "clusters": 1499}, 2, "1,499 clusters"),
        ({"seeds": 3}, 2, "3 training seeds"),
        ({"seed_sd": 2.25}, 2, "seed sd 2.2"),
        (
            {"unscored": 10, "worst": -12.0, "best": 6.5},
            2,
            "10 unscored, whose scores could make it -12.0 to +6.5",
        ),
        ({"unscored": 1, "worst": None, "best": 6.5}, 2, "1 unscored"),
        ({"p_holm": 0.75}, 4, "after Holm p = 0.750"),
    ],
)
def test_each_further_number_has_its_place(more, at, told):
    assert paired.evidence(row(**more))[at] == told


def test_what_a_row_has_not_is_not_told():
    assert paired.evidence(row(gained=None, lost=None, p=None, test=None)) == PLAIN[:2]
    assert paired.evidence(row(clusters=150)) == PLAIN  # each item a cluster of its own
    told = paired.evidence(row(low=None, high=None))
    assert told[0] == "no interval: the same for every item"
    assert paired.evidence(row(low=None, high=None, n=1))[:2] == ["no interval", "n = 1"]


def test_one_training_seed_is_told_of_a_fine_tune_only():
    assert "1 training seed" in paired.evidence(ROW, is_tuned=True)
    assert paired.difference(ROW, is_tuned=True).count("training seed") == 1
    assert "training seed" not in paired.difference(ROW)


def test_nothing_scored_is_no_difference():
    empty = dict.fromkeys(("difference", "low", "high", "candidate_value", "baseline_value", "p", "gained"))
    nothing = row(**empty, n=0, unscored=8, worst=-100.0, best=100.0, detectable=None)
    assert paired.sentence(nothing) == (
        "On sums (exact_match, flexible, naked), tuned has no score and base no score: no paired difference "
        "(n = 0, 8 unscored, whose scores could make it -100.0 to +100.0): inconclusive."
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"verdict": "better"}, "**better**"),
        ({"verdict": "worse", "margin": 5.0}, "**worse**"),
        ({"verdict": "higher"}, "**higher**"),
        ({"verdict": "equivalent", "margin": 5.0}, "**equivalent** within 5 points"),
        (
            {"verdict": "equivalent", "margin": 0.25, "unit": "points 1-10"},
            "**equivalent** within 0.25 points of 1-10",
        ),
        ({"detectable": None}, "inconclusive"),
    ],
)
def test_a_verdict_comes_with_its_margin_or_what_could_be_detected(more, said):
    assert paired.verdict(row(**more)) == said


@pytest.mark.parametrize(
    ("p", "said"),
    [
        (1.0, "p = 1.000"),
        (0.0384, "p = 0.038"),
        (0.001, "p = 0.001"),
        (0.00099, "p < 0.001"),
        (0.0, "p < 0.001"),
    ],
)
def test_a_p_value_has_three_decimals(p, said):
    assert paired.probability(p) == said


def test_judged_points_and_characters_have_their_own_words():
    judged = row(
        unit="points 1-10", candidate_value=8.58, baseline_value=8.74, difference=-0.16, metric="safety"
    )
    assert "tuned has 8.58 and base 8.74: paired difference -0.16 points of 1-10 (" in paired.sentence(judged)
    long = row(
        unit="characters", candidate_value=1234.4, baseline_value=1200.0, difference=34.4, metric="chars"
    )
    assert "has 1,234 characters and base 1,200 characters: paired difference +34 char" in paired.sentence(
        long
    )


def test_a_refusal_says_where_and_in_what():
    assert paired.refusal(row(differs="items, kernel")) == (
        "sums, naked: not compared, the two were not asked alike: they differ in items, kernel"
    )
