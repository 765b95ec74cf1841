"""How far a long stage is, for whoever asks: a small file that its process rewrites, once a second at most.

`lem status` reads these files, and DVC's locks stay untouched. A file whose process is gone says nothing.

    with beat.beating(total=40, unit="choices") as one:
        one.move(3)
    beat.alive()      # [{'stage': 'answer@m-gsm8k', 'done': 3, 'total': 40, 'unit': 'choices', ...}]
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lem.record_files import write_json

FOLDER = Path(".lem/progress")
EVERY = 1.0  # seconds
STAGE = "DVC_STAGE"
"""The variable in which DVC names the stage to its command."""
NUMBER = (int, float)
HUGE = 1e15
Kinds = dict[str, type | tuple[type, ...]]
FACTS: Kinds = {
    **{"stage": str, "unit": str, "done": NUMBER, "total": NUMBER, "seconds": NUMBER},
    **{"items_done": int, "items": (int, type(None))},
}
"""What a process says of itself, and what each of it may be."""


class Beat:
    """What one process has done of what it has to do; `items` are answers, whatever `total` counts."""

    def __init__(self, total: int, unit: str, items: int | None = None) -> None:
        self.began = self.told = time.monotonic()
        self.file = FOLDER / f"{os.getpid()}.json"
        self.facts: dict[str, Any] = {
            "pid": os.getpid(),
            "stage": os.environ.get(STAGE) or " ".join(["lem", *sys.argv[1:3]]),
            "unit": unit,
            "done": 0,
            "total": total,
            "items_done": 0,
            "items": items,
        }
        self._tell()

    def move(self, count: int) -> None:
        """Add to what is done."""
        self.facts["done"] += count
        if time.monotonic() - self.told >= EVERY:
            self._tell()

    def item(self) -> None:
        """Add one finished answer."""
        self.facts["items_done"] += 1

    def _tell(self) -> None:
        self.told = time.monotonic()
        with contextlib.suppress(OSError):  # a full disk stops what has to be written, not what may be
            write_json(self.file, {**self.facts, "seconds": round(self.told - self.began, 1)})


@contextlib.contextmanager
def beating(total: int, unit: str, items: int | None = None) -> Iterator[Beat]:
    """Yield the beat of this process; its file is gone when the block ends."""
    alive()  # removes what killed processes left
    beat = Beat(total, unit, items)
    try:
        yield beat
    finally:
        with contextlib.suppress(OSError):
            beat.file.unlink(missing_ok=True)


def alive() -> list[dict[str, Any]]:
    """Return what each living process says, by stage; files of dead ones are removed."""
    said = []
    for file in sorted(FOLDER.glob("*.json")):
        if lives(file.stem):
            if one := facts(file, FACTS):  # else it has just ended, or it is no file of ours
                said.append(one)
        else:
            with contextlib.suppress(OSError):
                file.unlink()
    return sorted(said, key=lambda one: str(one["stage"]))


def facts(file: Path, kinds: Kinds) -> dict[str, Any] | None:
    """Return what a process wrote of itself; None where it is gone, or holds other things than `kinds`."""
    try:
        said = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    fits = isinstance(said, dict) and all(_fits(said.get(name), kind) for name, kind in kinds.items())
    return said if fits else None


def _fits(value: object, kind: type | tuple[type, ...]) -> bool:
    """Return whether a value is of a kind, and a number one to reckon with: JSON has NaN and 1e999, too."""
    sane = not isinstance(value, int | float) or abs(value) < HUGE
    return isinstance(value, kind) and sane


def lives(pid: object) -> bool:
    """Return whether there is a process of that id; what is no id (text counts as its digits) names none."""
    if isinstance(pid, bool) or not isinstance(pid, int | str) or not str(pid).isdecimal():
        return False
    try:
        number = int(pid)
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError, ValueError):  # ValueError: more digits than Python reads
        return False
    except PermissionError:  # it runs, and is somebody else's
        return True
    return number > 0  # 0 is no process but a group of them
