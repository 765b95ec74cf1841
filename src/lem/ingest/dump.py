"""What every kind of dump needs of its rows: lines, records' places, quarantine, row counts.

A kind (`lem.ingest.lem_standard`, ...) says which files it reads and turns their
rows into records; here a row is either imported or in the quarantine, and no two
records' files are one. Folders are the business of `lem.ingest.places`.

    for line in dump.lines("items", "gsm8k.jsonl"):
        with dump.row(line):          # a Fault raised in here quarantines the line
            item = build(line.row())

What a kind may leave out of its `Kind` is as for a plain dump: every folder is
looked into, no file is left out, any folder will do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lem import layout
from lem.errors import LemError
from lem.ingest.lines import LINE_LIMIT, Fault, Line, Row, printable, read_lines, without_bom
from lem.params_imports import SETTINGS, ImportSpec
from lem.record_files import settings_sha, write_jsonl, write_whole
from lem.records import Item, Note, Quarantined

STATED = "import.json"  # of an import: what kind it is and how its rows were read
Pair = tuple[str, str]  # benchmark, model
Items = dict[str, dict[str, Item]]  # benchmark, item id


@dataclass
class Tally:
    """How many rows a file held and what became of them."""

    kind: str
    file: str
    rows: int = 0
    imported: int = 0
    quarantined: int = 0


def summed(tallies: Iterable[Tally]) -> Tally:
    """Return the counts of several files as one, called total."""
    total = Tally("", "total")
    for tally in tallies:
        total.rows += tally.rows
        total.imported += tally.imported
        total.quarantined += tally.quarantined
    return total


@dataclass
class Dump:
    """A dump on its way in: our raw copy, the counts and the quarantine."""

    source: str
    root: Path  # the folder that becomes data/imported/<source>
    files: Sequence[str]  # what the kind reads, copied to root/raw
    tallies: dict[str, Tally] = field(default_factory=dict)
    quarantined: list[Quarantined] = field(default_factory=list)
    notes: dict[Note, None] = field(default_factory=dict)  # in the order they were made, each once
    hashes: dict[str, str] = field(default_factory=dict)  # sha256 of every raw copy

    def tally(self, kind: str, file: str) -> Tally:
        """Return the counts of a file, from nothing at first."""
        return self.tallies.setdefault(file, Tally(kind, file))

    def lines(self, kind: str, file: str) -> Iterator[Line]:
        """Yield and count the lines of a raw file; give each to `row`."""
        tally = self.tally(kind, file)
        for line in read_lines(self.root / "raw" / file, file):
            tally.rows += 1
            yield line

    def document(self, kind: str, file: str) -> Iterator[Line]:
        """Yield and count the one row of a raw file that is a JSON document; give it to `row`."""
        self.tally(kind, file).rows = 1
        path = self.root / "raw" / file
        with path.open("rb") as bytes_in:
            raw = bytes_in.read(LINE_LIMIT + 1)
        yield Line(file, None, without_bom(raw), path.stat().st_size)

    @contextmanager
    def row(self, line: Row) -> Iterator[None]:
        """Count a row as imported, or quarantine it when the block raises Fault."""
        try:
            yield
        except Fault as fault:
            self.refuse(line.file, line.number, str(fault), line.text)
        except RecursionError:
            self.refuse(line.file, line.number, "nested too deeply", line.text)
        else:
            self.tallies[line.file].imported += 1

    def refuse(self, file: str, number: int | None, reason: str, text: str) -> None:
        """Quarantine a row of a file that has a tally."""
        self.tallies[file].quarantined += 1
        shown = [printable(part) for part in (file, reason, text)]
        self.quarantined.append(Quarantined(self.source, shown[0], number, shown[1], shown[2]))

    def note(
        self,
        rule: str,
        severity: str,
        file: str,
        line: int | None,
        detail: str,
        model: str | None = None,
        prompts: str | None = None,
        item_id: str | None = None,
    ) -> None:
        """Keep what no record can hold; said twice it is kept once."""
        shown = printable(file), line, printable(detail)
        note = Note(self.source, rule, severity, *shown, model, prompts, item_id)
        self.notes[note] = None

    def place(self, path: Path) -> Path:
        """Return where a path of our own layout lies in this import.

        Raises LemError when something lies there: two names that differ only
        in case, say, on a disk that does not tell them apart.
        """
        target = self.root / path.relative_to(layout.DATA)
        if target.exists():
            raise LemError(f"{target.relative_to(self.root)}: two names of the dump lead to this one file")
        return target

    def total(self) -> Tally:
        """Return the counts of all files together."""
        return summed(self.tallies.values())

    def state(self, spec: ImportSpec) -> None:
        """Write import.json: the kind, the settings and the sum of the rows; no path and no time."""
        settings = {name: getattr(spec, name) for name in SETTINGS}
        total = self.total()
        stated = {
            "kind": spec.kind,
            "rows": total.rows,
            "imported": total.imported,
            "quarantined": total.quarantined,
            "settings": {name: value for name, value in settings.items() if value},
        }
        write_whole(self.root / STATED, json.dumps(stated, indent=2, sort_keys=True) + "\n")

    def finish(self, keeps: Callable[[str], bool] = lambda file: True) -> None:
        """Write the quarantine and the hashes; drop the raw copies that the kind does not keep.

        raw.sha256 is for `sha256sum -c` where it lies, originals.sha256 (of what
        was dropped, if anything) for `sha256sum -c` in the folder of the dump.
        Raises AssertionError when a row got lost on the way.
        """
        for tally in self.tallies.values():
            if tally.rows != tally.imported + tally.quarantined:
                raise AssertionError(f"rows in are not rows out: {tally}")
        write_jsonl(self.root / "quarantine.jsonl", self.quarantined)
        if self.notes:
            write_jsonl(self.root / "notes.jsonl", self.notes)
        kept = {file: sha for file, sha in self.hashes.items() if keeps(file)}
        write_whole(self.root / "raw.sha256", "".join(f"{sha}  raw/{file}\n" for file, sha in kept.items()))
        if dropped := {file: sha for file, sha in self.hashes.items() if file not in kept}:
            lines = [f"{sha}  {file}\n" for file, sha in dropped.items()]
            write_whole(self.root / "originals.sha256", "".join(lines))
            for file in dropped:
                (self.root / "raw" / file).unlink()
            _remove_empty(self.root / "raw")


def _remove_empty(folder: Path) -> None:
    for below in sorted(folder.rglob("*"), reverse=True):
        if below.is_dir() and not any(below.iterdir()):
            below.rmdir()


def nameable(name: str) -> str:
    """Return a model's name as a file name of ours: org/name becomes org__name; raises Fault for others."""
    parts = name.split("/") if isinstance(name, str) else []
    joined = "__".join(parts)
    if not (0 < len(parts) <= 2 and all(map(layout.NAME.fullmatch, [*parts, joined]))):
        raise Fault(f"model {name!r:.80} cannot be a file name of ours")
    return joined


