"""Where the other run's records lie: a folder of somebody's, or a revision of git read through DVC.

A revision's files come from the DVC cache, and what is not there from the remote, all
of it in one transfer. They are laid out in a temporary folder as `data/` has them.

    with opened("HEAD") as place:
        layout.files("responses", place.data)
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from lem import layout
from lem.errors import LemError

MINE = "this folder"
LOST = "neither the DVC cache nor the remote has it; push it where it was made: dvc push"


@dataclass(frozen=True)
class Place:
    """A run's records: how to call them, the folder that holds them as `data/` does, laid out or not."""

    name: str
    data: Path
    is_revision: bool = False

    def told(self, text: str) -> str:
        """Return a message about one of its files with the name a reader knows the file by."""
        return text.replace(str(self.data), f"{self.name}:{layout.DATA}") if self.is_revision else text


def here() -> Place:
    """Return this folder's own records; LemError where it is no study."""
    return Place(MINE, _data(Path()))


@contextmanager
def opened(other: str) -> Iterator[Place]:
    """Yield the records of another folder, or of a revision where no folder is called so.

    Raises LemError for a folder that is no study, an unknown revision, and files that
    neither the cache nor the remote has whole.
    """
    if Path(other).is_dir():
        yield Place(other, _data(Path(other)))
        return
    with tempfile.TemporaryDirectory(prefix="lem-verify-") as folder:
        data = Path(folder) / layout.DATA
        data.mkdir()
        _lay_out(other, data)
        yield Place(other, data, is_revision=True)


def _data(folder: Path) -> Path:
    if not (folder / "params.yaml").is_file() or not (folder / layout.DATA).is_dir():
        where = folder.resolve() if folder == Path() else folder
        raise LemError(f"{where}: no study: expected params.yaml and {layout.DATA}/ there")
    return folder / layout.DATA


def _lay_out(revision: str, data: Path) -> None:
    """Lay out the record files of a revision, each a link to its object in the cache."""
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo
    from dvc.scm import SCMError
    from dvc_data.index import DataIndexDirError

    try:
        with Repo.open(".", rev=revision) as repo:
            files = DVCFileSystem(repo)
            infos = files.find(layout.DATA.as_posix(), detail=True)
            found = {name: info for name, info in infos.items() if _is_record(name) and _is_made(info)}
            kept = {name: info["dvc_info"]["entry"] for name, info in found.items() if info.get("dvc_info")}
            _fetch(repo, revision, kept)
            for name in found:
                target = data.parent / name
                target.parent.mkdir(parents=True, exist_ok=True)
                if name in kept:
                    target.symlink_to(_object(repo, revision, name, kept[name]))
                else:  # in git itself
                    target.write_bytes(files.read_bytes(name))
    except DataIndexDirError as err:  # a folder's list of files; without it they would seem not to exist
        raise LemError(f"{revision}: {err}: {LOST}") from err
    except (SCMError, NotDvcRepoError) as err:
        why = " ".join(str(err).split())
        raise LemError(f"{revision}: {why}; expected a folder, or a revision of this git repository") from err
    except (DvcException, OSError) as err:  # no remote, or one that cannot be reached
        raise LemError(f"{revision}: {' '.join(str(err).split())}") from err


def _is_record(name: str) -> bool:
    return any(PurePath(name).match(glob) for globs in layout.GLOBS.values() for glob in globs)


def _is_made(info: dict[str, Any]) -> bool:
    """Return whether a file of a revision has bytes: the output of a stage that never ran has none."""
    return not info.get("dvc_info") or info["dvc_info"]["entry"].hash_info is not None


def _fetch(repo: Any, revision: str, kept: dict[str, Any]) -> None:  # noqa: ANN401
    """Bring what the cache lacks from the remote, all at once."""
    if missing := _absent(repo, kept):
        repo.cloud.pull(kept[name].hash_info for name in missing)
        if lost := _absent(repo, kept):  # what the remote lacks DVC only warns of
            raise _lost(revision, lost[0], len(lost))


def _absent(repo: Any, kept: dict[str, Any]) -> list[str]:  # noqa: ANN401
    cache = repo.cache.local
    return [name for name, entry in kept.items() if not cache.exists(entry.hash_info.value)]


def _lost(revision: str, name: str, count: int) -> LemError:
    others = f" and {count - 1} more" if count > 1 else ""
    return LemError(f"{revision}: {name}{others}: {LOST}")


def _object(repo: Any, revision: str, name: str, entry: Any) -> Path:  # noqa: ANN401
    """Return the cached object of a file; LemError where its bytes are not those it is named for."""
    wanted = entry.hash_info
    path = Path(repo.cache.local.oid_to_path(wanted.value))
    found = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    if wanted.name == "md5" and found != wanted.value:
        look = "see what else is: lem verify --integrity"
        raise LemError(f"{revision}:{name}: its object in the DVC cache is damaged ({path}); {look}")
    return path
