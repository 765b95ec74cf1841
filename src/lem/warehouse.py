"""`lem warehouse`: records become tables, tables become Parquet. Raw, staging, marts, derived.

Raw tables are the record files with the columns of their class; staging views
rename; marts join; `measurements` is what stats.py computes; the views behind
it are what people read. Same rows, same bytes.

    lem warehouse && lem sql "select * from summary"
"""

from __future__ import annotations

import dataclasses
import fcntl
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lem import (
    audit,
    derive,
    engine,
    layout,
    leaderboards,
    metrics,
    params,
    params_file,
    records,
    rules,
    whole_tables,
)
from lem.errors import LemError
from lem.record_files import write_json
from lem.scoring import sign_scores

if TYPE_CHECKING:
    import duckdb

RAW: dict[str, type] = rules.RECORDS
TYPES = {str: "varchar", int: "bigint", float: "double", bool: "boolean"}
DERIVED = (
    "declared",
    "item_values",
    "basis",
    "measurements",
    "summary",
    "variant_detail",
    "extraction_gap",
    "comparisons",
    "scale_delta",
    "mode_effects",
    "judge_agreement",
    "lm_eval_metrics",
    "leaderboard_cells",
    *leaderboards.SHAPES,
    "answer_differences",
    "quality_findings",
    "repairs",
)
TABLES = (*RAW, *DERIVED)
INCOMPLETE = """
select runs.run_id, runs.model, runs.prompts, runs.responses, count(answers.run_id) as found
from runs left join responses as answers on answers.source = runs.source and answers.run_id = runs.run_id
where runs.source = 'own' and runs.responses is not null
group by all having runs.responses <> found order by all
"""
LAST_LOSSES = """
select model, round(arg_max(loss, iteration), 4) from losses
where source = 'own' and split = 'valid' and data is null group by all order by all
"""
LIMITED = """
select prompts, model, max(n) from summary where source = 'own' and limited and scorer <> 'harmony'
group by all order by all
"""
LARGEST_RECORD = 2**28  # bytes of one record as JSON
SPILL = Path(".lem/spill")
LOCK = Path(".lem/warehouse.lock")
SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,  # sums of doubles in another order would be other bytes
    "checkpoint_threshold": "1TB",  # nothing is kept, so nothing need be packed
    "memory_limit": "2500MB",  # of tables; what is more lies in temp_directory as long as it is needed
    "temp_directory": str(SPILL),
}


@click.command()
def command() -> None:
    """Build the tables from the records: reports/tables/*.parquet.

    \b
    Example:
        lem warehouse && lem sql "select * from summary"
    """
    from lem import checks

    engine.require("warehouse")
    con = build()
    if broken := checks.check_tables(con, TABLES):
        raise LemError(
            "\n".join(["the finished tables break rules; nothing was written:", *map(str, broken)])
        )
    with alone():
        counts = export(con, layout.TABLES)
    write_json(layout.DATA / "benchmarks" / "summary.json", overview(con))
    write_json(layout.REPORTS / "plots" / "accuracy.json", accuracies(con))
    write_json(layout.REPORTS / "plots" / "losses.json", losses(con))
    for table, rows in counts.items():
        click.echo(f"{table}\t{rows} rows")


def build() -> duckdb.DuckDBPyConnection:
    """Return a connection holding every table, raw to derived."""
    import duckdb

    SPILL.parent.mkdir(exist_ok=True)
    con = duckdb.connect(":memory:", config=SETTINGS)
    for table, cls in RAW.items():
        load_raw(con, table, cls)
    load_declared(con)
    audit.register(con)
    sign_scores.load(con)
    leaderboards.load_known(con)
    run_floor(con, "staging", "view")
    run_floor(con, "marts", "table")
    derive.measurements(con)
    derive.differences(con)
    derive.judge_agreement(con)
    leaderboards.tables(con)
    run_floor(con, "derived", "table")
    audit.findings(con)
    audit.repairs(con)
    nothing_lost(con)
    return con


def load_raw(con: duckdb.DuckDBPyConnection, table: str, cls: type) -> None:
    """Create raw_<table> from its record files with the columns of its class."""
    import duckdb

    columns = {name: TYPES[scalar] for name, (scalar, _) in records.fields(cls).items()}
    shape = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    con.execute(f"create table raw_{table} ({shape})")
    if paths := [str(path) for path in layout.files(table)]:
        kind = "newline_delimited" if paths[0].endswith(".jsonl") else "unstructured"
        try:
            con.execute(
                f"insert into raw_{table} by name select * from read_json("
                f"$paths, columns = $columns, format = '{kind}', maximum_object_size = {LARGEST_RECORD})",
                {"paths": paths, "columns": columns},
            )
        except duckdb.Error as err:
            raise LemError(f"{table}: a file cannot be read as records; `lem check` names the line") from err
        fill_defaults(con, table, cls)


def fill_defaults(con: duckdb.DuckDBPyConnection, table: str, cls: type) -> None:
    """Give fields that a file leaves out the default of their class, as the reader does."""
    for field in dataclasses.fields(cls):
        if field.default not in (dataclasses.MISSING, None):
            con.execute(
                f'update raw_{table} set "{field.name}" = ? where "{field.name}" is null', [field.default]
            )


