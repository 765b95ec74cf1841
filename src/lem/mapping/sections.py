"""The files index and the summaries of the data mapping, each a table in Markdown. Pure.

index(found.entries)        # '| file | rows | format | category | model | description | ...'
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

from lem.mapping.contents import KINDS, LOG, RAW, Entry, Group, types
from lem.report.tables import table
from lem.report.words import count, text
from lem.shapes import printable

LISTED = 60  # files that the index lists one by one; more are grouped by folder
RAW_LISTED = 500  # raw files of an import that are listed; the hashes of all are in its raw.sha256
FEW = 3  # names in a cell
FIELDS = 6  # fields in a cell
CUT = 60  # characters of a text or a name that is no path


def shown(name: object) -> str:
    """Return a foreign name as Markdown that shows it on one line; null as "-"."""
    return "-" if name is None else text(printable(str(name)))


def few(names: Iterable[str | None], most: int = FEW) -> str:
    """Return 'a, b, c and 2 more' of the names there are, in the order given, each once."""
    found = [shown(cut(name)) for name in dict.fromkeys(names) if name is not None]
    more = f" and {len(found) - most:,} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more


def cut(value: object) -> object:
    """Return a text of at most CUT characters; anything else as it is."""
    return value[: CUT - 3] + "..." if isinstance(value, str) and len(value) > CUT else value


def values(groups: Iterable[Group], name: str) -> list[str]:
    """Return what occurs in a field of groups, sorted."""
    return sorted({value for group in groups if (value := getattr(group, name)) is not None})


def groups_of(entries: Iterable[Entry]) -> list[Group]:
    """Return the groups of all files."""
    return [group for entry in entries for group in entry.groups]


# The index


def index(entries: Sequence[Entry]) -> str:
    """Return the table of files, or of folders where there are more than LISTED; raw files stand apart."""
    found = [entry for entry in entries if entry.category != RAW]
    logs = {entry.path.removesuffix(".json"): entry for entry in found if entry.table == "runs"}
    if len(found) <= LISTED:
        head = ["file", "rows", "format", "category", "model", "description"]
        rows = ([shown(one.path), *_cells([one], logs)] for one in found)
    else:
        head = ["folder", "files", "rows", "format", "category", "model", "description"]
        parts = [(key, list(group)) for key, group in groupby(sorted(found, key=_place), key=_place)]
        rows = ([shown(f"{key[0] or '.'}/"), f"{len(group):,}", *_cells(group, logs)] for key, group in parts)
    return table(head, rows)


def _place(entry: Entry) -> tuple[str, str, str]:
    return entry.path.rpartition("/")[0], entry.category, entry.form


def _cells(entries: list[Entry], logs: dict[str, Entry]) -> list[str]:
    """Return rows, format, category, model and description of files of one kind."""
    one = entries[0]
    groups = groups_of(entries)
    if one.category == LOG:
        groups = groups_of(
            logs[stem] for entry in entries if (stem := entry.path.removesuffix(".log")) in logs
        )
    return [
        _rows(entries),
        _form(entries),
        one.category,
        few(values(groups, "model")) or "-",
        _told(entries, groups),
    ]


def _rows(entries: Sequence[Entry]) -> str:
    counts: Counter[str] = Counter()
    for entry in entries:
        if entry.rows is not None:
            counts[entry.unit] += entry.rows
    if not counts:
        return "-"
    if [*counts] == ["row"]:
        return f"{counts['row']:,}"
    return ", ".join(count(n, unit) for unit, n in sorted(counts.items(), reverse=True))


def _form(entries: Sequence[Entry]) -> str:
    """Return 'JSONL (seed_id, prompt, ...)': the fields that occur, as far as a cell can hold them."""
    names = fields(entries)
    return f"{entries[0].form} ({few(names, FIELDS)})" if names else entries[0].form


def fields(entries: Iterable[Entry]) -> list[str]:
    """Return the fields of the files' rows, of a foreign file those of its outermost objects."""
    own, foreign = [], []
    for entry in entries:
        own += [name for group in entry.groups for name in types(group.shape)]
        sets = entry.looked.sets if entry.looked else ()
        foreign += [key for one in sets if one.place in ("", "[]") for key in one.keys or ()]
    return list(dict.fromkeys([*own, *foreign]))


