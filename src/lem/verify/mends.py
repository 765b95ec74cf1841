"""The mend of each fault as commands of the shell, chosen by where whole copies of the bytes are.

whole = Whole(cache=False, here=False, in_place=False, remotes=("store",), ready=False)
for_cache(out, ".dvc/cache/files/md5/ab/cdef", whole)
# rm -f .dvc/cache/files/md5/ab/cdef && dvc fetch -r store data/x.csv
"""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote

from lem.verify.locks import Out
from lem.verify.objects import Store


@dataclass(frozen=True)
class Whole:
    """Where whole copies of an object are: the cache, anywhere in the workspace, remotes by name.

    in_place: the workspace has it at the very path that is looked at, so that `dvc commit` finds it; from
    elsewhere `lem remote pull` takes it. ready: the cache holds all that the output of this object needs;
    `dvc checkout` removes the whole folder where it cannot make one of its files, so it is named only then.
    """

    cache: bool
    here: bool
    in_place: bool
    remotes: tuple[str, ...]
    ready: bool
    searched: bool = True  # whether remotes were looked at, or there are none

    @property
    def anywhere(self) -> bool:
        """Return whether there is any."""
        return self.cache or self.here or bool(self.remotes)


def for_workspace(path: str, out: Out, whole: Whole, there: bool) -> str:
    """Return how a file of the workspace comes back; there: its place holds other bytes, maybe an edit."""
    clear = f"rm -r {quote(path)} && " if there else ""
    keep = f"  # or keep what is there: dvc commit -f {quote(out.stage)}" if there else ""
    if out.cached and whole.ready:
        return f"{clear}dvc checkout {quote(out.path)}{keep}"
    if out.cached and (whole.anywhere or not whole.searched):
        return f"{clear}lem remote pull {quote(out.path)}{keep}"
    return f"{clear}{again(path, out)}{keep}"


def for_cache(out: Out, file: str, whole: Whole) -> str:
    """Return how an object of the cache comes back; file: where it lies."""
    clear = f"rm -f {quote(file)}"
    if whole.remotes:
        return f"{clear} && dvc fetch -r {whole.remotes[0]} {quote(out.path)}"
    if whole.here:
        return f"{clear} && {_from_here(out, whole)}"
    if not whole.searched:
        return f"{clear} && lem remote pull {quote(out.path)}"
    return f"{clear} && {again(out.path, out)}"


def _from_here(out: Out, whole: Whole) -> str:
    return f"dvc commit -f {quote(out.stage)}" if whole.in_place else f"lem remote pull {quote(out.path)}"


def for_remote(remote: Store, out: Out, whole: Whole, damaged_cache: str, committed: bool) -> str:
    """Return how an object of a remote comes back; damaged_cache: where a damaged one lies in the cache.

    committed: the last commit names the object, so that a push of it publishes nothing new, whatever else
    is changed in the tree.
    """
    if remote.url.startswith("http"):
        return f"publish it again where {remote.url} is served from: `lem remote push` to that place"
    push = f"lem remote push {remote.name} --dirty"
    if not committed:
        push = f"lem remote push {remote.name}  # when {out.lock} is committed; as it is: --dirty"
    clear = f"rm -f {quote(damaged_cache)} && " if damaged_cache else ""
    if whole.cache:
        return push
    if whole.remotes:
        return f"{clear}dvc fetch -r {whole.remotes[0]} {quote(out.path)} && {push}"
    if whole.here:
        return f"{clear}{_from_here(out, whole)} && {push}"
    return f"{clear}{again(out.path, out)} && {push}"


def again(path: str, out: Out) -> str:
    """Return how a file comes into being where no whole copy is left."""
    if out.made:
        return f"dvc repro -f --single-item {quote(out.stage)}"
    return f"cp YOUR_OWN_COPY {quote(path)} && dvc commit -f {quote(out.stage)}"


def for_reach(remote: Store) -> str:
    """Return what to try where a remote cannot be reached."""
    if remote.local:
        return f"mount or make the folder, or correct it: dvc remote modify {remote.name} url FOLDER"
    keys = "export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or " if remote.url.startswith("s3:") else ""
    return f"{keys}correct the address: dvc remote modify --local {remote.name} url URL"
