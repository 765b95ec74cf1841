"""The only way a question reaches the tables: a DuckDB connection that can read them and nothing else.

DuckDB's settings and the kind of a statement do not keep a query inside them:
`with x as (copy … to …) select …` is a SELECT, `explain analyze` and
`json_execute_serialized_sql` run what they are given, and a path that may be
read may be overwritten. So the only paths DuckDB may open belong to a file
system that has these files and no way of writing.

    con = sandbox.connect(Path("reports/tables"))
    sandbox.admit(con, "select count(*) from scores")
"""

from __future__ import annotations

import datetime
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from lem import sql_functions, whole_tables
from lem.errors import LemError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

REBUILD = "run `dvc repro` (or `lem warehouse`) or `dvc pull` first"
READ_ONLY = "the tables cannot be written, only read"
READS = re.compile(
    r"(?>\s|\(|--[^\n]*\n|/\*.*?\*/)*+(with|select|from|pivot|explain|describe)\b", re.I | re.S
)
SHUT = """
set enable_progress_bar = false;  -- it is drawn on stdout
set enable_external_file_cache = false;  -- one call asks once
set memory_limit = '4GB';
set temp_directory = '';  -- a query may read and write where DuckDB spills
set enable_external_access = false;
set lock_configuration = true;
"""


def connect(
    tables: Path,
    opened: set[str] | None = None,
    needs: Sequence[str] = (),
    threads: int | None = None,
) -> DuckDBPyConnection:
    """Return an in-memory connection with a view for each Parquet file of a folder, shut to all else.

    All files are of one whole state (lem.whole_tables), and stay what they are until it is closed.
    `opened` gets the name of each table whose file DuckDB opens, which it does for every query
    that reads it: cleared before a query it says what that query read, however it is worded.
    `needs`: these tables alone. `threads`: DuckDB's; one adds numbers in the same order every time.

    Raises LemError when there is no table, one of `needs` is missing or a file is not Parquet.
    """
    import duckdb

    files = whole_tables.opened(tables)
    there = list(files.descriptors)
    if not there and not needs:
        raise LemError(f"{tables}: no tables yet; {REBUILD}")
    if lacking := [name for name in needs if name not in there]:
        raise LemError(f"{tables / lacking[0]}.parquet: no such table; {REBUILD}")
    con = duckdb.connect(":memory:", config={"threads": threads} if threads else {})
    con.register_filesystem(_read_only(files, set() if opened is None else opened))
    urls = {name: _text(f"tables://{name}.parquet") for name in needs or there}
    for name, url in urls.items():
        try:
            con.execute(f"create view {identifier(name)} as from read_parquet({url})")
        except duckdb.Error as err:
            con.close()
            path = tables / f"{name}.parquet"
            raise LemError(f"{path}: not Parquet; run `dvc repro` or `dvc pull`: {_message(err)}") from err
    sql_functions.register(con)
    con.execute(f"set allowed_paths = [{', '.join(urls.values())}]")
    con.execute(SHUT)
    return con


class _Table:
    """A file with a position for each thread and user: DuckDB's threads seek and read in the same one."""

    def __init__(self, files: whole_tables.Files, name: str) -> None:
        self.files, self.name, self.at = files, name, threading.local()

    def seek(self, position: int) -> None:
        self.at.position = position

    def read(self, size: int) -> bytes:
        found = self.files.read(self.name, size, self.at.position)
        self.at.position += len(found)
        return found


def _read_only(files: whole_tables.Files, opened: set[str]) -> Any:  # noqa: ANN401 (fsspec is untyped)
    from fsspec import AbstractFileSystem

    class Tables(AbstractFileSystem):  # type: ignore[misc]
        """The file system `tables://`: what DuckDB's reader asks for, and nothing that writes."""

        protocol = "tables"
        cachable = False  # one a connection

        def _open(self, path: str, mode: str = "rb", **_: object) -> _Table:
            if mode != "rb":
                raise PermissionError(READ_ONLY)
            name = _name(path)
            opened.add(name)
            return _Table(files, name)

        def _rm(self, path: str) -> NoReturn:
            raise PermissionError(READ_ONLY)

        def glob(self, path: str, **_: object) -> list[str]:
            return [path]

        def info(self, path: str, **_: object) -> dict[str, object]:
            return {"name": path, "size": files.stat(_name(path)).st_size, "type": "file"}

        def modified(self, path: str) -> datetime.datetime:
            return datetime.datetime.fromtimestamp(files.stat(_name(path)).st_mtime, tz=datetime.UTC)

    return Tables()


def _name(path: str) -> str:
    return path.removeprefix("tables://").removesuffix(".parquet")


def admit(con: DuckDBPyConnection, sql: str) -> None:
    """Raise LemError unless `sql` is one SELECT, EXPLAIN or DESCRIBE (so are WITH, SHOW, PIVOT).

    This is for a clear answer; what holds a query back is the connection.
    """
    import duckdb

    try:
        kinds = [statement.type.name for statement in con.extract_statements(sql)]
    except duckdb.Error as err:
        raise failure(con, err) from err
    except ValueError:  # a kind that DuckDB's Python has no name for: UPDATE EXTENSIONS
        kinds = ["another kind"]
    if len(kinds) != 1:
        raise LemError(f"expected one query, found {len(kinds) or 'none'}")
    pivot = kinds == ["MULTI"] and READS.match(sql)  # a PIVOT looks up its columns first
    if kinds[0] not in ("SELECT", "EXPLAIN") and not pivot:
        raise LemError(f"only SELECT, EXPLAIN and DESCRIBE can be asked; this is {kinds[0]}")


def failure(con: DuckDBPyConnection, err: Exception) -> LemError:
    """Return DuckDB's error as one of ours, with the tables there are."""
    return LemError(f"{_message(err)}\nThe tables are: {', '.join(names(con))}.")


def _message(err: Exception) -> str:
    """Return DuckDB's message in a few lines, less the Python traceback inside it."""
    lines = [line.rstrip() for line in str(err).splitlines() if line.strip()]
    if traced := [number for number, line in enumerate(lines, 1) if "Traceback" in line]:
        lines = [line for line in lines[traced[0] :] if not line.startswith((" ", "LINE"))]
    return "\n".join(lines[:6])


def identifier(name: str) -> str:
    """Return a name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def names(con: DuckDBPyConnection) -> list[str]:
    """Return the names of the tables, sorted."""
    views = con.execute("select view_name from duckdb_views() where not internal order by 1")
    return [row[0] for row in views.fetchall()]
