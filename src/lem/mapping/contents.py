"""What lies below `data/`: one entry a file, with what its rows say of themselves.

Which file holds which records is told by `lem.layout`, everything else by the
rows: DuckDB groups them by file, fields, model, prompt set and mode, and only
the groups come to Python, so a million rows are a few hundred of them.

    found = survey(con)
    found.entries[0].groups      # [Group(model='smollm2-135m', prompts='gsm8k', rows=150, ...)]
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from lem import layout
from lem.errors import LemError
from lem.mapping import plain
from lem.scan import DOCUMENTS
from lem.shapes import printable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

WEIGHTS = ("models", "fused")
"""Folders of `data/` that hold weights: rebuilt wherever they are missing, so the page leaves them out."""


class Kind(NamedTuple):
    """What the records of a table are called, and which of their fields say what they are of."""

    category: str
    noun: str
    link: str = ""  # between the noun and the prompt set
    model: str = "model"
    prompts: str = ""
    mode: str = ""
    detail: str = ""
    item: str = ""


KINDS = {
    "responses": Kind("Responses", "answer", "to", prompts="prompts", mode="mode", item="seed_id"),
    "scores": Kind("Scores", "score", "of", "model", "benchmark", "mode", "metric", "item_id"),
    "items": Kind("Items", "question", "of", "", "benchmark", item="item_id"),
    "runs": Kind("Runs", "run record", "over", "model", "prompts", "mode"),
    "models": Kind("Models", "model record", model="name", detail="role"),
    "losses": Kind("Losses", "loss value", "over", "model", "data", "mode", "split"),
    "distilled": Kind("Distilled", "answer", "considered for", "", "name", "", "split", "seed_id"),
    "figures": Kind("Figures", "stated figure", "on", "model", "benchmark", "", "metric"),
    "log_entries": Kind("Log entries", "logged answer", "to", "model", "prompts", "mode", "", "seed_id"),
    "notes": Kind("Notes", "note", "on", "model", "prompts", "", "rule", "item_id"),
    "quarantined": Kind("Quarantine", "quarantined row", model=""),
}
"""One for each table of `layout.GLOBS`."""

RAW, LOG, RESULT, TRAINING, OTHER = "Raw file", "Log", "Benchmark result", "Training set", "Other file"
GROUPS = """
select filename, json_structure(json)::varchar as shape, {fields}, count(*) as rows, {ends}
from {read}
group by all
order by all
"""


@dataclass(frozen=True)
class Group:
    """Rows of a file that have the same fields and speak of the same thing."""

    shape: str  # JSON: field to DuckDB's name of its type
    model: str | None
    prompts: str | None
    mode: str | None
    detail: str | None
    rows: int
    first: str | None  # item in the order of text
    last: str | None


@dataclass(frozen=True)
class Entry:
    """One file: `path` is relative to data/, `table` is None where it holds no records of ours."""

    path: str
    category: str
    form: str
    rows: int | None
    unit: str = "row"
    table: str | None = None
    groups: tuple[Group, ...] = ()
    looked: plain.Looked | None = None

    @property
    def source(self) -> str | None:
        """The import that it belongs to; None for what is this study's own."""
        parts = self.path.split("/")
        return parts[1] if parts[0] == "imported" and len(parts) > 2 else None


@dataclass
class Survey:
    """Every file below data/, sorted, and what was only looked at from outside."""

    entries: list[Entry] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)  # links, pipes, sockets, devices


def survey(con: DuckDBPyConnection) -> Survey:
    """Return what lies below data/; LemError where something cannot be read or is no record."""
    if not layout.DATA.is_dir():
        raise LemError(f"{layout.DATA}: no such folder; run `dvc repro` or `dvc pull` first")
    found = Survey()
    tables = {path: table for table in KINDS for path in layout.files(table)}
    for table in KINDS:
        found.entries += records(con, table, [path for path in tables if tables[path] == table])
    for path, regular in walk(layout.DATA):
        if path in tables:
            continue
        if regular:
            found.entries.append(other(con, path))
        else:
            found.refused.append(_name(path))
    found.entries.sort(key=lambda entry: entry.path)
    found.refused.sort()
    return found


