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
import re
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
from lem.errors import INTERRUPTED, TOLD, LemError
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
from lem.screen import visible

STATE = Path(".lem/run.json")
TABLES = "warehouse"
"""The command that builds the tables."""
ENDED_BY_CTRL_C = re.compile(r", exited with (-2|130)$")


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
        lem run --only 'gemma*'        # on a second machine; README.md says how they come together
    """
    with opened() as repo:
        stages = chosen(repo, targets, only)
        planned = plan(repo, stages)
        if dry:
            return show_plan(planned)
        merge.install()
        click.echo(outlook(planned), err=True)
        night = Night(repo, stages, planned, pull)
        if not targets and not only:  # before the tables, which would still have their holes
            failures.forget_all_but(stage.addressing for stage in repo.index.stages)
        with awake():
            night.run()
    return told_of(night)


def told_of(night: Night) -> None:
    """Print the table of the cells where it was built; LemError where a stage failed or a cell is a hole."""
    failed = ", ".join(night.failed)
    lines = [f"{len(night.failed)} of {len(night.stages)} stages failed: {failed}"] if failed else []
    if night.has_tables():
        holes = table()
        lines += [f"{len(holes)} rows of the table are holes"] if holes else []
    elif failed and any(named(stage.cmd)["verb"] == TABLES for stage in night.stages):
        lines.append("the tables are those of before")
    if lines:
        raise LemError("; ".join(lines))


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

    def run(self) -> None:
        """Run them all; what failed is in `failed` then."""
        try:
            self._go([stage.addressing for stage in self.stages])
            self._keep()  # before the tables, which are to say it
            for stage in self.stages:  # DVC has left out all that stands behind a failed cell
                if stage.addressing not in self.tried and self._stands_behind(stage):
                    self._go(stage.addressing, single_item=True)
        finally:
            with contextlib.suppress(OSError):
                STATE.unlink(missing_ok=True)

    def has_tables(self) -> bool:
        """Return whether the tables are of this run."""
        return any(
            named(stage.cmd)["verb"] == TABLES
            and stage.addressing in self.tried
            and stage.addressing not in self.failed
            for stage in self.stages
        )

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
        began, error = time.monotonic(), ""
        try:
            with told() as said:
                try:
                    ran = stage.reproduce(**how)
                    if ran:
                        ran.dump(update_pipeline=False)
                finally:
                    error = said()
        except Exception as err:
            if error == INTERRUPTED or ENDED_BY_CTRL_C.search(str(err)):
                raise KeyboardInterrupt from err  # the stage heard Ctrl-C; DVC ignores it meanwhile
            self.failed[name] = error or " ".join(str(err).split())
            click.echo(visible(f"{name} failed: {self.failed[name]}"), err=True)
            raise
        failures.forget([name])
        if ran:
            self.times[name] = round(time.monotonic() - began, 1)
            quietly(TIMES, self.times)
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
        quietly(
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


def quietly(file: Path, value: object) -> None:
    """Write what a run says of itself; a full disk stops what has to be written, not this."""
    with contextlib.suppress(OSError):
        write_json(file, value)


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
    import duckdb

    from lem import sandbox
    from lem.sql_command import named as named_query
    from lem.sql_command import show

    with closing(sandbox.connect(layout.TABLES)) as con:
        try:
            found = con.execute(named_query("cells"))
        except duckdb.Error as err:
            raise sandbox.failure(con, err) from err
        columns = [column[0] for column in found.description]
        rows = found.fetchall()
    show(columns, rows)
    return [row for row in rows if row[columns.index("hole")] is not None]
