"""`lem check`: hold every record against the rules; name file, line and field of what breaks one.

Each rule is applied twice, by DuckDB in SQL over all rows and by Great
Expectations over a DataFrame (of a big table: the rows that SQL found), and the
two must name the same rows. A broken rule in a row of our own fails the stage;
in an imported row only a rule of shape does, and the rest are findings.
`reports/checks.json` is written either way, without time or random id.

    lem check
    lem check --json | jq '.broken[0]'
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lem import engine, holding, layout, record_files, records, rule_sql, rules, scan
from lem.errors import LemError
from lem.record_files import file_sha
from lem.rule_sql import quoted
from lem.scan import Broken, Loaded

if TYPE_CHECKING:
    import duckdb

REPORT = layout.REPORTS / "checks.json"
SHOWN = 20  # lines of a failure that a person reads
LISTED = 1_000  # rows in each list of checks.json

CONTENT = frozenset((rule.table, rule.name) for rule in rules.RULES if rule.scope == "content")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print reports/checks.json instead of a summary.")
def command(as_json: bool) -> None:
    """Hold every record in data/ against the rules; write reports/checks.json.

    \b
    Example:
        lem check
    """
    engine.require("check")
    report, failures = check()
    record_files.write_json(REPORT, report)
    click.echo(json.dumps(report, indent=2, ensure_ascii=False) if as_json else summary(report))
    if failures:
        raise LemError(told(failures))


def check() -> tuple[dict[str, Any], list[Broken]]:
    """Return the report on all records below data/, and every row that fails the stage."""
    import duckdb

    with tempfile.TemporaryDirectory() as scratch, duckdb.connect() as con:
        con.execute("set temp_directory = ?", [scratch])
        con.execute("set enable_progress_bar = false")
        con.execute("set checkpoint_threshold = '1TB'")  # nothing is kept, so nothing need be packed
        loaded = {table: scan.load(con, table, layout.files(table), Path(scratch)) for table in rules.RECORDS}
        outcomes = {table: holding.hold(con, table, table, holding.PLACE) for table in loaded}
        changed = unfaithful(con)
    broken = [row for one in loaded.values() for row in one.faults]
    broken += changed
    broken += [row for of_table in outcomes.values() for outcome in of_table for row in outcome.broken]
    broken.sort(key=lambda b: (b.rule != scan.RECORD, b.table, b.file or "", b.line or 0, b.rule))
    failures = [row for row in broken if fails(row)]
    return report_of(loaded, outcomes, failures, [row for row in broken if not fails(row)]), failures


WRITTEN = """
select
    runs.at_file, runs.run_id, runs.responses_sha,
    list(distinct responses.at_file order by responses.at_file) as files
