"""Whether an answer says the same over and over.

is_loop("You are not sure. " * 3)                        # True
"""

from __future__ import annotations

import re
from collections import Counter

from lem.scoring.signs.marks import AROUND, BREAK, STOPS

# Loop: what people write on purpose stays below each of these.
SENTENCE_WORDS = 4  # "Yes.", "I see.", "So it goes." come back in good prose
SENTENCE_TIMES = 3  # a refrain or a summary says a sentence twice
UNIT_WORDS = 40  # four copies of more do not fit into 224 tokens (about 190 words); GRAMS_SHARE finds those
RUN_TIMES = 4  # three alike is a figure of speech
RUN_WORDS = 24  # "ha ha ha ha" is a laugh; the shortest loop seen, "7. Dignity 8. Dignity ...", has 28 words
GRAM = 4  # words; shorter runs ("one of the") come back in any text
GRAMS_FROM = 60  # words; in less, one paragraph said twice would decide
GRAMS_SHARE = 0.5  # of 4-word runs are distinct: below it, most was said before; prose has over 0.8
WORD = re.compile(r"\w+(?:['’]\w+)*")
LIST_MARK = re.compile(r"(?m)^[ \t]*\(?\d+[.)](?!\d)")  # counts on while the item loops
SET_TEXT = re.compile(r"(?ms)^[ \t]*(?:```.*?(?:^[ \t]*```|\Z)|\|[^\n]*)")  # code, tables: alike by nature


def is_loop(text: str) -> bool:
    """Return whether the text says the same over and over: a sentence, its tail, or half of its word runs.

    Not counted: fenced code, table rows, list numbers, and repeated signs that are no words ("!!!!").
    """
    prose = LIST_MARK.sub("", SET_TEXT.sub("", text)).lower()
    words = WORD.findall(prose)
    return _repeats_sentence(prose) or _repeats_tail(words) or _repeats_runs(words)


def _repeats_sentence(prose: str) -> bool:
    pieces = (piece for line in prose.split("\n") if line for piece in BREAK.split(line))
    ended = (WORD.findall(piece) for piece in pieces if piece.rstrip(AROUND + " ").endswith(tuple(STOPS)))
    seen = Counter(tuple(words) for words in ended if len(words) >= SENTENCE_WORDS)
    return max(seen.values(), default=0) >= SENTENCE_TIMES


def _repeats_tail(words: list[str]) -> bool:
    """Return whether the words end in copies of one unit; the very last word may be a cut-off stub."""
    for whole in (words, words[:-1]):
        for unit in range(1, UNIT_WORDS + 1):
            need = max(RUN_WORDS, RUN_TIMES * unit)
            tail = whole[-need:]
            if len(tail) == need and tail[unit:] == tail[:-unit]:
                return True
    return False


def _repeats_runs(words: list[str]) -> bool:
    grams = list(zip(*(words[start:] for start in range(GRAM)), strict=False))
    return len(words) > GRAMS_FROM and len(set(grams)) < GRAMS_SHARE * len(grams)
