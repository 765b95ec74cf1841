"""Where the last whole sentence of a text ends.

to_last_sentence("It costs 3.50, e.g. at noon. And th")  # 'It costs 3.50, e.g. at noon.'
"""

from __future__ import annotations

import re

from lem.scoring.signs.marks import AROUND, CLOSERS, STOPS

# Last sentence: a full stop is an end unless one of these says otherwise.
END = re.compile(rf"(?<![{STOPS}])[{STOPS}]++[{CLOSERS}]*+(?!\S)")  # possessive: linear in any text
LOOK_BACK = 40  # characters; room for an abbreviation and the word before it
STOPS_TRIED = 10_000  # from the end; a megabyte of "1. " holds no sentence, and says so at once
# A short number or letter that opens a line or follows a sentence counts the next item; `#### 18.` answers.
COUNTS = re.compile(
    rf"(?m)(?:^|[{STOPS}][{CLOSERS}]*\s)(?!#### )[ \t>*_+•#-]*\(?(?:\d{{1,3}}(?:\.\d{{1,3}})*|[A-Za-z])\Z"
)
NEVER_LAST = re.compile(r"(?i)e\.g|i\.e|dr|mrs?|ms|prof|st|vs|cf|viz|approx|rev|hon|capt|lt|sgt|(?:\S*/)?www")
# These end a sentence or stand within it; the next letter's case tells ("at 5 p.m. We left", "etc. and").
MAY_BE_LAST = re.compile(r"(?i)(?:[a-z]{1,2}\.)+[a-z]|etc|al|inc|ltd|co|corp|jr|sr|dept|esp|incl")
BEFORE_NUMBER = re.compile(r"(?i)nos?|figs?|eq|vol|ch|sec|art|pp?|jan|feb|aug|sept?|oct|nov|dec")  # "No. 5"
INITIALS = re.compile(r"(?:[A-Z]\.)+[A-Z]|[A-HJ-Z]")  # J.R.R, W; "So do I." is whole
LABEL = re.compile(
    r"(?i)appendix|case|choice|class|grade|group|option|part|person|plan|team|type|vitamin|.*[:,;]"
)
"""Before a lone capital: "Option B." and "Answer: B." are whole, "George W." is not."""


def to_last_sentence(text: str) -> str:
    """Return the text up to the end of its last whole sentence, '' when it has none.

    What follows that sentence goes: a cut-off one, a dangling list number, markdown, a table or code.
    """
    return text[: last_sentence_end(text)]


def last_sentence_end(text: str) -> int:
    """Return the offset in characters behind the last whole sentence and its closing marks, 0 without one.

    Not counted: stops in numbers, URLs and file names, after abbreviations, initials and list numbers.
    """
    stops = reversed(list(END.finditer(text))[-STOPS_TRIED:])
    return next((found.end() for found in stops if _ends_sentence(text, *found.span())), 0)


def _ends_sentence(text: str, stop: int, end: int) -> bool:
    look_from = max(0, stop - LOOK_BACK)
    before = text[look_from:stop].rstrip(AROUND)
    if not before or before[-1].isspace():
        return False
    following = text[end : end + 3].strip(" ")[:1]
    if text[stop:end].strip(AROUND) == ".":
        return not COUNTS.search(text, look_from, stop) and _is_last_word(before.split(), following)
    return not following.islower() or text[stop:end] in ("!", "?")  # not: "Why?" she asked; well... maybe


def _is_last_word(words: list[str], following: str) -> bool:
    """Return whether the last of the words before a full stop is no abbreviation or initial."""
    word, previous = words[-1].strip(AROUND), "".join(words[-2:-1]).strip(AROUND)
    if INITIALS.fullmatch(word):
        named = previous[:1].isupper() and not LABEL.fullmatch(previous)
        return previous != "by" and not (following.isalpha() if "." in word else named)
    if NEVER_LAST.fullmatch(word) or (BEFORE_NUMBER.fullmatch(word) and following.isdigit()):
        return False
    return not (MAY_BE_LAST.fullmatch(word) and following.islower())
