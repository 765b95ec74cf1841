"""What `lem remote pull` does: objects are hashed before they are used, fetched from whoever has them whole.

Damaged objects of the cache go aside first; the workspace and then each remote are asked in turn.

    with objects.opened() as repo, objects.bar() as tick:
        left = pull(repo, ["data/x.csv"], print, tick)      # [] where everything is in place
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lem.errors import LemError
from lem.verify import objects, restore
from lem.verify.integrity import Damage, faults
from lem.verify.locks import Out, locked
from lem.verify.objects import Held, Store, Tick
from lem.verify.survey import (
    DIFFERS,
    MISSING,
    SOUND,
    File,
    Survey,
    files_of,
    folder_listing,
    tree_of,
    workspace,
)

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    from lem.verify.restore import Copies

Say = Callable[[str], object]


@dataclass
class Sources:
    """The cache, the remotes in the order in which they are asked, and who is told what.

    outs: all that locks name; what the targets do not may still hold copies.
    """

    repo: Repo
    outs: Sequence[Out]
    cache: Store
    remotes: list[Store]
    say: Say
    tick: Tick

    @property
    def root(self) -> Path:
        """Return the root of the repository."""
        return Path(self.repo.root_dir)


def pull(repo: Repo, targets: Sequence[str], say: Say, tick: Tick) -> list[Damage]:
    """Bring the targets' bytes into cache and workspace; return what is still missing or damaged.

    targets: as DVC takes them: outputs, stages, .dvc files; none: everything. An edit in the workspace
    stays as it is. Raises LemError for an unknown target, an unreadable lock, or a lock that is held.
    """
    outs, unreadable = locked(repo)
    for path, why in unreadable.items():
        raise LemError(f"{path}: {why}; bring it back with: git checkout -- {path}")
    sources = Sources(repo, outs, objects.cache(repo), in_order(repo, say), say, tick)
    outs = [out for out in chosen(repo, outs, targets) if out.cached]
    survey = _fetch(sources, outs)
    workspace(repo, survey, tick)
    _set_aside(sources, survey)
    if ready := [out for out in outs if _fit(survey, out)]:
        _checkout(repo, ready)
        say(f"Checked out {len(ready)} outputs, of {len(outs)} asked for.")
        survey.here, survey.extra = {}, {}
        workspace(repo, survey, tick)
    return faults(survey)


def chosen(repo: Repo, outs: Sequence[Out], targets: Sequence[str]) -> list[Out]:
    """Return the outputs that targets name, or that lie below one; all where there is no target."""
    from dvc.exceptions import DvcException

    if not targets:
        return list(outs)
    places = {out: Path(repo.root_dir, out.path) for out in outs}
    found: set[Path] = set()
    for target in targets:
        below = {place for place in places.values() if place.is_relative_to(Path(target).resolve())}
        try:
            named = below or {Path(out.fs_path) for out in repo.index.targets_view([target]).outs}
        except DvcException as err:
            raise LemError(f"{target}: no output, no stage, no .dvc file, no folder above one") from err
        found |= named
    return [out for out in outs if places[out] in found]


def in_order(repo: Repo, say: Say) -> list[Store]:
    """Return all remotes, the default one first; what cannot be opened is told and left out."""
    default = repo.config["core"].get("remote")
    found = []
    for name in sorted(repo.config["remote"], key=lambda name: name != default):
        try:
            found.append(objects.remote(repo, name))
        except LemError as err:
            say(err.message)
    return found


def _fetch(sources: Sources, outs: Sequence[Out]) -> Survey:
    """Bring into the cache all that outputs need, folders' listings first; return what is there then."""
    folders = [out for out in outs if out.info.isdir]
    here = Held(sound=_get(sources, [File(f"{out.path}/", out.info, out) for out in folders]))
    trees = {out.path: tree_of(sources.repo, [(sources.cache, here)], out) for out in folders}
    files = [file for out in outs for file in files_of(out, trees.get(out.path))]
    here.sound |= _get(sources, [file for file in files if not file.info.isdir])
    blank = {path for path, tree in trees.items() if tree is None}
    return Survey(sources.root, files, blank=blank, stores=[(sources.cache, here)])