from runs left join responses on responses.source = runs.source and responses.run_id = runs.run_id
where runs.source = 'own' and runs.responses_sha is not null
group by all order by all
"""


def unfaithful(con: duckdb.DuckDBPyConnection) -> list[Broken]:
    """Return the response files of our own that are not, byte for byte, what their run wrote."""
    broken = []
    for log, run_id, sha, files in con.execute(WRITTEN).fetchall():
        found = [file for file in files if file]
        if len(found) != 1:
            message = (
                f"expected one response file of run {run_id}, found {len(found)}; dvc checkout restores it"
            )
            broken.append(Broken("runs", "responses_there", log, 1, "responses_sha", None, message))
        elif file_sha(Path(found[0])) != sha:
            message = "not as its run wrote it; dvc checkout restores it, dvc repro asks again"
            broken.append(Broken("responses", "file_as_written", found[0], None, "", None, message))
    return broken


def fails(row: Broken) -> bool:
    """Return whether a broken rule stops the pipeline: always in our own rows, by shape in imported ones."""
    return scan.source_of(row.file or "") == records.OWN or (row.table, row.rule) not in CONTENT


def check_tables(con: duckdb.DuckDBPyConnection, tables: Sequence[str]) -> list[Broken]:
    """Return every row of these tables in the connection that breaks a rule of its table.

    A content fault of an imported record is a finding here as it is for `lem check`.

    The rows have no file and line; their message names their key. Writes
    nothing but a temporary copy. Raises ValueError for a table without rules.
    """
    if unruled := [table for table in tables if not rules.of(table)]:
        raise ValueError(f"no rules for {', '.join(unruled)}; there are for {', '.join(rules.KEYS)}")
    broken: list[Broken] = []
    own = f'in the row with source "{records.OWN}"'
    for table in _doubtful(con, tables):
        copy = f"checked {table}"
        con.execute(f"create temp table {quoted(copy)} as {_numbered(con, table)}")
        try:
            for outcome in holding.hold(con, table, copy, ("row", *rules.KEYS[table])):
                finding = table in rules.RECORDS and outcome.rule.scope == "content"
                broken += [row for row in outcome.broken if not finding or own in row.message]
        finally:
            con.execute(f"drop table {quoted(copy)}")
    return broken


def _doubtful(con: duckdb.DuckDBPyConnection, tables: Sequence[str]) -> list[str]:
    """Return the tables less those too big for Great Expectations that break no rule, two asked at a time."""
    with ThreadPoolExecutor(2) as pool:
        unbroken = list(pool.map(lambda table: _unbroken(con.cursor(), table), tables))
    return [table for table, is_fine in zip(tables, unbroken, strict=True) if not is_fine]


def _unbroken(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    if con.execute(f"select count(*) <= {holding.WHOLE} from {quoted(table)}").fetchall()[0][0]:
        return False
    view = f"asked {table}"
    con.execute(f"create temp view {quoted(view)} as {_numbered(con, table)}")
    return not holding.broken(con, rules.of(table), view)


def _numbered(con: duckdb.DuckDBPyConnection, table: str) -> str:
    """Return the query for the columns that rules read, a number before each row, NaN as null."""
    wanted = [*rules.KEYS[table], *rule_sql.columns(rules.of(table))]
    types = {name: kind for name, kind, *_ in con.execute(f"describe {quoted(table)}").fetchall()}
    columns = ", ".join(
        f"nullif({quoted(name)}, 'nan') as {quoted(name)}"
        if types.get(name) in ("DOUBLE", "FLOAT")
        else quoted(name)
        for name in dict.fromkeys(wanted)
    )
    return f"select row_number() over () as row, {columns} from {quoted(table)}"


def report_of(
    loaded: dict[str, Loaded],
    outcomes: dict[str, list[holding.Outcome]],
    failures: list[Broken],
    findings: list[Broken],
) -> dict[str, Any]:
    """Return what checks.json holds: the same for the same records, on any day and machine."""
    return {
        "ok": not failures,
        "tables": {
            table: {
                "files": one.files,
                "rows": one.rows,
                "refused": len(one.faults),
                "engine": "duckdb+gx" if one.rows <= holding.WHOLE else "duckdb, gx on offending rows",
            }
            for table, one in loaded.items()
        },
        "rules": [
            {
                "table": table,
                "rule": outcome.rule.name,
                "kind": outcome.rule.kind,
                "scope": outcome.rule.scope,
                "columns": list(outcome.rule.columns),
                "expected": rule_sql.requirement(outcome.rule),
                "why": outcome.rule.why,
                "rows": outcome.rows,
                "broken": len(outcome.broken),
            }
            for table, of_table in outcomes.items()
            for outcome in of_table
        ],
        "broken_in_all": len(failures),
        "findings_in_all": len(findings),
        "broken": [asdict(row) for row in failures[:LISTED]],
        "findings": [asdict(row) for row in findings[:LISTED]],
    }


def summary(report: dict[str, Any]) -> str:
    """Return a line a table: files, rows, rules, and how many rows break one."""
    lines = []
    for table, counts in report["tables"].items():
        held = [rule for rule in report["rules"] if rule["table"] == table]
        broken = sum(rule["broken"] for rule in held) + counts["refused"]
        lines.append(
            f"{table:<10}{counts['files']:>7,} files{counts['rows']:>12,} rows{len(held):>5} rules   "
            + (f"{broken:,} broken" if broken else "ok")
        )
    if report["findings_in_all"]:
        lines.append(f"{report['findings_in_all']:,} findings in imported rows, which stop nothing")
    return "\n".join([*lines, str(REPORT)])


def told(failures: Sequence[Broken]) -> str:
    """Return a failure for a person: how many, then a line each, the first of them."""
    more = len(failures) - SHOWN
    lines = [f"{len(failures):,} broken rule{'s' if len(failures) > 1 else ''}", *map(str, failures[:SHOWN])]
    return "\n".join([*lines, f"... and {more:,} more in {REPORT}"] if more > 0 else lines)
