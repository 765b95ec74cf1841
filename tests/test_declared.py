"""What a declared comparison may look like, and that nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lem.declared import Comparison, parse
from lem.errors import LemError

WHOLE = {
    "a > b": ("a", "b", 0.0, None),
    "a > b on c": ("a", "b", 0.0, "c"),
    "a >= b - 2": ("a", "b", 2.0, None),
    "a >= b - 2.5 on c": ("a", "b", 2.5, "c"),
    "a >= b - 0": ("a", "b", 0.0, None),
    "m-135m.x_1 >= m-2 - 2 on gsm8k": ("m-135m.x_1", "m-2", 2.0, "gsm8k"),
    "a > on on on": ("a", "on", 0.0, "on"),
    "a > b-2 on c": ("a", "b-2", 0.0, "c"),
    "1 > 2 on 3": ("1", "2", 0.0, "3"),
}


@pytest.mark.parametrize("text", WHOLE)
def test_each_form(text):
    assert parse(text) == Comparison(text, *WHOLE[text])


def test_spaces_around_and_between_say_nothing():
    assert parse("  a  >=\tb -  2\n on c ") == parse("a >= b - 2 on c")


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "a >", "> b", "a b", "a < b", "a <= b", "a == b", "a => b", "a>b", "a >b", "a > b on",
        "a > b on c d", "a > b c", "a >= b - two", "a >= b - -2", "a >= b -2", "a >= b - 2%", "a >= b - 2.",
        "a >= b - 1e3", "a >= b + 2", "a >= b on c - 2", "a > b > c", "a >= b - 2 - 2", "../a > b", "a > é",
        "a > .b", "a > b; drop table x", f"{'a' * 81} > b",
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_what_is_expected(text):
    expected = r"^here: expected 'A > B', 'A >= B - 2' or either with 'on BENCHMARK' behind it, found '"
    with pytest.raises(LemError, match=expected):
        parse(text, "here")


@pytest.mark.parametrize("text", ["a > b - 2", "a > b - 2 on c", "a > b - 0", "a >= b", "a >= b on c"])
def test_a_margin_is_of_what_is_not_worse(text):
    with pytest.raises(
        LemError, match=f"^compare: a margin goes with >=, and >= with a margin, found '{text}'$"
    ):
        parse(text)


@pytest.mark.parametrize("text", ["a > a", "a >= a - 2 on c"])
def test_nobody_is_compared_with_himself(text):
    with pytest.raises(LemError, match=f"^compare: a model is not compared with itself, found '{text}'$"):
        parse(text)


def test_a_long_text_is_told_short():
    with pytest.raises(LemError) as caught:
        parse("x" * 10_000)
    assert len(caught.value.message) == 300


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}", fullmatch=True)


@given(NAMES, NAMES, st.decimals(0, 100, places=2), st.none() | NAMES)
def test_what_was_put_in_comes_out(candidate, baseline, margin, on):
    text = f"{candidate} >= {baseline} - {margin}" + (f" on {on}" if on else "")
    if candidate != baseline:
        assert parse(text) == Comparison(text, candidate, baseline, float(margin), on)
