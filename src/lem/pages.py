"""Pages made of queries: each stands in the template, in the block of its name, and nowhere else.

page = template("report", "report.md.j2")
found = rows(con, queries(page))       # {'losses': [{...}, ...], ...}
page.render(...)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lem import layout
from lem.errors import LemError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from jinja2 import Template

Row = dict[str, Any]


def template(package: str, name: str) -> Template:
    """Return a template of a package of lem; a name that it uses and nobody gives is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    where = PackageLoader("lem", package)
    settings: dict[str, Any] = {"undefined": StrictUndefined, "keep_trailing_newline": True}
    return Environment(loader=where, trim_blocks=True, **settings).get_template(name)


def queries(page: Template) -> dict[str, str]:
    """Return a page's queries by name: the blocks of its template."""
    return {name: "".join(block(page.new_context())) for name, block in page.blocks.items()}


def rows(con: DuckDBPyConnection, asked: Mapping[str, str]) -> dict[str, list[Row]]:
    """Return the rows of each query; LemError where the tables are older than the page."""
    import duckdb

    found = {}
    for name, sql in asked.items():
        try:
            answer = con.execute(sql)
        except (duckdb.CatalogException, duckdb.BinderException) as err:  # a table or a column is missing
            why = str(err).splitlines()[0]
            again = "the tables are older than this page; run `lem warehouse`"
            raise LemError(f"{layout.TABLES}: {why}: {again}") from err
        columns = [column[0] for column in answer.description]
        found[name] = [dict(zip(columns, row, strict=True)) for row in answer.fetchall()]
    return found
