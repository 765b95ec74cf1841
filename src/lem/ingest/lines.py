"""Foreign text, line by line: strict UTF-8, strict JSON, and a Fault for whatever is not.

Also the small readers of a row's fields that every kind of dump shares.

    for line in read_lines(Path("raw/gsm8k.jsonl"), "gsm8k.jsonl"):
        try:
            question = stated(line.row(), "question")
        except Fault as fault:
            print(line.number, fault, line.text)
"""

from __future__ import annotations

import codecs
import dataclasses
import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

from lem.record_files import dumps, sha256
from lem.records import R, Record
from lem.shapes import problem

LINE_LIMIT = 20_000_000  # bytes; a longer line is quarantined unread
TEXT_KEPT = 2_000  # characters of it that the quarantine keeps
AMOUNT_LIMIT = 2**53  # of seconds, tokens: what float and integer columns hold alike


class Fault(Exception):
    """Why one foreign row cannot be imported."""


class Row(Protocol):
    """Where a foreign row stands and how the quarantine keeps it."""

    @property
    def file(self) -> str: ...
    @property
    def number(self) -> int | None: ...
    @property
    def text(self) -> str: ...


class Object(dict[str, Any]):
    """A JSON object in which the first of a repeated key counts and the others are not lost."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__()
        self.repeated: list[tuple[str, Any]] = []
        for key, value in pairs:
            if key in self:
                self.repeated.append((key, value))
            else:
                self[key] = value


def parse(text: str, constant: Callable[[str], object] = float) -> object:
    """Return a JSON text's value; `constant` is called for NaN and the infinities.

    Raises Fault. Its words name no position: that differs between Python
    versions, and the quarantine must not.
    """
    try:
        return json.loads(text, object_pairs_hook=Object, parse_constant=constant)
    except (ValueError, RecursionError) as err:
        raise Fault("not JSON") from err


def _no_constant(name: str) -> NoReturn:
    raise Fault(f"{name} is not a number")


def without_bom(raw: bytes) -> bytes:
    """Return the beginning of a file without the one byte order mark that UTF-8 may have there."""
    return raw.removeprefix(codecs.BOM_UTF8)


def decode(raw: bytes) -> str:
    """Return bytes as strict UTF-8 text; raises Fault."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as err:
        raise Fault(f"not UTF-8: {err.reason} at byte {err.start + 1}") from err


@dataclass(frozen=True)
class Line:
    """One line of a JSONL file, its end included, or a JSON document whole, without a number.

    `raw` is cut off when `length` passes the limit.
    """

    file: str
    number: int | None
    raw: bytes
    length: int  # bytes

    @property
    def sha(self) -> str:
        """The sha256 of the line without its end."""
        return sha256(self.raw.rstrip(b"\r\n"))

    @property
    def text(self) -> str:
        """The line as the quarantine keeps it: bytes that are no UTF-8 as \\x.., a long line shortened."""
        if self.length <= LINE_LIMIT:
            return self.raw.rstrip(b"\r\n").decode("utf-8", "backslashreplace")
        return shortened(
            self.raw[: 4 * TEXT_KEPT].decode("utf-8", "backslashreplace"), f"{self.length} bytes"
        )

    def whole(self) -> str:
        """Return the text that is read; raises Fault for too long a one, for none, for what is no UTF-8."""
        self.within_limit()
        if not self.raw.strip():
            raise Fault("blank line" if self.number else "empty file")
        return decode(self.raw)

    def within_limit(self) -> None:
        """Raise Fault when the line, or the file, is too long to be read."""
        if self.length > LINE_LIMIT:
            what = "line" if self.number else "file"
            raise Fault(f"{what} of {self.length} bytes; the limit is {LINE_LIMIT}")

    def object(self, constant: Callable[[str], object] = float) -> Object:
        """Return the JSON object, of a repeated key the first; `constant` as in `parse`; raises Fault."""
        value = parse(self.whole(), constant)
        if not isinstance(value, Object):
            raise Fault(f"expected an object, found {type(value).__name__}")
        return value

    def row(self) -> dict[str, Any]:
        """Return the JSON object, no key of which stands twice, without NaN; raises Fault."""
        value = self.object(_no_constant)
        if value.repeated:
            raise Fault(f"key {value.repeated[0][0]!r:.80} stands twice")
        return value


def plain_row(line: Line) -> dict[str, Any]:
    """Return what `line.row()` does, in half the time where no key stands twice; raises Fault."""
    if line.length <= LINE_LIMIT:
        try:
            row = _PLAIN.decode(line.raw.decode())
            if type(row) is dict:
                return row
        except (ValueError, RecursionError, Fault):
            pass  # said in words below
    return line.row()


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError("a key stands twice")
    return row


