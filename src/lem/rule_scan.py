"""Which rules a table breaks at all, in as few scans as can be: the offending rows are asked for only then.

broken(con, rules.of("scores"), "scores")       # {'value_or_error'}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lem import rule_sql
from lem.rule_sql import Rule, quoted

if TYPE_CHECKING:
    import duckdb


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
