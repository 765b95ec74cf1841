"""The files that questions stand in: JSON Lines, JSON arrays, CSV, Parquet; and where a hub keeps them.

    for place, row in question_files.rows(Path("seeds/benchmarks/gsm8k.jsonl")):
        question_files.text(place, row, "question")

`place` names file and line, so that every error can.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from lem.errors import LemError
from lem.params_file import FILE
from lem.plain_files import must_end
from lem.record_files import file_sha

HUB = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)@(?P<revision>[0-9a-f]{40})/(?P<file>[^\s]+)")


def content(path: Path) -> str:
    """Return a file's text; LemError when it is missing, no regular file or no UTF-8."""
    must_end(path)
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError) as err:
        raise LemError(f"{path}: no such file") from err
    except UnicodeDecodeError as err:
        raise LemError(f"{path}: not UTF-8: {err}") from err


def seeds(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (place, entry) of a JSON array of prompts."""
    try:
        entries = json.loads(content(path))
    except ValueError as err:
        raise LemError(f"{path}: not JSON: {err}") from err
    if not isinstance(entries, list):
        raise LemError(f"{path}: expected an array of {{id, domain, prompt}} objects")
    for number, entry in enumerate(entries):
        yield f"{path}: [{number}]", entry


def rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (place, row) of a question file: a line of JSON, or a row of a CSV or Parquet table."""
    read = READERS.get(path.suffix.lower(), _jsonl)
    yield from read(path)


def _jsonl(path: Path) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(content(path).split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as err:
                raise LemError(f"{path}:{number}: not one line of JSON: {err}") from err
            yield f"{path}:{number}: ", row


def _csv(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows of a table with commas, and names in its first line: nothing about it is guessed."""
    csv.field_size_limit(sys.maxsize)
    table = csv.reader(io.StringIO(content(path).removeprefix("\ufeff")), strict=True)
    try:
        names = next(table, [])
        if twice := [name for name in names if names.count(name) > 1]:
            raise LemError(f"{path}:1: column {twice[0]!r} is there twice")
        for row in filter(None, table):
            if len(row) != len(names):
                raise LemError(f"{path}:{table.line_num}: expected {len(names)} fields, found {len(row)}")
            yield f"{path}:{table.line_num}: ", dict(zip(names, row, strict=True))
    except csv.Error as err:
        raise LemError(f"{path}:{table.line_num}: not a line of CSV: {err}") from err


def _parquet(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    import duckdb

    if not path.is_file():
        raise LemError(f"{path}: no such file")
    name = re.sub(r"([*?\[])", r"[\1]", str(path))  # a name, not a pattern
    try:
        with duckdb.connect() as con:
            found = con.execute("select * from read_parquet(?, hive_partitioning = false)", [name])
            names = [column[0] for column in found.description]
            table = found.fetchall()
    except duckdb.Error as err:
        raise LemError(f"{path}: not a Parquet table: {str(err).splitlines()[0]}") from err
    for number, row in enumerate(table, 1):
        yield f"{path}: row {number}: ", dict(zip(names, row, strict=True))


READERS: dict[str, Callable[[Path], Iterator[tuple[str, Any]]]] = {".csv": _csv, ".parquet": _parquet}
"""How a file is read, by its ending; any other is JSON Lines."""


def texts(place: str, row: object, field: str) -> list[str]:
    """Return a field that is a list of at least one text, each once."""
    found = value(place, row, field)
    if not isinstance(found, list) or not found:
        raise LemError(f"{place}.{field}: expected a list of answers, found {found!r}"[:300])
    return list(dict.fromkeys(text(place, {field: one}, field) for one in found))


def text(place: str, row: object, field: str) -> str:
    """Return a field as text; a number is one too, as its file writes it."""
    found = value(place, row, field)
    if isinstance(found, int | float | Decimal) and not isinstance(found, bool):
        found = str(found)
    if not isinstance(found, str) or not found.strip():
        raise LemError(f"{place}.{field}: expected a non-empty string, found {found!r}"[:300])
    if any("\ud800" <= char <= "\udfff" for char in found):
        raise LemError(
            f"{place}.{field}: half a surrogate pair, which no text file can hold: {found!r}"[:200]
        )
    return found


def value(place: str, row: object, field: str) -> Any:  # noqa: ANN401 (JSON is anything)
    """Return a field of a row; LemError names the ones there are."""
    if not isinstance(row, dict) or field not in row:
        there = ", ".join(map(str, row)) if isinstance(row, dict) else type(row).__name__
        raise LemError(f"{place}.{field}: is missing; the fields are: {there}"[:300])
    return row[field]


def fetch(hub: str | None, target: Path, where: str) -> str:
    """Get a question file from the Hugging Face hub at a pinned commit; return what was done.

    hub: ORG/NAME@REVISION/FILE, the revision a commit's 40 hexadecimal digits:
    a branch moves, and with it every score. A file that is there already and
    differs is not overwritten.
    """
    named = HUB.fullmatch(hub or "")
    if not named:
        raise LemError(f"{FILE}: {where}.hub: expected ORG/NAME@REVISION/FILE, 40 hex digits, found {hub!r}")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        got = hf_hub_download(named["repo"], named["file"], repo_type="dataset", revision=named["revision"])
    # its own errors, those of the HTTP client below it (a connection that breaks off), no repository's name
    except (*HfHubHTTPError.__bases__, OSError, ValueError) as err:
        reason = " ".join(str(err).split())[:200]
        raise LemError(f"{FILE}: {where}.hub: {hub}: the hub did not give it: {reason}") from err
    if target.exists() and file_sha(target) != file_sha(Path(got)):
        raise LemError(f"{target}: is there and differs from {hub}; move it away, then fetch again")
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(got, aside)
    aside.replace(target)
    return f"fetched from {hub}, sha256 {file_sha(target)[:12]}"
