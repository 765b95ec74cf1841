"""All countable signs of one answer, in a fixed order.

readings("Sure, here it is.", "stop")["formulaic_opening"]   # 1.0
"""

from __future__ import annotations

import string
import unicodedata

from lem.scoring.signs.loop import is_loop
from lem.scoring.signs.opening import opens_formulaically
from lem.scoring.signs.refusal import is_refusal
from lem.scoring.signs.voice import speaks_in_first_person

UNSEEN = "\u115f\u1160\u2800\u3164\uffa0"  # print as space though letters or symbols: Hangul fillers, Braille
BROKEN = "\ufffc\ufffd"  # in the place of what could not be read
NO_WORDS = frozenset(string.punctuation + UNSEEN + BROKEN)
NO_KINDS = frozenset("ZPM")  # separators, punctuation, and marks without a letter to stand on
NO_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co"})  # not Cn: what is unassigned differs by Unicode version


def is_empty(text: str) -> bool:
    """Return whether the answer says nothing: only white space, invisible characters and punctuation.

    Counted: "", "...", "?", "```", zero-width characters, lone surrogates, U+FFFD. Not counted: any letter,
    digit, emoji or mathematical sign beyond ASCII.
    """
    return not any(_is_seen(character) for character in set(text))


def _is_seen(character: str) -> bool:
    category = unicodedata.category(character)
    return character not in NO_WORDS and category[0] not in NO_KINDS and category not in NO_CATEGORIES


def readings(text: str, finish_reason: str | None) -> dict[str, float | None]:
    """Return every sign of an answer: 1.0 where it is there and 0.0 where not, chars in characters.

    cut_off is None where the finish reason is unknown, as in foreign answers. An empty answer neither
    refuses, opens with a formula, loops nor speaks.
    """
    empty = is_empty(text)
    return {
        "refusal": float(not empty and is_refusal(text)),
        "formulaic_opening": float(not empty and opens_formulaically(text)),
        "loop": float(not empty and is_loop(text)),
        "cut_off": None if finish_reason is None else float(finish_reason == "length"),
        "empty": float(empty),
        "first_person": float(not empty and speaks_in_first_person(text)),
        "chars": float(len(text)),
    }
