"""What of the locks' objects is where: workspace, cache and remotes, each file read and hashed.

with objects.opened() as repo, objects.bar() as tick:
    outs, _ = locks.locked(repo)
    found = look(repo, outs, [objects.remote(repo, "store")], tick)
    found.here["data/x.csv"]      # "" for sound, "missing", or what is wrong
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lem.verify import objects
from lem.verify.locks import Out
from lem.verify.mends import Whole
from lem.verify.objects import Held, Store, Tick

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

SOUND, MISSING, DIFFERS = "", "missing", "differs"


@dataclass(frozen=True)
class File:
    """One object that a lock names, by the path it has there; a folder's own listing ends in a slash."""

    path: str
    info: HashInfo
    out: Out


@dataclass
class Survey:
    """What was found.

    here: of every path of a lock, SOUND, MISSING or what is wrong with it in the workspace; of a folder's
    listing DIFFERS where its files do; extra: files of a folder that its listing does not name; blank:
    folders whose listing is nowhere; stores: the cache first; commits: of each lock that was asked for,
    the text that the last commit has; searched: whether all remotes were looked at.
    """

    root: Path
    files: list[File] = field(default_factory=list)
    here: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Out] = field(default_factory=dict)
    blank: set[str] = field(default_factory=set)
    stores: list[tuple[Store, Held]] = field(default_factory=list)
    commits: dict[str, str] = field(default_factory=dict)
    searched: bool = True

    def whole(self, file: File) -> Whole:
        """Return where whole copies of a file's object are."""
        (_, cache), *remotes = self.stores
        needs = [other.info for other in self.files if other.out is file.out]
        return Whole(
            cache=file.info in cache.sound,
            here=any(self.here[other.path] == SOUND for other in self.files if other.info == file.info),
            in_place=self.here[file.path] == SOUND,
            remotes=tuple(store.name for store, held in remotes if file.info in held.sound),
            ready=file.out.path not in self.blank and all(info in cache.sound for info in needs),
            searched=self.searched or not file.out.pushed,
        )


def look(repo: Repo, outs: Sequence[Out], remotes: Sequence[Store], tick: Tick) -> Survey:
    """Return what is where of some outputs; a folder's listing is taken from wherever it is whole."""
    survey = Survey(Path(repo.root_dir))
    names = [File(out.path, out.info, out) for out in outs]
    for store in (objects.cache(repo), *remotes):
        survey.stores.append((store, objects.held(store, wanted(store, names), tick)))
    trees = {out.path: tree_of(repo, survey.stores, out) for out in outs if out.info.isdir}
    survey.blank = {path for path, tree in trees.items() if tree is None}
    for out in outs:
        survey.files += files_of(out, trees.get(out.path))
    for store, known in survey.stores:
        rest = wanted(store, survey.files) - wanted(store, names)
        known.add(objects.held(store, rest, tick) if known.answers else Held(unread=rest))
    workspace(repo, survey, tick)
    return survey


def wanted(store: Store, files: Iterable[File]) -> set[HashInfo]:
    """Return the objects that DVC would put into a store: the cache, or a remote."""
    return {file.info for file in files if (file.out.pushed if store.name else file.out.cached)}


def files_of(out: Out, tree: Tree | None) -> list[File]:
    """Return an output's objects: one of a file; of a folder its listing, and the files that a tree names."""
    if not out.info.isdir:
        return [File(out.path, out.info, out)]
    listing = File(f"{out.path}/", out.info, out)
    entries = [] if tree is None else list(tree)
    return [listing, *(File(f"{out.path}/{'/'.join(key)}", info, out) for key, _, info in entries)]


def tree_of(repo: Repo, stores: Iterable[tuple[Store, Held]], out: Out) -> Tree | None:
    """Return what a folder holds by a listing whose bytes are right, or else by the folder itself."""
    for store, held in stores:
        tree = objects.listing(out.info, objects.content(store, out.info)) if out.info in held.sound else None
        if tree is not None:  # a Tree of DVC's is false without an id of its own
            return tree
    return objects.listing(out.info, folder_listing(repo, out))


def folder_listing(repo: Repo, out: Out) -> bytes:
    """Return the listing of a folder of the workspace as it is now, in DVC's own form; b"" without one."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.meta import Meta
    from dvc_data.hashfile.tree import Tree

    tree, kind = Tree.from_list([]), str(out.info.name)
    try:
        for path in _found(repo, out):
            info = HashInfo(kind, objects.file_digest(path, kind))
            tree.add(path.relative_to(Path(repo.root_dir, out.path)).parts, Meta(), info)
    except OSError:  # told of the file itself, where it is looked at
        return b""
    return bytes(tree.as_bytes()) if len(tree) else b""


def _found(repo: Repo, out: Out) -> list[Path]:
    """Return the files of a folder of the workspace that DVC would track."""
    return sorted(map(Path, repo.dvcignore.find(repo.fs, str(Path(repo.root_dir, out.path)))))


def workspace(repo: Repo, survey: Survey, tick: Tick) -> None:
    """Fill in what the workspace holds of each file of a lock, and of each folder as a whole."""
    files = [file for file in survey.files if not file.path.endswith("/")]
    tick(0, len(files))
    for file in files:
        survey.here[file.path] = _state(repo, file)
        tick(1, 0)
    for file in survey.files:
        if file.info.isdir:
            _folder(repo, survey, file.out)


def _folder(repo: Repo, survey: Survey, out: Out) -> None:
    """Fill in what is to be said of a folder as a whole, and of files that its listing does not name."""
    place, listing = Path(repo.root_dir, out.path), f"{out.path}/"
    if not place.exists() or out.path in survey.blank:
        survey.here[listing] = DIFFERS if place.exists() else MISSING
        return
    known = {file.path for file in survey.files if file.out is out} - {listing}
    names = {path.relative_to(repo.root_dir).as_posix() for path in _found(repo, out)}
    survey.extra |= dict.fromkeys(sorted(names - known), out)
    same = names == known and all(survey.here[name] == SOUND for name in names)
    survey.here[listing] = SOUND if same else DIFFERS


def _state(repo: Repo, file: File) -> str:
    """Return SOUND, MISSING or what is wrong with a file of the workspace."""
    path = str(Path(repo.root_dir, file.path))
    try:
        actual = objects.file_digest(path, str(file.info.name))
    except (FileNotFoundError, NotADirectoryError):
        return MISSING
    except OSError as err:
        return f"changed: cannot be read: {err.strerror}"
    if actual == file.info.value:
        return SOUND
    _, remembered = repo.state.get(path, repo.fs)
    if remembered == file.info:
        return f"damaged: its bytes hash to {actual}, though its time stamp is still the one DVC noted"
    return f"changed: its bytes hash to {actual}; an edit, or damage"
