"""What DVC's locks name: each output of every dvc.lock and *.dvc file, its hash, and what DVC does with it.

with objects.opened() as repo:
    outs, unreadable = locked(repo)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lem.verify.objects import KINDS, line

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc_data.hashfile.hash_info import HashInfo


@dataclass(frozen=True)
class Out:
    """An output as a lock names it; path and lock from the root of the repository, stage as DVC has it."""

    path: str
    info: HashInfo
    stage: str
    made: bool  # by a command that can be run again
    cached: bool
    pushed: bool
    lock: str = ""


def locked(repo: Repo) -> tuple[list[Out], dict[str, str]]:
    """Return what all dvc.lock and *.dvc files name, by path; and what is wrong with the unreadable."""
    from dvc.repo.index import collect_files

    unreadable: dict[str, str] = {}

    def broken(path: str, error: Exception) -> None:
        named = _lock(path) if _lock(path) in str(error) else path
        unreadable[Path(named).as_posix()] = line(error)

    indexes = [index for _, index in collect_files(repo, onerror=broken)]
    outs = [_out(repo, out) for index in indexes for out in index.outs if _counts(out)]
    return sorted(outs, key=lambda out: out.path), unreadable


def _lock(path: str) -> str:
    return str(Path(path).with_suffix(".lock"))


def _counts(out: Any) -> bool:  # noqa: ANN401 (an Output of DVC's)
    """Return whether an output lies here and has been made: one elsewhere, or never made, names no bytes."""
    return out.protocol == "local" and out.is_in_repo and bool(out.hash_info) and out.hash_info.name in KINDS


def _out(repo: Repo, out: Any) -> Out:  # noqa: ANN401
    stage = out.stage
    return Out(
        path=Path(out.fs_path).relative_to(repo.root_dir).as_posix(),
        info=out.hash_info,
        stage=str(stage.addressing),
        made=bool(stage.cmd),
        cached=bool(out.use_cache),
        pushed=bool(out.use_cache and out.can_push and not stage.is_repo_import),
        lock=Path(_lock(stage.path) if stage.path.endswith(".yaml") else stage.path)
        .relative_to(repo.root_dir)
        .as_posix(),
    )
