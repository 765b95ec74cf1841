"""What every kind of dump needs: survey, raw copy, lines, quarantine, row counts, atomic swap.

A kind (`lem.ingest.lem_standard`, ...) says which files it reads and turns their
rows into records; everything that must never go wrong with foreign data is here:
no link is followed, what is parsed is our own copy, a row is either imported or
in the quarantine, and `data/imported/<name>` is replaced whole or not at all.

    for line in dump.lines("items", "gsm8k.jsonl"):
        with dump.row(line):          # a Fault raised in here quarantines the line
            item = build(line.row())

What a kind may leave out of its `Kind` is as for a plain dump: every folder is
looked into, no file is left out, any folder will do.
"""

from __future__ import annotations

import fcntl
import filecmp
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from lem import layout
from lem.errors import LemError
from lem.ingest.lines import LINE_LIMIT, Fault, Line, Row, printable, read_lines
from lem.params_imports import SETTINGS, ImportSpec
from lem.record_files import settings_sha, write_jsonl, write_whole
from lem.records import Item, Note, Quarantined

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
            yield Line(file, None, bytes_in.read(LINE_LIMIT + 1), path.stat().st_size)

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


@dataclass
class Survey:
    """The files below a folder, by what is done with them; names relative, sorted."""

    read: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)  # not read, and yet copied to raw/
    left_out: dict[str, list[str]] = field(default_factory=dict)  # rows of others, by the folder they are in
    not_read: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)  # links, pipes, devices, names that cannot be printed


def suited(kind: Kind, spec: ImportSpec) -> None:
    """Raise LemError for a setting that the kind has no use for."""
    for name in SETTINGS:
        if getattr(spec, name) and name not in kind.takes:
            takes = ", ".join(kind.takes) or "none"
            raise LemError(f"import {spec.name}: {spec.kind} takes no {name}; settings it takes: {takes}")


def survey(path: Path, kind: Kind) -> Survey:
    """Return what lies below a folder, or the one file that a path names; no link in it is followed.

    Raises LemError when there is nothing, it cannot be read or holds no file of the kind.
    """
    if path.is_file():
        return _alone(path, kind)
    folder = path
    if not folder.is_dir():
        raise LemError(f"{path}: no such file or folder; expected {kind.expects}")
    found = Survey()
    for file, regular in sorted(_files(folder, kind)):
        if not (regular and file.isprintable()):
            looked_at = kind.reads(file) or kind.keeps(file) or kind.enters(file)
            (found.refused if looked_at else found.not_read).append(file)
        elif kind.reads(file):
            found.read.append(file)
        elif kind.keeps(file):
            found.kept.append(file)
        elif top := kind.leaves(file):
            found.left_out.setdefault(top, []).append(file)
        else:
            found.not_read.append(file)
    if not found.read:
        links = "; links in it are not followed" if found.refused else ""
        raise LemError(f"{folder}: nothing of this kind in it; expected {kind.expects}{links}")
    return found


def _alone(path: Path, kind: Kind) -> Survey:
    if path.is_symlink() or not kind.reads(path.name):
        why = "a link, which is not followed" if path.is_symlink() else "nothing of this kind"
        raise LemError(f"{path}: {why}; expected {kind.expects}")
    return Survey(read=[path.name])


def _files(folder: Path, kind: Kind) -> Iterator[tuple[str, bool]]:
    """Yield what is no folder, and whether it is a regular file, in the folders that the kind enters."""
    for where, folders, names in os.walk(folder, onerror=_unreadable):
        top = Path(where).relative_to(folder)
        for name in [*folders, *names]:
            mode = Path(where, name).lstat().st_mode
            if not stat.S_ISDIR(mode):
                yield (top / name).as_posix(), stat.S_ISREG(mode)
        folders[:] = [name for name in folders if kind.enters((top / name).as_posix())]


def _unreadable(err: OSError) -> NoReturn:
    raise LemError(f"{err.filename}: cannot be read: {err.strerror}") from err


def copy_raw(folder: Path, root: Path, files: Iterable[str]) -> dict[str, str]:
    """Copy files byte for byte to `root/raw`; return their sha256."""
    return {file: _copy(folder / file, root / "raw" / file) for file in files}


def _copy(source: Path, target: Path) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    opened = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(opened, "rb") as bytes_in, target.open("wb") as out:
        while block := bytes_in.read(1 << 20):
            digest.update(block)
            out.write(block)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def _remove_empty(folder: Path) -> None:
    for below in sorted(folder.rglob("*"), reverse=True):
        if below.is_dir() and not any(below.iterdir()):
            below.rmdir()


@contextmanager
def beside(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside `target`, for `swap`; one import at a time, leftovers removed."""
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise LemError(f"{target}: not a folder of ours; move it away")
    target.parent.mkdir(parents=True, exist_ok=True)
    new, old = (target.with_name(f".{target.name}.{part}") for part in ("new", "old"))
    lock = os.open(target.parent, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if old.exists() and not target.exists():  # stopped between the two renames of a swap
            old.rename(target)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)
        os.close(lock)


def swap(new: Path, target: Path) -> bool:
    """Put `new` in the place of `target`; return False, touching nothing, when their bytes are equal."""
    if target.is_dir() and _same(new, target):
        return False
    old = target.with_name(f".{target.name}.old")
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    return True


def _same(one: Path, other: Path) -> bool:
    trees = [sorted(p.relative_to(top) for p in top.rglob("*") if not p.is_dir()) for top in (one, other)]
    return trees[0] == trees[1] and not any(
        not (other / file).is_file() or not filecmp.cmp(one / file, other / file, shallow=False)
        for file in trees[0]
    )
