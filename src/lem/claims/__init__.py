"""`lem claims`: what somebody states, held against the rows: one verdict a claim, computed and never stated.

Each claim brings its query; the tables answer it, a repaired query answers it again where the audit
found its rows at fault, and what cannot be answered says what is missing. The queries run in the
sandbox of `lem sql`, so a stranger's file can read the tables and do nothing else.

    lem claims                       # seeds/published/claims.yaml becomes reports/claims.md
    lem claims paper/draft.md        # its fenced `claims` blocks become reports/claims-paper-draft.md
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lem import engine, layout
from lem.claims import page as claim_page
from lem.claims.files import Claim, read
from lem.claims.verdicts import ARTEFACT, CONTRADICTED, Answer, Evidence, judged
from lem.errors import LemError
from lem.record_files import write_whole
from lem.sandbox import admit, connect, failure, identifier, names
from lem.sql_command import ended_by_ctrl_c, render

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

DEFAULT = Path("seeds/published/claims.yaml")
COLUMNS = (
    *("id", "claim", "document", "place", "source", "published", "unit", "value", "n", "low", "high"),
    *(
        "p",
        "repaired",
        "repaired_low",
        "repaired_high",
        "verdict",
        "reason",
        "sql",
        "repaired_sql",
        "finding",
    ),
)
GIVES = ("value", "n", "low", "high", "p", "missing")
FINDINGS = "quality_findings"
FIGURES_TABLE = "figures"


@dataclass(frozen=True)
class Entry:
    """A claim with what came of it."""

    claim: Claim
    evidence: Evidence
    verdict: str
    reason: str


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=DEFAULT)
@click.option(
    "--format", "fmt", type=click.Choice(("json", "tsv")), help="Print it for a program; write nothing."
)
@click.option(
    "--strict",
    is_flag=True,
    help="Exit with 1 where a claim is contradicted or an artefact; others pass.",
)
def command(file: Path, fmt: str | None, strict: bool) -> None:
    """Hold the claims of FILE against the tables: reports/claims.md, one verdict a claim.

    FILE is YAML, a list of claims, or a Markdown draft with such lists in fenced blocks that begin with
    ```claims. Of a FILE that is named the page has the last two parts of its path: of paper/draft.md it
    is reports/claims-paper-draft.md.

    \b
    A claim:
        - id: more-truthful
          claim: the fine-tune is more truthful
          document: paper.md
          place: section 4
          source: own                        # or an import's name
          expected: "> 0"                    # or a number, with a tolerance
          unit: points
          sql: >
            select difference as value, n, low, high, p
            from difference('own', 'tuned', 'base', 'mc1', 'none')

    Optional: no_effect, within, of_figures, repaired and finding, needs. `verdict` is computed and cannot
    be stated. Besides difference(...) a query may call rate(right, n), rate_difference(right, n, right, n),
    pc1_share(rows) and pc1_scores(rows); `select unnest(rate(66, 150))` gives value, low and high.

    \b
    Example:
        lem claims
        lem claims paper/draft.md --strict
        lem claims --format json
    """
    engine.require("claims")
    claims = read(file)
    opened: set[str] = set()
    with closing(connect(layout.TABLES, opened)) as con, ended_by_ctrl_c():
        entries = held(con, claims, opened)
    if fmt:
        click.echo(render(COLUMNS, [_cells(entry) for entry in entries], fmt), nl=False)
    else:
        page = page_of(file)
        write_whole(page, claim_page.render(file, entries))
        click.echo(f"{page}: {claim_page.tally([entry.verdict for entry in entries])}")
    if strict and any(entry.verdict in (CONTRADICTED, ARTEFACT) for entry in entries):
        sys.exit(1)


def page_of(file: Path) -> Path:
    """Return the page of a claims file; its name says which file of which folder it is of."""
    if file == DEFAULT:
        return layout.REPORTS / "claims.md"
    parts = (
        re.sub(r"[^A-Za-z0-9._-]+", "-", part).strip("-.")[:60] for part in (file.parent.name, file.stem)
    )
    return layout.REPORTS / f"claims-{'-'.join(filter(None, parts)) or 'file'}.md"


def held(con: DuckDBPyConnection, claims: Sequence[Claim], opened: set[str]) -> list[Entry]:
    """Return each claim with its verdict; LemError, a line for each, where queries fail.

    `opened` is the set that the connection was made with: it says what each query reads.
    """
    there, faults = sources(con), findings(con)
    entries, broken = [], []
    for claim in claims:
        try:
            entries.append(_held(con, claim, there, faults, opened))
        except LemError as err:
            broken.append(err.message)
    if broken:
        raise LemError("\n".join(broken))
    return entries


def _held(
    con: DuckDBPyConnection,
    claim: Claim,
    there: set[str],
    faults: Mapping[tuple[str, str], int],
    opened: set[str],
) -> Entry:
    found, read_by = {}, {}
    for key, sql in (("sql", claim.sql), ("repaired", claim.repaired)):
        opened.clear()
        found[key] = answer(con, sql, f"{claim.where}: claim {claim.id!r}: {key}") if sql else None
        read_by[key] = frozenset(opened)
    count = faults.get((claim.source, claim.finding or ""), 0)  # without the fault nothing is repaired
    repaired = found["repaired"] if count and read_by["repaired"] else None
    stated, reads = read_by["sql"] == {FIGURES_TABLE}, bool(read_by["sql"])
    evidence = Evidence(found["sql"], repaired, count, claim.source in there, stated, reads)
    return Entry(claim, evidence, *judged(claim, evidence))


def answer(con: DuckDBPyConnection, sql: str, where: str) -> Answer | None:
    """Return the one row of a query; None without a row. LemError, in one line, for anything else."""
    import duckdb

    try:
        admit(con, sql)
        columns = [column[0] for column in con.execute(sql).description]
        rows = con.fetchmany(2)
    except duckdb.Error as err:
        raise LemError(f"{where}: {_first_line(failure(con, err))}") from err
    except LemError as err:
        raise LemError(f"{where}: {_first_line(err)}") from err
    if "value" not in columns or set(columns) - set(GIVES) or len(set(columns)) < len(columns):
        asked = "expected a column value, and none besides n, low, high, p and missing"
        raise LemError(f"{where}: {asked}; found {', '.join(columns)[:200]}")
    if len(rows) > 1:
        raise LemError(f"{where}: expected one row, found more")
    if not rows:
        return None
    try:
        return _answer(dict(zip(columns, rows[0], strict=True)))
    except ValueError as err:
        raise LemError(f"{where}: {err}") from err


def _first_line(err: LemError) -> str:
    return err.message.splitlines()[0]


def _answer(row: Mapping[str, Any]) -> Answer:
    """Return a row as an answer; ValueError for one that cannot be."""
    value, n, low, high, p = (_number(name, row.get(name)) for name in GIVES[:5])
    missing = row.get("missing")
    if not isinstance(missing, str | None):
        raise ValueError(f"missing: expected text, found {type(missing).__name__}")
    if value is not None and missing is not None:
        raise ValueError("a value beside what is missing; expected one of them and null for the other")
    if n is not None and (n != int(n) or n < (value is not None)):
        raise ValueError(f"n: expected a whole number, 1 or more, or 0 without a value; found {n:g}")
    if p is not None and not 0 <= p <= 1:
        raise ValueError(f"p: expected 0 to 1, found {p:g}")
    if low is not None and high is not None and low > high:
        raise ValueError(f"low {low:g} is above high {high:g}")
    if outside := _outside(value, low, high):
        raise ValueError(outside)
    return Answer(value, None if n is None else int(n), low, high, p, missing)


def _outside(value: float | None, low: float | None, high: float | None) -> str | None:
    """Return how a value lies beyond its own interval by more than rounding; None where it does not."""
    if value is None:
        return None
    rounding = 1e-9 * max(1.0, abs(value))
    if low is not None and value < low - rounding:
        return f"value {value:g} is below low {low:g}"
    if high is not None and value > high + rounding:
        return f"value {value:g} is above high {high:g}"
    return None


def _number(name: str, value: object) -> float | None:
    """Return a number with 12 digits: what lies beyond is the machine's. Not a number is none."""
    if value is None:
        return None
    if not isinstance(value, bool | int | float | Decimal):
        raise ValueError(f"{name}: expected a number, found {type(value).__name__}")
    number = float(f"{float(value):.12g}")
    return number if math.isfinite(number) else None


def sources(con: DuckDBPyConnection) -> set[str]:
    """Return every source that has a row in a table."""
    query = "select table_name from duckdb_columns() where not internal and column_name = 'source' order by 1"
    tables = [identifier(row[0]) for row in con.execute(query).fetchall()]
    every = " union ".join(f"select source from {table}" for table in tables)
    return {row[0] for row in con.execute(every).fetchall()} if every else set()


def findings(con: DuckDBPyConnection) -> dict[tuple[str, str], int]:
    """Return {(source, rule): rows} of the audit; {} where the tables have none."""
    if FINDINGS not in names(con):
        return {}
    rows = con.execute(f"select source, rule, count(*) from {FINDINGS} group by all").fetchall()
    return {(source, rule): count for source, rule, count in rows}


def _cells(entry: Entry) -> list[object]:
    claim, found = entry.claim, entry.evidence
    stored, repaired = found.stored or Answer(), found.repaired or Answer()
    return [
        *(claim.id, claim.claim, claim.document, claim.place, claim.source),
        *(claim_page.published(claim), claim.unit, stored.value, stored.n, stored.low, stored.high),
        *(stored.p, repaired.value, repaired.low, repaired.high, entry.verdict, entry.reason),
        *(claim.sql, claim.repaired, claim.finding),
    ]
