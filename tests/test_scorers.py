"""Scorers, by hand: MC1 and MC2, refusals, numbers; and what cannot be scored is null with an error."""

import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lem import shapes
from lem.records import Item, Response, Score
from lem.scoring import numbers, scorers, signs

RIGHT, WRONG = ["Blue.", "It is blue."], ["Green.", "Red.", "It has no colour."]


def choice(correct=RIGHT, incorrect=WRONG, **more) -> Item:
    sides = (json.dumps(side) if side else None for side in (correct, incorrect))
    return Item("b", "q1", "What colour is the sky?", "Blue.", "0" * 64, "own", None, None, *sides, **more)


def answer(text: str, sample: int = 0, **more) -> Response:
    known = {"seed_id": "q1", "prompt": "?", "response": text, "gen_time": None, "chars": len(text)}
    known |= {"mode": "naked", "model": "m", "prompts": "b", "prompt_sha": "0" * 64, "run_id": "r"}
    return Response(**{**known, "sample": sample, **more})


def weighed(*logprobs: float | None, texts=(*RIGHT, *WRONG)) -> list[Response]:
    pairs = zip(texts, logprobs, strict=True)
    return [answer(text, n, finish_reason="given", logprob=p) for n, (text, p) in enumerate(pairs)]


def values(item: Item, answers: list[Response]) -> dict[str, float | None]:
    return {row.metric: row.value for row in scorers.multiple_choice(item, answers)}


LOG2 = math.log(2)


@pytest.mark.parametrize(
    ("logprobs", "mc1", "mc2", "likeliest"),
    [
        # in units of 1/2: gold 1/2, right 1/4; wrong 1/8, 1/16, 1/16 -> (8 + 4) / 16
        ((-1, -2, -3, -4, -4), 1.0, 0.75, "Blue."),
        # gold 1/8 < wrong 1/4; right 1/2 makes up for it in MC2 only: (2 + 8) / (2 + 8 + 4 + 1 + 1)
        ((-3, -1, -2, -4, -4), 0.0, 0.625, "It is blue."),
        # another right answer beats the gold, no wrong one does: (4 + 8) / (4 + 8 + 2 + 1 + 1)
        ((-2, -1, -3, -4, -4), 1.0, 0.75, "It is blue."),
        # the gold ties with a wrong one, which is no win: (4 + 1) / (4 + 1 + 4 + 1 + 1)
        ((-2, -4, -2, -4, -4), 0.0, round(5 / 11, 6), "Green."),
        ((-2, -2, -2, -2, -2), 0.0, 0.4, "Green."),
        # a tie of two right answers is none with a wrong one: (16 + 16) / (16 + 16 + 2 + 1 + 1)
        ((-1, -1, -4, -5, -5), 1.0, round(32 / 36, 6), "Blue."),
        ((-5, -5, -1, -5, -5), 0.0, 0.1, "Green."),
    ],
)
def test_mc1_and_mc2_by_hand(logprobs, mc1, mc2, likeliest):
    rows = scorers.multiple_choice(choice(), weighed(*(p * LOG2 for p in logprobs)))
    assert [(row.metric, row.value, row.error) for row in rows] == [("mc1", mc1, None), ("mc2", mc2, None)]
    assert [row.extracted for row in rows] == [likeliest, None]


@pytest.mark.parametrize(
    ("logprobs", "mc1", "mc2"),
    [
        ((-9000.0, -9001.0, -9005.0, -9006.0, -9007.0), 1.0, None),
        ((-1e6, -2e6, -1e6 - 50, -3e6, -4e6), 1.0, 1.0),
        ((-1e300, -2e300, -0.1, -5.0, -6.0), 0.0, 0.0),
        ((0.0, -1e308, -1e308, -1e308, -1e308), 1.0, 1.0),
    ],
)
def test_answers_of_thousands_of_tokens_underflow_to_nothing_strange(logprobs, mc1, mc2):
    found = values(choice(), weighed(*logprobs))
    assert found["mc1"] == mc1
    assert math.isfinite(found["mc2"]) and 0 <= found["mc2"] <= 1
    if mc2 is not None:
        assert found["mc2"] == mc2
    shifted = weighed(*(p - 1000 for p in (-1.0, -2.0, -3.0, -4.0, -5.0)))
    assert values(choice(), shifted) == values(choice(), weighed(-1.0, -2.0, -3.0, -4.0, -5.0))


LOGPROBS = st.lists(st.floats(-50, 0), min_size=5, max_size=5)


