"""The folders of an import: what lies in the dump, its raw copy, `data/imported/<name>` replaced whole.

What must never go wrong with foreign folders is here: no link is followed, what
is parsed is our own copy, an import never reads itself, and one that fails
leaves what was there before.

    found = survey(path, kind, target)
    with beside(target) as root:
        hashes = copy_raw(path, root, found.read)
        print(swap(root, target))      # 'written', 'replaced' or 'unchanged'
"""

from __future__ import annotations

import fcntl
import filecmp
import hashlib
import os
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from lem import layout
from lem.errors import LemError
from lem.ingest.dump import STATED, Kind
from lem.ingest.peek import json_object
from lem.refusals import naming

Place = tuple[int, int]  # device and inode of a folder


@dataclass
class Survey:
    """The files below a folder, by what is done with them; names relative, sorted."""

    read: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)  # not read, and yet copied to raw/
    left_out: dict[str, list[str]] = field(default_factory=dict)  # rows of others, by the folder they are in
    not_read: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)  # links, pipes, devices, names that cannot be printed


def survey(path: Path, kind: Kind, target: Path) -> Survey:
    """Return what lies below a folder, or the one file that a path names; no link in it is followed.

    What lies in `target`, the import that is to be written, is left out.
    Raises LemError when there is nothing, it cannot be read or holds no file of the kind.
    """
    if path.is_file():
        return _alone(path, kind)
    folder = path
    if not folder.is_dir():
        raise LemError(f"{path}: no such file or folder; expected {kind.expects}")
    own = places([target, *aside(target)])
    found = Survey()
    for file, regular in sorted(_files(folder, kind, own)):
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


def _files(folder: Path, kind: Kind, own: Collection[Place]) -> Iterator[tuple[str, bool]]:
    """Yield what is no folder, and whether it is a regular file, in the folders that the kind enters."""
    for top, folders, names in walk(folder, own):
        for name in [*folders, *names]:
            mode = (folder / top / name).lstat().st_mode
            if not stat.S_ISDIR(mode):
                yield (top / name).as_posix(), stat.S_ISREG(mode)
        folders[:] = [name for name in folders if kind.enters((top / name).as_posix())]


def walk(folder: Path, own: Collection[Place]) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield (folder relative to the top, folders, files) as os.walk does, `own` left out.

    Links are not followed; what cannot be read is a LemError.
    """
    for where, folders, names in os.walk(folder, onerror=_unreadable):
        if places([Path(where)]) & set(own):
            folders.clear()
            continue
        yield Path(where).relative_to(folder), folders, names


def places(folders: Iterable[Path]) -> set[Place]:
    """Return what tells each of the folders that are there from any other, whatever path leads to it."""
    found = (folder.lstat() for folder in folders if folder.is_dir() and not folder.is_symlink())
    return {(info.st_dev, info.st_ino) for info in found}


def _unreadable(err: OSError) -> NoReturn:
    raise LemError(f"{err.filename}: cannot be read: {err.strerror}") from err


def copy_raw(folder: Path, root: Path, files: Iterable[str]) -> dict[str, str]:
    """Copy files byte for byte to `root/raw`; return their sha256."""
    return {file: _copy(folder / file, root / "raw" / file) for file in files}


def _copy(source: Path, target: Path) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    opened = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(opened, "rb") as bytes_in, naming(target), target.open("wb") as out:
        while block := bytes_in.read(1 << 20):
            digest.update(block)
            out.write(block)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def aside(target: Path) -> tuple[Path, Path]:
    """Return the folders beside an import while it is replaced: the new one, the old one."""
    return target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")


@contextmanager
def beside(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside `target`, for `swap`; one import at a time, leftovers removed."""
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise LemError(f"{target}: not a folder of ours; move it away")
    target.parent.mkdir(parents=True, exist_ok=True)
    new, old = aside(target)
    lock = os.open(target.parent, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if old.is_dir() and not target.exists():  # stopped between the two renames of a swap
            old.rename(target)
        _remove(old)
        _remove(new)
        new.mkdir()
        yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)
        os.close(lock)


def _remove(folder: Path) -> None:
    """Remove a folder of ours, if it is there; LemError names it when it stays."""
    try:
        if os.path.lexists(folder):
            shutil.rmtree(folder)
    except OSError as err:
        raise LemError(f"{folder}: in the way and cannot be removed: {err.strerror}; remove it") from err


def same_kind(target: Path, kind: str) -> None:
    """Raise LemError when an import of another kind lies at `target`."""
    there = json_object(target, STATED).get("kind") if target.is_dir() else None
    if isinstance(there, str) and layout.NAME.fullmatch(there) and there != kind:
        raise LemError(f"{target} holds a {there} import; take another --as, or remove that folder first")


def swap(new: Path, target: Path) -> str:
    """Put `new` in the place of `target`; return 'written', 'replaced', or 'unchanged' for equal bytes.

    What is unchanged is not touched.
    """
    there = target.is_dir()
    if there and _same(new, target):
        return "unchanged"
    old = aside(target)[1]
    if there:
        target.rename(old)
    new.rename(target)
    _remove(old)
    return "replaced" if there else "written"


def _same(one: Path, other: Path) -> bool:
    trees = [sorted(p.relative_to(top) for p in top.rglob("*") if not p.is_dir()) for top in (one, other)]
    return trees[0] == trees[1] and not any(
        not (other / file).is_file() or not filecmp.cmp(one / file, other / file, shallow=False)
        for file in trees[0]
    )
