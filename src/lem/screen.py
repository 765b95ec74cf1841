"""What a terminal may be sent of a text that others wrote: signs to read, no sequences to obey. Pure.

visible("\\x1b[2Jgone")      # '\\\\x1b[2Jgone'
"""

from __future__ import annotations

import re

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but newline and tab, marks that turn the writing around, half surrogate pairs."""


def visible(text: str) -> str:
    """Return a text in which what a terminal would obey is written out, as Python would write it."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
