"""The final number of an answer, read in more than one way. Pure.

    flexible("So she has **1,250** eggs.")     # '1250'
    strict("... #### 18")                      # '18'

The two readings are those of lm-eval's GSM8K task (`strict-match`,
`flexible-extract`): the number after `####`, or the last number in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

NUMBER = r"[-+−]?\$?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|[-+−]?\$?(?<!\.)\.\d+"
LAST = re.compile(rf"(?<!\w)(?<!\d\.)(?:{NUMBER})(?!\w*\d)")
AFTER_MARK = re.compile(rf"####\s*({NUMBER})")
UNSIGNED = str.maketrans({",": None, "$": None, "+": None, "−": "-"})


def strict(answer: str) -> str | None:
    """Return the number after the last `####`, normalised, or None."""
    found = AFTER_MARK.findall(answer)
    return normalise(found[-1]) if found else None


def flexible(answer: str) -> str | None:
    """Return the last number of the text, normalised, or None."""
    found = LAST.findall(answer)
    return normalise(found[-1]) if found else None


def normalise(text: str) -> str | None:
    """Return a number without signs of money, separators or trailing zeros: '$1,250.00' -> '1250'."""
    try:
        value = Decimal(text.translate(UNSIGNED).strip())
    except InvalidOperation:
        return None
    if not value.is_finite():
        return None
    whole, _, decimals = format(value, "f").partition(".")
    decimals = decimals.rstrip("0")
    return (f"{whole}.{decimals}" if decimals else whole) if value else "0"


FILTERS: dict[str, Callable[[str], str | None]] = {"flexible": flexible, "strict": strict}
"""Each reading by name; the first is the one a table shows."""


def matches(extracted: str | None, gold: str) -> bool:
    """Return whether an extracted number is the expected one, both normalised."""
    return extracted is not None and extracted == normalise(gold)
