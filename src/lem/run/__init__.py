"""`lem run`: what `dvc repro` does, for a night that nobody watches.

It says before what will run and about how long; keeps a Mac awake; goes on where a model or a judge
fails; builds the tables in the end, whose holes say why they are there; and exits with 1 where there is
one. `lem status` says meanwhile how far it is. A second machine takes its share with `--only`.

    lem run --dry
    lem run --only 'gemma*'
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from lem import layout, params
from lem.errors import TOLD, LemError
from lem.record_files import write_json
from lem.run import failures, merge
from lem.run.plan import (
    BEHIND,
    CHANGED,
    TIMES,
    Planned,
    chosen,
    named,
    opened,
    own_times,
    plan,
    spoken,
    total,
)

STATE = Path(".lem/run.json")


@click.command()
@click.argument("targets", nargs=-1)
@click.option("--dry", is_flag=True, help="Say what will run, how long, and what it needs; run nothing.")
@click.option("--only", multiple=True, metavar="GLOB", help="Cells of these models alone, e.g. 'gemma*'.")
@click.option("--pull", is_flag=True, help="Fetch from the remote what is missing here and needs no run.")
def command(targets: tuple[str, ...], dry: bool, only: tuple[str, ...], pull: bool) -> None:
    """Run what is not as dvc.lock says, and go on where a stage fails.

    TARGETS are stages as `dvc repro` takes them; without any, the whole study. With --only the tables are
    left to the machine that has all cells.

    \b
    Example:
        lem run --dry                  # stages, reasons and seconds as a table; disk and memory below it
        lem run
        lem run --only 'gemma*'        # on a second machine; then lem remote push, and git push
    """
    merge.install()
    with opened() as repo:
        stages = chosen(repo, targets, only)
        planned = plan(repo, stages)
        if dry:
            return show_plan(planned)
        click.echo(outlook(planned), err=True)
        with awake():
            failed = Night(repo, stages, planned, pull).run()
        tables = any(named(stage.cmd)["verb"] == "warehouse" for stage in stages)
    holes = table() if tables else []
    if failed or holes:
        cells = f"; {len(holes)} cells of the table are holes" if holes else ""
        named_ = f": {', '.join(failed)}" if failed else ""
        raise LemError(f"{len(failed)} of {len(stages)} stages failed{named_}{cells}")
    return None


def show_plan(planned: Sequence[Planned]) -> None:
    """Print the stages that will run as tab-separated values; below, on stderr, time, disk and memory."""
    click.echo("stage\tmodel\tprompts\tmode\twhy\tseconds")
    for one in planned:
        seconds = "" if one.seconds is None else f"{one.seconds:.0f}"
        click.echo(
            "\t".join([one.stage, one.model or "", one.prompts or "", one.mode or "", one.why, seconds])
        )
    click.echo(outlook(planned), err=True)
    for line in needs():
        click.echo(line, err=True)


def outlook(planned: Sequence[Planned]) -> str:
    """Return how much is to be done, in one line."""
    if not planned:
        return "Nothing to run: all is as dvc.lock says."
    seconds, unknown = total(planned)
    sure = sum(one.why == CHANGED for one in planned)
    time = (
        f"about {spoken(seconds)} if all run" if unknown < len(planned) else "none of them has run here yet"
    )
    rest = f", without {unknown} that have never run" if 0 < unknown < len(planned) else ""
    return f"{len(planned)} stages to go through, {sure} changed, the others behind those: {time}{rest}."


def needs() -> list[str]:
    """Return what disk and memory the study needs against what there is, as `lem doctor` reckons it."""
    from lem.doctor import machine

    study = params.load()
    found = (machine.disk(study), machine.memory(study.memory))
    return [f"{one.what}: {one.finding}{f'; {one.mend}' if one.mend else ''}" for one in found]


@contextlib.contextmanager
def awake() -> Iterator[None]:
    """Keep a Mac from sleeping while the block runs; other systems do not sleep under load."""
    if sys.platform == "darwin":
        with subprocess.Popen(["caffeinate", "-i", "-w", str(os.getpid())]) as watch:
            try:
                yield
            finally:
                watch.terminate()
    else:
        yield


class Night:
    """The stages of one run, one after another; what fails is kept with its error, the rest goes on."""

    def __init__(self, repo: Any, stages: Sequence[Any], planned: Sequence[Planned], pull: bool) -> None:  # noqa: ANN401
        self.repo, self.stages, self.pull = repo, stages, pull
        self.expected = {one.stage: one.seconds for one in planned}
        self.tried: list[str] = []
        self.failed: dict[str, str] = {}
        self.times = own_times()
        self.began = time.monotonic()

    def run(self) -> dict[str, str]:
        """Run them all; return {stage: error} of those that failed."""
        failures.forget(stage.addressing for stage in self.stages)
        try:
            self._go([stage.addressing for stage in self.stages])
            self._keep()  # before the tables, which are to say it
            for stage in self.stages:  # DVC has left out all that stands behind a failed cell
                if stage.addressing not in self.tried and self._stands_behind(stage):
                    self._go(stage.addressing, single_item=True)
        finally:
            STATE.unlink(missing_ok=True)
        return self.failed

    def _go(self, targets: str | list[str], **how: Any) -> None:  # noqa: ANN401
        from dvc.exceptions import ReproductionError
        from dvc.repo.reproduce import reproduce

        with contextlib.suppress(ReproductionError):  # kept by _step, with what the stage has said
            reproduce(self.repo, targets, on_error="keep-going", pull=self.pull, repro_fn=self._step, **how)

    def _step(self, stage: Any, **how: Any) -> Any:  # noqa: ANN401
        """Do with one stage what `dvc repro` does; keep its time, or its error."""
        name = stage.addressing
        self.tried.append(name)
        self._tell(name)
        began = time.monotonic()
        with told() as error:
            try:
                ran = stage.reproduce(**how)
                if ran:
                    ran.dump(update_pipeline=False)
            except Exception as err:
                self.failed[name] = error() or " ".join(str(err).split())
                click.echo(f"{name} failed: {self.failed[name]}", err=True)
                raise
        if ran:
            self.times[name] = round(time.monotonic() - began, 1)
            write_json(TIMES, self.times)
        return ran

    def _blocked(self, stage: Any) -> set[str]:  # noqa: ANN401
        """Return the stages that one needs, directly or not, and that have failed."""
        import networkx

        graph = self.repo.index.graph
        node = next(one for one in graph if one.addressing == stage.addressing)
        return {one.addressing for one in networkx.descendants(graph, node)} & self.failed.keys()

    def _stands_behind(self, stage: Any) -> bool:  # noqa: ANN401
        """Return whether a stage makes tables of what cells there are, and none of its kind has failed."""
        verbs = {one.addressing: named(one.cmd)["verb"] for one in self.stages}
        return verbs[stage.addressing] in BEHIND and not any(
            verbs[one] in BEHIND for one in self._blocked(stage)
        )

    def _tell(self, now: str) -> None:
        """Write for `lem status` what runs, and what is left."""
        left = {name: s for name, s in self.expected.items() if name not in self.tried[:-1]}
        write_json(
            STATE,
            {
                "pid": os.getpid(),
                "stage": now,
                "done": len(self.tried) - 1,
                "stages": len(self.stages),
                "failed": self.failed,
                "seconds": round(time.monotonic() - self.began),
                "seconds_left": round(sum(seconds or 0 for seconds in left.values())),
                "unknown": sum(seconds is None for seconds in left.values()),
            },
        )

    def _keep(self) -> None:
        """Write the cells that are missing for each stage that failed: its own, and those behind it."""
        given = {stage.addressing: named(stage.cmd) for stage in self.stages}
        skipped = [stage for stage in self.stages if stage.addressing not in self.tried]
        behind = {stage.addressing: self._blocked(stage) for stage in skipped}
        for name, error in self.failed.items():
            missing = [given[one] for one in (name, *(one for one, by in behind.items() if name in by))]
            cells = [(one["model"], one["prompts"], one["mode"] or "") for one in missing]
            whole = [cell for cell in cells if cell[0] and cell[1]]
            if given[name]["verb"] not in BEHIND:
                failures.write(name, error, whole or cells[:1])


@contextlib.contextmanager
def told() -> Iterator[Any]:
    """Yield a function that returns the error with which a command in the block has ended."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "error"
        os.environ[TOLD] = str(file)
        try:
            yield lambda: file.read_text(encoding="utf-8") if file.is_file() else ""
        finally:
            del os.environ[TOLD]


def table() -> list[tuple[Any, ...]]:
    """Print the cells of the study, with the reason of each hole; return the holes."""
    from lem.sandbox import connect
    from lem.sql_command import named as named_query
    from lem.sql_command import show

    with closing(connect(layout.TABLES)) as con:
        found = con.execute(named_query("cells"))
        columns = [column[0] for column in found.description]
        rows = found.fetchall()
    show(columns, rows)
    return [row for row in rows if row[columns.index("hole")] is not None]
