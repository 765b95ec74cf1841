"""Whether the bytes are still those that the locks name: workspace, cache and every remote, hashed anew.

DVC alone does not see it: a flipped bit in a read-only object of its cache is checked out and called clean.

    print(show(examine(), "table"))          # everything
    print(show(examine(["store"]), "json"))  # of the remotes that one only
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from lem.verify import mends, objects
from lem.verify.locks import Out, locked
from lem.verify.objects import Held, Store, Tick
from lem.verify.survey import DIFFERS, MISSING, SOUND, File, Survey, look, wanted

if TYPE_CHECKING:
    from dvc_data.hashfile.hash_info import HashInfo


@dataclass(frozen=True)
class Damage:
    """One thing that is wrong.

    place: workspace, cache or `remote NAME`; path: the file by the lock that names it, a folder's own
    listing with a slash behind it; object: its hash, empty where no object is meant; what: damaged,
    missing, changed, unreadable or unreachable, and why; mend: commands that restore it.
    """

    place: str
    path: str
    object: str
    what: str
    mend: str


def examine(remotes: Sequence[str] | None = None) -> list[Damage]:
    """Return everything that is damaged, missing or changed in workspace, cache and remotes, hashed anew.

    remotes: names; None: all that are configured. A remote over a network is asked for what this study's
    locks name, object by object, so that plain HTTP works too; of the cache and of remotes that are
    folders everything is read. Raises LemError where there is no DVC repository, or no such remote.
    """
    with objects.opened() as repo, objects.bar() as tick:
        names = list(repo.config["remote"]) if remotes is None else remotes
        outs, unreadable = locked(repo)
        survey = look(repo, outs, [objects.remote(repo, name) for name in names], tick)
        survey.searched = set(names) >= set(repo.config["remote"])
        return [*locks(unreadable), *faults(survey), *strays(survey, tick)]


def show(found: Sequence[Damage], fmt: str) -> str:
    """Return what was found as a table, or in another format of `lem sql`."""
    from lem.verify.page import rendered

    if fmt == "table" and not found:
        return "Nothing is damaged, missing or changed.\n"
    return rendered([column.name for column in fields(Damage)], [astuple(one) for one in found], fmt)


def locks(unreadable: dict[str, str]) -> list[Damage]:
    """Return a finding for each file of DVC's that nobody can read: what it names was not examined."""
    return [
        Damage("workspace", path, "", f"unreadable: {why}; what it names was not examined", _restore(path))
        for path, why in unreadable.items()
    ]


def _restore(path: str) -> str:
    return f"git checkout -- {quote(path)}"


def faults(survey: Survey) -> list[Damage]:
    """Return what is wrong with the objects that locks name."""
    (cache, held), *remotes = survey.stores
    found = [*_workspace(survey), *_damaged(survey, cache, held), *_only_here(survey, cache, held)]
    for store, there in remotes:
        found += [
            *_unreachable(store, there),
            *_damaged(survey, store, there),
            *_unpushed(survey, store, there),
        ]
    return found


def _workspace(survey: Survey) -> Iterator[Damage]:
    gone = {file.out.path for file in survey.files if survey.here.get(f"{file.out.path}/") == MISSING}
    lost = {
        file.out.path for file in survey.files if file.out.path in gone and not survey.whole(file).anywhere
    }
    for file in survey.files:
        state, listing = survey.here[file.path], file.path.endswith("/")
        if file.out.path in lost:  # of a folder that is not there: what cannot come back
            told = not survey.whole(file).anywhere
        elif file.out.path in gone:
            told = listing  # one line is enough
        else:  # of a folder that differs, its files tell which
            told = state not in (SOUND, DIFFERS) or (state == DIFFERS and file.out.path in survey.blank)
        if told:
            yield _of_workspace(survey, file, state)
    for path, out in survey.extra.items():
        mend = f"rm {quote(path)}  # or keep it: dvc commit -f {quote(out.stage)}"
        yield Damage("workspace", path, "", "changed: a file that its folder's listing does not name", mend)


def _of_workspace(survey: Survey, file: File, state: str) -> Damage:
    whole = survey.whole(file)
    if state == DIFFERS:
        state = "changed: its bytes are not those its lock names, and no whole listing says which file"
    if state == MISSING:
        elsewhere = "no whole copy was found" if whole.searched else "no whole copy here; no remote asked"
        state = "missing: not checked out" if whole.anywhere else f"missing, and {elsewhere}"
        if not file.out.cached:
            state = "missing: neither cache nor remotes carry it"
    path = file.path.rstrip("/")
    mend = mends.for_workspace(path, file.out, whole, there=not state.startswith("missing"))
    return Damage("workspace", path, str(file.info.value), state, mend)


