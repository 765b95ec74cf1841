"""The folders of `data/` as a tree, with what lies below each. Pure.

tree(found)     # 'data/ (31 files, 1,200 rows)\n├── answers/ (2 files, 300 rows)\n...'
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from lem import layout
from lem.mapping.contents import Entry, Survey
from lem.report.words import count
from lem.shapes import printable

DEPTH = 4  # folders within folders that are drawn; what lies deeper is counted where the drawing ends
UNITS = ("file", "row", "line")


def tree(found: Survey) -> str:
    """Return a line a folder; counts are of everything below it."""
    told = {name: tally(counts) for name, counts in folders(found.entries).items()}
    inside: dict[str, list[str]] = {}
    for name in sorted(told.keys() - {""}, key=lambda name: name.split("/")):
        inside.setdefault(name.rpartition("/")[0], []).append(name)
    return "\n".join([f"{layout.DATA}/ ({told['']})", *_below("", "", told, inside)])


def _below(
    folder: str, stem: str, told: Mapping[str, str], inside: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    names = inside.get(folder, ())
    for place, name in enumerate(names, 1):
        branch, under = ("└── ", "    ") if place == len(names) else ("├── ", "│   ")
        yield f"{stem}{branch}{printable(name.rpartition('/')[2])}/ ({told[name]})"
        yield from _below(name, stem + under, told, inside)


def folders(entries: Sequence[Entry], depth: int = DEPTH) -> dict[str, Counter[str]]:
    """Return {folder: files, rows and lines below it} of every folder down to a depth; '' is data/."""
    found: dict[str, Counter[str]] = {"": Counter()}
    for entry in entries:
        parts = entry.path.split("/")[:-1]
        for length in range(min(len(parts), depth) + 1):
            counts = found.setdefault("/".join(parts[:length]), Counter())
            counts["file"] += 1
            counts[entry.unit] += entry.rows or 0
    return found


def tally(counts: Counter[str]) -> str:
    """Return '3 files, 450 rows, 12 lines', less what there is none of."""
    return ", ".join(count(counts[unit], unit) for unit in UNITS if counts[unit]) or "empty"
