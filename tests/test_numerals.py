"""How a number is written, and its one exact form; what is no number is none."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lem.scoring.numerals import at, find, matches, normalise

NORMALISED = {
    **{"18": "18", " 18 ": "18", "+18": "18", "-18": "-18", "−18": "-18", "18.0": "18", "18.50": "18.5"},
    **{"$1,250.00": "1250", "1,000": "1000", "1000": "1000", "-0.0": "0", "0": "0", ".5": "0.5", "007": "7"},
    **{"$18": "18", "\\$18": "18", "€18": "18", "£18.00": "18", "-$15": "-15", "$-15": "-15"},
    **{"50%": "50", "50 %": "50", "50\\%": "50"},
    **{
        "1\u00a0250": "1250",
        "1\u2009250": "1250",
        "1\u202f250.5": "1250.5",
        "1{,}250": "1250",
        "1\\,250": "1250",
    },
    **{
        "1/2": "0.5",
        "3 / 4": "0.75",
        "40/3": "40/3",
        "6/4": "1.5",
        "2/6": "1/3",
        "-3/4": "-0.75",
        "1/0": None,
    },
    **{"1 1/2": "1.5", "½": "0.5", "2½": "2.5", "⅓": "1/3", "3⁄4": "0.75", "-1 1/2": "-1.5", "1.5/3": "0.5"},
    **{"\\frac{3}{4}": "0.75", "\\dfrac{1}{3}": "1/3", "1\\frac{1}{2}": "1.5", "\\frac{-3}{4}": "-0.75"},
    **{"1e3": "1000", "2.5E-2": "0.025", "3 \\times 10^3": "3000", "1.5 × 10^{2}": "150", "2 x 10^-1": "0.2"},
    **{"5:00": "5", "3:30": None, "3:2": None, "12:00:00": None, "1.2.3": None, "3/4/2024": None},
    **{
        "": None,
        " ": None,
        "abc": None,
        "twelve": None,
        "1 2": None,
        "1 250": None,
        "1_250": None,
        "--1": None,
    },
    **{
        "nan": None,
        "sNaN": None,
        "inf": None,
        "-Infinity": None,
        "$": None,
        "5^2": None,
        "10^3": None,
        "x_2": None,
    },
    **{"18 km": None, "18kg": None, "3 + 4": None, "9" * 40: "9" * 40, "9" * 5000: "9" * 5000},
    "0." + "3" * 5000: "0." + "3" * 5000,
}


@pytest.mark.parametrize("text", NORMALISED)
def test_a_number_has_one_writing(text):
    assert normalise(text) == NORMALISED[text]


FOUND = {
    "": [],
    "18 km, 18kg, 18 m², 18 m^2, the 5th": ["18", "18", "18", "18", "5"],
    "H2O, v2, 7f3, 5x3, 1_250, P_2, x_{10}, h^{3}": [],
    "1,250 and 1,2,3 and 1,2345": ["1250", "1", "2", "3", "1", "2345"],
    "20-8, 3–4, (-5), f(-2)": ["20", "8", "3", "4", "-5", "-2"],
    "from 9:15 to 10:30:00 in 1.2.3 on 3/4/2024": [],
    "$4$ and $5": ["4", "5"],
    "12 3/4 cups": ["12.75"],
    "40/3 bags at $60/pair": ["40/3", "60"],
    "The answer is...18": ["18"],
    "\\text{18 dollars} \\times 2": ["18", "2"],
}


@pytest.mark.parametrize("text", FOUND)
def test_the_numbers_of_a_text(text):
    assert [number.value for number in find(text)] == FOUND[text]


def test_a_number_says_where_it_stands_and_whether_it_is_money():
    text = "He pays -$1,250 for 3 kg."
    first, second = find(text)
    assert (text[first.start : first.end], first.money) == ("-$1,250", True)
    assert (text[second.start : second.end], second.money) == ("3", False)
    assert at(text, first.start) == first
    assert at(text, 0) is None


@pytest.mark.parametrize("one, other", [("$1,250.00", "1250"), ("1/2", "0.5"), ("50%", "50"), ("2/6", "1/3")])
def test_two_writings_of_a_value_match(one, other):
    assert matches(normalise(one), other)
    assert matches(normalise(other), one)
    assert not matches(normalise(one), other + "1")


@given(st.integers(), st.integers())
def test_it_matches_the_gold_of_the_same_value_and_no_other(one, other):
    assert matches(normalise(f"{one:,}"), f"{one}.0")
    assert matches(normalise(str(one)), str(other)) == (one == other)
    assert not matches(None, str(one))


@given(st.integers(-(10**6), 10**6), st.integers(1, 10**6))
def test_a_fraction_keeps_its_exact_value(over, under):
    written = normalise(f"{over}/{under}")
    assert Fraction(written) == Fraction(over, under)
    assert normalise(written) == written


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**20), max_value=10**20))
def test_a_decimal_keeps_its_exact_value(value):
    written = normalise(f"{value:f}")
    assert Decimal(written) == value
    assert "." not in written or written[-1] not in ".0"


@given(st.text("0123456789.,/$%-−+eE ½\\frac{}^_:x×10\n"))
def test_whatever_is_found_is_in_its_one_writing(text):
    for number in find(text):
        assert normalise(number.value) == number.value
        assert text[number.start : number.end].strip()
