"""`lem sql`: ask the tables a question in SQL; nothing else can be read, and nothing written.

The tables are the Parquet files of `reports/tables`, one view each, behind sandbox.py.
Questions that are asked of many studies have names: the files of `sql/named`.

    lem sql "select model, avg(value) from scores group by model"
    lem sql @name      # an unknown name lists those there are
"""

from __future__ import annotations

import csv
import datetime
import io
import json
import math
import os
import shutil
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from importlib.resources import files
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import click

from lem import layout
from lem.errors import LemError
from lem.sandbox import admit, connect, failure, identifier, names

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Row = Sequence[object]
FORMATS = ("table", "tsv", "csv", "json", "markdown")
NAMED = ("sql", "named")  # folder of the queries that have a name, in the package
BATCH = 2000  # rows held at a time where they are streamed
SCREEN = 1000  # rows shown of a table on a terminal
TSV = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
MARKDOWN = str.maketrans({"\\": "\\\\", "|": "\\|", "\n": "<br>", "\r": None})
TERMINAL = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))}


def sizes(con: DuckDBPyConnection) -> list[tuple[str, int, int]]:
    """Return (table, rows, columns) of every table, sorted."""
    views = [(table, con.table(identifier(table))) for table in names(con)]
    return [(table, *view.shape) for table, view in views]


def describe(con: DuckDBPyConnection, table: str) -> list[tuple[str, str, int]]:
    """Return (column, type, nulls) of every column of a table."""
    columns = con.execute(f"describe {identifier(table)}").fetchall()
    counts = ", ".join(f"count(*) - count({identifier(column[0])})" for column in columns)
    nulls = con.execute(f"select {counts} from {identifier(table)}").fetchall()[0]
    return [(column[0], column[1], count) for column, count in zip(columns, nulls, strict=True)]


def render(columns: Sequence[str], rows: Sequence[Row], fmt: str, width: int | None = None) -> str:
    """Return rows as text in one of FORMATS; a table is at most `width` characters wide.

    Null is null in JSON (so is NaN, which JSON lacks), NULL in a table, empty elsewhere.
    Raises LemError where JSON would lose one of two columns of the same name.
    """
    if fmt == "table":
        return _table(columns, rows, width or 1_000_000)
    if fmt != "json":
        rule = "|" + " --- |" * len(columns) + "\n" if fmt == "markdown" else ""
        return _lines([columns], fmt) + rule + _lines(rows, fmt)
    if twice := [name for name in columns if list(columns).count(name) > 1]:
        raise LemError(f"two columns are called {twice[0]}; name them with `as`, or use another --format")
    objects = (dict(zip(columns, map(_plain, row), strict=True)) for row in rows)
    return "[" + ",\n ".join(json.dumps(row, ensure_ascii=False) for row in objects) + "]\n"


def _lines(rows: Iterable[Row], fmt: str) -> str:
    texts = [[_shown(value) for value in row] for row in rows]
    if fmt == "csv":
        csv.writer(out := io.StringIO(), lineterminator="\n").writerows(texts)
        return out.getvalue()
    if fmt == "tsv":
        return "".join("\t".join(text.translate(TSV) for text in row) + "\n" for row in texts)
    return "".join("| " + " | ".join(text.translate(MARKDOWN) for text in row) + " |\n" for row in texts)


def _table(columns: Sequence[str], rows: Sequence[Row], width: int) -> str:
    """Return a rich table; where columns would be too narrow, one of (column, value) for each row."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=(out := io.StringIO()), width=width, color_system=None)
    head = [Text(name.translate(TERMINAL)) for name in columns]
    cells = [[Text("NULL" if v is None else _shown(v).translate(TERMINAL)) for v in row] for row in rows]
    upright = bool(rows) and len(columns) * 12 > width
    for block in [list(zip(head, row, strict=True)) for row in cells] if upright else [cells]:
        grid = Table(show_header=not upright)
        for name in [] if upright else head:
            grid.add_column(name)
        for line in block:
            grid.add_row(*line)
        console.print(grid)
    return out.getvalue()


def _plain(value: object) -> Any:  # noqa: ANN401 (any JSON)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _shown(value: object) -> str:
    if isinstance(value, bool | dict | list | tuple):
        return json.dumps(_plain(value), ensure_ascii=False)
    return "" if value is None else str(value if isinstance(value, float | Decimal) else _plain(value))


class _Sql(click.Command):
    """Takes a query that begins with a comment (`-- which models`) for a query, not for an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        queries = [arg for arg in args if arg.startswith("--") and len(arg.split()) > 1]
        options = [arg for arg in args if arg not in queries]
        return super().parse_args(ctx, [*options, "--", *queries] if queries else options)


