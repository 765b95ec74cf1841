"""The words of the report: text, numbers, intervals, and what was measured by its name. Pure.

text("a|b")                                      # 'a\\|b'
number(-0.04, "points", sign=True)               # '0.0'
span({"low": 36.3, "high": 52.0, "unit": "percent"})   # '36.3-52.0'
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple

from lem import metrics
from lem.records import MODES
from lem.sql_command import MARKDOWN

Row = dict[str, Any]
PROSE = {**MARKDOWN, **{ord(sign): f"\\{sign}" for sign in "*`[]<&~$"}}
EDGE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")  # within a word it is no emphasis
SIZE = re.compile(r"([0-9.]+)([KMBT]?)", re.I)
CUT = "†"
NOTE = (
    f"{CUT} Cut where a rate (0 and 100 %) or a difference of two (100 points) ends; "
    "the tables hold the whole interval."
)


class Unit(NamedTuple):
    """Decimals, what stands behind a value and behind a difference, the least and the most it can be."""

    decimals: int = 3
    value: str = ""
    difference: str = ""
    least: float = -inf
    most: float = inf


UNITS = {
    "percent": Unit(1, " %", " points", 0, 100),
    "points": Unit(1, " %", " points", -100, 100),  # a difference of percentages
    "points 1-10": Unit(2, "", " points of 1-10"),
    "characters": Unit(0, " characters", " characters"),
}


def unit_of(row: Row) -> Unit:
    """Return how to write a row's unit; three decimals and nothing more where it is not known."""
    return UNITS.get(row["unit"], Unit())


def text(value: object) -> str:
    """Return a value as Markdown that shows it as it is; null as "-"."""
    return "-" if value is None else EDGE.sub(r"\_", str(value).translate(PROSE))


def count(n: int, thing: str) -> str:
    """Return '1 row', '2 rows', '12,345 rows'."""
    return f"{n:,} {thing}{'' if n == 1 else 's'}"


def number(value: float | None, unit: str, sign: bool = False) -> str:
    """Return a value with its unit's decimals, without the unit; zero has no sign, null is unscored."""
    if value is None:
        return "unscored"
    decimals = UNITS.get(unit, Unit()).decimals
    shown = f"{value:+,.{decimals}f}" if sign else f"{value:,.{decimals}f}"
    return shown if re.search("[1-9]", shown) else shown.lstrip("+-")


def span(row: Row, sign: bool = False) -> str | None:
    """Return an interval: '36.3-52.0', '-30.1 to -4.9', '-100.0† to -4.9'; None where there is none."""
    if row["low"] is None or row["high"] is None:
        return None
    low, high = (_end(row, side, sign) for side in ("low", "high"))
    return f"{low} to {high}" if sign or low.startswith("-") else f"{low}-{high}"


def _end(row: Row, side: str, sign: bool) -> str:
    shown, whole = (number(found[side], row["unit"], sign) for found in (within(row), row))
    return shown if shown == whole else f"{shown}{CUT}"


def within(row: Row) -> dict[str, float | None]:
    """Return low and high, neither beyond what its unit can be."""
    least, most = unit_of(row)[-2:]
    ends = {side: row[side] for side in ("low", "high")}
    return {side: None if end is None else min(max(end, least), most) for side, end in ends.items()}


def noted(said: str | None) -> str | None:
    """Return Markdown with what the mark of a cut interval means, where it has one."""
    return f"{said}\n\n{NOTE}" if said and CUT in said else said


def label(row: Row, mode: bool = True, shown: Callable[[object], str] = text) -> str:
    """Return what was measured: 'cut_off, naked', 'exact_match, flexible, naked'.

    shown: `text` for Markdown, `str` for a plot.
    """
    parts = [row["metric"]]
    parts += [row["filter"]] if row["filter"] not in (None, "none", "stored") else []
    parts += [row["mode"]] if mode else []
    parts += [row["scorer"]] if row.get("scorer") not in (None, "number", "sign", "stored", "judge") else []
    parts += [row["regime"]] if row.get("regime") not in (None, "direct") else []
    return ", ".join(map(shown, parts))


def direction(row: Row) -> bool | None:
    """Return whether higher is better for a row's metric; None where neither way is."""
    known: bool | None = metrics.metric(row["metric"]).higher_is_better
    return known


def rank(row: Row) -> tuple[Any, ...]:
    """Return a sort key of measurements: metrics with a direction first, naked before the other modes."""
    mode = MODES.index(row["mode"]) if row["mode"] in MODES else len(MODES)
    return (direction(row) is None, row["metric"], row["filter"] or "", mode, label(row))


def size(scale: str | None) -> float:
    """Return the number of parameters that '135M' or '1B' says; infinity for anything else."""
    if not (found := SIZE.fullmatch(scale or "")):
        return inf
    try:
        return float(found[1]) * 1000.0 ** " KMBT".index(found[2].upper() or " ")
    except ValueError:
        return inf
