"""The shapes of rows: the fields of our records, and the sets of keys in foreign JSON, as Markdown.

shapes(found.entries)       # [('Responses', '40 rows in 1 file', '| field | type | ...', '{"seed_id": ...}')]
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

from lem import layout
from lem.errors import LemError
from lem.mapping.contents import KINDS, RAW, Entry, Group, types
from lem.mapping.plain import KeySet
from lem.mapping.sections import cut, few, groups_of, shown
from lem.report.tables import table
from lem.report.words import count

KEYS = 16  # keys of a foreign row
SETS = 40  # sets of keys of an import
TYPE_ORDER = ("boolean", "integer", "number", "string", "nested")

Same = tuple[str, str, tuple[str, ...]]  # place, kind, sorted keys


def shapes(entries: Sequence[Entry]) -> list[tuple[str, str, str, str]]:
    """Return (category, what there is of it, table of its fields, an example) of each record shape."""
    found = []
    for name, kind in KINDS.items():
        these = [entry for entry in entries if entry.table == name and entry.rows]
        if these:
            tally = f"{count(sum(e.rows or 0 for e in these), 'row')} in {count(len(these), 'file')}"
            found.append((kind.category, tally, _fields(groups_of(these)), example(these[0])))
    return found


def _fields(groups: Sequence[Group]) -> str:
    """Return a row a field: its type, rows with a value, rows where it is null, rows without it."""
    kinds: dict[str, Counter[str]] = {}
    for group in groups:
        for name, kind in types(group.shape).items():
            kinds.setdefault(name, Counter())[kind] += group.rows
    rows = sum(group.rows for group in groups)
    cells = []
    for name, counts in kinds.items():
        value, null = counts.total() - counts["null"], counts["null"]
        cells.append([shown(name), type_of(counts), f"{value:,}", f"{null:,}", f"{rows - value - null:,}"])
    return table(["field", "type", "with a value", "null", "left out"], cells)


def type_of(kinds: Iterable[str]) -> str:
    """Return 'number' of {integer, number, null}, 'string or integer' of two that are not one."""
    found = {kind for kind in kinds if kind != "null"}
    found -= {"integer"} if "number" in found else set()
    return " or ".join(sorted(found, key=TYPE_ORDER.index)) or "always null"


def example(entry: Entry) -> str:
    """Return the first row of a file as one line of JSON, its texts cut to CUT characters."""
    path = layout.DATA / entry.path
    try:
        with path.open(encoding="utf-8") as lines:
            first = (line for line in lines if line.strip())
            row = json.loads(lines.read() if entry.form == "JSON" else next(first))
    except (OSError, ValueError, RecursionError) as err:
        raise LemError(f"{path}: cannot be read as records; `lem check` names the line") from err
    text = json.dumps({name: cut(value) for name, value in row.items()}, ensure_ascii=False)
    return "".join(sign if sign.isprintable() else json.dumps(sign)[1:-1] for sign in text)


def foreign(entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """Return (import, list of the sets of keys in its raw JSON) of each import that has any."""
    found = sorted(
        (e for e in entries if e.looked and e.category == RAW), key=lambda entry: entry.source or ""
    )
    sections = []
    for name, group in groupby(found, key=lambda entry: entry.source):
        if lines := _key_sets(list(group)):
            sections.append((shown(name), lines))
    return sections


def _key_sets(entries: list[Entry]) -> str:
    """Return a line a set of keys, the most frequent first."""
    rows: Counter[Same] = Counter()
    files: Counter[Same] = Counter()
    told: dict[Same, KeySet] = {}
    for entry in entries:
        for one in entry.looked.sets if entry.looked else ():
            key = one.place, one.kind, tuple(sorted(one.keys or ()))
            told.setdefault(key, one)
            rows[key] += one.rows
            files[key] += 1
    order = sorted(told, key=lambda key: (-rows[key], key))
    lines = [
        f"- {count(rows[key], 'row')} in {count(files[key], 'file')}{_keys(told[key])}"
        for key in order[:SETS]
    ]
    more = len(order[SETS:]) + sum(entry.looked.more for entry in entries if entry.looked)
    return "\n".join([*lines, *([f"- and {count(more, 'set')} of keys more"] if more else [])])


def _keys(one: KeySet) -> str:
    place = f", in {shown(one.place)}" if one.place else ""
    return f"{place}: " + (one.kind if one.keys is None else f"({few(one.keys, KEYS)})")