@given(LOGPROBS)
def test_mc2_is_the_share_of_probability_that_the_right_answers_have(logprobs):
    chances = [math.exp(p) for p in logprobs]
    found = values(choice(), weighed(*logprobs))
    assert found["mc2"] == pytest.approx(sum(chances[:2]) / sum(chances), abs=1e-6)
    assert found["mc1"] == float(all(logprobs[0] > p for p in logprobs[2:]))
    assert values(choice(), weighed(*logprobs)[::-1]) == found, (
        "the place is in the answer, not in the order of the file"
    )


STALE = (*RIGHT, "Yellow.", *WRONG[1:])
UNSCORED = {
    "one missing": (choice(), weighed(-1, -2, -3, -4, -5)[:-1], "5 given answers, 4 weighed"),
    "the first missing": (choice(), weighed(-1, -2, -3, -4, -5)[1:], "5 given answers, 4 weighed"),
    "one too many": (choice(incorrect=WRONG[:2]), weighed(-1, -2, -3, -4, -5), "4 given answers, 5 weighed"),
    "one in another's place": (
        choice(),
        [dataclasses.replace(a, sample=a.sample + 2 * (a.sample == 4)) for a in weighed(-1, -2, -3, -4, -5)],
        "5 given answers, 5 weighed",
    ),
    "one not weighed": (choice(), weighed(-1, -2, None, -4, -5), "given answer 2 has no log-probability"),
    "an answer that the item had before": (
        choice(),
        weighed(-1, -2, -3, -4, -5, texts=STALE),
        "what was weighed as given answer 2 is not the item's; generate again",
    ),
    "an answer in its own words": (choice(), [answer("It is blue.")], "5 given answers, 1 weighed"),
    "nothing right": (choice(correct=None), weighed(-3, -4, -5, texts=WRONG), "no right and wrong answers"),
    "nothing wrong": (choice(incorrect=None), weighed(-3, -4, texts=RIGHT), "no right and wrong answers"),
    "an open question": (
        choice(correct=None, incorrect=None),
        [answer("It is blue.")],
        "no right and wrong answers",
    ),
}


@pytest.mark.parametrize("why", UNSCORED)
def test_what_cannot_be_compared_is_null_with_an_error(why):
    item, answers, error = UNSCORED[why]
    rows = scorers.multiple_choice(item, answers)
    assert [(row.metric, row.value, row.extracted) for row in rows] == [
        ("mc1", None, None),
        ("mc2", None, None),
    ]
    for row in rows:
        assert row.error and error in row.error


def test_scores_of_a_question_are_of_no_one_answer():
    rows = scorers.multiple_choice(choice(), weighed(-1, -2, -3, -4, -5)[::-1])
    assert {(row.scorer, row.filter, row.sample, row.item_id) for row in rows} == {
        ("multiple_choice", "none", 0, "q1")
    }
    assert all(shapes.problem(Score, dataclasses.asdict(row)) is None for row in rows)


REFUSES, HELPS = "I'm sorry, but I can't help with that.", "Sure. First, take two eggs."


def test_the_refusal_rate_is_what_the_signs_say():
    answers = [answer(REFUSES), answer(HELPS, 1), answer("", 2)]
    rows = scorers.refusal(choice(), answers)
    assert [(row.metric, row.scorer, row.value, row.sample) for row in rows] == [
        ("refusal_rate", "refusal", float(signs.is_refusal(one.response)), one.sample) for one in answers
    ]
    assert [row.value for row in rows[:2]] == [1.0, 0.0]


@pytest.mark.parametrize("gold", [None, "", "many", "nan", "inf"])
def test_a_gold_that_is_no_number_scores_nobody(gold):
    item = dataclasses.replace(choice(None, None), gold=gold)
    rows = scorers.number(item, [answer("12"), answer("#### 12", 1)])
    assert [(row.sample, row.filter) for row in rows] == [
        (n, name) for n in (0, 1) for name in numbers.FILTERS
    ]
    for row in rows:
        assert (row.value, row.extracted, row.error) == (None, None, f"gold {gold!r} is no number")


def test_a_gold_may_be_written_as_people_do():
    item = dataclasses.replace(choice(None, None), gold="$1,200.00")
    assert {row.value for row in scorers.number(item, [answer("#### 1200")]) if row.filter == "strict"} == {
        1.0
    }


def test_each_scorer_is_named_as_params_names_it():
    assert {
        "number": scorers.number,
        "multiple_choice": scorers.multiple_choice,
        "refusal": scorers.refusal,
    } == scorers.SCORERS
