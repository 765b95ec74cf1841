"""The signs of an answer at a tenth of the cost: what a cheap look excludes is not searched for.

Each look decides only where it is sure, by what a sign cannot do without, and leaves
the rest to `lem.scoring.signs`, which alone says what a sign is. A test holds
the two against each other on made-up and on real answers.

    flags("I'm sorry, but I can't help with that.")     # 1, the bit of `refusal` in SIGNS
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable

from lem.scoring.signs import is_empty, is_loop, is_refusal, opens_formulaically
from lem.scoring.signs.loop import GRAM, LIST_MARK
from lem.scoring.signs.marks import STRAIGHT
from lem.scoring.signs.refusal import FIRM_CHARS, OPENING_CHARS, QUOTED
from lem.scoring.signs.voice import (
    CONTRACTED,
    LOWER,
    POSSESSIVE,
    PRONOUN,
    SINGLE,
    is_pronoun,
    speaks_in_first_person,
)

SIGNS = ("refusal", "formulaic_opening", "loop", "empty", "first_person")
"""The signs of a text alone, a bit each, the first the lowest."""

SPACES = {**dict.fromkeys("\u2018\u2019", "'"), **dict.fromkeys("\u2013\u2014\u201c\u201d\u2026\u2022", " ")}
"""What models write beyond ASCII, and what it is to words: an apostrophe, or between them."""
PLAIN = bytes(
    code + 32 if 65 <= code <= 90 else code if 97 <= code <= 122 or 48 <= code <= 57 else 32
    for code in range(128)
).ljust(256, b" ")

UNABLE = (
    *(
        "cannot",
        "can not",
        "can't",
        "cant",
        "will not",
        "won't",
        "wont",
        "rather not",
        "prefer not",
        "unable",
    ),
    *("not able", "not allowed", "not permitted", "not equipped", "not author", "not programmed"),
    *("not designed", "not going", "not willing", "not comfortable", "do not", "don't", "dont"),
)
DECLINES = ("refuse", "decline", "not something", "not within", "against my")
"""A refusal has one of DECLINES, or one of UNABLE close behind its subject: small letters, single spaces."""
SUBJECT = re.compile(r"\b(?:i|we|sorry)\b|\A\W*(?:\w+\W*)?\Z")
SUBJECT_WORDS = 4  # "I", a word, "would", and one to spare
FOLDED = "\u0130\u0131\u017f\u212a"  # what a pattern that ignores case takes for i, s, k

QUOTE = re.compile(r'["\u201c]')
SELF = frozenset((b"i", b"my", b"me", b"mine", b"myself"))
LETTERS = frozenset((b"dear", b"subject", b"whom"))  # how a drafted letter begins
SET_APART = ('"', "\u201c", "\u00ab", "`", "$", ">")  # what stands between these is not the answer's own


def flags(text: str) -> int:
    """Return which of SIGNS an answer has, a bit each; equal to what `signs.readings` says."""
    if _says_nothing(text):
        return 1 << SIGNS.index("empty")
    words = _words(text)
    found = _refuses(text), opens_formulaically(text), _loops(text, words), False, _speaks(text, words)
    return sum(1 << place for place, there in enumerate(found) if there)


def all_flags(texts: Iterable[str | None]) -> bytes:
    """Return a byte an answer; 0 where there is none to look at."""
    return bytes(0 if text is None else flags(text) for text in texts)


def _says_nothing(text: str) -> bool:
    start = text[:1]
    return not (start.isascii() and start.isalnum()) and is_empty(text)


def _words(text: str) -> list[bytes] | None:
    """Return the runs of ASCII letters and digits, in small letters; None where a text has others."""
    if not text.isascii():
        for mark, plain in SPACES.items():
            text = text.replace(mark, plain)
        if not text.isascii():
            return None
    return text.encode().translate(PLAIN).split()


def _refuses(text: str) -> bool:
    start = text[: max(OPENING_CHARS, FIRM_CHARS)]
    if not start.isascii():
        if any(letter in start for letter in FOLDED):
            return is_refusal(text)
        start = start.translate(STRAIGHT)
    searched = [start]
    if QUOTE.search(start):  # what is left of it depends on where it is cut
        searched = [QUOTED.sub("", start[:cut]) for cut in (OPENING_CHARS, FIRM_CHARS)]
        searched = [spoken if spoken.strip() else start for spoken in searched]
    plain = [" ".join(spoken.lower().split()) for spoken in searched]
    return any(map(_may_refuse, plain)) and is_refusal(text)


def _may_refuse(spoken: str) -> bool:
    if any(needed in spoken for needed in DECLINES):
        return True
    return any(_has_subject(spoken, needed) for needed in UNABLE if needed in spoken)


def _has_subject(spoken: str, needed: str) -> bool:
    at = spoken.find(needed)
    while at >= 0:
        before = spoken[:at].rsplit(None, SUBJECT_WORDS)
        near = " ".join(before[1:]) if len(before) > SUBJECT_WORDS else spoken[:at]
        if SUBJECT.search(near):
            return True
        at = spoken.find(needed, at + 1)
    return False


def _loops(text: str, words: list[bytes] | None) -> bool:
    """Return `is_loop`: a sentence said thrice has a 4-word run twice over, a looping tail far more.

    `words` part at apostrophes, those of `is_loop` do not: what is there twice of its runs is
    there twice of these. It leaves out code, tables and list numbers, so none of it must be here.
    """
    if words is None or "_" in text or "|" in text or "`" in text:
        return is_loop(text)
    if any(digit in text for digit in string.digits):
        words = _words(LIST_MARK.sub("", text)) or []
    runs = max(0, len(words) - GRAM + 1)
    if runs - len(set(zip(words, words[1:], words[2:], words[3:], strict=False))) < 2:
        return False
    return is_loop(text)


def _speaks(text: str, words: list[bytes] | None) -> bool:
    if words is None or "_" in text or "http" in text:
        return speaks_in_first_person(text)
    there = SELF.intersection(words)
    if not there:
        return False
    if not LETTERS.isdisjoint(words) or any(mark in text for mark in SET_APART):
        return speaks_in_first_person(text)
    plain = text.translate(STRAIGHT) if "\u2019" in text or "\u2018" in text else text
    return _says_i(SINGLE.sub(" ", plain) if "'" in plain else plain, there)


def _says_i(plain: str, there: frozenset[bytes]) -> bool:
    """Return whether text in which nothing is set apart has one of the patterns of the first person."""
    if b"i" in there and (
        _matches(CONTRACTED, "I'", plain) or _matches(CONTRACTED, "i'", plain) or _matches(LOWER, "i ", plain)
    ):
        return True
    if len(there) > (b"i" in there) and POSSESSIVE.search(plain):
        return True
    return _matches(PRONOUN, "I", plain) and any(
        is_pronoun(plain, at.start()) for at in PRONOUN.finditer(plain)
    )


def _matches(pattern: re.Pattern[str], begins: str, text: str) -> bool:
    """Return whether a pattern, all of whose matches begin alike, is found: quicker than its own search."""
    at = text.find(begins)
    while at >= 0:
        if pattern.match(text, at):
            return True
        at = text.find(begins, at + 1)
    return False
