"""`lem status`: what runs in this folder now, how far it is and how long it will take; no lock is touched.

lem status
"""

from __future__ import annotations

import json
from typing import Any

import click

from lem import beat
from lem.beat import NUMBER
from lem.run import STATE
from lem.run.plan import spoken
from lem.screen import visible

FACTS: beat.Kinds = {
    **{"pid": int, "stage": str, "failed": dict, "done": int, "stages": int, "unknown": int},
    **{"seconds": NUMBER, "seconds_left": NUMBER},
}
"""What a run says of itself, and what each of it may be."""


@click.command()
@click.option("--format", "fmt", type=click.Choice(("text", "json")), default="text", help="Default: text.")
def command(fmt: str) -> None:
    """Say which stage runs, how many of its items are done, how fast, and what is left.

    \b
    Example:
        lem status
        watch lem status
    """
    run, stages = running(), beat.alive()
    if fmt == "json":
        return click.echo(json.dumps({"run": run, "stages": stages}, ensure_ascii=False))
    for line in [*([of_run(run)] if run else []), *map(of_stage, stages)] or ["Nothing runs here."]:
        click.echo(visible(line))
    return None


def running() -> dict[str, Any] | None:
    """Return what the living `lem run` of this folder says; None where there is none."""
    said = beat.facts(STATE, FACTS)
    return said if said and beat.lives(said["pid"]) else None


def of_run(run: dict[str, Any]) -> str:
    """Return a run in one line."""
    failed = "".join(f"; failed: {name}" for name in run["failed"])
    rest = f", without {run['unknown']} that have never run" if run["unknown"] else ""
    return (
        f"lem run: {run['done']} of {run['stages']} stages done in {spoken(run['seconds'])}, "
        f"now {run['stage']}; about {spoken(run['seconds_left'])} left{rest}{failed}"
    )


def of_stage(one: dict[str, Any]) -> str:
    """Return a stage in one line: `answer@m-gsm8k: 12 of 150 answers, 310 of 33600 tokens at most, ...`."""
    done, seconds = one["done"], one["seconds"]
    items = "" if one["items"] is None else f"{one['items_done']} of {one['items']} answers, "
    rate = done / seconds if seconds else 0.0
    left = f", about {spoken((one['total'] - done) / rate)} left" if rate else ""
    return f"{one['stage']}: {items}{done} of {one['total']} {one['unit']}, {rate:.1f}/s{left}"
