"""The rows of a foreign CSV, strictly read: each with its first line's number, its text, any fault in it.

for row in csv_rows(Path("raw/figures.csv"), "figures.csv"):
    print(row.number, row.fault or row.cells)
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from lem.ingest.lines import shortened

LONGEST = 4_000_000  # characters of a line; no row of sound cells comes near it


@dataclass(frozen=True)
class CsvRow:
    """One row: its cells, or why they cannot be told apart."""

    file: str
    number: int  # of its first line; quoted cells may go on over several
    text: str
    cells: list[str]
    fault: str | None = None


def csv_rows(path: Path, file: str) -> Iterator[CsvRow]:
    """Yield the rows of a UTF-8 file in bounded memory, the header too; blank ones at its end are none."""
    blank: list[CsvRow] = []
    for row in _every_row(path, file):
        if not row.cells and not row.fault:
            blank.append(replace(row, fault="blank line"))
            continue
        yield from blank
        blank = []
        yield row


def _every_row(path: Path, file: str) -> Iterator[CsvRow]:
    lines: list[str] = []  # those that the row in hand is made of
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        reader = csv.reader(_lines(stream, lines), strict=True)
        while True:
            number = reader.line_num + 1
            lines.clear()
            try:
                cells, fault = next(reader), None
            except StopIteration:
                return
            except csv.Error:  # its words differ between Python versions, and the quarantine must not
                cells, fault = (
                    [],
                    "not CSV: a quote where none may be or that is never closed, or a huge cell",
                )
            text = "".join(lines)
            yield CsvRow(file, number, _shown(text), cells, fault or _unreadable(text, lines))


def _unreadable(text: str, lines: list[str]) -> str | None:
    if max(map(len, lines), default=0) >= LONGEST:
        return f"a line of {LONGEST} characters or more"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "not UTF-8"
    return None


def _shown(text: str) -> str:
    """Return a row as the quarantine keeps it: bytes that are no UTF-8 as \\x.., a long row shortened."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").rstrip("\r\n")
    return text if len(text) < LONGEST else shortened(text, "a line that was not read to its end")


def _lines(stream: TextIO, taken: list[str]) -> Iterator[str]:
    """Yield the lines, and add each to `taken`; of one that is too long, what is beyond is dropped."""
    while line := stream.readline(LONGEST):
        taken.append(line)
        rest = line
        while len(rest) == LONGEST and not rest.endswith(("\n", "\r")):
            rest = stream.readline(LONGEST)
        yield line
