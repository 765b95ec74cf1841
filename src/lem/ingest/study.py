"""Another study of this same layout: its own records come in, `source` becomes the import's name.

A colleague's checkout, or our own study run at a second scale on another
machine. Every file below its `data/` that holds records (`layout.GLOBS`) is
read; a record keeps its place and every field but `source`. Only its own ones:
what it has imported itself is counted and left out. A row that is no record of
its table, or repeats the key of an earlier one, is quarantined.

`raw/` keeps the four files that say how the study was made. A second copy of
the records would double what the store holds and add nothing but `source`: what
was read is named with its sha256 in `originals.sha256`, and an imported file
written back with source "own" has that hash again, if `lem` wrote the original
and no row of it is in the quarantine, which keeps rows whole.

    lem ingest study ../study-1b --as study-1b
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from lem import layout
from lem.errors import LemError
from lem.ingest.dump import Dump, Kind
from lem.ingest.lines import Fault
from lem.params_imports import ImportSpec
from lem.record_files import write_json, write_jsonl
from lem.records import OWN, Record
from lem.rules import KEYS, RECORDS
from lem.scan import DOCUMENTS
from lem.shapes import row_misfit

SETTINGS = ("params.yaml", "engine.yaml", "dvc.yaml", "dvc.lock")
GLOBS = {
    table: [f"{layout.DATA}/{glob}" for glob in globs]
    for table, globs in layout.GLOBS.items()
    if table not in layout.OF_IMPORTS
}
IMPORTED = f"{layout.DATA}/imported"
PLACES = [glob for globs in GLOBS.values() for glob in globs]
FOLDERS = {IMPORTED, *(str(folder) for glob in PLACES for folder in PurePosixPath(glob).parents[:-1])}
"""What a folder must match for files that match GLOBS to lie below it."""

PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # of a path that our own stages write


def reads(file: str) -> bool:
    """Return whether a file holds records that are the study's own."""
    return table_of(file) is not None


def keeps(file: str) -> bool:
    """Return whether raw/ keeps a copy of a file."""
    return file in SETTINGS


def leaves(file: str) -> str:
    """Return the folder below data/imported whose records a file holds, or ''."""
    top, inner = _placed(file)
    return top if top and table_of(inner) else ""


def enters(folder: str) -> bool:
    """Return whether records may lie below a folder: weights, caches and environments are not walked."""
    return any(_matches(_placed(folder)[1], glob) for glob in FOLDERS)


def knows(path: Path, files: Sequence[str]) -> bool:
    """Return whether a dump has params.yaml and records of its own below data/."""
    return "params.yaml" in files and any(map(reads, files))


def table_of(file: str) -> str | None:
    """Return the table whose records a file holds, as layout.files would say, or None."""
    if not file.isprintable():
        return None
    return next((table for table, globs in GLOBS.items() if any(_matches(file, g) for g in globs)), None)


def _matches(path: str, glob: str) -> bool:
    hidden = any(part.startswith(".") for part in path.split("/"))
    return not hidden and PurePosixPath("/", path).match(f"/{glob}")


def _placed(path: str) -> tuple[str, str]:
    """Return the import that a path lies in ('' for none), and the path as if it were the study's own."""
    if not path.startswith(f"{IMPORTED}/"):
        return "", path
    top, *below = path.removeprefix(f"{IMPORTED}/").split("/")
    return f"{IMPORTED}/{top}", "/".join([str(layout.DATA), *below])


def admits(folder: Path) -> None:
    """Raise LemError when a folder is the study that we stand in, or has its very data/."""
    for theirs, ours in ((folder, Path()), (folder / layout.DATA, layout.DATA)):
        if theirs.is_dir() and ours.is_dir() and theirs.samefile(ours):
            raise LemError(f"{folder}: that is this study itself; expected the root of another one")


def convert(dump: Dump, spec: ImportSpec) -> None:
    """Write each file's records below `dump.root`, at the path they have in the study."""
    taken: dict[str, set[tuple[Any, ...]]] = {}
    for file in dump.files:
        table = str(table_of(file))
        if found := read_records(dump, table, file, taken.setdefault(table, set())):
            target = dump.place(Path(file))
            write_json(target, found[0]) if table in DOCUMENTS else write_jsonl(target, found)


def read_records(dump: Dump, table: str, file: str, taken: set[tuple[Any, ...]]) -> list[Record]:
    """Return a file's records under the import's source; `taken` are the keys of its table so far."""
    found: list[Record] = []
    for line in dump.document(table, file) if table in DOCUMENTS else dump.lines(table, file):
        with dump.row(line):
            if not all(map(PART.fullmatch, file.split("/"))):
                raise Fault("the file has a name that no stage of ours gives")
            record = adopted(line.row(), RECORDS[table], dump.source)
            _once(record, table, taken)
            found.append(record)
    return found


def adopted(row: dict[str, Any], cls: type[Any], source: str) -> Any:  # noqa: ANN401 (a record of cls)
    """Return a row of the study as a record of `source`; raises Fault when it is none of its own."""
    if wrong := row_misfit(row, cls, OWN):
        raise Fault(f"{wrong.field} {wrong.message}")
    return dataclasses.replace(cls(**row), source=source)


def _once(record: Record, table: str, taken: set[tuple[Any, ...]]) -> None:
    """Raise Fault for a key that was there before, as `lem check` would."""
    key = tuple(getattr(record, name) for name in KEYS[table])
    if key in taken:
        named = ", ".join(f"{name} {value!r:.80}" for name, value in zip(KEYS[table], key, strict=True))
        raise Fault(f"{named} stands twice; the first is kept")
    taken.add(key)


KIND = Kind(
    expects=f"the records of a study (dvc pull in it fetches them): {', '.join(PLACES)}",
    reads=reads,
    keeps=keeps,
    convert=convert,
    enters=enters,
    leaves=leaves,
    admits=admits,
    knows=knows,
)