@click.command(cls=_Sql)
@click.argument("query", required=False)
@click.option("--format", "fmt", type=click.Choice(FORMATS), help="Default: table; in a pipe, tsv.")
@click.option("--tables", "overview", is_flag=True, help="List the tables: name, rows, columns.")
@click.option("--describe", "table", metavar="TABLE", help="List a table's columns: name, type, nulls.")
def command(query: str | None, fmt: str | None, overview: bool, table: str | None) -> None:
    """Ask the tables a question in SQL (DuckDB's); a QUERY of "-" is read from standard input.

    A QUERY of @name is one that comes with lem. Only the tables can be read, and nothing can be written.

    \b
    Example:
        lem sql --tables
        lem sql --describe scores
        lem sql "select model, avg(value) from scores group by model"
        lem sql --format csv "from responses" > responses.csv
        lem sql - < question.sql
        lem sql @name
    """
    import duckdb

    if [query is not None, overview, table is not None].count(True) != 1:
        raise LemError('give a query (lem sql "select ..."), or --tables, or --describe TABLE')
    with closing(connect(layout.TABLES)) as con, ended_by_ctrl_c():
        try:
            if overview:
                show(["table", "rows", "columns"], sizes(con), fmt)
            elif table is not None:
                show(["column", "type", "nulls"], describe(con, _utf8(os.fsencode(table))), fmt)
            else:
                sql = _asked(str(query))
                admit(con, sql)
                columns = [column[0] for column in con.execute(sql).description]
                show(columns, chain.from_iterable(iter(lambda: con.fetchmany(BATCH), [])), fmt)
        except duckdb.Error as err:
            raise failure(con, err) from err


def _asked(query: str) -> str:
    """Return the query that an argument is, or names."""
    if query.startswith("@"):
        return named(query.removeprefix("@"))
    return _utf8(sys.stdin.buffer.read() if query == "-" else os.fsencode(query))


def named(name: str) -> str:
    """Return the query of that name that comes with lem; LemError lists those there are."""
    folder = files("lem").joinpath(*NAMED)
    there = {file.name: file for file in (folder.iterdir() if folder.is_dir() else ())}
    if file := there.get(f"{name}.sql"):
        return file.read_text(encoding="utf-8")
    listed = ", ".join(f"@{name.removesuffix('.sql')}" for name in sorted(there) if name.endswith(".sql"))
    raise LemError(f"no query is called {f'@{name}'!r:.80}; there are: {listed or 'none'}")


@contextmanager
def ended_by_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C end the process at once; DuckDB would hear of it only after the query."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as err:
        raise LemError(f"the query is not UTF-8: {err}") from err


def show(columns: Sequence[str], rows: Iterable[Row], fmt: str | None = None) -> None:
    """Write rows to standard output; only a table and JSON need them all at once."""
    rest, out, terminal = iter(rows), sys.stdout.buffer, sys.stdout.isatty()
    fmt = fmt or ("table" if terminal else "tsv")
    if fmt in ("table", "json"):
        screen = terminal and fmt == "table"
        shown = list(islice(rest, SCREEN if screen else None))
        width = shutil.get_terminal_size().columns if screen else None
        out.write(render(columns, shown, fmt, width).encode())
        if next(rest, None) is not None:
            click.echo(f"These are the first {SCREEN} rows; see all with --format tsv.", err=True)
    else:
        out.write(render(columns, [], fmt).encode())
        while batch := list(islice(rest, BATCH)):
            out.write(_lines(batch, fmt).encode())
    out.flush()