def load_declared(con: duckdb.DuckDBPyConnection) -> None:
    """Create raw_declared: what `compare:` of params.yaml declares."""
    con.execute(
        "create table raw_declared "
        '(place bigint, text varchar, candidate varchar, baseline varchar, margin double, "on" varchar)'
    )
    for place, one in enumerate(params.load().compare if params_file.FILE.is_file() else ()):
        row = [place, one.text, one.candidate, one.baseline, one.margin, one.on]
        con.execute("insert into raw_declared values (?, ?, ?, ?, ?, ?)", row)


def run_floor(con: duckdb.DuckDBPyConnection, floor: str, kind: str) -> None:
    """Create one view or table for each SQL file of a floor, named as the file."""
    for file in sorted(files("lem").joinpath("sql", floor).iterdir(), key=lambda f: f.name):
        if file.name.endswith(".sql"):
            con.execute(f"create {kind} {file.name.removesuffix('.sql')} as {file.read_text()}")


def nothing_lost(con: duckdb.DuckDBPyConnection) -> None:
    """Stop when a mart has other rows than were read, or a run fewer responses than it wrote."""
    for table in RAW:
        before, after = (count(con, name) for name in (f"raw_{table}", table))
        after -= count(con, "answer_signs") if table == "scores" else 0
        if before != after:
            raise LemError(
                f"{table}: {before} rows were read, {after} came out; is a model or an item there twice?"
            )
    for run_id, model, prompts, wrote, found in con.execute(INCOMPLETE).fetchall():
        raise LemError(
            f"run {run_id} ({model}, {prompts}) wrote {wrote} responses, {found} are there; "
            "restore them with: dvc checkout"
        )


def count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    """Return the number of rows of a table."""
    found = con.execute(f"select count(*) from {table}").fetchone()
    return int(found[0]) if found else 0


def export(con: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, int]:
    """Write each table as Parquet, all or none; return {table: rows}.

    All are written aside before the first is replaced; those of tables that are no more are removed, and
    `tables.json` says in the end that they belong together (lem.whole_tables).
    """
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name(f".{folder.name}")
    if aside.exists():  # of one that was killed
        shutil.rmtree(aside)
    aside.mkdir(parents=True)
    with ThreadPoolExecutor(2) as pool:  # each table is written by one thread
        list(pool.map(lambda table: _write(con.cursor(), table, aside), TABLES))
    for table in TABLES:
        (aside / f"{table}.parquet").replace(folder / f"{table}.parquet")
    for stale in set(folder.glob("*.parquet")) - {folder / f"{table}.parquet" for table in TABLES}:
        stale.unlink()
    aside.rmdir()
    whole_tables.seal(folder)
    return {table: count(con, table) for table in TABLES}


@contextmanager
def alone() -> Iterator[None]:
    """Hold the right to replace the tables; LemError where another process has it."""
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LemError(f"{LOCK}: another lem warehouse replaces the tables; wait for it to end") from None
        yield


def _write(con: duckdb.DuckDBPyConnection, table: str, folder: Path) -> None:
    file = folder / f"{table}.parquet"
    con.execute(f"copy (select * from {table} order by all) to '{file}' (format parquet, compression zstd)")
    with file.open("rb") as written:
        os.fsync(written.fileno())


def overview(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Return summary.json in the data mapping's shape: percent; losses; seconds under speed."""
    result: dict[str, dict[str, float]] = {}
    for row in accuracies(con):
        result.setdefault(row["benchmark"], {})[row["model"]] = row["percent"]
    if limited := con.execute(LIMITED).fetchall():
        result["limited"] = {f"{prompts} {model}": n for prompts, model, n in limited}
    speed = con.execute(
        "select prompts, model, round(avg(gen_time), 2) from responses "
        "where source = 'own' and gen_time is not null and prompts in (select benchmark from item_values) "
        "group by all order by all"
    ).fetchall()
    result["validation_loss"] = dict(con.execute(LAST_LOSSES).fetchall())
    result["speed"] = {f"{prompts}_{model}": seconds for prompts, model, seconds in speed}
    return result


def accuracies(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Return the study's own benchmark rates in percent, one row a benchmark, metric and model.

    What `lem harmony` measured stands in its leaderboard and is no benchmark's.
    exact_match goes by its benchmark's name alone, any other metric stands behind it.
    """
    rows = con.execute(
        "select if(metric = benchmark, metric, benchmark || ' ' || metric), model, "
        "round(value, 1), round(low, 1), round(high, 1), n from variant_detail "
        "where source = 'own' and regime = 'direct' and scorer <> 'harmony' and unit = 'percent' and n > 0 "
        "window readings as (partition by model, benchmark, metric) "
        f"qualify filter in {metrics.PRIMARY_FILTERS} or (filter = min(filter) over readings "
        f"and not bool_or(filter in {metrics.PRIMARY_FILTERS}) over readings) "
        "order by all"
    ).fetchall()
    return [
        dict(zip(("benchmark", "model", "percent", "low", "high", "n"), row, strict=True)) for row in rows
    ]


def losses(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Return the study's own training and validation losses, one row an iteration, for dvc plots."""
    rows = con.execute(
        "select model, split, iteration, loss from losses where source = 'own' and data is null order by all"
    ).fetchall()
    return [dict(zip(("model", "split", "iteration", "loss"), row, strict=True)) for row in rows]
