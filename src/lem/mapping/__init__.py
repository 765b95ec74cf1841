"""`lem mapping`: what lies in `data/`, file by file, as a page that a person reads first.

Everything on it is counted: the index, the summary, the shapes and the tree from the
files, the observations from the tables in `reports/tables`, each with its query. The
same data give the same bytes; there is no time and no absolute path on the page.

    lem mapping     # reports/DATA_MAPPING.md
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING

import click

from lem import engine, layout, pages
from lem.mapping import sections, shapes, tree
from lem.mapping.contents import RAW, Survey, survey
from lem.record_files import write_whole
from lem.report.tables import listing
from lem.report.words import Row, count
from lem.sandbox import connect

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from jinja2 import Template

TEMPLATE = "mapping.md.j2"
PAGE = layout.REPORTS / "DATA_MAPPING.md"


@click.command()
def command() -> None:
    """Write reports/DATA_MAPPING.md: every file of data/, its rows, and what the tables say of them.

    \b
    Example:
        lem warehouse && lem mapping
    """
    import duckdb

    engine.require("mapping")
    with closing(connect(layout.TABLES)) as tables:
        observed = read(tables)
    with closing(duckdb.connect(":memory:")) as con:
        found = survey(con)
    write_whole(PAGE, render(found, observed))
    click.echo(f"{PAGE}: {count(len(found.entries), 'file')}")


def read(con: DuckDBPyConnection) -> dict[str, list[Row]]:
    """Return the rows of each observation's query; LemError where the tables are older than this page."""
    return pages.rows(con, queries())


def queries() -> dict[str, str]:
    """Return the queries of the observations by name."""
    return pages.queries(template())


def template() -> Template:
    """Return the template of the page."""
    return pages.template("mapping", TEMPLATE)


def render(found: Survey, observed: Mapping[str, list[Row]]) -> str:
    """Return the page as Markdown."""
    listed = [entry for entry in found.entries if entry.category != RAW]
    return template().render(
        tally=tree.tally(tree.folders(found.entries)[""]),
        grouped=len(listed) > sections.LISTED,
        index=sections.index(found.entries),
        raw=sections.raw(found.entries),
        refused=[sections.shown(name) for name in found.refused],
        categories=sections.categories(found.entries),
        prompt_sets=sections.prompt_sets(found.entries),
        shapes=shapes.shapes(found.entries),
        foreign=shapes.foreign(found.entries),
        tree=tree.tree(found),
        verdicts={name: verdicts(observed[name]) for name in ("differences", "declared")},
        observed={name: listing(rows) for name, rows in observed.items()},
    )


def verdicts(rows: list[Row]) -> str:
    """Return how often each verdict stands in rows: '7 inconclusive, 2 better'."""
    found = Counter(str(row["verdict"]) for row in rows)
    return ", ".join(
        f"{n:,} {verdict}" for verdict, n in sorted(found.items(), key=lambda one: (-one[1], one[0]))
    )
