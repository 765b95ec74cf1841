"""Two machines, one dvc.lock: git's merge of it, stage by stage instead of line by line.

Each stage is an entry of its own. What one side changed is taken from that side. Where both ran the same
stage to different ends, tables are dropped, since they are to be built from the rows of both, and for
anything else ours stays, the stage is named, and git reports a conflict. `lem run` tells git of it:

    git config merge.dvc-lock.driver "python -m lem.run.merge %O %A %B"
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from lem.run.plan import BEHIND, named

DRIVER = "merge.dvc-lock.driver"


def merged(
    base: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return the stages of a merged lock, and those that both sides ran to different ends."""
    found, torn = {}, []
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        was, mine, other = base.get(name), ours.get(name), theirs.get(name)
        if mine == other or other == was:
            one = mine
        elif mine == was:
            one = other
        elif named((mine or other or {}).get("cmd"))["verb"] in BEHIND:
            one = None
        else:
            one = mine or other
            torn.append(name)
        if one is not None:
            found[name] = one
    return found, torn


def install() -> None:
    """Tell git, in this checkout alone, how dvc.lock is merged; nothing outside git."""
    call = f'"{sys.executable}" -m lem.run.merge %O %A %B'
    try:
        told = subprocess.run(["git", "config", "--get", DRIVER], capture_output=True, text=True, check=False)
    except FileNotFoundError:  # no git, nothing to merge
        return
    if told.stdout.strip() != call:
        subprocess.run(["git", "config", "--local", DRIVER, call], capture_output=True, check=False)


def main(base: str, ours: str, theirs: str) -> int:
    """Merge three files into the second, as git asks a merge driver; return 1 where both ran one stage."""
    from dvc.utils.serialize import dump_yaml, load_yaml

    locks = [load_yaml(file) if Path(file).stat().st_size else {} for file in (base, ours, theirs)]
    stages, torn = merged(*((lock.get("stages") or {}) for lock in locks))
    dump_yaml(ours, {**locks[2], **locks[1], "stages": stages})
    for name in torn:
        print(
            f"dvc.lock: both sides ran {name}, to different ends; ours is kept: dvc repro, git add dvc.lock"
        )
    return int(bool(torn))


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:4]))
