"""Rules held against one table: DuckDB finds the rows that break one, Great Expectations must name the same.

hold(con, "scores", "scores", PLACE)               # an Outcome a rule, each broken row by file and line
broken(con, rules.of("scores"), "scores")          # {'value_or_error'}: asked first, in few scans
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lem import rule_sql, rules
from lem.rule_sql import Rule, quoted
from lem.scan import Broken
from lem.shapes import short

if TYPE_CHECKING:
    import duckdb

WHOLE = 20_000  # rows of a table that Great Expectations is given whole
PLACE = ("at_file", "at_line")
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Outcome:
    """A rule, how many rows it speaks of, and those that break it."""

    rule: Rule
    rows: int
    broken: list[Broken]


def hold(con: duckdb.DuckDBPyConnection, table: str, name: str, naming: tuple[str, ...]) -> list[Outcome]:
    """Return what comes of each rule of `table`, applied to the table called `name` in the connection.

    `naming` are the columns that name a row. Raises RuntimeError when DuckDB
    and Great Expectations name different rows.
    """
    held = rules.of(table)
    spoken = ", ".join(f"count(*) filter ({rule_sql.where_sql(rule)})" for rule in held)
    counts = con.execute(f"select count(*), {spoken} from {quoted(name)}").fetchall()[0]
    offended = broken(con, held, name)
    by_sql = {
        rule.name: con.execute(rule_sql.offending_sql(rule, name, naming)).fetchall()
        if rule.name in offended
        else []
        for rule in held
    }
    for group, rows in _frames(con, held, name, naming, by_sql, counts[0] <= WHOLE):
        _agree(con, group, rows, naming, by_sql)
    return [
        Outcome(rule, count, [_named(rule, row, naming) for row in by_sql[rule.name]])
        for rule, count in zip(held, counts[1:], strict=True)
    ]


def _frames(
    con: duckdb.DuckDBPyConnection,
    held: Sequence[Rule],
    name: str,
    naming: tuple[str, ...],
    by_sql: dict[str, list[Row]],
    whole: bool,
) -> Iterable[tuple[Sequence[Rule], list[Row]]]:
    """Yield rules and the rows to give Great Expectations: all of them, or those a rule's SQL found."""
    if whole:
        wanted = ", ".join(map(quoted, [*naming, *rule_sql.columns(held)]))
        if rows := con.execute(f"select {wanted} from {quoted(name)}").fetchall():
            yield held, rows
    else:
        yield from (([rule], by_sql[rule.name]) for rule in held if by_sql[rule.name])


def _agree(
    con: duckdb.DuckDBPyConnection,
    group: Sequence[Rule],
    rows: list[Row],
    naming: tuple[str, ...],
    by_sql: dict[str, list[Row]],
) -> None:
    import pandas as pd

    from lem import expectations

    values = [row[len(naming) :] for row in rows]
    frame = pd.DataFrame(values, columns=rule_sql.columns(group), dtype=object)
    for name, labels in expectations.offending(group, frame, _known(con, group)).items():
        gx = {rows[label][: len(naming)] for label in labels}
        sql = {row[: len(naming)] for row in by_sql[name]}
        if gx != sql:
            only = [sorted(map(str, rows))[:5] for rows in (gx - sql, sql - gx)]
            which = f"Great Expectations alone names {only[0]}, DuckDB alone {only[1]}"
            raise RuntimeError(f"{group[0].table}.{name}: {which}")


def _known(con: duckdb.DuckDBPyConnection, group: Sequence[Rule]) -> dict[str, set[Row]]:
    return {
        rule.other: set(
            con.execute(
                f"select distinct {', '.join(map(quoted, rule.columns))} from {quoted(rule.other)}"
            ).fetchall()
        )
        for rule in group
        if rule.kind == "known"
    }


def _named(rule: Rule, row: Row, naming: tuple[str, ...]) -> Broken:
    values = dict(zip(rule_sql.columns([rule]), row[len(naming) :], strict=True))
    if rule.kind == "unique":
        found, message = None, f"expected one row with {_key(values)}, found more"
    else:
        found = short(values[rule.field])
        message = f"expected {rule_sql.requirement(rule)}, found {found}"
    if naming == PLACE:
        return Broken(rule.table, rule.name, row[0], row[1], rule.field, found, message)
    if rule.kind != "unique":
        message += f", in the row with {_key(dict(zip(naming[1:], row[1:], strict=False)))}"
    return Broken(rule.table, rule.name, None, None, rule.field, found, message)


def _key(values: dict[str, Any]) -> str:
    return ", ".join(f"{column} {short(value)}" for column, value in values.items() if value is not None)


def broken(con: duckdb.DuckDBPyConnection, held: Sequence[Rule], name: str) -> set[str]:
    """Return the names of the rules that some row breaks; those of a row by itself are asked in one scan."""
    alone = [rule for rule in held if rule.kind not in ("unique", "known")]
    counts = ", ".join(["0", *(f"count(*) filter ({rule_sql.sql_predicate(rule)})" for rule in alone)])
    offending = con.execute(f"select {counts} from {quoted(name)}").fetchall()[0][1:]
    found = {rule.name for rule, rows in zip(alone, offending, strict=True) if rows}
    for rule in held:
        if rule not in alone and con.execute(_first_sql(rule, name)).fetchall():
            found.add(rule.name)
    return found


def _first_sql(rule: Rule, name: str) -> str:
    """Return the query for a row where a unique or known rule may be broken; none where it is not."""
    if rule.kind == "known":
        return f"select 1 from {quoted(name)} checked where {rule_sql.sql_predicate(rule)} limit 1"
    key = ", ".join(map(quoted, rule.columns))
    return f"select 1 from {quoted(name)} group by {key} having count(*) > 1 limit 1"
