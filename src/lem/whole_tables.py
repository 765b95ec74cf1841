"""The tables as one whole state: written so that a reader can tell, opened so that no writer can disturb.

The warehouse replaces its files one by one, and so do `dvc checkout` and `dvc pull`. `tables.json` beside
them says which files belong together. A reader holds all of them open before it reads the first row: what
a writer puts in their place later are other files. Bytes are hashed once; later openings see by inode,
size and time that the files are still those.

    seal(Path("reports/tables"))                # by the writer, last
    opened(Path("reports/tables"))              # Files, all of one state
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

from lem.errors import LemError
from lem.record_files import file_sha, settings_sha, write_json

MANIFEST = "tables.json"
SEEN = Path(".lem/tables.json")
PATIENCE = 10.0  # seconds until files that do not belong together are called damaged
LOOK_AGAIN = 0.05  # seconds
SECOND_LOOK = 0.3  # seconds; DVC removes all files that differ before it writes the first
AGAIN = "build them again: dvc repro warehouse (or lem warehouse), or dvc checkout --force {folder}"


class Files:
    """The open files of one state, by table; closed when the last who reads them is gone."""

    def __init__(self, paths: dict[str, Path]) -> None:
        self.descriptors: dict[str, int] = {}
        for name, path in paths.items():
            self.descriptors[name] = os.open(path, os.O_RDONLY)

    def stat(self, name: str) -> os.stat_result:
        """Return size, time and inode of a table's file."""
        return os.fstat(self.descriptors[name])

    def read(self, name: str, size: int, position: int) -> bytes:
        """Return up to `size` bytes of a table's file from `position` on."""
        return os.pread(self.descriptors[name], size, position)

    def sha256(self, name: str) -> str:
        """Return the hash of a table's bytes."""
        with os.fdopen(os.dup(self.descriptors[name]), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def __del__(self) -> None:
        for descriptor in self.descriptors.values():
            os.close(descriptor)


class Unsettled(Exception):
    """The files are not those of tables.json: they are being replaced, or damaged."""


def seal(folder: Path) -> None:
    """Write `tables.json`: the sha256 of each Parquet file of a folder, which thereby is one whole state."""
    write_json(folder / MANIFEST, {path.stem: file_sha(path) for path in sorted(folder.glob("*.parquet"))})


def opened(folder: Path, patience: float = PATIENCE) -> Files:
    """Return the open files of all tables of one state; of none where the folder has none.

    A folder that never had a `tables.json` is taken as it is: somebody else wrote it. Where the files
    are not those that it names, a writer is given `patience` seconds to finish.

    Raises LemError naming the file that is missing or damaged for longer than that.
    """
    until = time.monotonic() + patience
    while True:
        try:
            return _opened(folder)
        except (Unsettled, FileNotFoundError) as err:
            why = f"{err.filename}: no such table" if isinstance(err, FileNotFoundError) else str(err)
            if time.monotonic() >= until:
                raise LemError(f"{why}; {AGAIN.format(folder=folder)}") from None
        time.sleep(LOOK_AGAIN)


def _opened(folder: Path) -> Files:
    """Return the files of one state; Unsettled or FileNotFoundError where they are not."""
    stated = _stated(folder)
    if stated is None:
        return _foreign(folder)
    files = Files({name: folder / f"{name}.parquet" for name in sorted(stated)})
    marks = [_mark(files.stat(name)) for name in files.descriptors]
    state = settings_sha({"files": stated, "marks": marks})
    if _seen(folder) != state:
        for name in files.descriptors:
            if files.sha256(name) != stated[name]:
                raise Unsettled(f"{folder / name}.parquet: not the table that {folder / MANIFEST} names")
        _remember(folder, state)
    return files


def _foreign(folder: Path) -> Files:
    """Return the files of a folder without `tables.json`, which is taken as it is once it holds still.

    One that was seen with a `tables.json` before is being replaced.
    """
    if _seen(folder):
        raise Unsettled(f"{folder / MANIFEST}: no such file")
    paths = sorted(folder.glob("*.parquet"))
    time.sleep(SECOND_LOOK)
    if (folder / MANIFEST).exists() or sorted(folder.glob("*.parquet")) != paths:
        raise Unsettled(f"{folder}: changing")
    return Files({path.stem: path for path in paths})


def _stated(folder: Path) -> dict[str, str] | None:
    try:
        stated = json.loads((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        stated = None
    if not isinstance(stated, dict) or not all(isinstance(sha, str) for sha in stated.values()):
        raise Unsettled(f"{folder / MANIFEST}: expected the sha256 of each table")
    return stated


def _mark(stat: os.stat_result) -> list[int]:
    """Return what changes when a file is written or replaced: inode, bytes, time."""
    return [stat.st_ino, stat.st_size, stat.st_mtime_ns]


def _seen(folder: Path) -> str | None:
    """Return the state of a folder whose hashes were found right, None where it was another folder's."""
    try:
        seen = json.loads(SEEN.read_bytes())
    except (OSError, ValueError):
        return None
    fits = isinstance(seen, dict) and seen.get("folder") == str(folder.absolute())
    return str(seen.get("state")) if fits else None


def _remember(folder: Path, state: str) -> None:
    try:
        write_json(SEEN, {"folder": str(folder.absolute()), "state": state})
    except OSError:
        return  # a folder that cannot be written is read all the same, and hashed each time