def known(item_id: str, benchmark: str, items: Items) -> None:
    """Raise Fault for an item that no question set has."""
    if item_id not in items.get(benchmark, {}):
        raise Fault(f"item id {item_id!r:.80} is not in the question set of {benchmark!r:.80}")


def run_id(source: str, model: str, benchmark: str) -> str:
    """Return the id of the run that a dump's answers are said to come from; its settings are unknown."""
    return settings_sha({"source": source, "model": model, "benchmark": benchmark})[:16]


@dataclass(frozen=True)
class Kind:
    """One kind of dump. Files and folders are named relative to the dump."""

    expects: str  # what a person is told when there is nothing of it
    reads: Callable[[str], bool]  # whether the rows of a file become records
    keeps: Callable[[str], bool]  # whether raw/ keeps a copy of a file, be it read or not
    convert: Callable[[Dump, ImportSpec], None]  # writes the records below `dump.root`
    takes: tuple[str, ...] = ()  # settings of params_imports.SETTINGS that mean something to it
    knows: Callable[[Path, Sequence[str]], bool] = lambda path, files: (
        False
    )  # for `auto`: is it of this kind?
    enters: Callable[[str], bool] = lambda folder: True  # whether the survey looks into a folder
    leaves: Callable[[str], str] = lambda file: ""  # the folder that a file is counted in, not imported
    admits: Callable[[Path], None] = lambda folder: None  # raises LemError for a dump of no use


def suited(kind: Kind, spec: ImportSpec) -> None:
    """Raise LemError for a setting that the kind has no use for."""
    for name in SETTINGS:
        if getattr(spec, name) and name not in kind.takes:
            takes = ", ".join(kind.takes) or "none"
            raise LemError(f"import {spec.name}: {spec.kind} takes no {name}; settings it takes: {takes}")