_PLAIN = json.JSONDecoder(object_pairs_hook=_distinct, parse_constant=_no_constant)


def as_text(value: object) -> str:
    """Return a JSON value as the quarantine keeps it: long ones shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "[nested too deeply to write down]"
    return text if len(text) <= LINE_LIMIT else shortened(text, f"{len(text)} characters")


def shortened(text: str, length: str) -> str:
    """Return the first 2000 characters with a note of the whole length."""
    return f"{text[:TEXT_KEPT]} [the first {TEXT_KEPT} characters of {length}]"


def read_lines(
    path: Path, file: str, number: int = 1, start: int = 0, stop: float = math.inf
) -> Iterator[Line]:
    """Yield the lines of a file in bounded memory; blank lines at its end are no lines.

    A byte order mark at the start of the file is no part of its first line.
    A part of it begins at the byte `start`, with line `number`, and ends before `stop`, where a line does.
    """
    blank, number = 0, number - 1
    with path.open("rb") as lines:
        lines.seek(start)
        while start < stop and (raw := lines.readline(LINE_LIMIT + 1)):
            number += 1
            length = len(raw)
            if length > LINE_LIMIT:
                length += 0 if raw.endswith(b"\n") else _rest(lines.readline)
            raw = raw if start else without_bom(raw)
            start += length
            if length <= LINE_LIMIT and not raw.strip():
                blank += 1
                continue
            yield from (Line(file, n, b"", 0) for n in range(number - blank, number))
            blank = 0
            yield Line(file, number, raw, length)


def _rest(readline: Callable[[int], bytes]) -> int:
    length = 0
    while more := readline(1 << 20):
        length += len(more)
        if more.endswith(b"\n"):
            break
    return length


def fitting(record: R) -> R:
    """Return the record when it can be written and read back; raises Fault naming the field."""
    fitting_line(record)
    return record


def fitting_line(record: Record) -> str:
    """Return a record as a line of JSON, its end included; raises Fault as `fitting` does.

    Of records alike in the types of their fields the first is held against its class, the others by
    what their types leave open: that a number is finite and a text Unicode.
    """
    values = vars(record).values()
    shape = (type(record), *map(type, values))
    known = shape in _FITTING and all(
        -AMOUNT_LIMIT < value < AMOUNT_LIMIT for value in values if type(value) in (int, float)
    )
    if not known and (wrong := problem(type(record), dataclasses.asdict(record))):
        raise Fault(f"{wrong[0]} {wrong[1]}")
    _FITTING.add(shape)
    try:
        line = dumps(record, allow_nan=False) + "\n"
        line.encode()
    except UnicodeEncodeError as err:
        raise Fault("half of a surrogate pair: not Unicode text") from err
    except ValueError as err:
        raise Fault("NaN or Infinity is not a number") from err
    return line


_FITTING: set[tuple[type, ...]] = set()


def printable(text: str) -> str:
    """Return text that UTF-8 can hold: halves of surrogate pairs are written as \\ud..., not dropped."""
    return text.encode("utf-8", "backslashreplace").decode()


def first(row: dict[str, Any], *names: str) -> Any:  # noqa: ANN401 (a foreign value; `fitting` checks it)
    """Return the first of the named fields that is there and not null, or None."""
    return next((row[name] for name in names if row.get(name) is not None), None)


def stated(row: dict[str, Any], *names: str) -> Any:  # noqa: ANN401
    """Return what `first` finds; raises Fault when it is nothing or blank."""
    value = first(row, *names)
    if value is None or (isinstance(value, str) and not value.strip()):
        raise Fault(f"no {' or '.join(names)}")
    return value


def number(key: str, value: object) -> float:
    """Return a JSON number or boolean as a finite float; raises Fault."""
    if not isinstance(value, int | float):
        raise Fault(f"{key!r:.80}: expected a number, found {type(value).__name__}")
    if not abs(value) <= sys.float_info.max:
        raise Fault(f"{key!r:.80}: NaN, Infinity or beyond any float")
    return float(value)


def amount(row: dict[str, Any], *names: str) -> float | None:
    """Return the first of the named fields as a float, not negative; null when none is there."""
    value = first(row, *names)
    if value is None:
        return None
    if isinstance(value, bool) or not 0 <= number(names[0], value) < AMOUNT_LIMIT:
        raise Fault(f"{' or '.join(names)} {value} is no amount")
    return float(value)
