"""The final number of an answer in each reading; where none stands, none is read."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lem.scoring import numbers

ROOT = Path(__file__).parents[1]
UPSTREAM = Path(os.environ.get("LEM_UPSTREAM", ROOT.parent / "shared" / "upstream"))

LAST = {
    "": None,
    "I do not know.": None,
    "Eleven.": None,
    "H2O is water.": None,
    "at 10:30": None,
    "7": "7",
    "There are 7 frogs.": "7",
    "The bill comes to 41.\n": "41",
    "first 4, then 6, so 10!": "10",
    "4 frogs, no 5 frogs": "5",
    "the list is 1,2,3": "3",
    "The shop sold 2,480 lamps": "2480",
    "They share 12.50 between them": "12.5",
    "It is −17 outside.": "-17",
    "a loss of (-5)": "-5",
    "a rise of 30%": "30",
    "3/4": "0.75",
    "20-8=12": "12",
    "20-8": "8",
    "6*7=42": "42",
    "between 3-4 apples": "4",
    "In 1999 they had 6; in 2024 they have 9.": "9",
    "**18**": "18",
    "9" * 40: "9" * 40,
    "3." + "3" * 400: "3." + "3" * 400,
}

MARKED_AS_THE_ANSWER = {
    "#### 18\nThat took 3 steps.": "18",
    "\\boxed{18}, which I found in 3 steps.": "18",
    "\\boxed{\\frac{3}{4}}": "0.75",
    "\\boxed{\\text{18 km}}": "18",
    "\\boxed{x = 18}": "18",
    "First \\boxed{5}; no, \\boxed{6}. I tried 2 ways.": "6",
    "The answer is 18. It took 3 steps.": "18",
    "The answer is $12$, and 4 remain.": "12",
    "The answer is: \\( \\frac{1}{2} \\).": "0.5",
    "The answer is <b>$180</b>\n\nProof: 2 x 90": "180",
    "The answer is 18 eggs for each of 3 boys.": "18",
    "The answer is 3 * 6 = 18.": "18",
    "The answer to question 3 is 9.": "9",
    "**Answer:** 18 eggs, 3 a day": "18",
    "**Answer:**\n\nAll 3 of them have 18 eggs.\n\nI used 2 sums.": "18",
    "## Final answer\n18\n\nChecked 2 times.": "18",
    "30 - 30 = 0, so 10 is the answer. I did it in 2 lines.": "10",
    "Answer: 18\n\nFinal answer: ####": "18",
    "The answer is not 5, since 5 is odd. It is 6.": "6",
    "3. Final answer\n\nHe sold **40/3** bags.\n\n4. Final answer\n\n####": "40/3",
    "She makes $147 on 21 eggs.\n\nAnswer: She makes $147 in 1 week.": "147",
    "The answer is 8S + 100.": None,
    "Total = 8S + 100\n\nFinal answer: 8S + 100": None,
}

STATED = {
    "She sold 3 of 21 bikes. So she has 18 left.": "18",
    "Therefore, he makes $2,825.00 in 1 week.": "2825",
    "She gets 3 boxes for $45.": "45",
    "She runs 12 laps in 30 minutes.": "12",
    "He needs 160 roses by 5 pm.": "160",
    "He is done in 5 days.": "5",
    "It takes 1080 minutes (or 18 hours).": "1080",
    "So there were **515** of them in 3 chests.": "515",
    "4 + 5 = 9 eggs in 2 nests": "9",
    "As 4 + 5 = 9, so there are 8 when 1 breaks, hence 7": "7",
    "The total is 9.\n\nFinal answer: The final answer is ####": "9",
    "1. Multiply: 2 * 180 = 360 plums.\n\n2. Round it.\n\nFinal answer: He has #### plums.": "360",
}

SETTING_UP_AND_CUT_OFF = {
    "Step 1:\n\nStep 2:\n\nStep 3:": None,
    "1. He adds.\n2. He says 7.\n3. Done": "7",
    "7 remain. How many of the 9 does he eat?": "7",
    "The difference is 8.\n\nThe problem asks how long it burns from 1:00 PM to 5 PM.": "8",
    "The difference is 8.\nLet n be 3.": "8",
    "Let n be 3.": "3",
    "Let's add: it is 3 more, 8.": "8",
    "So she sold 8000 copies.\nThat is H = 8000\nSo she sold 80": "8000",
    "It is 35 miles.\nAdd 3 more and it is": "35",
    "5 + 4 =": "4",
    "12 miles\n\nHow far is the park?\n\nAnswer: 3 miles": "12",
    "13\n\nExplanation: the 4 and the 9 are added to 14": "13",
    "5 cars\n\n3 dolls": "3",
    "Two are asked\nHow many is that?\n\n7": "7",
}

FLEXIBLE = LAST | MARKED_AS_THE_ANSWER | STATED | SETTING_UP_AND_CUT_OFF


@pytest.mark.parametrize("text", FLEXIBLE)
def test_the_final_number_wherever_it_stands(text):
    assert numbers.flexible(text) == FLEXIBLE[text]


BEHIND_THE_HASHES = {
    **{"": None, "18": None, "The answer is 18.": None, "# 18": None, "### 18": None, "####": None},
    **{"#### eighteen": None, "#### 18": "18", "####18": "18", "####\n18": "18", "#### Step 2: 18": None},
    **{"9 * 2 = 18\n#### 18.": "18", "#### $1,250.50": "1250.5", "#### −3": "-3", "#### 1/2": "0.5"},
    **{"#### 2,480 lamps": "2480", "#### 17\nNo, wait.\n#### 18": "18", "#### 18\n3 steps": "18"},
    **{"#### 18\n#### unsure": "18"},
}


@pytest.mark.parametrize("text", BEHIND_THE_HASHES)
def test_the_number_behind_the_hashes(text):
    assert numbers.strict(text) == BEHIND_THE_HASHES[text]


AFTER_EQUALS = {
    **{"": None, "18": None, "x = y": None, "2 + 3 = 5, 5 * 2 = 10": "5", "y = x, x = 4": "4"},
    **{"C = 80,000": "80000", "all = $204.80": "204", "0.4 * 2 = 0.8": "0", "T = 2C": "2", "=\n7": "7"},
    "C = , but 3": None,
}


@pytest.mark.parametrize("text", AFTER_EQUALS)
def test_the_first_number_behind_an_equals_sign(text):
    assert numbers.first_after_equals(text) == AFTER_EQUALS[text]


def test_the_first_reading_is_the_one_that_tables_show():
    assert list(numbers.FILTERS) == ["flexible", "strict", "first-after-equals"]


WORDS = st.text("abcxyz .,!()*\n", max_size=12).map(lambda text: text + " ")


@given(st.integers(), WORDS, st.sampled_from(["", ".", " eggs.", "!", "\n", ", I think.", "**"]))
def test_any_integer_comes_back_with_or_without_separators(value, before, after):
    for written in (f"{value:,}", f"{value}", f"${value:,}".replace("$-", "-$"), f"{value:,}.00"):
        assert numbers.flexible(before + written + after) == str(value)
        assert numbers.strict(f"{before}\n#### {written}{after}") == str(value)


PIECES = [
    "answer",
    " is ",
    "the ",
    ":",
    "####",
    "\\boxed{",
    "}",
    "**",
    "\n",
    "=",
    "3",
    "1/2",
    "½",
    "$",
    "(",
    ")",
]


@given(st.text() | st.lists(st.sampled_from(PIECES)).map("".join))
def test_whatever_is_read_is_a_number_in_its_one_writing(text):
    for read in numbers.FILTERS.values():
        found = read(text)
        assert found is None or numbers.normalise(found) == found


@given(st.text(st.characters(exclude_categories=["N"])))
def test_where_no_number_stands_none_is_read(text):
    assert [read(text) for read in numbers.FILTERS.values()] == [None] * 3


LONG = [
    "1,",
    "(((",
    "$$$",
    "\\boxed{",
    "\n",
    "1",
    "=",
    "answer:\n",
    "answer is ",
    "1. ",
    "#### ",
    "1/",
    "**1",
    "-",
]


@pytest.mark.parametrize("piece", LONG)
def test_a_long_answer_is_read_to_its_end(piece):
    text = piece * (1_000_000 // len(piece) // (10 if "answer" in piece else 1))
    for read in numbers.FILTERS.values():
        assert read(text + "\n\nThe answer is 42.") in ("42", "1", None)
    assert numbers.flexible(text + "\n\nThe answer is 42.") == "42"


needs_upstream = pytest.mark.skipif(not UPSTREAM.is_dir(), reason=f"no upstream data in {UPSTREAM}")
VARIANTS = ("base_pt", "instruction_tuned", "abliterated", "lem_ethics", "lem_ethics_allen")
RIGHT_AFTER_ALL = {
    ("instruction_tuned", (18, 39, 46, 50)),
    ("abliterated", (41, 46, 49, 50)),
    ("lem_ethics", (13, 18, 20, 45, 46, 48, 50)),
    ("lem_ethics_allen", (46, 48, 49)),
}
"""The answers stored as wrong, read by hand and found right: items 18 and 20, and 46 of the first
variant, are cut off behind their result; the others state it outright."""


def upstream_answers():
    folder = UPSTREAM / "lem-standard"
    gold = [json.loads(line) for line in (folder / "gsm8k.jsonl").read_text().splitlines()]
    stored = json.loads((folder / "standard_scores.json").read_text())["scores"]["gsm8k"]
    expected = {row["id"]: row["correct_answer"] for row in gold}
    for variant in VARIANTS:
        for line in (folder / "results" / f"gsm8k_{variant}.jsonl").read_text().splitlines():
            row = json.loads(line)
            yield (
                variant,
                row["id"],
                row["response"],
                expected[row["id"]],
                stored[variant][row["id"]]["correct"],
            )


@needs_upstream
def test_where_a_published_scoring_and_ours_differ_ours_was_found_right_by_hand():
    differ = {
        (variant, item, correct)
        for variant, item, response, gold, correct in upstream_answers()
        if numbers.matches(numbers.flexible(response), gold) != correct
    }
    by_hand = {(variant, f"GSM8K_{n:03}", False) for variant, items in RIGHT_AFTER_ALL for n in items}
    assert len(by_hand) == 18
    assert differ == by_hand


@needs_upstream
@pytest.mark.parametrize(
    "reading, correct",
    [("flexible", [1, 21, 18, 20, 17]), ("strict", [0, 0, 1, 0, 0]), ("first-after-equals", [1, 2, 2, 3, 1])],
)
def test_how_many_of_50_each_reading_finds_right(reading, correct):
    right = dict.fromkeys(VARIANTS, 0)
    for variant, _, response, gold, _ in upstream_answers():
        right[variant] += numbers.matches(numbers.FILTERS[reading](response), gold)
    assert list(right.values()) == correct


@needs_upstream
def test_a_published_dump_read_the_first_number_behind_an_equals_sign():
    rows = [
        row
        for name in ("base", "lem")
        for row in json.loads(
            (UPSTREAM / f"lem-validation/benchmarks/gsm8k-{name}.excerpt.json").read_text()
        )["results"]
    ]
    read = [(numbers.first_after_equals(row["response"]), row["model_answer"]) for row in rows]
    assert sum(ours == theirs for ours, theirs in read) == 25
    assert {ours for ours, theirs in read if ours != theirs} == {
        None
    }  # it lies behind the stored 500 characters
