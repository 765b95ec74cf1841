"""Files that hold no record of ours: their rows, lines, hash and the sets of keys that occur in them.

What an import keeps under `raw/` may be anything, so nothing in here fails on a
file's content: what is no JSON is counted and said to be none. DuckDB reads the
rows; none of them is held in Python.

    look(con, Path("data/imported/theirs/raw/answers.jsonl"), hashed=True)
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lem.errors import LemError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LARGEST = 2**28  # bytes of one row or document as JSON
MOST_SETS = 12  # sets of keys that a file is described by; the others are counted
UNREADABLE = "not JSON that can be read"
TYPES = {
    "VARCHAR": "string",
    "UBIGINT": "integer",
    "BIGINT": "integer",
    "HUGEINT": "integer",
    "DOUBLE": "number",
    "BOOLEAN": "boolean",
    "NULL": "null",
    "ARRAY": "array",
    "OBJECT": "object",
}
"""DuckDB's names of JSON's types, and JSON Schema's."""
FORMS = {".jsonl": "JSONL", ".json": "JSON", ".log": "text log"}
READ = (
    "read_json_objects($paths, format = '{form}', filename = true, compression = 'none', "
    f"hive_partitioning = false, maximum_object_size = {LARGEST}, ignore_errors = {{lenient}})"
)
LINES = f"select '' as place, json as value from {READ.format(form='newline_delimited', lenient='true')}"
DOCUMENT = f"""
with documents as materialized (
    select json as document from {READ.format(form="unstructured", lenient="false")}
),
parts as (select key, value from documents, json_each(document) where json_type(document) = 'OBJECT')
select '' as place, document as value from documents where json_type(document) <> 'ARRAY'
union all select '[]', unnest(document::json[]) from documents where json_type(document) = 'ARRAY'
union all select key || '[]', unnest(value::json[]) from parts where json_type(value) = 'ARRAY'
"""
SETS = """
with found as ({values}),
kept as (from found where place = '' or place = '[]' or json_type(value) = 'OBJECT'),
sets as (
    select place, json_type(value) as kind, min(json_keys(value)) as keys, count(*) as rows
    from kept
    group by place, kind, list_sort(list_distinct(json_keys(value)))
)
select
    place, kind, keys, rows, count(*) over () as all_sets,
    coalesce(sum(rows) filter (place = '') over (), 0)::bigint as own,
    coalesce(sum(rows) filter (place <> '') over (), 0)::bigint as listed
from sets
order by row_number() over (partition by place order by rows desc, kind, keys), place, kind, keys
limit {most}
"""


@dataclass(frozen=True)
class KeySet:
    """Rows of a file that have the same keys.

    place: '' for the file's own rows, 'results[]' for the elements of that list.
    keys is None for what is no object: `kind` says what it is.
    """

    place: str
    kind: str
    keys: tuple[str, ...] | None
    rows: int


@dataclass(frozen=True)
class Looked:
    """What a file holds: rows of JSON, or lines of anything else."""

    form: str
    rows: int
    unit: str  # row or line
    sets: tuple[KeySet, ...] = ()
    more: int = 0  # sets of keys beyond the first MOST_SETS
    sha: str | None = None
    trouble: str | None = None


def look(con: DuckDBPyConnection, path: Path, hashed: bool = False) -> Looked:
    """Return what is in a file, with its sha256 where `hashed`; LemError where it cannot be read."""
    lines, sha = _streamed(path, hashed)
    form = FORMS.get(path.suffix.lower(), "text")
    if form not in ("JSONL", "JSON"):
        return Looked(form, lines, "line", sha=sha)
    try:
        found = _sets(con, path, LINES if form == "JSONL" else DOCUMENT)
    except ValueError as err:
        return Looked(form, lines, "line", sha=sha, trouble=str(err))
    every, own, listed = found[0][4:] if found else (0, 0, 0)
    sets = tuple(_key_set(*one[:4]) for one in found)
    return Looked(form, listed or own, "row", sets, every - len(sets), sha)


def _streamed(path: Path, hashed: bool) -> tuple[int, str | None]:
    """Return the number of lines and the sha256, from one reading in pieces."""
    digest, lines, last = hashlib.sha256(), 0, b"\n"
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                lines += block.count(b"\n")
                last = block[-1:]
                if hashed:
                    digest.update(block)
    except OSError as err:
        raise LemError(f"{path}: cannot be read: {err.strerror or err}") from err
    return lines + (last != b"\n"), digest.hexdigest() if hashed else None


def _sets(con: DuckDBPyConnection, path: Path, values: str) -> list[tuple[Any, ...]]:
    """Return the rows of SETS; ValueError where the file is no JSON."""
    import duckdb

    if not named(path):
        raise ValueError("its name is not UTF-8: counted, not read")
    try:
        sql = SETS.format(values=values, most=MOST_SETS)
        return con.execute(sql, {"paths": [pattern(path)]}).fetchall()
    except (duckdb.Error, UnicodeDecodeError) as err:
        raise ValueError(UNREADABLE) from err


def _key_set(place: str, kind: str | None, keys: list[str] | None, rows: int) -> KeySet:
    found = tuple(dict.fromkeys(keys or ())) if kind == "OBJECT" else None
    return KeySet(place, UNREADABLE if kind is None else TYPES.get(kind, kind), found, rows)


def pattern(path: Path) -> str:
    """Return a path as DuckDB takes it for a name and not for a pattern."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def named(path: Path) -> bool:
    """Return whether a path is UTF-8, without which DuckDB cannot be asked for it."""
    return not any("\ud800" <= sign <= "\udfff" for sign in str(path))
