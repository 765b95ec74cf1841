"""What lies in a cache or a remote: bytes are read and hashed, nothing is believed.

DVC remembers hashes by time stamp and inode, and takes a read-only object for sound; neither is asked here.

    with opened() as repo:
        found = held(remote(repo, "store"), [HashInfo("md5", "1e4368…")], lambda done, more: None)
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from lem.errors import LemError

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

Tick = Callable[[int, int], object]
"""Called with the number of objects that are done, and of those that came to the work."""
Read = Callable[["Store", "HashInfo"], str]
KINDS = ("md5", "md5-dos2unix")  # the second is what DVC 2 wrote: line ends are not counted
THREADS = 8
PATIENCE = 2.0  # seconds before a bar is shown
_ASKED: WeakKeyDictionary[Repo, list[Store]] = WeakKeyDictionary()  # who was talked to, to hang up
NAME = re.compile(r"[0-9a-f]{30}(\.dir)?")


@dataclass(frozen=True)
class Store:
    """A place of objects: the cache (which has no name) or a remote; its database for each kind of hash."""

    name: str
    url: str
    local: bool
    databases: dict[str, Any] = field(hash=False)

    @property
    def place(self) -> str:
        """Return what a person calls it."""
        return f"remote {self.name}" if self.name else "cache"

    def path(self, info: HashInfo) -> str:
        """Return where an object lies, or would."""
        return str(self.databases[str(info.name)].oid_to_path(info.value))


@dataclass
class Held:
    """What a store holds of what was asked for: sound, damaged (with what is wrong), or not there.

    trouble: why some could not be read at all, though the store may have them; empty where it was none;
    answers: False where nobody is there who says so.
    """

    sound: set[HashInfo] = field(default_factory=set)
    damaged: dict[HashInfo, str] = field(default_factory=dict)
    unread: set[HashInfo] = field(default_factory=set)
    trouble: str = ""
    answers: bool = True

    def add(self, other: Held) -> None:
        """Take in what else of the store was looked at."""
        self.sound |= other.sound
        self.damaged |= other.damaged
        self.unread |= other.unread
        self.trouble, self.answers = self.trouble or other.trouble, self.answers and other.answers

    def lacks(self, info: HashInfo) -> bool:
        """Return whether the object is known not to be there."""
        return info not in self.sound and info not in self.damaged and info not in self.unread


@contextmanager
def opened() -> Iterator[Repo]:
    """Yield the DVC repository around this folder; LemError if there is none or its settings are broken."""
    from dvc.config import ConfigError
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo
    from dvc.scm import SCMError

    try:
        repo = Repo()
    except NotDvcRepoError as err:
        raise LemError("no DVC repository here or above; run `git init` and `dvc init`") from err
    except ConfigError as err:
        mend = "mend them, or: git checkout -- .dvc/config (of .dvc/config.local git knows nothing)"
        raise LemError(f".dvc/config or .dvc/config.local: {line(err)}; {mend}") from err
    except (DvcException, SCMError) as err:
        raise LemError(f"dvc: {line(err)}") from err
    with closing(repo):
        try:
            yield repo
        finally:
            for store in _ASKED.pop(repo, []):
                _hang_up(store)


@contextmanager
def bar() -> Iterator[Tick]:
    """Yield a Tick that moves a progress bar; it shows after PATIENCE seconds, on a terminal only."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("objects hashed"), TimeElapsedColumn())
    shown = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task, totals, begun = shown.add_task("", total=0), [0, 0], time.monotonic()

    def tick(done: int, more: int) -> None:
        totals[0] += done
        totals[1] += more
        shown.update(task, completed=totals[0], total=totals[1])
        if time.monotonic() - begun > PATIENCE and not shown.live.is_started:
            shown.start()

    try:
        yield tick
    finally:
        shown.stop()


def cache(repo: Repo) -> Store:
    """Return the cache of the repository."""
    databases = {"md5": repo.cache.local, "md5-dos2unix": repo.cache.legacy}
    return Store("", str(repo.cache.local_cache_dir), True, databases)


def remote(repo: Repo, name: str) -> Store:
    """Return a remote; LemError where there is none of the name, or DVC cannot open its kind."""
    from dvc.exceptions import DvcException
    from dvc_objects.fs.errors import ConfigError, RemoteMissingDepsError

    settings = repo.config["remote"].get(name.lower())
    if settings is None:
        known = ", ".join(repo.config["remote"]) or "none"
        raise LemError(f".dvc/config: there is no remote {name!r}; there are: {known}; see `lem remote list`")
    try:
        there = repo.cloud.get_remote(name)
        if there.worktree or there.fs.version_aware:
            raise LemError(
                f"remote {name}: a cloud's own versions are not examined; only objects by hash are"
            )
        databases = {"md5": there.odb, "md5-dos2unix": there.legacy_odb}
    except (DvcException, ConfigError, RemoteMissingDepsError) as err:
        raise LemError(f"remote {name}: {line(err)}") from err
    local = there.fs.protocol == "local"
    store = Store(name.lower(), str(there.path if local else settings["url"]), local, databases)
    _ASKED.setdefault(repo, []).append(store)
    return store


