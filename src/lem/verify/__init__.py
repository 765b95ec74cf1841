"""`lem verify`: this folder's records against the reference run's; answers asked again; stored bytes.

Another run's folder, or a revision of git whose files DVC has; by default the run
committed at HEAD. What differs only in when and how fast is no difference.

    lem verify                     # against the run at HEAD
    lem verify ../clone
    lem verify --rerun 10          # and ten answers asked again
    lem verify --integrity         # what lies in the cache and the remotes, byte by byte
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from lem.errors import LemError
from lem.screen import visible

if TYPE_CHECKING:
    from lem.verify.outcomes import Outcome
    from lem.verify.tables import Found

TOLERANCE = 1e-3
"""Nats: what two builds of the same arithmetic may differ by, and far less than moves a choice."""
FORMATS = ("table", "tsv", "json")


@click.command()
@click.argument("other", required=False)
@click.option(
    "--compare/--no-compare",
    "comparing",
    default=None,
    help="Hold the records against OTHER's. Default: yes, but not where --integrity is asked for alone.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=TOLERANCE,
    show_default=True,
    help="How far numbers may be apart: nats of log-probabilities and losses, and scores made of them.",
)
@click.option("--only", multiple=True, metavar="GLOB", help="Only models of such names: --only 'gemma*'.")
@click.option("--examples", type=click.IntRange(0), default=10, show_default=True, help="Findings shown.")
@click.option("--rerun", type=click.IntRange(1), metavar="N", help="Ask N of the recorded answers again.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draw of those N.")
@click.option("--integrity", is_flag=True, help="Hash what lies in the cache and in the remotes.")
@click.option("--remote", "remotes", multiple=True, metavar="NAME", help="A remote to hash. Default: all.")
@click.option("--offline", is_flag=True, help="With --integrity: hash workspace and cache alone.")
@click.option("--format", "fmt", type=click.Choice(FORMATS), help="Default: table; in a pipe, tsv.")
def command(
    other: str | None,
    comparing: bool | None,
    tolerance: float,
    only: tuple[str, ...],
    examples: int,
    rerun: int | None,
    seed: int,
    integrity: bool,
    remotes: tuple[str, ...],
    offline: bool,
    fmt: str | None,
) -> None:
    """Hold this folder's records against the reference run's; say what differs.

    OTHER is a folder or a git revision; by default the run committed at HEAD. Exit code 1
    where a record is different or missing, an answer comes out otherwise, or bytes are damaged.
    All findings of the comparison go to reports/verify.md.

    \b
    Example:
        lem verify
        lem verify ../clone --only 'smollm2*'
        lem verify v1.0 --tolerance 0.01
        lem verify --rerun 10 --seed 1
        lem verify --integrity --remote store
    """
    if (remotes or offline) and not integrity:
        raise LemError("--remote and --offline say what --integrity looks at; add --integrity")
    if remotes and offline:
        raise LemError("--offline looks at no remote; leave it out, or --remote")
    if comparing is False and rerun is None and not integrity:
        raise LemError("--no-compare leaves nothing to do; add --rerun N, --integrity, or leave it out")
    fmt = fmt or ("table" if sys.stdout.isatty() else "tsv")
    told: dict[str, Any] = {}
    wrong: list[str] = []
    if integrity:
        wrong += _integrity([] if offline else remotes or None, fmt, told)
    if (not integrity or rerun is not None or other is not None) if comparing is None else comparing:
        wrong += _compare(other or "HEAD", tolerance, only, examples, fmt, told)
    if rerun is not None:
        wrong += _rerun(rerun, seed, tolerance, only, fmt, told)
    if fmt == "json":
        from lem.verify.page import as_json

        click.echo(as_json(told))
    if wrong:
        raise LemError("; ".join(wrong))


def _compare(
    other: str, tolerance: float, only: Sequence[str], examples: int, fmt: str, told: dict[str, Any]
) -> list[str]:
    """Compare, show, write the page; return what is to be complained of."""
    from lem.verify import page, places, tables

    here = places.here()
    with places.opened(other) as there:
        found = tables.compare(here, there, tolerance, only)
    page.write(found, other, tolerance)
    columns, rows = page.counted(found)
    shown = list(islice(page.lines(found.wrong), examples))
    told["against"], told["tolerance"] = other, tolerance
    told["tables"] = [_keyed(columns, row) for row in rows]
    told["differing"] = page.differing(found)
    told["examples"], told["not_compared"] = shown, found.alone
    _show(columns, rows, shown, found, fmt)
    return _failed(found)


def _keyed(names: Iterable[str], values: Iterable[Any]) -> dict[str, Any]:
    """Return values under names that a program can use."""
    return {name.replace(" ", "_"): value for name, value in zip(names, values, strict=True)}


def _show(columns: Sequence[str], rows: Sequence[Any], shown: list[str], found: Found, fmt: str) -> None:
    if fmt == "json":
        return
    _table(columns, rows, fmt)
    for line in shown:
        click.echo(line, err=True)
    for name, place in found.alone.items():
        click.echo(visible(f"Not compared: the import {name}, which only {place} has."), err=True)


def _table(columns: Sequence[str], rows: Sequence[Any], fmt: str) -> None:
    from lem.verify.page import rendered

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    click.echo(rendered(columns, rows, fmt, width), nl=False)


def _failed(found: Found) -> list[str]:
    from lem.verify.page import FILE
    from lem.verify.pairs import WRONG

    counts = [f"{found.total(name)} {name}" for name in WRONG if found.total(name)]
    return [f"{', '.join(counts)}, of {found.records} records; all in {FILE}"] if counts else []


def _rerun(
    number: int, seed: int, tolerance: float, only: Sequence[str], fmt: str, told: dict[str, Any]
) -> list[str]:
    """Ask answers again and show what came of each; return what is to be complained of."""
    from lem.verify import again, rerun

    drawn = rerun.draw(number, seed, only)
    outcomes = again.asked(drawn.picks, tolerance)
    counts = rerun.counted(outcomes)
    told["rerun"] = {
        **_keyed(counts, counts.values()),
        "seed": seed,
        "of": drawn.population,
        "cannot": [{"why": why, "records": count} for why, count in drawn.cannot.items()],
        "items": [rerun.as_row(one) | {"nats_apart": one.nats} for one in outcomes],
    }
    if fmt != "json":
        _table(rerun.COLUMNS, [tuple(rerun.as_row(one).values()) for one in outcomes], fmt)
        click.echo(visible(rerun.summary(drawn, counts, seed)), err=True)
    return _turned(outcomes)


def _turned(outcomes: list[Outcome]) -> list[str]:
    from lem.verify.outcomes import FINE

    bad = [one for one in outcomes if one.verdict not in FINE]
    return [f"{len(bad)} of {len(outcomes)} answers asked again are not as recorded"] if bad else []


def _integrity(remotes: Sequence[str] | None, fmt: str, told: dict[str, Any]) -> list[str]:
    """Hash what is stored and show what is damaged; return what is to be complained of."""
    from lem.verify import integrity

    found = integrity.examine(remotes)
    shown = integrity.show(found, fmt)
    if fmt == "json":
        told["integrity"] = json.loads(shown)
    else:
        click.echo(shown, nl=not shown.endswith("\n"))
    if not found:
        click.echo("Nothing is damaged or missing.", err=True)
    return [f"{len(found)} stored objects are damaged or missing"] if found else []
