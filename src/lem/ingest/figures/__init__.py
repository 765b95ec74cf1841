"""Published figures, typed off into CSV: one row a number that a document states.

    document,place,model,benchmark,metric,value,unit,stderr,n,limited,filter,regime
    report.pdf,"Table 2, row 1",LEM-1B,gsm8k,exact_match,26.0,percent,,50,false,,

Only document, place, model, metric and value must have a column. An empty cell
says that the document does not state it; an empty value becomes null with that
as its error. Every other cell must be exactly what its column holds, or the row
is quarantined. A number reads as it is printed: +0.06, 0.8000.

    lem ingest figures seeds/published
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from lem.errors import LemError
from lem.ingest.documents import counted, decimal, enters, named_like, write_figures
from lem.ingest.dump import Dump, Kind
from lem.ingest.figures.rows import CsvRow, csv_rows
from lem.ingest.lines import Fault, fitting
from lem.ingest.peek import beginning
from lem.params_imports import ImportSpec
from lem.records import Figure
from lem.rules import KEYS

REQUIRED = ("document", "place", "model", "metric", "value")
COLUMNS = (
    *("document", "place", "model", "benchmark", "metric", "value", "unit"),
    *("stderr", "n", "limited", "filter", "regime"),
)
LIMITED = {"true": True, "false": False, "": None}
REGIMES = {"direct": "direct", "train_before_test": "train_before_test", "": Figure.regime}
COUNT = re.compile("[0-9]{1,15}")

V = TypeVar("V")


def reads(file: str) -> bool:
    """Return whether this kind reads a file: a CSV that is not hidden."""
    return named_like(file, ".csv")


def knows(path: Path, files: Sequence[str]) -> bool:
    """Return whether a dump has CSV files and each begins with a header of these columns."""
    found = [file for file in files if reads(file)]
    return bool(found) and all(_is_header(beginning(path, file, 2_000)) for file in found)


def _is_header(raw: bytes) -> bool:
    header = raw.decode("utf-8-sig", "replace").splitlines()[:1]
    return not wrong_header(next(csv.reader(header), []))


def convert(dump: Dump, spec: ImportSpec) -> None:
    """Write the figures of each CSV below `dump.root`; raises LemError for a header of other columns."""
    taken: set[tuple[object, ...]] = set()
    for file in dump.files:
        write_figures(dump, file, read_figures(dump, file, taken))


def read_figures(dump: Dump, file: str, taken: set[tuple[object, ...]]) -> list[Figure]:
    """Return the figures of a CSV; `taken` are the keys of the import so far. LemError: as `convert`."""
    dump.tally("figures", file)
    figures = []
    rows = csv_rows(dump.root / "raw" / file, file)
    header = next(rows, CsvRow(file, 1, "", [], "an empty file"))
    if wrong := header.fault or wrong_header(header.cells):
        raise LemError(f"{file}: {wrong}; expected a header of these columns: {', '.join(COLUMNS)}")
    for row in rows:
        with counted(dump, row):
            figure = figure_of(row, header.cells, dump.source)
            key = tuple(getattr(figure, name) for name in KEYS["figures"])
            if key in taken:
                raise Fault("the same figure stands twice; the first is kept")
            taken.add(key)
            figures.append(figure)
    return figures


def wrong_header(columns: Sequence[str]) -> str | None:
    """Return why a line is no header of a figures file, or None when it is one."""
    for name in columns:
        if name not in COLUMNS:
            return f"unknown column {name!r:.80}"
        if columns.count(name) > 1:
            return f"column {name} stands twice"
    missing = [name for name in REQUIRED if name not in columns]
    return f"no column {missing[0]}" if missing else None


def figure_of(row: CsvRow, columns: Sequence[str], source: str) -> Figure:
    """Return the Figure of a row; raises Fault."""
    if row.fault:
        raise Fault(row.fault)
    if len(row.cells) != len(columns):
        raise Fault(f"{len(row.cells)} cells, the header has {len(columns)}")
    cells = {**dict.fromkeys(COLUMNS, ""), **dict(zip(columns, row.cells, strict=True))}
    if empty := [name for name in REQUIRED if name != "value" and not cells[name].strip()]:
        raise Fault(f"no {empty[0]}")
    value = _number(cells, "value")
    figure = Figure(
        *(source, cells["document"], cells["place"], cells["model"], cells["benchmark"] or None),
        *(cells["metric"], value, cells["unit"] or Figure.unit),
        error="not stated" if value is None else None,
        stderr=_number(cells, "stderr", low=0),
        n=_count(cells, "n"),
        limited=_one_of(cells, "limited", LIMITED),
        filter=cells["filter"] or Figure.filter,
        regime=_one_of(cells, "regime", REGIMES),
    )
    return fitting(figure)


def _number(cells: dict[str, str], name: str, low: float = float("-inf")) -> float | None:
    if not cells[name]:
        return None
    try:
        value = decimal(cells[name])
    except Fault as fault:
        raise Fault(f"{name}: {fault}") from fault
    if value < low:
        raise Fault(f"{name}: {cells[name]} is below {low:g}")
    return value


def _count(cells: dict[str, str], name: str) -> int | None:
    text = cells[name]
    if not text:
        return None
    if not COUNT.fullmatch(text):
        raise Fault(f"{name}: expected a whole number of at most 15 digits, found {text!r:.80}")
    return int(text)


def _one_of(cells: dict[str, str], name: str, words: dict[str, V]) -> V:
    if cells[name] not in words:
        raise Fault(
            f"{name}: expected {', '.join(filter(None, words))} or nothing, found {cells[name]!r:.80}"
        )
    return words[cells[name]]


KIND = Kind(
    expects=f"CSV files with the columns {', '.join(REQUIRED)}, and maybe others",
    reads=reads,
    keeps=reads,
    convert=convert,
    knows=knows,
    enters=enters,
)
