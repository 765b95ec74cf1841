"""How a dump's file begins, for `knows`: read without following a link, waiting on a pipe or raising.

if b'"scores"' in beginning(Path("their-results"), "scores.json"):
    ...
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from lem.ingest.lines import LINE_LIMIT, Fault, Object, decode, parse, without_bom


def beginning(path: Path, file: str, size: int = LINE_LIMIT) -> bytes:
    """Return up to `size` bytes of a file of a dump, or of the dump when it is that one file.

    Returns b"" for what is no regular file or cannot be read.
    """
    try:
        target = path / file if path.is_dir() else path
        opened = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(opened, "rb") as bytes_in:
            return bytes_in.read(size) if stat.S_ISREG(os.fstat(opened).st_mode) else b""
    except (OSError, ValueError):
        return b""


def json_object(path: Path, file: str) -> Object:
    """Return the JSON object that a file is; {} for anything else, a file over the limit of lines too."""
    raw = beginning(path, file, LINE_LIMIT + 1)
    try:
        found = parse(decode(without_bom(raw))) if len(raw) <= LINE_LIMIT else None
    except Fault:
        return Object([])
    return found if isinstance(found, Object) else Object([])