def walk(folder: Path) -> Iterator[tuple[Path, bool]]:
    """Yield what is no folder and whether it is a regular file; hidden ones and weights are left out.

    A link is yielded as what is no regular file, be it to a file or to a folder.
    """
    for where, folders, names in os.walk(folder, onerror=_unreadable):
        seen = [name for name in (*folders, *names) if not name.startswith(".")]
        top = Path(where) == layout.DATA
        folders[:] = [name for name in seen if name in folders and not (top and name in WEIGHTS)]
        for path in (Path(where, name) for name in seen):
            mode = path.lstat().st_mode
            if not stat.S_ISDIR(mode):
                yield path, stat.S_ISREG(mode)


def _unreadable(err: OSError) -> NoReturn:
    raise LemError(f"{err.filename}: cannot be read: {err.strerror}") from err


def _name(path: Path) -> str:
    return path.relative_to(layout.DATA).as_posix()


# Files of records


def records(con: DuckDBPyConnection, table: str, files: list[Path]) -> list[Entry]:
    """Return an entry for each file of a table, told by its rows."""
    if bad := next((path for path in files if not path.is_file()), None):
        raise LemError(f"{bad}: expected a regular file of {table}")
    if odd := next((path for path in files if not plain.named(path)), None):
        raise LemError(f"{printable(str(odd))}: the name of a file of {table} is not UTF-8; rename it")
    groups = _groups(con, table, files) if files else {}
    if lost := groups.keys() - {str(path) for path in files}:
        raise RuntimeError(f"{table}: rows of files that nobody asked for: {sorted(lost)}")
    form = "JSON" if table in DOCUMENTS else "JSONL"
    entries = []
    for path in files:
        own = tuple(groups.get(str(path), ()))
        rows = sum(group.rows for group in own)
        entries.append(Entry(_name(path), KINDS[table].category, form, rows, table=table, groups=own))
    return entries


def _groups(con: DuckDBPyConnection, table: str, files: list[Path]) -> dict[str, list[Group]]:
    import duckdb

    found: dict[str, list[Group]] = {}
    try:
        rows = con.execute(_sql(table), {"paths": [plain.pattern(path) for path in files]}).fetchall()
    except (duckdb.Error, UnicodeDecodeError) as err:
        raise LemError(f"{table}: a file cannot be read as records; `lem check` names the line") from err
    for file, *group in rows:
        if not group[0].startswith("{"):
            raise LemError(f"{file}: a line is no object; `lem check` names it")
        found.setdefault(file, []).append(Group(*group))
    return found


def _sql(table: str) -> str:
    """Return the query of a table's groups: nothing in it is foreign."""
    kind = KINDS[table]
    form = "unstructured" if table in DOCUMENTS else "newline_delimited"
    names = {name: getattr(kind, name) for name in ("model", "prompts", "mode", "detail")}
    return GROUPS.format(
        fields=", ".join(f"{_field(column)} as {name}" for name, column in names.items()),
        ends=f"min({_field(kind.item)}) as first, max({_field(kind.item)}) as last",
        read=plain.READ.format(form=form, lenient="false"),
    )


def _field(column: str) -> str:
    return f"json->>'$.{column}'" if column else "null::varchar"


def types(shape: str) -> dict[str, str]:
    """Return {field: type} of a group's shape, in the order of the row; types as JSON Schema names them."""
    try:
        found = json.loads(shape)
    except RecursionError as err:
        raise LemError("a record is nested too deeply; `lem check` names it") from err
    return {
        name: plain.TYPES.get(kind, "nested") if isinstance(kind, str) else "nested"
        for name, kind in found.items()
    }


# All other files


def other(con: DuckDBPyConnection, path: Path) -> Entry:
    """Return the entry of a file that holds no records: a raw copy, a log, a result, a training set."""
    category = category_of(_name(path))
    if category == OTHER:
        return Entry(_name(path), category, path.suffix[1:] or "text", None)
    seen = plain.look(con, path, hashed=category == RAW)
    return Entry(_name(path), category, seen.form, seen.rows, seen.unit, looked=seen)


def category_of(path: str) -> str:
    """Return what a file is by the folder it lies in, as `lem.layout` names the folders."""
    parts = path.split("/")
    if parts[0] == "imported" and len(parts) > 2:
        parts = parts[2:]
        if parts[0] == "raw" and len(parts) > 1:
            return RAW
    known = {("logs", "log"): LOG, ("benchmarks", "json"): RESULT, ("training", "jsonl"): TRAINING}
    return known.get((parts[0], parts[-1].rpartition(".")[2]), OTHER)
