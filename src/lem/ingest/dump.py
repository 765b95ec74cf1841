"""What every kind of dump needs: survey, raw copy, lines, quarantine, row counts, atomic swap.

A kind (`lem.ingest.lem_standard`, ...) says which files it reads and turns their
rows into records; everything that must never go wrong with foreign data is here:
no link is followed, what is parsed is our own copy, a row is either imported or
in the quarantine, and `data/imported/<name>` is replaced whole or not at all.

    for line in dump.lines("items", "gsm8k.jsonl"):
        with dump.row(line):          # a Fault raised in here quarantines the line
            item = build(line.row())
"""

from __future__ import annotations

import fcntl
import filecmp
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, Protocol

from lem import layout
from lem.errors import LemError
from lem.ingest.lines import Fault, Line, Row, printable, read_lines
from lem.records import Item, Quarantined, settings_sha, write_jsonl, write_whole

Pair = tuple[str, str]  # benchmark, model
Items = dict[str, dict[str, Item]]  # benchmark, item id


class Kind(Protocol):
    """What a module in KINDS offers."""

    EXPECTS: str

    def reads(self, file: str) -> bool:
        """Return whether the kind reads this file, named relative to the dump."""

    def convert(self, dump: Dump, fine_tuned: frozenset[str]) -> None:
        """Write the dump's records below `dump.root`."""


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
    files: tuple[str, ...]  # what the kind reads, copied to root/raw
    tallies: dict[str, Tally] = field(default_factory=dict)
    quarantined: list[Quarantined] = field(default_factory=list)

    def tally(self, kind: str, file: str) -> Tally:
        """Return the counts of a file, from nothing at first."""
        return self.tallies.setdefault(file, Tally(kind, file))

    def lines(self, kind: str, file: str) -> Iterator[Line]:
        """Yield and count the lines of a raw file; give each to `row`."""
        tally = self.tally(kind, file)
        for line in read_lines(self.root / "raw" / file, file):
            tally.rows += 1
            yield line

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

    def place(self, path: Path) -> Path:
        """Return where a path of our own layout lies in this import.

        Raises LemError when something lies there: two names that differ only
        in case, say, on a disk that does not tell them apart.
        """
        target = self.root / path.relative_to(layout.DATA)
        if target.exists():
            raise LemError(f"{target.relative_to(self.root)}: two names of the dump lead to this one file")
        return target

    def finish(self) -> None:
        """Write the quarantine; raises AssertionError when a row got lost on the way."""
        for tally in self.tallies.values():
            if tally.rows != tally.imported + tally.quarantined:
                raise AssertionError(f"rows in are not rows out: {tally}")
        write_jsonl(self.root / "quarantine.jsonl", self.quarantined)


def nameable(name: str) -> str:
    """Return a model's name when it can be a file name of ours; raises Fault."""
    if not layout.NAME.fullmatch(name):
        raise Fault(f"model {name!r:.80} cannot be a file name of ours")
    return name


def known(item_id: str, benchmark: str, items: Items) -> None:
    """Raise Fault for an item that no question set has."""
    if item_id not in items.get(benchmark, {}):
        raise Fault(f"item id {item_id!r:.80} is not in the question set of {benchmark!r:.80}")


def run_id(source: str, model: str, benchmark: str) -> str:
    """Return the id of the run that a dump's answers are said to come from; its settings are unknown."""
    return settings_sha({"source": source, "model": model, "benchmark": benchmark})[:16]


@dataclass(frozen=True)
class Survey:
    """The files below a folder, by what is done with them; names relative, sorted."""

    read: tuple[str, ...]
    not_read: tuple[str, ...]
    refused: tuple[str, ...]  # links, pipes, sockets, devices


def survey(folder: Path, kind: Kind) -> Survey:
    """Return what lies below a folder without following any link.

    Raises LemError when it is no folder, cannot be read or holds no file of the kind.
    """
    if not folder.is_dir():
        raise LemError(f"{folder}: not a folder; expected one with {kind.EXPECTS}")
    regular: list[str] = []
    refused: list[str] = []
    for where, folders, names in os.walk(folder, onerror=_unreadable):
        for path in (Path(where, name) for name in [*folders, *names]):
            mode = path.lstat().st_mode
            if not stat.S_ISDIR(mode):
                (regular if stat.S_ISREG(mode) else refused).append(path.relative_to(folder).as_posix())
    read = sorted(file for file in regular if kind.reads(file))
    if not read:
        raise LemError(f"{folder}: nothing of this kind in it; expected {kind.EXPECTS}")
    return Survey(tuple(read), tuple(sorted(set(regular) - set(read))), tuple(sorted(refused)))


def _unreadable(err: OSError) -> NoReturn:
    raise LemError(f"{err.filename}: cannot be read: {err.strerror}") from err


def copy_raw(folder: Path, root: Path, files: Iterable[str]) -> None:
    """Copy files byte for byte to `root/raw`, with their hashes for `sha256sum -c raw.sha256`."""
    hashes = [f"{_copy(folder / file, root / 'raw' / file)}  raw/{file}\n" for file in files]
    write_whole(root / "raw.sha256", "".join(hashes))


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
