"""What a comparison looks like: counts in a table, a line for each record that fails, a page with all.

columns, rows = counted(found)
write(found, "HEAD", 1e-3)      # reports/verify.md
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lem import layout
from lem.record_files import write_whole
from lem.records import OWN, Record
from lem.screen import CONTROL, visible
from lem.verify import texts
from lem.verify.pairs import DIFFERENT, FLOATS, ONLY_HERE, ONLY_THERE, VERDICTS, Pair
from lem.verify.tables import Found

FILE = layout.REPORTS / "verify.md"
SHOWN = 80  # characters of a value in a line
PROSE = ("response", "reasoning")

Rows = Sequence[Sequence[Any]]
Encoder = Callable[[str], texts.Encode | None]


def counted(found: Found) -> tuple[tuple[str, ...], Rows]:
    """Return (columns, rows) of the verdicts by table, tables without records left out, the sum last."""
    of_tables = [(table, counts) for table, counts in found.counts.items() if counts.total()]
    rows = [(table, counts.total(), *(counts[name] for name in VERDICTS)) for table, counts in of_tables]
    total = ("all", found.records, *(found.total(name) for name in VERDICTS))
    return ("table", "records", *VERDICTS), [*rows, total]


def differing(found: Found) -> list[dict[str, Any]]:
    """Return {table, fields, numbers, records}: how many records differ in which fields beyond the tolerance.

    numbers: whether all these fields hold numbers on both sides, those that may be a little apart.
    """
    wrong = (pair for pair in found.wrong if pair.verdict == DIFFERENT)
    counts = Counter((pair.table, pair.fields, _in_numbers(pair)) for pair in wrong)
    return [
        {"table": table, "fields": list(fields), "numbers": numbers, "records": n}
        for (table, fields, numbers), n in counts.items()
    ]


def _in_numbers(pair: Pair) -> bool:
    values = [getattr(record, name) for record in (pair.here, pair.there) for name in pair.fields]
    of_numbers = set(pair.fields) <= FLOATS.get(pair.table, set())
    return of_numbers and all(isinstance(value, int | float) for value in values)


def lines(wrong: Sequence[Pair]) -> Iterator[str]:
    """Yield a line for each record that is different or missing."""
    encoder = functools.cache(texts.encoder)
    for pair in wrong:
        yield visible(f"{pair.table} {named(pair)}: {pair.verdict}{_why(pair, encoder)}")


def rendered(columns: Sequence[str], rows: Rows, fmt: str, width: int | None = None) -> str:
    """Return rows in a format of `lem sql`, safe to be shown; a table is at most `width` characters wide."""
    from lem.sql_command import render

    if fmt == "json":
        return _shown_json(render(columns, rows, fmt))
    safe = [[visible(value) if isinstance(value, str) else value for value in row] for row in rows]
    return render(columns, safe, fmt, width)


def as_json(value: object) -> str:
    """Return a value as JSON that is safe to be shown."""
    return _shown_json(json.dumps(value, ensure_ascii=False, indent=1))


def _shown_json(text: str) -> str:
    """Return JSON of the same value in which what a terminal would obey is written as JSON escapes it."""
    return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def named(pair: Pair) -> str:
    """Return a record's key as words; what is null or the study's own is left out."""
    source, *rest = pair.key
    values = rest if source == OWN else pair.key
    return " ".join(_short(value) for value in values if value is not None)


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def _why(pair: Pair, encoder: Encoder) -> str:
    if pair.verdict != DIFFERENT or pair.here is None or pair.there is None:
        return ""
    field, others = pair.fields[0], pair.fields[1:]
    more = f"; also {', '.join(others)}" if others else ""
    if pair.table == "runs":  # its other settings are the finding: all of them, with their values
        return " in " + "; ".join(_field(pair.here, pair.there, name, encoder) for name in pair.fields)
    return f" in {_field(pair.here, pair.there, field, encoder)}{more}"


def _field(here: Record, there: Record, name: str, encoder: Encoder) -> str:
    """Return a field's two values, of a text where they part."""
    mine, theirs = getattr(here, name), getattr(there, name)
    if isinstance(mine, str) and isinstance(theirs, str) and (name in PROSE or len(mine + theirs) > SHOWN):
        encode = encoder(str(getattr(here, "model", ""))) if name in PROSE else None
        return f"{name}, from {texts.parting(mine, theirs, encode)}"
    return f"{name}: {_value(mine)} here, {_value(theirs)} there"


def _value(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def write(found: Found, other: str, tolerance: float, file: Path = FILE) -> None:
    """Write the page: the counts, and every record that is different or missing."""
    columns, rows = counted(found)
    table = [columns, ("---",) * len(columns), *rows]
    head = [
        "# This folder against the reference run",
        "",
        f"Reference: `{other}`. Numbers may differ by {tolerance:g}; when and how fast is not compared.",
        "",
        *("| " + " | ".join(map(str, row)) + " |" for row in table),
        "",
        *(f"Not compared: import {name}, which only {place} has.\n" for name, place in found.alone.items()),
    ]
    body = [part for verdict in (DIFFERENT, ONLY_HERE, ONLY_THERE) for part in _section(found, verdict)]
    write_whole(file, visible("\n".join([*head, *body]) + "\n"))


def _section(found: Found, verdict: str) -> list[str]:
    those = [pair for pair in found.wrong if pair.verdict == verdict]
    if not those:
        return []
    listed = [f"- `{line.replace('`', chr(39))}`" for line in lines(those)]
    return [f"## {verdict.capitalize()}: {len(those)}", "", *listed, ""]
