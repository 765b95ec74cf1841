"""One rule of a table, as SQL and in words: what DuckDB applies to any number of rows. Pure.

    sql_predicate(rule)      # '"value" > "high"': true for an offending row
    requirement(rule)        # 'at most high'

The rules themselves are the list of lem.rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["not_null", "null", "in_set", "between", "matches", "at_most", "length", "unique", "known"]
Accepted = str | int


@dataclass(frozen=True)
class Where:
    """The rows a rule speaks of: those whose column has this value, or is null, or is not."""

    column: str
    holds: Literal["equal", "null", "not null"]
    value: Accepted | None = None

    def __str__(self) -> str:
        return f"{self.column} is {self.value if self.holds == 'equal' else self.holds}"


@dataclass(frozen=True)
class Rule:
    """One rule of one table, and why it is there.

    The columns by kind: not_null, null, in_set, between, matches: one. at_most:
    the lesser, the greater. length: the count, the text. unique: the key. known:
    the columns that lead to the same ones of table `other`.
    """

    table: str
    name: str
    kind: Kind
    columns: tuple[str, ...]
    why: str
    scope: Literal["content", "shape"] = "content"
    where: Where | None = None
    accepted: tuple[Accepted, ...] = ()
    low: float | None = None
    high: float | None = None
    pattern: str = ""  # of the whole value, as Python's re and RE2 both read it, without capturing groups
    other: str = ""

    @property
    def field(self) -> str:
        """The column that a person would mend; 'key' for a rule of all of them."""
        if self.kind == "unique":
            return "key"
        return self.columns[-1] if self.kind == "known" else self.columns[0]


def columns(rules: Sequence[Rule]) -> list[str]:
    """Return every column that these rules read, each once, in order of first use."""
    used = [c for rule in rules for c in (*rule.columns, *((rule.where.column,) if rule.where else ()))]
    return list(dict.fromkeys(used))


def quoted(name: str) -> str:
    """Return a name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _literal(value: Accepted | None) -> str:
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


def where_sql(rule: Rule) -> str:
    """Return the SQL condition of the rows that a rule speaks of; 'true' for all."""
    if rule.where is None:
        return "true"
    column = quoted(rule.where.column)
    if rule.where.holds == "equal":
        return f"{column} = {_literal(rule.where.value)}"
    return f"{column} is {rule.where.holds}"


def sql_predicate(rule: Rule) -> str:
    """Return a SQL expression that is true for an offending row, false or null for any other.

    That of a unique rule has a window in it and belongs into `qualify`, that of
    a known rule reads table `other`, and calls the checked one `checked`.
    """
    first, last = quoted(rule.columns[0]), quoted(rule.columns[-1])
    match rule.kind:
        case "not_null":
            broken = f"{first} is null"
        case "null":
            broken = f"{first} is not null"
        case "in_set":
            broken = f"{first} not in ({', '.join(map(_literal, rule.accepted))})"
        case "between":
            bounds = (("<", rule.low), (">", rule.high))
            broken = " or ".join(f"{first} {sign} {bound}" for sign, bound in bounds if bound is not None)
        case "matches":
            broken = f"not regexp_full_match({first}, {_literal(rule.pattern)})"
        case "at_most":
            broken = f"{first} > {last}"
        case "length":
            broken = f"{first} <> length({last})"
        case "unique":
            broken = f"count(*) over (partition by {', '.join(map(quoted, rule.columns))}) > 1"
        case "known":
            same = " and ".join(f"other.{quoted(c)} = checked.{quoted(c)}" for c in rule.columns)
            all_there = " and ".join(f"{quoted(c)} is not null" for c in rule.columns)
            broken = f"{all_there} and not exists (from {quoted(rule.other)} other where {same})"
    return f"({where_sql(rule)}) and ({broken})" if rule.where else broken


def offending_sql(
    rule: Rule, table: str | None = None, naming: Sequence[str] = ("at_file", "at_line")
) -> str:
    """Return the query for the offending rows of `table` (by default the rule's own).

    Its columns: those that name the row, then those of `columns([rule])`.
    """
    wanted = ", ".join(map(quoted, [*naming, *columns([rule])]))
    clause = "qualify" if rule.kind == "unique" else "where"
    return f"select {wanted} from {quoted(table or rule.table)} checked {clause} {sql_predicate(rule)}"


def requirement(rule: Rule) -> str:
    """Return what a rule asks of its field, in words."""
    match rule.kind:
        case "not_null" | "null":
            text = "a value" if rule.kind == "not_null" else "null"
        case "in_set":
            text = f"{' or '.join(map(str, rule.accepted))}"
        case "between":
            bounds = (("at least", rule.low), ("at most", rule.high))
            text = ", ".join(f"{word} {bound}" for word, bound in bounds if bound is not None)
        case "matches":
            text = f"the form {rule.pattern}"
        case "at_most":
            text = f"at most {rule.columns[1]}"
        case "length":
            text = f"the number of characters of {rule.columns[1]}"
        case "unique":
            text = f"one row with the same {', '.join(rule.columns)}"
        case "known":
            text = f"one that {rule.other} has"
    return f"{text} where {rule.where}" if rule.where else text