def _hang_up(store: Store) -> None:
    """End the talk with a web server: nobody else does, and aiohttp warns of it later."""
    from fsspec.asyn import sync

    files = store.databases["md5"].fs
    session = getattr(files.fs, "_session", None) if files.protocol in ("http", "https") else None
    if session is not None:
        sync(files.fs.loop, session.close, timeout=PATIENCE)


def digest(store: Store, info: HashInfo) -> str:
    """Return the hash of an object's bytes as they lie there now, read in pieces."""
    from dvc_data.hashfile.hash import fobj_md5

    if store.local:
        return file_digest(store.path(info), str(info.name))
    with store.databases[str(info.name)].fs.open(store.path(info), "rb") as file:
        return str(fobj_md5(file, name=str(info.name)))


def presence(store: Store, info: HashInfo) -> str:
    """Return the hash that an object's name states where there is one: asked for, not read."""
    store.databases[str(info.name)].fs.info(store.path(info))
    return str(info.value).removesuffix(".dir")


def file_digest(path: str | Path, kind: str) -> str:
    """Return the hash of a file here; kind: of KINDS. Raises OSError."""
    from dvc_data.hashfile.hash import fobj_md5

    with Path(path).open("rb") as file:
        if kind == "md5":
            return hashlib.file_digest(file, "md5").hexdigest()
        return str(fobj_md5(file, name=kind))


def held(store: Store, wanted: Iterable[HashInfo], tick: Tick, read: Read = digest) -> Held:
    """Read and hash the wanted objects of a store; one that cannot be reached is `trouble`, no error.

    read: what returns the hash of an object's bytes, and may do something with them on the way.
    """
    infos, found = sorted(set(wanted), key=lambda info: str(info.value)), Held()
    if store.name and store.local and not Path(store.url).is_dir():
        return Held(unread=set(infos), trouble="the folder is not there", answers=False)
    tick(0, len(infos))
    # The first alone: where nobody answers, hundreds of others need not wait for it.
    for some in (infos[:1], infos[1:]):
        if not found.answers:
            found.unread |= set(some)
            tick(len(some), 0)
            break
        with ThreadPoolExecutor(THREADS) as pool:
            for info, outcome in zip(some, pool.map(partial(_outcome, read, store), some), strict=True):
                _sort(found, info, outcome)
                tick(1, 0)
    return found


def _sort(found: Held, info: HashInfo, outcome: str | Exception | None) -> None:
    if isinstance(outcome, Exception):
        found.unread.add(info)
        found.trouble, found.answers = line(_cause(outcome)), _answered(outcome)
    elif outcome == "":
        found.sound.add(info)
    elif outcome is not None:
        found.damaged[info] = outcome


def _outcome(read: Read, store: Store, info: HashInfo) -> str | Exception | None:
    """Return "" for a sound object, what is wrong with a damaged one, None where there is none."""
    try:
        actual = read(store, info)
    except Exception as err:  # each file system raises its own: botocore's, asyncssh's, aiohttp's, OSError
        if absent(err):
            return None
        return f"cannot be read: {line(err)}" if store.local else err
    return "" if actual == str(info.value).removesuffix(".dir") else f"its bytes hash to {actual}"


def absent(error: BaseException) -> bool:
    """Return whether an error says that the object is not there: fsspec says so of a dead server, too."""
    import aiohttp

    nobody = (ConnectionError, TimeoutError, aiohttp.ClientError)
    return isinstance(error, FileNotFoundError | NotADirectoryError) and not isinstance(_cause(error), nobody)


def _answered(error: BaseException) -> bool:
    """Return whether a server said no, to this object, instead of saying nothing."""
    import aiohttp

    return isinstance(error, PermissionError) or isinstance(_cause(error), aiohttp.ClientResponseError)


def _cause(error: BaseException) -> BaseException:
    return _cause(error.__cause__) if error.__cause__ is not None else error


def everything(store: Store) -> set[HashInfo]:
    """Return all objects of a store that is a folder, whoever may have named them."""
    from dvc_data.hashfile.hash_info import HashInfo

    return {
        HashInfo(kind, path.parent.name + path.name)
        for kind, database in store.databases.items()
        for path in Path(database.path).glob("[0-9a-f][0-9a-f]/*")
        if NAME.fullmatch(path.name)
    }


def listing(info: HashInfo, text: bytes) -> Tree | None:
    """Return what a folder holds by its object's bytes; None where they are others, or no listing."""
    from dvc_data.hashfile.tree import Tree

    if hashlib.md5(text, usedforsecurity=False).hexdigest() != str(info.value).removesuffix(".dir"):
        return None
    try:
        tree: Tree = Tree.from_list(json.loads(text), hash_name=info.name)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return tree


def content(store: Store, info: HashInfo) -> bytes:
    """Return an object's bytes; b"" where it cannot be read."""
    try:
        with store.databases[str(info.name)].fs.open(store.path(info), "rb") as file:
            return bytes(file.read())
    except Exception:  # as in _outcome; what cannot be read was told by `held`
        return b""


def line(error: BaseException) -> str:
    """Return an error in one line."""
    lines = [text.strip() for text in str(error).splitlines() if text.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")
