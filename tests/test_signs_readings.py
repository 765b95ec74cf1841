"""All signs of one answer, and what an empty answer is; any text at all has signs, and soon."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lem.scoring.signs import is_empty, readings

EMPTY = [
    "",
    " \t\r\n",
    "...",
    "?",
    "…",
    "---",
    "```\n```",
    "**",
    "“”",
    "\u200b\u200d\ufeff",
    "\u00a0\u3000",
    "\u2800",
    "\u3164",
    "\ufe0f",
    "\x00\x1b",
    "\ud800",
    "\ufffd",
    "\ue000",
    "| | |\n|---|",
    "= + $ <>",
]
FULL = [
    "a",
    "4",
    "4.",
    "é",
    "字",
    "👍",
    "∞",
    "→",
    "°",
    "½",
    "Ⅳ",
    "\u200ba",
    "...no",
    "а",
    "\u0301e",
    "𝒜",
    "_x_",
]


@pytest.mark.parametrize("text", EMPTY)
def test_it_is_empty(text):
    assert is_empty(text)
    assert not is_empty(text + "x")


@pytest.mark.parametrize("text", FULL)
def test_it_is_not_empty(text):
    assert not is_empty(text)


NAMES = ["refusal", "formulaic_opening", "loop", "cut_off", "empty", "first_person", "chars"]


def test_readings_of_an_answer():
    found = readings("Sure, I would ask. " + "You are not sure. " * 3 + "You", "length")
    assert list(found) == NAMES
    assert list(found.values()) == [0, 1, 1, 1, 0, 1, 76]


def test_readings_of_a_refusal():
    found = readings("I'm sorry, but I can't help with that.", "stop")
    assert list(found.values()) == [1, 0, 0, 0, 0, 1, 38]


def test_readings_of_a_plain_answer():
    assert list(readings("Four.", "stop").values()) == [0, 0, 0, 0, 0, 0, 5]


@pytest.mark.parametrize("text", [*EMPTY, "\u3164 " * 100])
def test_readings_of_nothing(text):
    assert list(readings(text, "stop").values()) == [0, 0, 0, 0, 1, 0, len(text)]


@pytest.mark.parametrize(("reason", "value"), [(None, None), ("length", 1.0), ("stop", 0.0)])
def test_cut_off_is_unknown_without_a_finish_reason(reason, value):
    assert readings("Four.", reason)["cut_off"] == value


ANY = st.characters()  # surrogates and control characters among them
PIECES = st.sampled_from(
    [" I ", "I. ", "'", '"', "“", "‘", "Dear a\n", "Best,\n", "```", "> ", "\n", "Sure, ", "*"]
)


@given(st.text(ANY) | st.lists(PIECES | ANY).map("".join))
def test_any_text_has_readings(text):
    found = readings(text, None)
    assert list(found) == NAMES and found["cut_off"] is None and found["chars"] == len(text)
    assert {found[name] for name in NAMES if name not in ("cut_off", "chars")} <= {0.0, 1.0}


HUGE = {
    **{
        "letters": "a" * 10**6,
        "words": "word " * 200_000,
        "distinct": " ".join(f"w{i}" for i in range(150_000)),
    },
    **{
        "lines": "\n" * 10**6,
        "blank lines": " \n" * 500_000,
        "indents": "    \n" * 200_000,
        "a": "a\n" * 500_000,
    },
    **{
        "quotes": '"' * 10**6,
        "open quotes": ' "a' * 333_000,
        "curly": "“" * 10**6,
        "guillemets": "«" * 10**6,
    },
    **{
        "single": "'" * 10**6,
        "open single": " 'A" * 333_000,
        "open curly": " ‘A" * 333_000,
        "speech": ' "' + "a\n" * 9**6,
    },
    **{
        "pronouns": "I " * 500_000,
        "commas": "I," * 500_000,
        "numerals": "War I " * 160_000,
        "mine": "my " * 333_000,
    },
    **{
        "letters begun": "Dear a\n" * 140_000,
        "letters signed": "Dear a\nBest,\n" * 70_000,
        "to": "to whom " * 125_000,
    },
    **{
        "ticks": "` " * 500_000,
        "dollars": "$a " * 333_000,
        "fences": "```a\n" * 200_000,
        "block": ">" * 10**6,
    },
    **{"stars": "*" * 10**6, "emoji": "👋" * 250_000, "marks": "_ " * 500_000, "links": "http://" * 140_000},
    **{
        "surrogates": "\ud800" * 10**6,
        "zeros": "\0" * 10**6,
        "praise": "it's a " * 140_000,
        "sure": "Sure," * 200_000,
    },
}


@pytest.mark.parametrize("name", HUGE)
def test_a_megabyte_of_anything_has_readings(name):
    assert readings(HUGE[name], "stop")["chars"] == len(HUGE[name])
