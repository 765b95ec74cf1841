"""The marks that end, close and surround sentences, as every sign of a text reads them.

BREAK.split("It works. Go!")     # ['It works.', 'Go!']
"""

from __future__ import annotations

import re

STOPS = ".!?…"
CLOSERS = "\"'”’»)\\]}*_`"  # as in a character class: what may stand between a stop and the next space
AROUND = "\"'“”‘’«»()[]{}*_`"  # stripped off a word; "the `.` operator" has no word before its stop
BREAK = re.compile(rf"(?<=[{STOPS}])[{CLOSERS}]*\s+")  # between sentences, roughly: "Dr. No" is two
STRAIGHT = str.maketrans("’‘ʼ", "'''")  # models write both; the patterns only one
