"""Cases tried in child processes that import once: one that hangs or dies is told, and the next go on.

    for index, outcome in outcomes(cases, answer, seconds=20):
        print(cases[index], outcome)          # what `answer` returned, or a Lost

`answer` is a function of a module: a child is an interpreter of its own and has to find it.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

HUNG = "hung"
START = 60.0  # seconds a child may take to start and import, beside its first case


@dataclass(frozen=True)
class Lost:
    """Why a case has no answer: its child hung and was killed, or died."""

    why: str


class _Child:
    """A process, our end of its pipe, the case it is at, and when it must have answered."""

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, answer), daemon=True)
        self.process.start()
        theirs.close()
        self.at, self.by, self.slack = -1, 0.0, START

    def give(self, at: int, case: object, seconds: float) -> None:
        """Send a case."""
        self.at, self.by, self.slack = at, time.monotonic() + seconds + self.slack, 0.0
        self.pipe.send(case)

    def taken(self) -> Any:  # noqa: ANN401 (whatever `answer` returns)
        """Return the outcome of the case it is at."""
        if not self.pipe.poll():
            return Lost(HUNG)
        try:
            return self.pipe.recv()
        except (EOFError, ConnectionError):
            self.process.join(5)
            return Lost(f"died with {self.process.exitcode}")

    def end(self) -> None:
        """End the process, whatever it is at."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _work(pipe: Connection, answer: Callable[[Any], Any]) -> None:
    """Answer cases until the pipe is closed."""
    while True:
        try:
            case = pipe.recv()
        except EOFError:
            return
        pipe.send(answer(case))


def outcomes(
    cases: Sequence[Any], answer: Callable[[Any], Any], seconds: float, count: int = 2
) -> Iterator[tuple[int, Any]]:
    """Yield (index, outcome) of each case as it comes: what `answer` returned, or a Lost.

    seconds: for one case; a child that takes longer is killed, and another takes its place.
    """
    waiting = iter(enumerate(cases))
    children: list[_Child] = []
    try:
        for _, (at, case) in zip(range(count), waiting, strict=False):
            children.append(_Child(answer))
            children[-1].give(at, case, seconds)
        while children:
            first = min(child.by for child in children)
            ready = wait([child.pipe for child in children], max(0.0, first - time.monotonic()))
            for child in [c for c in children if c.pipe in ready or c.by <= time.monotonic()]:
                outcome = child.taken()
                yield child.at, outcome
                _go_on(children, child, next(waiting, None), answer, seconds, isinstance(outcome, Lost))
    finally:
        for child in children:
            child.end()


def _go_on(
    children: list[_Child],
    child: _Child,
    following: tuple[int, Any] | None,
    answer: Callable[[Any], Any],
    seconds: float,
    lost: bool,
) -> None:
    """Give a child its next case, or another child where it is lost; end it where there is none."""
    if lost or following is None:
        children.remove(child)
        child.end()
    if following is None:
        return
    if lost:
        child = _Child(answer)
        children.append(child)
    child.give(*following, seconds)
