"""What was read of somebody's JSONL is kept: answers and items written as they come, scores behind them.

Rows go to the file of their model, prompts and mode in the order in which they
stood; of two with one key the first is kept. Only keys and right answers stay in memory.

    took = Took(Spool(dump))
    take(dump, took, seen, done)      # `done`: what lem.ingest.jsonl.rows made of a piece
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import itemgetter
from pathlib import Path

from lem import layout
from lem.errors import LemError
from lem.ingest.dump import Dump
from lem.ingest.jsonl.rows import Done, Group, Part, Piece
from lem.ingest.lines import read_lines
from lem.record_files import dumps
from lem.records import Item, Response, Score

SPOOLED = 32_000_000  # characters that wait to be written


@dataclass
class Seen:
    """What the rows of a file had of the fields that they should have."""

    rows: int = 0  # lines so far, up to the last that is not blank
    objects: int = 0
    found: set[str] = field(default_factory=set)
    names: list[str] = field(default_factory=list)  # fields of the first object


class Spool:
    """Lines for many files, appended in the order of each, few at a time in memory."""

    def __init__(self, dump: Dump) -> None:
        self.dump, self.waiting, self.size = dump, dict[Path, list[str]](), 0
        self.places: dict[Path, Path] = {}  # where a path of our layout lies in the import

    def add(self, path: Path, text: str) -> None:
        """Append text to the file of ours that `path` names."""
        self.waiting.setdefault(path, []).append(text)
        self.size += len(text)
        if self.size > SPOOLED:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        for path, texts in self.waiting.items():
            if path not in self.places:
                self.places[path] = self.dump.place(path)
                self.places[path].parent.mkdir(parents=True, exist_ok=True)
            with self.places[path].open("a", encoding="utf-8", newline="\n") as out:
                out.writelines(texts)
        self.waiting, self.size = {}, 0


Golds = dict[str, str | None]
"""The right answer of each item by its id; null where none is stated."""


@dataclass
class Took:
    """What was written so far, as far as later rows must know it."""

    spool: Spool
    keys: dict[Group, set[tuple[str, int]]] = field(default_factory=dict)
    golds: dict[str, Golds] = field(default_factory=dict)  # of each benchmark
    owners: dict[Path, Group] = field(default_factory=dict)

    def place(self, group: Group) -> Path:
        """Return where a group's answers go in our layout; LemError where another's go there."""
        stem = group.model if group.mode == "naked" else f"{group.model}-{group.mode}"
        path = layout.answers(group.prompts, stem)
        if (owner := self.owners.setdefault(path, group)) != group:
            raise LemError(
                f"{path}: {owner.model}, {owner.mode} and {group.model}, {group.mode} lead to this file"
            )
        return path


def take(dump: Dump, took: Took, seen: Seen, done: Done) -> None:
    """Write a piece's records, quarantine its faults, in the order of its lines."""
    piece = done.piece
    tally = dump.tallies[piece.file]
    faults = list(done.faults)
    if done.rows:  # so blank lines before it do not end the file
        blank = range(seen.rows + 1, piece.number)
        faults += [(number, "blank line", "") for number in blank]
        tally.rows += len(blank) + done.rows
        seen.rows = piece.number - 1 + done.rows
    seen.objects += done.objects
    seen.found |= done.found
    seen.names = seen.names or done.seen
    refused = keep(took, done.groups)
    tally.imported += done.rows - len(done.faults) - len(refused)
    faults += [(number, refused[number], text) for number, text in texts(piece, refused)]
    for number, reason, text in sorted(faults):
        dump.refuse(piece.file, number, reason, text)


def keep(took: Took, groups: Mapping[Group, Part]) -> dict[int, str]:
    """Write the rows of a piece that are no repetition; return {line: why} of the others."""
    rest: list[tuple[int, Group, tuple[str, int], str, tuple[str | None, str] | None]] = []
    for group, part in groups.items():
        keys, path = took.keys.setdefault(group, set()), took.place(group)
        if not any(part.items) and len(set(part.keys)) == len(part.keys) and keys.isdisjoint(part.keys):
            keys.update(part.keys)
            took.spool.add(path, "".join(part.lines))
        else:  # one by one, in the order of the lines: what stands first is kept
            rest += zip(part.numbers, repeat(group), part.keys, part.lines, part.items, strict=False)
    refused = {}
    for number, group, key, line, item in sorted(rest, key=itemgetter(0)):
        if why := _unwanted(took, group, key, item):
            refused[number] = why
            continue
        took.keys[group].add(key)
        took.spool.add(took.place(group), line)
        if item and key[0] not in took.golds.setdefault(group.prompts, {}):
            took.golds[group.prompts][key[0]] = item[0]
            took.spool.add(layout.items(group.prompts), item[1])
    return refused


def _unwanted(took: Took, group: Group, key: tuple[str, int], item: tuple[str | None, str] | None) -> str:
    """Return why a row is not kept, '' where it is."""
    name, sample = key
    if key in took.keys[group]:
        return f"id {name!r:.80}, sample {sample} stands twice; the first is kept"
    golds = took.golds.get(group.prompts, {})
    if item and name in golds and golds[name] != item[0]:
        return f"answer {item[0]!r:.80} contradicts an earlier row's, {golds[name]!r:.80}"
    return ""


def texts(piece: Piece, numbers: Mapping[int, str]) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of these lines of a piece, as the quarantine keeps them."""
    if numbers:
        for line in read_lines(piece.path, piece.file, piece.number, piece.start, piece.stop):
            if line.number is not None and line.number in numbers:
                yield line.number, line.text


def score(took: Took, asked: Sequence[str]) -> None:
    """Write scores of the answers: by these scorers; by none, as numbers where every right answer is one."""
    for group in took.keys:
        golds = took.golds.get(group.prompts, {})
        if golds and (names := asked or _by_default(golds)):
            target = layout.scores(group.prompts, took.place(group).stem)
            for row in scores_of(took.spool.places[took.place(group)], golds, names):
                took.spool.add(target, dumps(row) + "\n")


def _by_default(golds: Golds) -> tuple[str, ...]:
    from lem.scoring import numbers

    numeric = all(gold is not None and numbers.normalise(gold) is not None for gold in golds.values())
    return ("number",) if numeric else ()


def scores_of(path: Path, golds: Golds, names: Sequence[str]) -> Iterator[Score]:
    """Yield the scores of a file of answers that we wrote, of those that have an item."""
    from lem.scoring.scorers import SCORERS

    with path.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            answer = Response(**json.loads(line))
            if answer.seed_id in golds:
                item = Item(
                    answer.prompts, answer.seed_id, answer.prompt, golds[answer.seed_id], "", answer.source
                )
                for name in names:
                    yield from SCORERS[name](item, [answer])
