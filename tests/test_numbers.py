"""The final number of an answer, in both readings; what is no number is none."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lem import numbers

LAST = {
    "": None,
    "I do not know.": None,
    "Eleven.": None,
    "H2O is water.": None,
    "model v2": None,
    "room 7f3": None,
    "a grid of 5x3": None,
    "7": "7",
    "There are 7 frogs.": "7",
    "The bill comes to 41.": "41",
    "The bill comes to 41.\n": "41",
    "first 4, then 6, so 10!": "10",
    "4 frogs, no 5 frogs": "5",
    "the list is 1,2,3": "3",
    "The shop sold 2,480 lamps": "2480",
    "1,000,000 to one": "1000000",
    "1,250.75 in all": "1250.75",
    "They share 12.50 between them": "12.5",
    "half is .5": "0.5",
    "a 0.25 share": "0.25",
    "It stays at 3.0": "3",
    "-4": "-4",
    "It is -17 outside.": "-17",
    "It is −17 outside.": "-17",
    "a loss of (-5)": "-5",
    "a gain of +6": "6",
    "-0": "0",
    "0.00": "0",
    "007": "7",
    "She pays $15.": "15",
    "She pays $1,250.00 a month": "1250",
    "She owes -$15": "-15",
    "a rise of 30%": "30",
    "12th": "12",
    "between 3-4 apples": "4",
    "3–4 apples": "4",
    "pages 10-12.": "12",
    "20-8=12": "12",
    "20-8": "8",
    "6*7=42": "42",
    "3/4": "4",
    "at 10:30": "30",
    "In 1999 they had 6; in 2024 they have 9.": "9",
    "9 of them since 2024": "2024",
    "**18**": "18",
    "\\boxed{18}": "18",
    "The answer is...18": "18",
    "#### 18": "18",
    "#### 18\nThat took 3 steps.": "3",
    "chapter 3.14.15": "3.14",
    "9" * 40: "9" * 40,
    "3." + "3" * 40: "3." + "3" * 40,
}


@pytest.mark.parametrize("text", LAST)
def test_the_last_number_of_a_text(text):
    assert numbers.flexible(text) == LAST[text]


MARKED = {
    "": None,
    "18": None,
    "The answer is 18.": None,
    "# 18": None,
    "### 18": None,
    "####": None,
    "#### eighteen": None,
    "#### 18": "18",
    "####18": "18",
    "####\n18": "18",
    "9 * 2 = 18\n#### 18.": "18",
    "#### $1,250.50": "1250.5",
    "#### -3": "-3",
    "#### −3": "-3",
    "#### 2,480 lamps": "2480",
    "#### 17\nNo, wait.\n#### 18": "18",
    "#### 18\nThat took 3 steps.": "18",
    "#### 18\n#### unsure": "18",
}


@pytest.mark.parametrize("text", MARKED)
def test_the_number_behind_the_mark(text):
    assert numbers.strict(text) == MARKED[text]


NORMALISED = {
    **{"18": "18", " 18 ": "18", "+18": "18", "-18": "-18", "−18": "-18", "18.0": "18", "18.50": "18.5"},
    **{"$1,250.00": "1250", "1,000": "1000", "1000": "1000", "-0.0": "0", "0": "0", ".5": "0.5"},
    **{"1e3": "1000", "": None, " ": None, "abc": None, "1.2.3": None, "1 2": None, "--1": None},
    **{"nan": None, "NaN": None, "sNaN": None, "inf": None, "-Infinity": None, "$": None, "½": None},
}


@pytest.mark.parametrize("text", NORMALISED)
def test_a_number_has_one_writing(text):
    assert numbers.normalise(text) == NORMALISED[text]


WORDS = st.text("abcxyz .,!?()=*\n", max_size=12).map(lambda text: text + " ")


@given(st.integers(), WORDS, st.sampled_from(["", ".", " eggs.", "!", "\n", ", I think.", "**"]))
def test_any_integer_comes_back_with_or_without_separators(value, before, after):
    for written in (f"{value:,}", f"{value}", f"${value:,}".replace("$-", "-$"), f"{value:,}.00"):
        assert numbers.flexible(before + written + after) == str(value)
        assert numbers.strict(f"{before}\n#### {written}{after}") == str(value)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**20), max_value=10**20))
def test_any_decimal_comes_back_at_its_value(value):
    found = numbers.flexible(f"so it is {value:f}, that is all")
    assert Decimal(found) == value
    assert found == numbers.normalise(found)
    assert "." not in found or found[-1] not in ".0"


@given(st.text())
def test_whatever_is_read_is_a_number_in_its_one_writing(text):
    for read in numbers.FILTERS.values():
        found = read(text)
        assert found is None or numbers.normalise(found) == found


@given(st.integers(), st.integers())
def test_it_matches_the_gold_of_the_same_value_and_no_other(one, other):
    assert numbers.matches(numbers.flexible(f"#### {one:,}"), f"{one}.0")
    assert numbers.matches(numbers.normalise(str(one)), str(other)) == (one == other)
    assert not numbers.matches(None, str(one))


def test_the_first_reading_is_the_one_that_tables_show():
    assert list(numbers.FILTERS) == ["flexible", "strict"]