def _damaged(survey: Survey, store: Store, held: Held) -> Iterator[Damage]:
    for info, why in held.damaged.items():
        file = _first(survey, info, store)
        yield Damage(store.place, file.path, str(info.value), f"damaged: {why}", _mend(survey, store, file))


def _only_here(survey: Survey, cache: Store, held: Held) -> Iterator[Damage]:
    """Yield what only the workspace holds: nothing is lost yet, but an edit would lose it."""
    alone = [
        file
        for file in _each(survey, cache)
        if held.lacks(file.info) and survey.here[file.path] == SOUND and not survey.whole(file).remotes
    ]
    for file in alone:
        what, mend = (
            "missing: the workspace holds the only copy found",
            f"dvc commit -f {quote(file.out.stage)}",
        )
        if not Path(cache.url).is_dir():
            what = (
                f"missing: there is no cache; {len(alone)} objects of the workspace are the only copies found"
            )
            yield Damage(cache.place, _relative(survey, cache.url), "", what, "dvc commit -f")
            return
        yield Damage(cache.place, file.path, str(file.info.value), what, mend)


def _unreachable(store: Store, held: Held) -> Iterator[Damage]:
    if held.trouble:
        word = "unreadable" if held.answers else "unreachable"
        what = f"{word}: {held.trouble}; {len(held.unread)} objects were not read"
        yield Damage(store.place, store.url, "", what, mends.for_reach(store))


def _unpushed(survey: Survey, store: Store, held: Held) -> Iterator[Damage]:
    files = _each(survey, store)
    lacking = [file for file in files if held.lacks(file.info)]
    if lacking and len(lacking) == len(files):
        what = f"missing: it holds none of {len(files)} objects; nothing was pushed"
        yield Damage(store.place, store.url, "", what, _mend(survey, store, lacking[0]))
        return
    for file in lacking:
        mend = _mend(survey, store, file)
        yield Damage(store.place, file.path, str(file.info.value), "missing: not pushed", mend)


def strays(survey: Survey, tick: Tick) -> list[Damage]:
    """Return the damaged objects of the cache and of remotes that are folders which no lock names now."""
    found = []
    for store, _ in survey.stores:
        if not store.local:
            continue
        others = objects.everything(store) - wanted(store, survey.files)
        for info, why in objects.held(store, others, tick).damaged.items():
            path = _relative(survey, store.path(info))
            what = f"damaged: {why}; no lock names it now"
            found.append(Damage(store.place, path, str(info.value), what, f"rm -f {quote(path)}"))
    return found


def _each(survey: Survey, store: Store) -> list[File]:
    """Return the files whose objects belong into a store, one for each object: one whole here, if any is."""
    needed = wanted(store, survey.files)
    found: dict[HashInfo, File] = {}
    for file in survey.files:
        if file.info in needed:
            other = found.setdefault(file.info, file)
            if survey.here[other.path] != SOUND == survey.here[file.path]:
                found[file.info] = file
    return list(found.values())


def _first(survey: Survey, info: HashInfo, store: Store) -> File:
    return next(file for file in _each(survey, store) if file.info == info)


def _mend(survey: Survey, store: Store, file: File) -> str:
    (cache, held), whole = survey.stores[0], survey.whole(file)
    in_cache = _relative(survey, cache.path(file.info))
    if not store.name:
        return mends.for_cache(file.out, in_cache, whole)
    damaged = in_cache if file.info in held.damaged else ""
    there = _relative(survey, store.path(file.info)) if store.local else ""
    if there and not (whole.cache or whole.here or whole.remotes) and _in_git(survey, there):
        return f"rm -f {quote(there)} && git checkout -- {quote(there)}"
    return mends.for_remote(store, file.out, whole, damaged, _committed(survey, file.out))


def _committed(survey: Survey, out: Out) -> bool:
    """Return whether the last commit's lock names an output's hash; True where nothing is ever committed."""
    if out.lock not in survey.commits:
        survey.commits[out.lock] = _git(survey, "show", f"HEAD:./{out.lock}") or ""
    return str(out.info.value) in survey.commits[out.lock] or _git(survey, "rev-parse", "HEAD") is None


def _in_git(survey: Survey, path: str) -> bool:
    """Return whether git has a file: a remote inside the tree may be committed."""
    return _git(survey, "cat-file", "-e", f"HEAD:./{path}") is not None


def _git(survey: Survey, *words: str) -> str | None:
    """Return what git says in the study's folder, which may be one of a repository; None where it refuses."""
    how: dict[str, Any] = {"capture_output": True, "text": True, "errors": "replace", "check": False}
    try:
        done = subprocess.run(["git", *words], cwd=survey.root, **how)
    except OSError:  # no git
        return None
    return None if done.returncode else str(done.stdout)


def _relative(survey: Survey, path: str) -> str:
    """Return a path from the root of the repository, where the mends are typed."""
    return Path(os.path.relpath(path, survey.root)).as_posix()