def _told(entries: Sequence[Entry], groups: Sequence[Group]) -> str:
    """Return what files of one kind hold, in words that come from their rows."""
    one = entries[0]
    if one.table:
        return said(one.table, groups)
    if one.rows is None:
        return "not read"
    if troubled := sum(bool(entry.looked and entry.looked.trouble) for entry in entries):
        return f"no JSON: {count(troubled, 'file')}" if len(entries) > 1 else "no JSON"
    what = count(sum(entry.rows or 0 for entry in entries), one.unit)
    return f"{what} of the log{_of(groups, 'of')}" if one.category == LOG else what


def said(name: str, groups: Sequence[Group]) -> str:
    """Return '40 answers to validation, mode naked' of a table's groups."""
    kind = KINDS[name]
    what = count(sum(group.rows for group in groups), kind.noun) + _of(groups, kind.link)
    details = few(values(groups, "detail"), 2 * FEW)
    return f"{what}; {kind.detail}: {details}" if details else what


def _of(groups: Sequence[Group], link: str) -> str:
    prompts, modes = values(groups, "prompts"), values(groups, "mode")
    about = f" {link} {few(prompts)}" if prompts else ""
    return about + (f", mode{'s' if len(modes) > 1 else ''} {few(modes, 2 * FEW)}" if modes else "")


def raw(entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """Return (import, table of its raw files) of each import that has any."""
    found = sorted(
        (e for e in entries if e.category == RAW), key=lambda entry: (entry.source or "", entry.path)
    )
    return [
        (shown(name), _raw_table(list(group)))
        for name, group in groupby(found, key=lambda entry: entry.source)
    ]


def _raw_table(entries: list[Entry]) -> str:
    head = ["file", "rows", "format", "sha256"]
    rows = []
    for entry in entries[:RAW_LISTED]:
        seen = entry.looked
        trouble = f", {seen.trouble}" if seen and seen.trouble else ""
        sha = seen.sha[:12] if seen and seen.sha else "-"
        rows.append([shown(entry.path.split("/", 3)[3]), _rows([entry]), _form([entry]) + trouble, sha])
    more = entries[RAW_LISTED:]
    return table(head, rows) + (
        f"\n\nand {count(len(more), 'file')} more; rows: {_rows(more)}" if more else ""
    )


# Summary


def categories(entries: Sequence[Entry]) -> str:
    """Return a row a category: files, rows, models, prompt sets and modes."""
    found = sorted(entries, key=lambda entry: (_order(entry), entry.category))
    rows = []
    for category, group in groupby(found, key=lambda entry: entry.category):
        these = list(group)
        names = [few(values(groups_of(these), name)) or "-" for name in ("model", "prompts", "mode")]
        sources = few(sorted({entry.source or "own" for entry in these}))
        rows.append([category, f"{len(these):,}", _rows(these), sources, *names])
    return table(["category", "files", "rows", "source", "models", "prompt sets", "modes"], rows)


def _order(entry: Entry) -> int:
    return list(KINDS).index(entry.table) if entry.table else len(KINDS)


def prompt_sets(entries: Sequence[Entry]) -> str | None:
    """Return a row a category, source and prompt set: files, rows, models, modes, first and last item."""
    found: dict[tuple[int, str, str, str], list[tuple[str, Group]]] = {}
    for entry in entries:
        for group in entry.groups:
            if group.prompts is not None and group.first is not None:
                key = _order(entry), entry.category, entry.source or "own", group.prompts
                found.setdefault(key, []).append((entry.path, group))
    rows = [
        [category, shown(source), shown(prompts), *_set_cells(found[key])]
        for key in sorted(found)
        for _, category, source, prompts in [key]
    ]
    head = ["category", "source", "prompt set", "files", "rows", "models", "modes", "first item", "last item"]
    return table(head, rows) if rows else None


def _set_cells(found: list[tuple[str, Group]]) -> list[str]:
    groups = [group for _, group in found]
    return [
        f"{len({path for path, _ in found}):,}",
        f"{sum(group.rows for group in groups):,}",
        f"{len(values(groups, 'model')):,}" if values(groups, "model") else "-",
        few(values(groups, "mode"), 4) or "-",
        shown(cut(min(values(groups, "first")))),
        shown(cut(max(values(groups, "last")))),
    ]
