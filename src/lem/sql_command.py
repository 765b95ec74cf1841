"""`lem sql`: ask the tables a question in SQL; nothing else can be read, and nothing written.

The tables are the Parquet files of `reports/tables`, one view each. DuckDB's settings
and the kind of a statement do not keep a query inside them: `with x as (copy … to …)
select …` is a SELECT, `explain analyze` and `json_execute_serialized_sql` run what they
are given, and a path that may be read may be overwritten. So the only paths DuckDB may
open belong to a file system that has these files and no way of writing.

    lem sql "select model, avg(value) from scores group by model"
"""

from __future__ import annotations

import csv
import datetime
import io
import json
import math
import os
import re
import shutil
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from lem import layout
from lem.errors import LemError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Row = Sequence[object]
FORMATS = ("table", "tsv", "csv", "json", "markdown")
BATCH = 2000  # rows held at a time where they are streamed
SCREEN = 1000  # rows shown of a table on a terminal
READ_ONLY = "the tables cannot be written, only read"
READS = re.compile(
    r"(?>\s|\(|--[^\n]*\n|/\*.*?\*/)*+(with|select|from|pivot|explain|describe)\b", re.I | re.S
)
TSV = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
MARKDOWN = str.maketrans({"\\": "\\\\", "|": "\\|", "\n": "<br>", "\r": None})
TERMINAL = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))}
SHUT = """
set enable_progress_bar = false;  -- it is drawn on stdout
set enable_external_file_cache = false;  -- one call asks once
set temp_directory = '';  -- a query may read and write where DuckDB spills
set enable_external_access = false;
set lock_configuration = true;
"""


def connect(tables: Path) -> DuckDBPyConnection:
    """Return an in-memory connection with a view for each Parquet file of a folder, shut to all else.

    Raises LemError when there is no table or a file is not Parquet.
    """
    import duckdb

    files = {f"tables://{path.name}": path for path in sorted(tables.glob("*.parquet"))}
    if not files:
        raise LemError(f"{tables}: no tables yet; run `dvc repro` (or `lem warehouse`) or `dvc pull` first")
    con = duckdb.connect(":memory:")
    con.register_filesystem(_read_only(files))
    for url, path in files.items():
        try:
            con.execute(f"create view {_name(path.stem)} as from read_parquet({_text(url)})")
        except duckdb.Error as err:
            con.close()
            raise LemError(f"{path}: not Parquet; run `dvc repro` or `dvc pull`: {_message(err)}") from err
    con.execute(f"set allowed_paths = [{', '.join(map(_text, files))}]")
    con.execute(SHUT)
    return con


class _Table:
    """A file with a position for each thread: DuckDB's threads seek and read in the same one."""

    def __init__(self, file: io.FileIO) -> None:
        self.file, self.at = file, threading.local()

    def seek(self, position: int) -> None:
        self.at.position = position

    def read(self, size: int) -> bytes:
        found = os.pread(self.file.fileno(), size, self.at.position)
        self.at.position += len(found)
        return found

    def __del__(self) -> None:
        self.file.close()  # DuckDB only lets go of it


def _read_only(files: dict[str, Path]) -> Any:  # noqa: ANN401 (fsspec is untyped)
    from fsspec import AbstractFileSystem  # type: ignore[import-untyped]

    class Tables(AbstractFileSystem):  # type: ignore[misc]
        """The file system `tables://`: what DuckDB's reader asks for, and nothing that writes."""

        protocol = "tables"
        cachable = False

        def _open(self, path: str, mode: str = "rb", **_: object) -> _Table:
            if mode != "rb":
                raise PermissionError(READ_ONLY)
            return _Table(files[f"tables://{path}"].open("rb", buffering=0))

        def _rm(self, path: str) -> NoReturn:
            raise PermissionError(READ_ONLY)

        def glob(self, path: str, **_: object) -> list[str]:
            return [path]

        def info(self, path: str, **_: object) -> dict[str, object]:
            return {"name": path, "size": files[path].stat().st_size, "type": "file"}

        def modified(self, path: str) -> datetime.datetime:
            return datetime.datetime.fromtimestamp(files[path].stat().st_mtime, tz=datetime.UTC)

    return Tables()


