"""Objects come back into the cache: damaged ones go aside, what is fetched is hashed before it is used.

moved = aside(cache, held.damaged, root)
got = bring(objects.remote(repo, "store"), cache, lacking, tick)
"""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from lem.verify import objects
from lem.verify.objects import Held, Store, Tick

if TYPE_CHECKING:
    from dvc_data.hashfile.hash_info import HashInfo

ASIDE = Path(".lem/damaged")
PIECE = 1 << 20  # bytes read at a time

Thing = TypeVar("Thing")
Copies = dict["HashInfo", list[Thing]]
Open = Callable[[Store, "HashInfo"], BinaryIO]


def aside(path: Path, root: Path, name: str) -> Path:
    """Move a damaged file to .lem/damaged under a name that is free there; return where it lies."""
    folder = root / ASIDE
    folder.mkdir(parents=True, exist_ok=True)
    place = next(
        spot for n in range(10**6) if not (spot := folder / f"{name}{f'.{n}' if n else ''}").exists()
    )
    shutil.move(path, place)
    return place


def copy_aside(store: Store, info: HashInfo, root: Path) -> Path:
    """Keep a remote's damaged object in .lem/damaged, then remove it there; return where the copy lies."""
    database, where = store.databases[str(info.name)], store.path(info)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, str(info.value))
        with database.fs.open(where, "rb") as source, copy.open("wb") as target:
            shutil.copyfileobj(source, target, PIECE)
        place = aside(copy, root, f"{store.name}-{info.value}")
    database.fs.remove(where)
    return place


def bring(
    store: Store, cache: Store, wanted: Iterable[HashInfo], tick: Tick, opened: Open | None = None
) -> Held:
    """Copy objects into the cache, those only whose bytes hash to their name; return what the store holds.

    opened: how an object is read, where the store is no place of objects (the workspace).
    """
    Path(cache.url).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".lem-", dir=cache.url) as folder:
        return objects.held(store, wanted, tick, partial(_take, Path(folder), cache, opened or _stored))


def _stored(store: Store, info: HashInfo) -> BinaryIO:
    file: BinaryIO = store.databases[str(info.name)].fs.open(store.path(info), "rb")
    return file


def _take(folder: Path, cache: Store, opened: Open, store: Store, info: HashInfo) -> str:
    """Copy one object and return the hash of what came; it enters the cache only where that is its name."""
    from dvc_data.hashfile.hash import get_hash_stream

    part = folder / str(info.value)
    with opened(store, info) as source, part.open("wb") as target:
        stream = get_hash_stream(source, str(info.name))
        shutil.copyfileobj(stream, target, PIECE)
    actual = str(stream.hash_value)
    if actual == str(info.value).removesuffix(".dir"):
        database, place = cache.databases[str(info.name)], cache.path(info)
        database.makedirs(str(Path(place).parent))
        part.replace(place)
        database.protect(place)
    return actual


def from_workspace(paths: Copies[Path], texts: Copies[bytes]) -> Open:
    """Return how objects are read that the workspace may hold: files, and listings of its folders.

    Of several places the first is taken whose bytes are right.
    """

    def opened(store: Store, info: HashInfo) -> BinaryIO:
        for text in texts.get(info, ()):
            if objects.listing(info, text) is not None:
                return io.BytesIO(text)
        for path in paths.get(info, ()):
            with contextlib.suppress(OSError):  # not there, or nobody may read it: perhaps the next
                if objects.file_digest(path, str(info.name)) == info.value:
                    return path.open("rb")
        raise FileNotFoundError(str(info.value))

    return opened
