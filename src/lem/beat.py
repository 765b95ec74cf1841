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
        if file.stem.isdecimal() and lives(int(file.stem)):
            with contextlib.suppress(OSError, ValueError):  # it has just ended
                said.append(dict(json.loads(file.read_bytes())))
        else:
            with contextlib.suppress(OSError):
                file.unlink()
    return sorted(said, key=lambda one: str(one.get("stage")))


def lives(pid: int) -> bool:
    """Return whether there is a process of that id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
