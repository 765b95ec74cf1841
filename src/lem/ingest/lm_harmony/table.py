"""The cells of a leaderboard in Markdown: a table whose header has Rank and PC1, models in its first column.

    for cell in cells("README.md", text):
        cell.place, cell.model, cell.column, cell.value      # 'Leaderboard, row 3', ...

Tables are those of the GitHub Flavored Markdown Spec 0.29, section 4.10, but for
one thing: a row with more or fewer cells than the header is a fault here, where
GitHub cuts it or fills it up, since a value might stand in the wrong column.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

LINE_END = re.compile(r"\r\n|\n|\r")
HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(.*)")
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
PIPE = re.compile(r"(?<!\\)\|")
RULE = re.compile(r":?-+:?")
NEEDED = {"rank", "pc1"}


@dataclass(frozen=True)
class Cell:
    """One cell of a leaderboard, or a whole row whose cells cannot be told apart: `fault` says why."""

    file: str
    number: int  # line of the file
    place: str  # "Leaderboard, row 3": heading above the table, row below its header
    model: str
    column: str
    value: str
    text: str
    fault: str | None = None


def cells(file: str, text: str) -> Iterator[Cell]:
    """Yield the cells right of the models, table by table, row by row."""
    columns: list[str] = []
    heading, above, row = "", "", 0
    for number, line in enumerate(outside_fences(LINE_END.split(text)), 1):
        if columns and line.strip() and not HEADING.match(line):
            row += 1
            place = f"{heading}, row {row}" if heading else f"row {row}"
            yield from row_cells(Cell(file, number, place, "", "", "", line), columns)
            continue
        columns, row = leaderboard(above, line), 0
        if match := HEADING.match(line):
            heading = match[1].rstrip("# \t")
        above = line


def outside_fences(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines, blank ones in the place of fenced code."""
    fence = ""
    for line in lines:
        match = FENCE.match(line)
        if not fence:
            fence = match[1] if match else ""
            yield "" if fence else line
        else:
            if match and match[1].startswith(fence) and not match[2].strip():
                fence = ""
            yield ""


def leaderboard(header: str, rule: str) -> list[str]:
    """Return the titles of a leaderboard's columns, given its first two lines; [] for anything else."""
    if "|" not in header or "|" not in rule:
        return []
    titles, rules = split(header), split(rule)
    needed = NEEDED.issubset(title.lower() for title in titles[1:])
    table = len(rules) == len(titles) and all(map(RULE.fullmatch, rules))
    return titles if needed and table else []


def split(line: str) -> list[str]:
    """Return the cells of a line of a table, without the pipes around it."""
    parts = PIPE.split(line.strip())
    if len(parts) > 1 and not parts[0]:
        parts = parts[1:]
    if len(parts) > 1 and not parts[-1]:
        parts = parts[:-1]
    return [part.strip().replace("\\|", "|") for part in parts]


def row_cells(row: Cell, columns: Sequence[str]) -> Iterator[Cell]:
    """Yield a row's cells right of its model, or the row itself with its fault."""
    found = split(row.text)
    if len(found) != len(columns):
        yield replace(row, fault=f"a row of {len(found)} cells below a header of {len(columns)}")
        return
    model = found[0]
    for column, value in zip(columns[1:], found[1:], strict=True):
        text = f"{model} | {column} | {value}"
        yield replace(row, model=model, column=column, value=value, text=text)