def _get(sources: Sources, files: Sequence[File]) -> set[HashInfo]:
    """Return which objects are whole in the cache after all that could be done for it."""
    infos = {file.info for file in files}
    found = objects.held(sources.cache, infos, sources.tick)
    for info, why in found.damaged.items():
        place = restore.aside(Path(sources.cache.path(info)), sources.root, str(info.value))
        kept = place.relative_to(sources.root)
        sources.say(f"cache: {_named(files, info)} is damaged: {why}; moved to {kept}")
    lacking = infos - found.sound
    if lacking:
        lacking -= _from_workspace(sources, lacking)
    for store in list(sources.remotes):
        if lacking:
            got = restore.bring(store, sources.cache, lacking, sources.tick)
            lacking -= got.sound
            _tell(sources, store, got, files)
    return infos - lacking


def _from_workspace(sources: Sources, lacking: set[HashInfo]) -> set[HashInfo]:
    """Take from the workspace what it holds whole, by whatever name: a copy is a copy."""
    paths: Copies[Path] = {}
    texts: Copies[bytes] = {}
    of_files = any(not info.isdir for info in lacking)
    for out in (out for out in sources.outs if (sources.root / out.path).exists()):
        if out.info.isdir and out.info in lacking:
            texts.setdefault(out.info, []).append(folder_listing(sources.repo, out))
        for file in files_of(out, _tree(sources, out)) if of_files else ():
            if file.info in lacking and not file.info.isdir:
                paths.setdefault(file.info, []).append(sources.root / file.path)
    place = Store("workspace", str(sources.root), True, {})
    opened = restore.from_workspace(paths, texts)
    got = restore.bring(place, sources.cache, [*paths, *texts], lambda done, more: None, opened).sound
    if got:
        sources.say(f"Took {len(got)} objects from the workspace into the cache.")
    return got


def _tree(sources: Sources, out: Out) -> Tree | None:
    """Return what a folder holds, by its listing in the cache or as it lies here; None for a file."""
    if not out.info.isdir:
        return None
    here = objects.held(sources.cache, [out.info], lambda done, more: None)
    return tree_of(sources.repo, [(sources.cache, here)], out)


def _tell(sources: Sources, store: Store, got: Held, files: Sequence[File]) -> None:
    """Say what came from a remote and what is wrong with it; one that does not answer is not asked again."""
    if got.sound:
        sources.say(f"Fetched {len(got.sound)} objects from {store.name}.")
    for info, why in got.damaged.items():
        sources.say(f"{store.place}: {_named(files, info)} is damaged there: {why}; not used")
    if got.trouble:
        sources.say(
            f"{store.place}: {store.url}: {got.trouble}; {len(got.unread)} objects not fetched from it"
        )
        if not got.answers:
            sources.remotes.remove(store)


def _named(files: Iterable[File], info: HashInfo) -> str:
    return next(f"{file.path} ({info.value})" for file in files if file.info == info)


def _set_aside(sources: Sources, survey: Survey) -> None:
    """Move files of the workspace aside whose bytes changed behind their time stamp: no edit does that."""
    (_, cache), *_ = survey.stores
    for file in survey.files:
        if survey.here[file.path].startswith("damaged") and file.info in cache.sound:
            place = restore.aside(sources.root / file.path, sources.root, Path(file.path).name)
            kept = place.relative_to(sources.root)
            sources.say(f"workspace: {file.path} {survey.here[file.path]}; moved to {kept}")
            survey.here[file.path] = MISSING


def _fit(survey: Survey, out: Out) -> bool:
    """Return whether an output is to be checked out: something is missing, nothing is an edit, all is there.

    A folder that lacks an object stays away as a whole, as with DVC: half a folder would look like one.
    """
    mine = [file for file in survey.files if file.out is out]
    states = {survey.here[file.path] for file in mine} - {DIFFERS}
    whole = out.path not in survey.blank and all(file.info in survey.stores[0][1].sound for file in mine)
    return whole and MISSING in states and states <= {SOUND, MISSING} and out not in survey.extra.values()


def _checkout(repo: Repo, outs: Sequence[Out]) -> None:
    """Put outputs into the workspace by DVC's own parts, deleting nothing; its memory of listings is dropped.

    Not `dvc checkout`: given some hundred outputs it reads every lock anew for each of them.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import lock_repo
    from dvc.repo.index import build_data_index
    from dvc_data.index.checkout import apply, compare

    paths = {str(Path(repo.root_dir, out.path)) for out in outs}
    try:
        with lock_repo(repo):
            repo.drop_data_index()
            view = repo.index.targets_view(None, outs_filter=lambda out: out.fs_path in paths)
            here = build_data_index(view, repo.root_dir, repo.fs, compute_hash=True)
            steps = compare(here, view.data["repo"], delete=False)
            apply(steps, repo.root_dir, repo.fs, update_meta=False, state=repo.state)
    except DvcException as err:
        raise LemError(f"dvc: {objects.line(err)}") from err
