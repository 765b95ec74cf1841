"""Documents that state figures: which files are looked at, their numbers, their Figures in a file each.

for file in dump.files:
    write_figures(dump, file, read(dump, file))      # figures/<name of the file>.jsonl
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from lem import layout
from lem.ingest.dump import Dump
from lem.ingest.lines import Fault, Row
from lem.record_files import sha256, write_jsonl
from lem.records import Figure

NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def named_like(file: str, *endings: str) -> bool:
    """Return whether a file ends in one of the endings, in either case, and is not hidden in any folder."""
    hidden = any(part.startswith(".") for part in file.split("/"))
    return file.isprintable() and not hidden and file.lower().endswith(endings)


def enters(folder: str) -> bool:
    """Return whether a folder of a dump is looked into: hidden ones (.git, .venv) are not."""
    return not folder.rpartition("/")[2].startswith(".")


def decimal(text: str) -> float:
    """Return a number as documents print it, +0.06 or 8e-3, exactly as Python reads it; raises Fault."""
    if not NUMBER.fullmatch(text):
        raise Fault(f"expected a number, found {text!r:.80}")
    if abs(value := float(text)) == float("inf"):
        raise Fault(f"{text!r:.80} is beyond any float")
    return value


def figures_name(file: str) -> str:
    """Return a document's file name as the name of a file of ours, a different one for each."""
    if layout.NAME.fullmatch(file):
        return file
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", file).lstrip("._-")[:60]
    return f"{plain or 'document'}-{sha256(file)[:8]}"


def write_figures(dump: Dump, file: str, figures: Iterable[Figure]) -> None:
    """Write the figures of one file of the dump; without any, nothing."""
    if rows := list(figures):
        write_jsonl(dump.place(layout.figures(figures_name(file))), rows)


@contextmanager
def counted(dump: Dump, row: Row) -> Iterator[None]:
    """Count a row of a document that is read whole; a Fault raised in the block quarantines it."""
    dump.tallies[row.file].rows += 1
    with dump.row(row):
        yield
