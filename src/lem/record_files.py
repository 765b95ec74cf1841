"""Records in and out of files: JSON Lines and JSON, whole or not at all; and the hashes of both.

rows = list(read_jsonl(Path("data/baseline/m/validation-naked.jsonl"), Response))
write_jsonl(Path("data/scores/gsm8k/m.jsonl"), scores)
"""

from __future__ import annotations

import bz2
import dataclasses
import fcntl
import functools
import hashlib
import itertools
import json
import os
import secrets
import shutil
import typing
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import jsonlines

from lem.errors import LemError
from lem.records import R, Record
from lem.refusals import naming
from lem.shapes import problem


def read_jsonl(path: Path, cls: type[R]) -> Iterator[R]:
    """Yield the records of a JSONL file.

    Raises LemError naming file, line and field of the first line that is not one.
    """
    try:
        with path.open("rb") as lines, jsonlines.Reader(lines) as reader:
            for number in itertools.count(1):
                try:
                    row = reader.read()
                except EOFError:
                    return
                except jsonlines.InvalidLineError as err:
                    raise LemError(f"{path}:{number}: not one line of JSON: {err}") from err
                yield _record(path, number, row, cls)
    except FileNotFoundError as err:
        raise missing(path) from err


def missing(path: Path) -> LemError:
    """Return the error for an input that its stage has not written yet."""
    return LemError(f"{path}: no such file; has the stage that writes it run? (dvc repro)")


def _record(path: Path, number: int, row: object, cls: type[R]) -> R:
    if wrong := problem(cls, row):
        raise LemError(f"{path}:{number}: {cls.__name__}.{wrong[0]} {wrong[1]}")
    return cls(**typing.cast(dict[str, Any], row))


def read_json(path: Path, cls: type[R]) -> R:
    """Return the one record of a JSON file (run records, model records)."""
    try:
        row = json.loads(path.read_bytes())
    except FileNotFoundError as err:
        raise missing(path) from err
    except ValueError as err:  # bad JSON and bad UTF-8 alike
        raise LemError(f"{path}: not a JSON file: {err}") from err
    return _record(path, 1, row, cls)


def dumps(record: Record, allow_nan: bool = True) -> str:
    """Return a record as a line of JSON, fields in the order of its class; ValueError for NaN on request."""
    row = vars(record)
    usual = _sparse(typing.cast(type, type(record)))
    row = {name: value for name, value in row.items() if name not in usual or value != usual[name]}
    return (_ENCODER if allow_nan else _FINITE).encode(row)


_ENCODER = json.JSONEncoder(ensure_ascii=False)
_FINITE = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


@functools.cache
def _sparse(cls: type) -> dict[str, object]:
    """Return {field: default} of the fields that a file leaves out where they are at it."""
    return {f.name: f.default for f in dataclasses.fields(cls) if f.metadata.get("sparse")}


def write_jsonl(path: Path, records: Iterable[Record]) -> int:
    """Write a JSONL file whole or not at all; return the number of rows."""
    rows = 0
    with _aside(path) as out:
        for record in records:
            out.write(dumps(record) + "\n")
            rows += 1
    return rows


def write_json(path: Path, value: object) -> None:
    """Write a JSON file (two spaces, UTF-8, final newline) whole or not at all."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    write_whole(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write beside, fsync, rename: a reader sees the old file or the new one, never half."""
    with _aside(path) as out:
        out.write(text)


def write_packed(path: Path, text: str) -> None:
    """Write a text as bzip2 packs it, whole or not at all: the same bytes on every machine."""
    with _aside(path) as out:
        out.buffer.write(bz2.compress(text.encode()))


@contextmanager
def _aside(path: Path) -> Iterator[TextIO]:
    """Yield a file beside `path` that takes its place when the block ends well."""
    with _beside(path, folder=False) as aside:
        try:
            with naming(path, aside), aside.open("w", encoding="utf-8", newline="\n") as out:
                yield out
                out.flush()
                os.fsync(out.fileno())
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        aside.replace(path)


@contextmanager
def folder_aside(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside `folder` to write in; it is gone when the block ends, see `take_place`."""
    with _beside(folder, folder=True) as aside:
        try:
            yield aside
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def take_place(done: Path, folder: Path) -> None:
    """Put a finished folder that lies in a `folder_aside` in the place of `folder`, by renames alone.

    Whoever is killed in between leaves the old folder, the new one or none, never half of one.
    """
    if folder.exists():
        folder.rename(done.parent / "replaced")
    done.rename(folder)


@contextmanager
def _beside(path: Path, folder: bool) -> Iterator[Path]:
    """Yield a new file or folder beside `path`, by a name that no reader takes for data, and locked.

    The lock, which the system drops with its process, says that somebody is at work there: a process id
    would not, where containers or machines share the folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    place, held = _new(path, folder)
    try:
        yield place
    finally:
        os.close(held)


def _new(path: Path, folder: bool) -> tuple[Path, int]:
    """Make an empty file or folder beside `path`; return it and what holds its lock."""
    while True:
        place = path.with_name(f".{path.name}.{secrets.randbelow(10**7)}")
        with naming(path, place), suppress(FileExistsError):
            place.mkdir() if folder else place.touch(exist_ok=False)
            with suppress(FileNotFoundError):  # another took it for a leftover before it was locked
                held = _open(place)
                with suppress(OSError):  # a file system without locks: there nobody sweeps, either
                    fcntl.flock(held, fcntl.LOCK_EX)
                if place.exists():
                    return place, held
                os.close(held)


def _open(place: Path) -> int:
    """Open what is to be locked; a file for writing, as NFS wants it."""
    kind = os.O_RDONLY | os.O_DIRECTORY if place.is_dir() else os.O_RDWR
    return os.open(place, kind | os.O_NOFOLLOW | os.O_NONBLOCK)


def _sweep(path: Path) -> None:
    """Remove what killed processes left beside `path`: nobody holds its lock any more."""
    prefix = f".{path.name}."
    for left in path.parent.iterdir():
        if left.name.startswith(prefix) and left.name.removeprefix(prefix).isdecimal():
            with suppress(OSError):  # locked, no longer there, or not ours to remove
                _remove(left)


def _remove(left: Path) -> None:
    held = _open(left)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()
    finally:
        os.close(held)


def sha256(text: str | bytes) -> str:
    """Return the hexadecimal sha256 of a text (as UTF-8) or of bytes."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def file_sha(path: Path) -> str:
    """Return the sha256 of a file's bytes, read in pieces; LemError where there is no such file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as err:
        raise missing(path) from err


def settings_sha(settings: dict[str, Any]) -> str:
    """Return the sha256 of settings, whatever the order of their keys."""
    return sha256(json.dumps(settings, sort_keys=True, ensure_ascii=False))
