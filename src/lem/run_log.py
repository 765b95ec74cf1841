"""What a person sees of a run: the log in the form of the LEM validation logs, and a progress bar.

log = Log(total=40)
log.answer(response)      # [1/40] P01_IDENTITY_WHISTLEBLOWER | 975 chars | 21.6s
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator

import click

from lem import beat
from lem.records import Response
from lem.screen import visible

PREVIEW = 200  # characters of an answer in the log


class Step:
    """What a long stage calls when it got on: a bar on a terminal, and the beat that `lem status` reads."""

    def __init__(self, one: beat.Beat, bar: Callable[[int], object]) -> None:
        self.beat, self.bar = one, bar

    def __call__(self, count: int) -> None:
        self.beat.move(count)
        self.bar(count)


@contextlib.contextmanager
def progress(most: int, unit: str = "tokens at most", items: int | None = None) -> Iterator[Step]:
    """Yield a function that moves a progress bar by so many units; the bar is on a terminal only.

    most: of tokens those if no answer ends early, so the bar may jump at the end. items: answers to come.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(unit), TimeElapsedColumn())
    shown = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with beat.beating(most, unit, items) as one, shown as bar:
        task = bar.add_task("", total=most)
        yield Step(one, lambda count: bar.advance(task, count))


class Log:
    """The run log in the form of the LEM validation logs: shown as it grows, written whole at the end."""

    def __init__(self, total: int) -> None:
        self.total, self.count, self.text = total, 0, ""

    def line(self, text: str) -> None:
        """Add a line, and show it."""
        self.text += visible(text) + "\n"
        click.echo(visible(text))

    def answer(self, response: Response) -> None:
        """Add `[i/40] SEED | N chars | T.Ts` and the preview below it."""
        self.count += 1
        seconds = f"{response.gen_time:.1f}s" if response.gen_time is not None else "-"
        self.line(f"[{self.count}/{self.total}] {response.seed_id} | {response.chars} chars | {seconds}")
        preview = " ".join(response.response[:PREVIEW].split()) + ("..." if response.chars > PREVIEW else "")
        self.line(f"  >> {''.join(c if c.isprintable() else '?' for c in preview)}")


def git_revision() -> str | None:
    """Return the commit this folder stands on, with '+' behind it where files differ; None outside git."""
    try:
        status = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return status.stdout.strip() or None
