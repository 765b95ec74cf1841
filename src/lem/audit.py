"""What is wrong with the data, and what it does to the published numbers: two tables.

`quality_findings` has a row for each rule and record, own and imported alike; a
rule is one SQL file of `sql/findings`, named as the rule, whose first line says
its severity and in plain words what it finds. What an import saw of files (notes)
and could not take (quarantined rows) are findings too. `repairs` has a row for each
number that a fault touches: as published, as repaired, or its bounds.

    lem warehouse && lem sql @findings && lem sql @repairs
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from lem.records import SEVERITIES
from lem.scoring import numbers, stored_text

if TYPE_CHECKING:
    import duckdb

REPAIRS = ("marks", "classes", "flags", "answers", "times", "figures", "missing")
"""The tables `repairs_*` of the derived floor."""

FINDING = {
    **dict.fromkeys(("rule", "severity", "source", "model", "prompts", "mode", "item_id"), "varchar"),
    **{"sample": "bigint", "file": "varchar", "detail": "varchar"},
}
REPAIR = {
    **dict.fromkeys(("rule", "source", "model", "prompts", "mode", "metric", "filter"), "varchar"),
    **dict.fromkeys(("n", "affected"), "bigint"),
    **dict.fromkeys(("published", "repaired", "low", "high"), "double"),
    **{"unit": "varchar", "how": "varchar"},
}
HEAD = re.compile(r"-- (error|warning|info): (.+)")
PLACE = "concat_ws(':', file, line)"
KNOWN = f"if(severity in {SEVERITIES}, severity, 'warning') as severity"
OF_IMPORTS = (
    f"select rule, {KNOWN}, source, model, prompts, item_id, {PLACE} as file, detail from notes",
    f"select 'quarantined' as rule, 'error' as severity, source, {PLACE} as file, reason as detail "
    "from quarantined",
)
"""What an import itself has seen: no rule of ours finds it."""


class Finding(NamedTuple):
    """A rule of the audit: its name, how bad it is, what it finds, and the query that finds it."""

    rule: str
    severity: str
    what: str
    sql: str


def rules() -> list[Finding]:
    """Return the rules on records; ValueError for a file whose first line does not say what it finds."""
    found = []
    for file in sorted(files("lem").joinpath("sql", "findings").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".sql"):
            text = file.read_text(encoding="utf-8")
            head = HEAD.fullmatch(text.partition("\n")[0])
            if head is None:
                raise ValueError(f"{file.name}: the first line must be: -- error|warning|info: what it finds")
            found.append(Finding(file.name.removesuffix(".sql"), head[1], head[2], text))
    return found


def register(con: duckdb.DuckDBPyConnection) -> None:
    """Give a connection what the derived tables and the rules ask of a text; null of null."""
    from duckdb.func import FunctionNullHandling
    from duckdb.sqltypes import BOOLEAN, VARCHAR

    con.create_function("ends_in_the_middle", stored_text.ends_in_the_middle, [VARCHAR], BOOLEAN)
    con.create_function("announces_refusal", stored_text.announces_refusal, [VARCHAR], BOOLEAN)
    con.create_function(
        "number_of", _number_of, [VARCHAR], VARCHAR, null_handling=FunctionNullHandling.SPECIAL
    )


def _number_of(text: str | None) -> str | None:
    return None if text is None else numbers.normalise(text)


def findings(con: duckdb.DuckDBPyConnection) -> None:
    """Create `quality_findings` from every table that the derived floor leaves; see `register`."""
    by_rule = [f"select '{r.rule}' as rule, '{r.severity}' as severity, * from (\n{r.sql})" for r in rules()]
    _create(con, "quality_findings", FINDING, [*by_rule, *OF_IMPORTS])


def repairs(con: duckdb.DuckDBPyConnection) -> None:
    """Create `repairs`: what each fault does to a number, in the number's own unit."""
    _create(con, "repairs", REPAIR, [f"from repairs_{name}" for name in REPAIRS])


def _create(con: duckdb.DuckDBPyConnection, table: str, columns: dict[str, str], queries: list[str]) -> None:
    """Create a table of these columns from the rows of all queries, each row once, in order."""
    shape = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    con.execute(f"create table {table} ({shape})")
    rows = "\nunion all by name\n".join([f"from {table}", *(f"({query})" for query in queries)])
    con.execute(f"insert into {table} by name select distinct * from ({rows}) order by all")
