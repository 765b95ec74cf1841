"""Files into typed tables: what fits is loaded with the number of its line, the rest is named.

Python judges the lines (lem.shapes), since DuckDB takes a trailing comma, a bare
NaN or a doubled field for JSON; DuckDB loads the fitting ones, by explicit columns.

    loaded = load(con, "scores", layout.files("scores"), scratch)
    loaded.faults                      # [Broken('scores', 'record', 'data/scores/...', 3, 'value', ...)]
    con.sql("from scores")             # at_file, at_line and the fields of Score
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lem import layout, records
from lem.rule_sql import quoted
from lem.rules import RECORDS
from lem.shapes import Misfit, Sieve, parse, printable
from lem.workers import PROCESSES, in_order

if TYPE_CHECKING:
    import duckdb

DOCUMENTS = ("runs", "models")
"""Tables whose files hold one JSON object each; the others are JSON Lines."""

MAY_BE_EMPTY = ("scores", "notes", "quarantined")
"""Tables of which a file may hold no row: a benchmark may have no scorer of its own, an import no fault."""

SQL_TYPES = {str: "VARCHAR", int: "BIGINT", float: "DOUBLE", bool: "BOOLEAN"}
RECORD = "record"
"""The rule that a row is one of its table's records, before any other is asked."""

OBJECT_SIZE = 1 << 24  # bytes DuckDB allows a line anyway
BIG = 64_000_000  # bytes of a table's files from which two processes pay
Judged = tuple[int, int, dict[int, Misfit]]


@dataclass(frozen=True)
class Broken:
    """One row that breaks one rule; RECORD is the shape of the row itself."""

    table: str
    rule: str
    file: str | None  # null for a table that no file holds
    line: int | None
    field: str
    value: str | None  # as short JSON; null where there is none to show
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.file and self.line else self.file or self.table
        return printable(
            f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}"
        )


@dataclass(frozen=True)
class Loaded:
    """What came of the files of a table: rows that fit, and those that do not."""

    files: int
    rows: int
    faults: list[Broken]


def source_of(file: str | Path) -> str:
    """Return the source whose rows a file holds: the folder below data/imported, else this study."""
    path, imported = Path(file), layout.DATA / "imported"
    return path.relative_to(imported).parts[0] if path.is_relative_to(imported) else records.OWN


def load(con: duckdb.DuckDBPyConnection, table: str, files: Sequence[Path], scratch: Path) -> Loaded:
    """Create `table` and fill it with every row that fits; `scratch` is a folder for copies.

    Raises RuntimeError when rows got lost between the files and the table.
    """
    typed = ", ".join(f"{quoted(name)} {kind}" for name, kind in _types(table).items())
    con.execute(f"create table {quoted(table)} (at_file VARCHAR, at_line BIGINT, {typed})")
    fitting, faults = (_documents if table in DOCUMENTS else _lines)(con, table, files, scratch)
    rows: int = con.execute(f"select count(*) from {quoted(table)}").fetchall()[0][0]
    if rows != fitting:
        raise RuntimeError(f"{table}: {fitting} lines fit, {rows} are in the table")
    return Loaded(len(files), rows, faults)


def _types(table: str) -> dict[str, str]:
    return {name: SQL_TYPES[scalar] for name, (scalar, _) in records.fields(RECORDS[table]).items()}


def _broken(table: str, path: Path, line: int, wrong: Misfit) -> Broken:
    field, message = printable(wrong.field), printable(wrong.message)
    return Broken(table, RECORD, printable(str(path)), line, field, wrong.value, message)


def _lines(
    con: duckdb.DuckDBPyConnection, table: str, files: Sequence[Path], scratch: Path
) -> tuple[int, list[Broken]]:
    fitting, faults = 0, []
    for path, (count, longest, bad) in _judged_all(table, files):
        if count > len(bad):
            source = _blanked(path, bad, scratch) if bad else path
            _insert(con, table, source, longest, str(path), sorted(bad))
        if count == 0 and table not in MAY_BE_EMPTY:
            bad[1] = Misfit("", "an empty file, expected at least one record")
        fitting += max(0, count - len(bad))
        faults += [_broken(table, path, number, wrong) for number, wrong in bad.items()]
    return fitting, faults


def _judged_all(table: str, files: Sequence[Path]) -> Iterator[tuple[Path, Judged]]:
    """Yield each file, in order, and what `_judged` says of it; two processes judge where there is much."""
    several = len(files) >= PROCESSES and (os.cpu_count() or 1) >= PROCESSES
    side_by_side = several and sum(path.stat().st_size for path in files) >= BIG
    yield from zip(files, in_order(partial(_judged, table=table), files, side_by_side), strict=True)


def _judged(path: Path, table: str) -> Judged:
    """Return the number of lines, the bytes of the longest, and what is wrong with which."""
    sieve = Sieve(RECORDS[table], source_of(path))
    count, longest, bad = 0, 0, dict[int, Misfit]()
    with path.open("rb") as lines:
        for count, line in enumerate(lines, 1):
            longest = max(longest, len(line))
            if wrong := sieve(line):
                bad[count] = wrong
    return count, longest, bad


def _blanked(path: Path, bad: Collection[int], scratch: Path) -> Path:
    """Write a copy with an empty object for each bad line, so that the others keep their numbers."""
    copy = scratch / "blanked.jsonl"
    with path.open("rb") as lines, copy.open("wb") as out:
        out.writelines(b"{}\n" if number in bad else line for number, line in enumerate(lines, 1))
    return copy


def _insert(
    con: duckdb.DuckDBPyConnection, table: str, path: Path, longest: int, file: str, bad: list[int]
) -> None:
    typed = ", ".join(f"{quoted(name)}: '{kind}'" for name, kind in _types(table).items())
    con.execute(
        f"insert into {quoted(table)} select $file, at_line, {_filled(table)} from ("
        f" select row_number() over () as at_line, * from read_json($path, columns = {{{typed}}},"
        " format = 'newline_delimited', compression = 'none', hive_partitioning = false,"
        " maximum_object_size = $size)) where at_line not in (select unnest($bad::BIGINT[]))",
        {
            "file": file,
            "path": re.sub(r"([*?\[])", r"[\1]", str(path)),  # a name, not a pattern
            "size": longest + OBJECT_SIZE,
            "bad": bad,
        },
    )


def _filled(table: str) -> str:
    """Return the select list; a field that a line leaves out has the default of its class."""
    return ", ".join(
        quoted(f.name)
        if f.default is None or f.default is dataclasses.MISSING
        else f"coalesce({quoted(f.name)}, {f.default!r})"
        for f in dataclasses.fields(RECORDS[table])
    )


def _documents(
    con: duckdb.DuckDBPyConnection, table: str, files: Sequence[Path], scratch: Path
) -> tuple[int, list[Broken]]:
    cls = RECORDS[table]
    rows, faults = [], []
    for path in files:
        row, wrong = parse(path.read_bytes(), cls, source_of(path))
        if wrong:
            faults.append(_broken(table, path, wrong.line, wrong))
        else:
            rows.append([str(path), 1, *(row.get(f.name, f.default) for f in dataclasses.fields(cls))])
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        con.executemany(f"insert into {quoted(table)} values ({marks})", rows)
    return len(rows), faults
