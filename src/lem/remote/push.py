"""What `lem remote push` does: nothing damaged is sent, and what lies there afterwards is hashed.

with objects.opened() as repo, objects.bar() as tick:
    left = publish(repo, pushable(repo, "mirror"), print, tick)      # [] where the remote is whole
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lem.errors import LemError
from lem.verify import objects, restore
from lem.verify.integrity import Damage, faults
from lem.verify.locks import locked
from lem.verify.objects import Held, Store, Tick
from lem.verify.survey import Survey, look, wanted

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc_data.hashfile.hash_info import HashInfo

SHOWN = 5  # names in one line


def pushable(repo: Repo, name: str | None) -> Store:
    """Return a remote, or the default one; LemError where there is none, or it is for reading only."""
    name = name or repo.config["core"].get("remote")
    if not name:
        raise LemError(".dvc/config: no default remote; name one, or `lem remote add NAME URL --default`")
    store = objects.remote(repo, name)
    if store.url.startswith(("http:", "https:")):
        raise LemError(f"{store.place}: {store.url} is for reading; push to the place that is served there")
    return store


def unclean(repo: Repo) -> str:
    """Return what keeps this from being the run of a commit: changed files, stale stages; or ""."""
    from dvc.exceptions import DvcException

    files = changed_files(repo)
    try:
        stages = sorted(name for name, why in repo.status().items() if why)
    except DvcException as err:
        raise LemError(f"dvc status: {objects.line(err)}") from err
    told = [(files, "files are not committed"), (stages, "stages are stale")]
    return "; ".join(f"{len(names)} {what} ({_some(names)})" for names, what in told if names)


def changed_files(repo: Repo) -> list[str]:
    """Return the files that git tracks and that differ from the last commit; none where there is no git.

    A remote inside the tree does not count: a push is what changes it, or mends it.
    """
    call = ["git", "status", "--porcelain", "-z", "--no-renames", "--untracked-files=no", "--", "."]
    urls = [str(settings["url"]) for settings in repo.config["remote"].values()]
    places = [Path(url) for url in urls if "://" not in url]
    inside = [place.relative_to(repo.root_dir) for place in places if place.is_relative_to(repo.root_dir)]
    call += [f":(exclude,literal){place.as_posix()}" for place in inside if place.parts]
    try:
        done = subprocess.run(
            call, cwd=repo.root_dir, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError:  # no git
        return []
    return [line[3:] for line in done.stdout.split("\0") if line]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")


def publish(repo: Repo, store: Store, say: Callable[[str], object], tick: Tick) -> list[Damage]:
    """Push everything to a remote; return what of it is missing or damaged there afterwards.

    A damaged object of the remote whose copy in the cache is whole is replaced; its bytes are kept in
    .lem/damaged. Raises LemError where a lock is unreadable, the cache is damaged or nobody answers.
    """
    survey = _surveyed(repo, store, tick)
    (cache, whole), (_, there) = survey.stores
    for info in set(there.damaged) & whole.sound:
        kept = restore.copy_aside(store, info, survey.root).relative_to(survey.root)
        say(f"{store.place}: {info.value} was damaged; a copy is in {kept}")
    lacking = wanted(store, survey.files) - there.sound
    _send(cache, store, lacking & whole.sound, say)
    now = Held(sound=set(there.sound))
    now.add(objects.held(store, lacking, tick))
    say(f"Pushed {len(now.sound - there.sound)} objects to {store.name}.")
    survey.stores[1] = (store, now)
    return [damage for damage in faults(survey) if damage.place == store.place]


def _send(cache: Store, store: Store, infos: set[HashInfo], say: Callable[[str], object]) -> None:
    """Send objects through DVC's own database of the remote, folders' listings last.

    Not `dvc push`: where a listing lies there already, it takes all files of the folder for pushed.
    """
    for folders in (False, True):
        for kind, database in store.databases.items():
            some = [info for info in infos if info.name == kind and info.isdir == folders]
            if some:
                database.add(
                    [cache.path(info) for info in some],
                    cache.databases[kind].fs,
                    [str(info.value) for info in some],
                    check_exists=False,
                    verify=False,
                    on_error=lambda oid, why: say(f"{store.place}: {oid}: {objects.line(why)}"),
                )


def _surveyed(repo: Repo, store: Store, tick: Tick) -> Survey:
    """Return what cache and remote hold of what is to be pushed; LemError where it must not be."""
    outs, unreadable = locked(repo)
    for path, why in unreadable.items():
        raise LemError(f"{path}: {why}; bring it back with: git checkout -- {path}")
    survey = look(repo, [out for out in outs if out.pushed], [store], tick)
    (_, cache), (_, there) = survey.stores
    if cache.damaged:
        names = [file.path for file in survey.files if file.info in cache.damaged]
        raise LemError(
            f"not pushed: the cache's copy of {_some(names)} is damaged; mend it with: lem remote pull"
        )
    if there.trouble and not (store.local and not there.answers):
        raise LemError(f"{store.place}: {store.url}: {there.trouble}")
    return survey
