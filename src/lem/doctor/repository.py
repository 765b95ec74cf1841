"""What the study's folder has: git, DVC and who holds it, its remote, unfinished stages, whole files.

for finding in (git(), lock(Path(".dvc/tmp")), journals(Path(".lem/journal"))):
    print(finding.status, finding.finding)
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lem.beat import lives
from lem.doctor.finding import Finding, fault, ok, warning

if TYPE_CHECKING:
    from lem.verify.integrity import Damage

PATIENCE = 5.0  # seconds for a remote to answer
DVC_LOCKS = Path(".dvc/tmp")
NAMED = 3  # of many, the others are counted


def git() -> Finding:
    """Return whether this folder is in a git repository, and whether what it holds is committed."""
    words = ["git", "status", "--porcelain"]
    try:
        status = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
    except OSError:
        return warning("git", "git is not installed", "install git; run records then name their commit")
    if status.returncode:
        return warning(
            "git", "not in a git repository", "git init, then commit; run records then name a commit"
        )
    if changed := status.stdout.splitlines():
        mend = "commit before a long run: its records then name the commit that made them"
        return warning("git", f"{len(changed)} files changed or not tracked", mend)
    return ok("git", "clean")


def lock(folder: Path = DVC_LOCKS) -> Finding:
    """Return whether a DVC process that is alive holds this repository, and which."""
    held = {pid: who for pid, who in _holders(folder).items() if pid != os.getpid() and lives(pid)}
    if held:
        who = ", ".join(f"{command} (process {pid})" for pid, command in list(held.items())[:NAMED])
        return warning(
            "dvc lock", f"held by {who}", "wait for it to end; a second dvc command waits or is refused"
        )
    return ok("dvc lock", "free")


def _holders(folder: Path) -> dict[int, str]:
    """Return {process id: its command} of what DVC wrote down as holding the repository, alive or not."""
    try:
        tree = json.loads((folder / "rwlock").read_bytes() or b"{}")
        stated = (folder / "lock").read_text() if (folder / "lock").is_file() else ""
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):  # it is being written at this very moment
        return {}
    found = {int(stated): "dvc"} if lives(stated.strip()) else {}
    tree = tree if isinstance(tree, dict) else {}
    for sides in tree.values():
        for entry in sides.values() if isinstance(sides, dict) else ():
            for one in entry if isinstance(entry, list) else [entry]:
                if isinstance(one, dict) and isinstance(one.get("pid"), int):
                    found[one["pid"]] = str(one.get("cmd", "dvc"))[:80]
    return found


def journals(folder: Path) -> Finding:
    """Return what stages have left unfinished: their finished items are kept and taken up again."""
    found = sorted(path.stem for path in folder.glob("*.jsonl"))
    if not found:
        return ok("journals", "none left over")
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    mend = f"dvc repro goes on where they stopped; what no stage asks for any more: rm {folder}/NAME.jsonl"
    return warning("journals", f"{len(found)} unfinished: {', '.join(found[:NAMED])}{more}", mend)


def integrity() -> Finding:
    """Return how many files differ from dvc.lock, and how many objects of the cache are damaged."""
    if not Path("dvc.lock").is_file():
        return ok("integrity", "no dvc.lock yet: nothing to hold files against")
    from lem.verify.integrity import examine

    return counted(examine(remotes=[]))


def counted(damages: Sequence[Damage]) -> Finding:
    """Return the finding for these damages: a fault where the cache is damaged, else a warning."""
    if not damages:
        return ok("integrity", "files as dvc.lock says, cached objects as their names say")
    places = Counter(one.place for one in damages)
    said = ", ".join(f"{count} in the {place}" for place, count in sorted(places.items()))
    broken = [one for one in damages if one.place != "workspace" and not one.what.startswith("missing")]
    first = [*broken, *damages][0]
    finding = f"{said}; such as {first.path or first.object}: {first.what}"
    return (fault if broken else warning)("integrity", finding, first.mend or "lem verify --integrity")


def remote(patience: float = PATIENCE) -> list[Finding]:
    """Return what is to be said of DVC and its default remote, in a few seconds at most."""
    found: list[Finding] = []
    looking = threading.Thread(target=lambda: found.extend(_dvc()), daemon=True)  # a dead host is waited for
    looking.start()
    looking.join(patience)
    if looking.is_alive():
        mend = "a slow or dead host, many objects, or a busy machine: dvc status -c waits as long as it takes"
        return [warning("remote", f"no answer in {patience:g} s: not looked through", mend)]
    return found


def _dvc() -> list[Finding]:
    """Return the findings; what a stranger's storage raises is one of them."""
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            return _of_remote(repo)
    except NotDvcRepoError:
        mend = "git init, dvc init; or clone the study and run this in its folder"
        return [warning("remote", "not in a DVC repository: nothing is versioned or shared", mend)]
    except DvcException as err:
        return [
            fault(
                "remote", f"DVC cannot read this repository: {err}", "mend dvc.yaml, dvc.lock or .dvc/config"
            )
        ]
    except Exception as err:  # each kind of storage raises its own
        kind = type(err).__name__
        return [
            warning("remote", f"cannot be reached: {kind}: {err}"[:200], "see .dvc/config: dvc remote list")
        ]


def _of_remote(repo: Any) -> list[Finding]:  # noqa: ANN401 (dvc is untyped)
    name = repo.config["core"].get("remote")
    if not name:
        others = sorted(repo.config["remote"])
        mend = f"dvc remote default {others[0]}" if others else "lem remote add NAME URL --default"
        return [warning("remote", "no default remote: dvc push and pull go nowhere", mend)]
    found = []
    if not repo.config["remote"].get(name, {}).get("verify"):
        mend = f"dvc remote modify {name} verify true"
        found.append(warning("remote", f"{name}: what is pulled is not held against its hash", mend))
    used = {one for objects in repo.used_objs().values() for one in objects}
    status = repo.cloud.status(used)
    absent = len(status.new) + len(status.missing)
    said = f"{name}: reachable, {len(used)} objects in use"
    if absent:
        mend = f"dvc push ({len(status.new)} lie here); what lies nowhere: dvc repro"
        found.append(warning("remote", f"{said}, {absent} not there", mend))
    return found or [ok("remote", f"{said}, all there, verify true")]
