"""The countable signs of an answer: it refuses, loops, opens with a formula, is empty.

    readings("I'm sorry, but I can't help with that.", "stop")["refusal"]    # 1.0
    to_last_sentence("It costs 3.50, e.g. at noon. And th")                  # 'It costs 3.50, e.g. at noon.'

No judge is asked: signs are read off the text, so they cost nothing, never change
and hold for every model alike. They are rules for English, not a measure of quality.
"""

from lem.scoring.signs.loop import is_loop
from lem.scoring.signs.marks import AROUND, STOPS
from lem.scoring.signs.opening import opens_formulaically
from lem.scoring.signs.readings import is_empty, readings
from lem.scoring.signs.refusal import is_refusal
from lem.scoring.signs.sentences import last_sentence_end, to_last_sentence
from lem.scoring.signs.voice import speaks_in_first_person

__all__ = [
    "AROUND",
    "STOPS",
    "is_empty",
    "is_loop",
    "is_refusal",
    "last_sentence_end",
    "opens_formulaically",
    "readings",
    "speaks_in_first_person",
    "to_last_sentence",
]
