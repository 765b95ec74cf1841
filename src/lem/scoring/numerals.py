r"""The numbers of a text: how they are written, and the one form in which they are compared. Pure.

    normalise("$1,250.00")                        # '1250'
    normalise("1/2"), normalise(r"\frac{2}{3}")   # '0.5', '2/3'
    [n.value for n in find("3 of 18 km, 50%")]    # ['3', '18', '50']

Read as numbers: separated thousands (comma, no-break or thin space, LaTeX `{,}`),
decimals, signs, money, percent (50% is 50: the golds of GSM8K are bare),
fractions and mixed numbers, powers of ten (1e3, 1.5 \times 10^3), units behind.
A full hour (5:00) is its hour. No numbers: number words ("one" is seldom a
count), other clock times and ratios (3:30), dates and versions (1.2.3),
what grows out of a word (H2O, v2, 5x3, 1_250), indices and exponents.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

LONGEST = 300  # digits that are calculated with; longer numbers are only rewritten

SEPARATOR = r"(?:,|\{,\}|\\,|[\u00a0\u2009\u202f])"
DIGITS = (
    rf"(?:(?:[0-9]{{1,3}}(?![0-9])(?:{SEPARATOR}[0-9]{{3}}(?![0-9]))*|[0-9]++)(?:\.[0-9]++)?"
    r"|(?<![.\w])\.[0-9]++)"
)
VULGAR = "[¼-¾⅐-⅞]"
TEX_FRACTION = rf"\\[dt]?frac[ ]?\{{[ ]?(?P<{{0}}>[-−]?{DIGITS})[ ]?\}}[ ]?\{{[ ]?(?P<{{1}}>{DIGITS})[ ]?\}}"
POWER_OF_TEN = r"[ ]?(?:\\times|\\cdot|[×x*])[ ]?10[ ]?\^[ ]?\{?(?P<power>[-−+]?[0-9]{1,3})(?![0-9])\}?"
# Possessive are single characters only: before 3.11.5 Python matches possessive groups wrongly (gh-106052).
SCAN = re.compile(
    rf"""
      [_^] (?: \{{ [^{{}}\n]{{0,40}} \}} | [-+−]?\w*+ )                 # an index, an exponent
    | [0-9]{{1,2}} (?! :00(?![\w:]) ) (?: :[0-9]++ )+ \w*+           # a time, a ratio
    | (?P<sign> (?<![\w)\]}}%]) [-+−] )?
      (?: (?P<money> \\?[$€£] ) (?P<inner> [-−](?=[0-9.]) )? )?
      (?: (?P<whole> [0-9]{{1,9}}+ )
            (?: [ ](?P<above>[0-9]{{1,3}})[/⁄](?P<below>[0-9]{{1,3}})(?![0-9/⁄.])
              | [ ]?(?P<part>{VULGAR}) | [ ]?{TEX_FRACTION.replace("{0}", "over").replace("{1}", "under")} )
        | (?P<vulgar>{VULGAR})
        | {TEX_FRACTION.replace("{0}", "upper").replace("{1}", "lower")}
        | (?P<digits>{DIGITS})
            (?: [eE](?P<exponent>[-+]?[0-9]{{1,3}})(?!\w) | {POWER_OF_TEN}
              | [ ]?[/⁄][ ]?(?P<divisor>{DIGITS}) )? (?: :00(?![\w:]) )?
      )
      (?P<percent> [ ]?\\?% )?
      (?P<tail> \w*+ (?: [.][0-9]++\w*+ | [ ]?[/⁄][ ]?[0-9]++ | [ ]?\^\{{?[-−]?[0-9]++\}}? )* )
    | [^\W_]++
    """,
    re.VERBOSE,
)


class Number(NamedTuple):
    """A number of a text: its one form, where it stands (characters, no unit), and whether it is money."""

    value: str
    start: int
    end: int
    money: bool


def find(text: str) -> Iterator[Number]:
    """Yield the numbers of a text in its order, in linear time."""
    for match in SCAN.finditer(text):
        if number := _number(match):
            yield number


def at(text: str, start: int) -> Number | None:
    """Return the number that begins at this place of the text, or None."""
    match = SCAN.match(text, start)
    return _number(match) if match else None


def _number(match: re.Match[str]) -> Number | None:
    tail = match["tail"]
    if tail is None or (any(c.isdigit() for c in tail) and not _squared(tail)):
        return None
    value = _value(match)
    if value is None:
        return None
    return Number(value, match.start(), match.start("tail"), match["money"] is not None)


def _squared(tail: str) -> bool:
    """Whether the digits of a unit are its own exponent: m², cm³."""
    return not tail[0].isdigit() and not any("0" <= c <= "9" for c in tail)


def normalise(text: str) -> str | None:
    """Return the one form of a text that is a number and nothing else, or None: '$1,250.00' -> '1250'.

    A decimal where the value has one that ends, else a fraction in lowest terms ('2/3').
    """
    text = text.strip()
    found = next(find(text), None)
    return found.value if found and found.start == 0 and found.end == len(text) else None


def matches(extracted: str | None, gold: str) -> bool:
    """Return whether an extracted number is the expected one, exactly, both normalised."""
    return extracted is not None and extracted == normalise(gold)


def _value(match: re.Match[str]) -> str | None:
    negative = (match["sign"] in ("-", "−")) != (match["inner"] is not None)
    if match["digits"] and not match["divisor"]:
        power = match["exponent"] or match["power"] or "0"
        return _written(match["digits"], int(power.replace("−", "-")), negative)
    value = _fraction(match)
    return None if value is None else _shortest(-value if negative else value)


def _fraction(match: re.Match[str]) -> Fraction | None:
    whole = Fraction(match["whole"] or 0)
    above = match["above"] or match["over"] or match["upper"] or match["digits"]
    below = match["below"] or match["under"] or match["lower"] or match["divisor"]
    if glyph := match["part"] or match["vulgar"]:
        above, below = unicodedata.normalize("NFKC", glyph).split("⁄")
    over, under = _exact(above), _exact(below)
    if over is None or not under:
        return None
    return whole + over / under if 0 <= over < under else over / under


def _exact(digits: str) -> Fraction | None:
    return Fraction(_plain(digits)) if len(digits) <= LONGEST else None


def _plain(digits: str) -> str:
    return re.sub(SEPARATOR, "", digits.replace("−", "-"))


def _written(digits: str, power: int, negative: bool) -> str:
    """Return a decimal without separators, exponent or needless zeros, whatever its length."""
    whole, _, decimals = _plain(digits).partition(".")
    if power >= 0:
        decimals = decimals.ljust(power, "0")
        whole, decimals = whole + decimals[:power], decimals[power:]
    else:
        whole = whole.rjust(-power, "0")
        whole, decimals = whole[:power], whole[power:] + decimals
    whole, decimals = whole.lstrip("0") or "0", decimals.rstrip("0")
    shortest = f"{whole}.{decimals}" if decimals else whole
    return f"-{shortest}" if negative and shortest != "0" else shortest


def _shortest(value: Fraction) -> str:
    rest, places = value.denominator, 0
    for prime in (2, 5):
        count = 0
        while rest % prime == 0:
            rest, count = rest // prime, count + 1
        places = max(places, count)
    if rest != 1:
        return str(value)
    digits = str(abs(value.numerator) * 10**places // value.denominator)
    return _written(digits, -places, value < 0) if places else str(value)
