"""Why a line is no record: judged as every later stage will read it, by Python's JSON.

Stricter than that JSON in what would be lost or changed in silence: a field that
stands twice, NaN and infinity, integers beyond 64 bits, text that is no Unicode,
a `source` that is not the folder's.

    sieve = Sieve(Score, "own")
    sieve(b'{"run_id": 7}')      # Misfit('run_id', 'expected str, found 7', '7')
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from typing import Any, NamedTuple

from lem import records
from lem.records import fields

SHORT = 60  # characters of a value that a message shows
INT64 = 2**63
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class Misfit(NamedTuple):
    """The field at fault ('' for the whole), what is wrong, what stands there, in which line of the text."""

    field: str
    message: str
    value: str | None = None
    line: int = 1


def printable(text: str) -> str:
    """Return text as a terminal and a UTF-8 file may hold it: control characters and halves escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def short(value: object) -> str:
    """Return a value as JSON, cut to what a message can show."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return printable(text if len(text) <= SHORT else text[: SHORT - 3] + "...")


def misfit(text: bytes, cls: type, source: str) -> Misfit | None:
    """Return why a text (a line, a file) is no record of `cls` and `source`; None when it is one."""
    return parse(text, cls, source)[1]


def parse(text: bytes, cls: type, source: str) -> tuple[dict[str, Any], Misfit | None]:
    """Return the row of a text and why it does not fit; the row is empty when there is none."""
    try:
        row = _decode(text)
    except UnicodeDecodeError as err:
        at = f"byte 0x{err.object[err.start]:02x} at byte {err.start + 1}"
        return {}, Misfit("", f"not UTF-8: {at}", line=1 + text[: err.start].count(b"\n"))
    except json.JSONDecodeError as err:
        return {}, _not_json(err)
    except ValueError as err:
        return {}, Misfit("", f"not JSON: {err}")
    except RecursionError:
        return {}, Misfit("", "not JSON that any reader takes: nested too deeply")
    wrong = row_misfit(row, cls, source)
    return ({} if wrong else row), wrong


def _decode(text: bytes) -> Any:  # noqa: ANN401
    return _STRICT.decode(text.decode())


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in row if names.count(name) > 1)
        raise ValueError(f"field {short(twice)} stands twice")
    return row


_STRICT = json.JSONDecoder(object_pairs_hook=_once)


def _not_json(err: json.JSONDecodeError) -> Misfit:
    if not err.doc.strip():
        return Misfit("", "empty, expected a record")
    start = max(0, err.pos - SHORT // 2)
    around = printable(" ".join(err.doc[start : start + SHORT].split()))
    found = f"...{around}" if start else around
    return Misfit("", f"not JSON: {err.msg} (character {err.colno}), found {found}", found, err.lineno)


def row_misfit(row: object, cls: type, source: str) -> Misfit | None:
    """Return why a parsed row is no record of `cls` and `source`; None when it is one."""
    for name, value in row.items() if isinstance(row, dict) else ():
        if wants := _unwritable(value):
            return Misfit(name, f"expected {wants}, found {short(value)}", short(value))
    if wrong := problem(cls, row):
        return _worded(row, *wrong)
    assert isinstance(row, dict)
    if (found := row.get("source", records.OWN)) != source:
        message = f"expected {short(source)}, as the folder says, found {short(found)}"
        return Misfit("source", message, short(found))
    return None


def problem(cls: type, row: object) -> tuple[str, str] | None:
    """Return (field, what is wrong with it) of the first misfit, or None for a fitting row.

    Missing fields are wrong only where the class has no default; unknown
    fields are wrong always, since they would be lost in silence.
    """
    if not isinstance(row, dict):
        return "", f"expected an object, found {type(row).__name__}"
    required = {f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING}
    for name, (scalar, nullable) in fields(cls).items():
        if name not in row:
            if name in required:
                return name, "is missing"
            continue
        value = row[name]
        if value is None:
            if not nullable:
                return name, "is null"
        elif not _fits(value, scalar):
            return name, f"expected {scalar.__name__}, found {json.dumps(value)[:60]}"
    unknown = sorted(set(row) - set(fields(cls)))
    return (unknown[0], f"is no field of {cls.__name__}") if unknown else None


def _fits(value: object, scalar: type) -> bool:
    if scalar is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and _finite(value)
    if scalar is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, scalar)


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the largest double
        return False


def _worded(row: object, field: str, message: str) -> Misfit:
    if not isinstance(row, dict) or field not in row:
        return Misfit(field, message, None if isinstance(row, dict) else short(row))
    value = short(row[field])
    return Misfit(field, message if "found" in message else f"{message}, found {value}", value)


def _unwritable(value: object) -> str | None:
    """Return what a scalar should have been, were it to survive being stored as 64 bits or UTF-8."""
    if isinstance(value, float) and not math.isfinite(value):
        return "a finite number"
    if isinstance(value, int) and not -INT64 <= value < INT64:
        return "an integer of 64 bits"
    if isinstance(value, str) and not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        return "Unicode text, without half of a surrogate pair"
    return None


class Sieve:
    """A function from a line to its Misfit or None, quick for lines that resemble fitting ones.

    A line whose fields have the names and types of an earlier, fitting one is
    judged by its values alone, which keeps a million lines to seconds.
    """

    def __init__(self, cls: type, source: str) -> None:
        self.cls, self.source = cls, source
        self.fitting: dict[tuple[object, ...], list[str]] = {}  # names and types: the fields with numbers

    def __call__(self, line: bytes) -> Misfit | None:
        text = line.rstrip(b"\r\n")
        try:
            row = _decode(text)
        except (ValueError, RecursionError):
            return self._unreadable(line, text)
        shape = (*row, *map(type, row.values())) if type(row) is dict else ()
        numbers = self.fitting.get(shape)
        if numbers is not None and self._unremarkable(row, numbers, text):
            return None
        wrong = row_misfit(row, self.cls, self.source)
        if wrong is None:
            self.fitting[shape] = [name for name, value in row.items() if type(value) in (int, float)]
        return wrong

    def _unremarkable(self, row: dict[str, Any], numbers: list[str], text: bytes) -> bool:
        return (
            row.get("source", records.OWN) == self.source
            and all(-INT64 <= row[name] < INT64 for name in numbers)
            and (b"\\u" not in text or not SURROGATE.search(text))
        )

    def _unreadable(self, line: bytes, text: bytes) -> Misfit | None:
        wrong = misfit(text, self.cls, self.source)
        if wrong and text and not line.endswith(b"\n"):
            return wrong._replace(message=f"{wrong.message} (the last line, and it has no end)")
        return wrong
