"""`lem report`: what follows from the tables, in words, tables and plots; and from nothing but the tables.

Each section is made of the rows of the query it ends with, so a reader who doubts
a number runs that query. The queries stand in the template, each the block of its
name and nowhere else. The same tables give the same bytes.

    lem report      # reports/report.md, reports/plots/*.svg
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from lem import engine, layout, pages
from lem.record_files import write_whole
from lem.records import OWN
from lem.report import board_plots, harness, leaderboard, plots, sentences, tables
from lem.report.words import Row, noted
from lem.sandbox import connect

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from jinja2 import Template

TEMPLATE = "report.md.j2"


@click.command()
def command() -> None:
    """Write reports/report.md and its plots from the tables.

    \b
    Example:
        lem warehouse && lem report
    """
    engine.require("report")
    with closing(connect(layout.TABLES)) as con:
        found = read(con)
    _write("plots/accuracy.svg", lambda: plots.accuracy(tables.accuracy_points(found)))
    _write("plots/losses.svg", lambda: plots.losses(found["losses"]))
    _write("plots/modes.svg", lambda: plots.modes(tables.mode_points(found["modes"])))
    _write("plots/ranks.svg", lambda: board_plots.ranks(board_plots.rank_points(found["board_ranks"])))
    _write("plots/tasks.svg", lambda: board_plots.tasks(board_plots.tau_cells(found["board_taus"])))
    _write("report.md", lambda: render(found))


def _write(name: str, text: Callable[[], str]) -> None:
    write_whole(layout.REPORTS / name, text())
    click.echo(str(layout.REPORTS / name))


def read(con: DuckDBPyConnection) -> dict[str, list[Row]]:
    """Return the rows of each query; LemError where the tables are older than this report."""
    return pages.rows(con, queries())


def queries() -> dict[str, str]:
    """Return the report's queries by name."""
    return pages.queries(template())


def template() -> Template:
    """Return the report's template."""
    return pages.template("report", TEMPLATE)


def render(found: Mapping[str, list[Row]]) -> str:
    """Return the report as Markdown."""
    return template().render(pieces(found))


def pieces(found: Mapping[str, list[Row]]) -> dict[str, Any]:
    """Return what the template puts in its places: sentences and tables, each Markdown."""
    tuned = {row["entry"] for row in found["models"] if (row["source"], row["role"]) == (OWN, "fine-tuned")}
    order, bold = tables.model_order(found["models"]), tables.better(found)
    return {
        "tally": sentences.tally(found["declared"], found["comparisons"]),
        "declared": noted(sentences.declared(found["declared"], found["comparisons"], tuned)),
        "kept": sentences.kept(found["kept"]),
        "learned": sentences.learning(found["losses"], [row["model"] for row in found["settings"]]),
        "benchmarks": noted(tables.matrix(found["benchmarks"], order, bold)),
        "harness": harness.parts(found, order),
        "boards": leaderboard.parts(found),
        "trained": leaderboard.trained(found),
        "gaps": tables.rounded(found["gaps"]),
        "signs": noted(tables.signs(found["signs"], order, bold)),
        "ways": sentences.ways(found["signs"]),
        "findings": tables.listing(found["findings"]),
        "repairs": tables.rounded(found["repairs"]),
        "settings": tables.listing(found["settings"]),
        "modes": noted(tables.mode_table(found["modes"], tuned)),
        "scales": noted(tables.scales(found["scales"])),
        "scale_notes": sentences.scale_notes(found["scales"]),
        "distilled": sentences.distilled(found["distilled"]),
        "outcomes": tables.listing(found["distilled"]),
        "models": tables.listing(found["models"]),
        "runs": tables.listing(found["runs"]),
    }