def admit(con: DuckDBPyConnection, sql: str) -> None:
    """Raise LemError unless `sql` is one SELECT, EXPLAIN or DESCRIBE (so are WITH, SHOW, PIVOT).

    This is for a clear answer; what holds a query back is the connection.
    """
    import duckdb

    try:
        kinds = [statement.type.name for statement in con.extract_statements(sql)]
    except duckdb.Error as err:
        raise _failure(con, err) from err
    except ValueError:  # a kind that DuckDB's Python has no name for: UPDATE EXTENSIONS
        kinds = ["another kind"]
    if len(kinds) != 1:
        raise LemError(f"expected one query, found {len(kinds) or 'none'}")
    pivot = kinds == ["MULTI"] and READS.match(sql)  # a PIVOT looks up its columns first
    if kinds[0] not in ("SELECT", "EXPLAIN") and not pivot:
        raise LemError(f"only SELECT, EXPLAIN and DESCRIBE can be asked; this is {kinds[0]}")


def _failure(con: DuckDBPyConnection, err: Exception) -> LemError:
    return LemError(f"{_message(err)}\nThe tables are: {', '.join(_tables(con))}.")


def _message(err: Exception) -> str:
    """Return DuckDB's message in a few lines, less the Python traceback inside it."""
    lines = [line.rstrip() for line in str(err).splitlines() if line.strip()]
    if "'pytz'" in lines[0]:
        return "a time with a time zone must be cast to be shown: now()::varchar"
    if traced := [number for number, line in enumerate(lines, 1) if "Traceback" in line]:
        lines = [line for line in lines[traced[0] :] if not line.startswith((" ", "LINE"))]
    return "\n".join(lines[:6])


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _tables(con: DuckDBPyConnection) -> list[str]:
    views = con.execute("select view_name from duckdb_views() where not internal order by 1")
    return [row[0] for row in views.fetchall()]


def sizes(con: DuckDBPyConnection) -> list[tuple[str, int, int]]:
    """Return (table, rows, columns) of every table, sorted."""
    views = [(table, con.table(_name(table))) for table in _tables(con)]
    return [(table, *view.shape) for table, view in views]


def describe(con: DuckDBPyConnection, table: str) -> list[tuple[str, str, int]]:
    """Return (column, type, nulls) of every column of a table."""
    columns = con.execute(f"describe {_name(table)}").fetchall()
    counts = ", ".join(f"count(*) - count({_name(column[0])})" for column in columns)
    nulls = con.execute(f"select {counts} from {_name(table)}").fetchall()[0]
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


@click.command()
@click.argument("query", required=False)
@click.option(
    "--format", "fmt", type=click.Choice(FORMATS), help="Default: table on a terminal, tsv in a pipe."
)
@click.option("--tables", "overview", is_flag=True, help="List the tables: name, rows, columns.")
@click.option("--describe", "table", metavar="TABLE", help="List a table's columns: name, type, nulls.")
def command(query: str | None, fmt: str | None, overview: bool, table: str | None) -> None:
    """Ask the tables a question in SQL (DuckDB's); a QUERY of "-" is read from standard input.

    Only the tables can be read, and nothing can be written.

    \b
    Example:
        lem sql --tables
        lem sql --describe scores
        lem sql "select model, avg(value) from scores group by model"
        lem sql --format csv "from responses" > responses.csv
        lem sql - < question.sql
    """
    import duckdb

    if [query is not None, overview, table is not None].count(True) != 1:
        raise LemError('give a query (lem sql "select ..."), or --tables, or --describe TABLE')
    with closing(connect(layout.TABLES)) as con, _ended_by_ctrl_c():
        try:
            if overview:
                _write(["table", "rows", "columns"], sizes(con), fmt)
            elif table is not None:
                _write(["column", "type", "nulls"], describe(con, _utf8(os.fsencode(table))), fmt)
            else:
                sql = _utf8(sys.stdin.buffer.read() if query == "-" else os.fsencode(str(query)))
                admit(con, sql)
                columns = [column[0] for column in con.execute(sql).description]
                _write(columns, chain.from_iterable(iter(lambda: con.fetchmany(BATCH), [])), fmt)
        except duckdb.Error as err:
            raise _failure(con, err) from err


@contextmanager
def _ended_by_ctrl_c() -> Iterator[None]:
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


def _write(columns: Sequence[str], rows: Iterable[Row], fmt: str | None) -> None:
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
