"""Finished items of a long stage, on disk before they are counted, so that a kill loses nothing.

Each line is keyed by everything that shaped it (settings, prompt, sample), is
flushed and fsynced, and is found again by the next start of the stage whatever
happened to the process. Other settings have other keys and are never mixed in.

    with Journal(Path(".lem/journal/generate-m.jsonl")) as journal:
        if key not in journal.done:
            journal.add(key, {"response": "..."})
    # and after the stage's own file is written whole: journal.delete()
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import click

from lem import beat
from lem.errors import LemError
from lem.refusals import naming


class Journal:
    """An append-only file of {key, record} lines, held by one process at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beat.alive()  # a stage that asks nothing has no beat, and a killed one left its own
        self._file = self._held()
        while not self._named():  # its last holder deleted it between our open and our lock
            self._file.close()
            self._file = self._held()
        self.done = self._recover()
        return self

    def _held(self) -> BinaryIO:
        file = self.path.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            file.close()
            raise LemError(f"{self.path}: another process is at this very stage; wait for it to end") from err
        return file

    def _named(self) -> bool:
        """Return whether the open file is still the one that the path names."""
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self.path.stat())
        except FileNotFoundError:
            return False

    def _recover(self) -> dict[str, dict[str, Any]]:
        """Read whole lines; cut off a last one that a kill left torn, pass over what is no entry."""
        self._file.seek(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            self._file.truncate(len(whole))
        entries = [entry for line in whole.split(b"\n")[:-1] if (entry := self._entry(line))]
        return {entry["key"]: entry["record"] for entry in entries}

    def _entry(self, line: bytes) -> dict[str, Any] | None:
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if isinstance(entry, dict) and set(entry) == {"key", "record"}:
            return entry
        click.echo(f"Warning: {self.path}: a damaged entry is passed over and its item done again", err=True)
        return None

    def add(self, key: str, record: dict[str, Any]) -> None:
        """Keep one finished item; it is on disk when this returns."""
        line = json.dumps({"key": key, "record": record}, ensure_ascii=False) + "\n"
        with naming(self.path):
            self._file.write(line.encode())
            self._file.flush()
            os.fsync(self._file.fileno())
        self.done[key] = record

    def delete(self) -> None:
        """Remove the journal: the stage's own file now holds everything."""
        self.path.unlink(missing_ok=True)

    @classmethod
    def forget(cls, path: Path) -> None:
        """Remove the journal of a stage that is whole: a kill after its last file leaves one."""
        if path.exists():
            with cls(path) as left:
                left.delete()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with naming(self.path):  # it writes what a full disk has not taken yet
            self._file.close()
