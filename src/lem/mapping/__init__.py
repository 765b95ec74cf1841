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
from typing import TYPE_CHECKING, Any

import click

from lem import engine, layout
from lem.errors import LemError
from lem.mapping import sections, shapes, tree
from lem.mapping.contents import RAW, Survey, survey
from lem.record_files import write_whole
from lem.report.tables import listing
from lem.report.words import Row, count
from lem.sandbox import connect, names

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from jinja2 import Template

TEMPLATE = "mapping.md.j2"
PAGE = layout.REPORTS / "DATA_MAPPING.md"
OPTIONAL = {"findings": "quality_findings"}
"""Queries of the template whose table a warehouse may not have."""


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


def read(con: DuckDBPyConnection) -> dict[str, list[Row] | None]:
    """Return the rows of each observation's query, None where an optional table is not there.

    Raises LemError where the tables are older than this page.
    """
    import duckdb

    there, found = set(names(con)), dict[str, list[Row] | None]()
    for name, sql in queries().items():
        if name in OPTIONAL and OPTIONAL[name] not in there:
            found[name] = None
            continue
        try:
            rows = con.execute(sql)
        except (duckdb.CatalogException, duckdb.BinderException) as err:
            why = str(err).splitlines()[0]
            again = "the tables are older than this command; run `lem warehouse`"
            raise LemError(f"{layout.TABLES}: {why}: {again}") from err
        columns = [column[0] for column in rows.description]
        found[name] = [dict(zip(columns, row, strict=True)) for row in rows.fetchall()]
    return found


def queries() -> dict[str, str]:
    """Return the queries of the observations by name: the blocks of the template."""
    page = template()
    return {name: "".join(block(page.new_context())) for name, block in page.blocks.items()}


def template() -> Template:
    """Return the template of the page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    settings: dict[str, Any] = {"undefined": StrictUndefined, "keep_trailing_newline": True}
    where = PackageLoader("lem", "mapping")
    return Environment(loader=where, trim_blocks=True, **settings).get_template(TEMPLATE)


def render(found: Survey, observed: Mapping[str, list[Row] | None]) -> str:
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
        verdicts={name: verdicts(observed[name] or []) for name in ("differences", "declared")},
        observed={name: None if rows is None else listing(rows) for name, rows in observed.items()},
        has_findings=observed["findings"] is not None,
    )


def verdicts(rows: list[Row]) -> str:
    """Return how often each verdict stands in rows: '7 inconclusive, 2 better'."""
    found = Counter(str(row["verdict"]) for row in rows)
    return ", ".join(
        f"{n:,} {verdict}" for verdict, n in sorted(found.items(), key=lambda one: (-one[1], one[0]))
    )
