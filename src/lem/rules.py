"""What must hold of each record and table: one list, two readers.

From each rule come a SQL predicate (here), which DuckDB applies to any number
of rows, and an expectation (lem.expectations), which Great Expectations applies
to a DataFrame; both must name the same rows. Null is no offence except where a
rule speaks of null, and NaN is null; in a key, null is a value like any other.

    for rule in rules.of("scores"):
        con.execute(offending_sql(rule))     # file, line and values of every row that breaks it
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from lem.layout import NAME
from lem.records import (
    FINISH_REASONS,
    MODES,
    OWN,
    ROLES,
    SPLITS,
    Distilled,
    Item,
    Loss,
    Model,
    Response,
    Run,
    Score,
    fields,
)

Kind = Literal["not_null", "null", "in_set", "between", "matches", "at_most", "length", "unique", "known"]
Accepted = str | int

RECORDS = {
    "responses": Response,
    "scores": Score,
    "runs": Run,
    "models": Model,
    "items": Item,
    "losses": Loss,
    "distilled": Distilled,
}
"""The tables that are records in files; all others are made by the warehouse."""

SHA256 = "[0-9a-f]{64}"
RUN_ID = "[0-9a-f]{16,64}"
UTC = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.][0-9]+)?(?:Z|[+]00:00)"
TEXT = "(?s:.+)"


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


OURS = Where("source", "equal", OWN)
NEEDED = "without it the row says nothing"
TRACED = "a number must lead back to the run that made it"
COUNTED = "a time, a count or a size below it is none"
HASHED = "a hash that is none leads nowhere"
KEYED = "two rows with one key are counted twice"
VERDICTS = ("better", "worse", "equivalent", "inconclusive", "higher", "lower")
KEYS = {
    "responses": ("source", "model", "prompts", "mode", "seed_id", "sample"),
    "scores": (
        *("source", "model", "benchmark", "mode", "item_id"),
        *("sample", "metric", "scorer", "filter", "repeat"),
    ),
    "runs": ("source", "run_id"),
    "models": ("source", "name"),
    "items": ("source", "benchmark", "item_id"),
    "losses": ("source", "model", "data", "mode", "split", "iteration"),
    "distilled": ("source", "name", "seed_id", "sample"),
    "measurements": (
        *("source", "model", "prompts", "benchmark", "mode"),
        *("metric", "regime", "filter", "scorer", "unit"),
    ),
    "summary": ("source", "model", "prompts", "mode", "benchmark", "metric", "filter", "unit"),
    "variant_detail": ("source", "model", "metric", "benchmark", "mode", "filter", "scorer"),
    "declared": ("place", "declared"),
    "comparisons": ("declared", "prompts", "mode", "metric", "filter", "scorer", "regime"),
    "scale_delta": (
        "source",
        "fine_tuned",
        "baseline",
        "prompts",
        "mode",
        "metric",
        "filter",
        "scorer",
        "regime",
    ),
    "mode_effects": ("source", "model", "prompts", "mode", "metric", "filter", "scorer", "regime"),
}
"""What names one row of a table."""


def _unique() -> Iterator[Rule]:
    for table, key in KEYS.items():
        yield Rule(table, "key_unique", "unique", key, KEYED, "shape")


def _required() -> Iterator[Rule]:
    for table, cls in RECORDS.items():
        for name, (_, nullable) in fields(cls).items():
            if not nullable:
                yield Rule(table, f"{name}_not_null", "not_null", (name,), NEEDED, "shape")
    for table in ("measurements", "summary", "variant_detail"):
        for name in ("source", "model", "metric", "n", "unscored"):
            yield Rule(table, f"{name}_not_null", "not_null", (name,), NEEDED, "shape")


def _differences() -> Iterator[Rule]:
    why = "an interval holds the difference it is about"
    for table in ("comparisons", "scale_delta", "mode_effects"):
        for name in ("source", "metric", "n", "unscored", "verdict"):
            yield Rule(table, f"{name}_not_null", "not_null", (name,), NEEDED, "shape")
        for low, high in (("low", "difference"), ("difference", "high")):
            yield Rule(table, f"{low}_at_most_{high}", "at_most", (low, high), why)
        yield Rule(
            *(table, "verdict_accepted", "in_set", ("verdict",)),
            why="one word from a short list, so that tables can be counted",
            accepted=VERDICTS,
        )
        yield from _at_least(0, table, "n", "unscored", "seed_sd")
        yield from _at_least(1, table, "seeds")


def _at_least(low: int, table: str, *columns: str) -> Iterator[Rule]:
    for name in columns:
        yield Rule(table, f"{name}_at_least_{low}", "between", (name,), COUNTED, low=low)


def _matching(
    pattern: str, why: str, table: str, *columns: str, where: Where | None = None
) -> Iterator[Rule]:
    for name in columns:
        yield Rule(table, f"{name}_form", "matches", (name,), why, where=where, pattern=pattern)


def _modes() -> Iterator[Rule]:
    why = "a misspelt mode is a comparison that nobody makes; foreign ones have their own words"
    for table in ("responses", "scores", "runs"):
        yield Rule(table, "mode_accepted", "in_set", ("mode",), why, where=OURS, accepted=MODES)


def _intervals(table: str) -> Iterator[Rule]:
    why = "an interval holds the value it is about"
    for low, high in (("low", "value"), ("value", "high"), ("low", "high")):
        yield Rule(table, f"{low}_at_most_{high}", "at_most", (low, high), why)
    yield Rule(
        *(table, "value_null_without_rows", "null", ("value",), "nothing scored, nothing measured"),
        where=Where("n", "equal", 0),
    )
    yield Rule(
        *(table, "value_where_rows", "in_set", ("n",), "what was measured over n rows has a value"),
        where=Where("value", "null"),
        accepted=(0,),
    )


RULES: tuple[Rule, ...] = (
    *_unique(),
    *_required(),
    *_modes(),
    *_matching(TEXT, "an empty name names nothing", "responses", "seed_id", "model", "prompts"),
    *_matching(SHA256, HASHED, "responses", "prompt_sha"),
    *_at_least(0, "responses", "gen_time", "tokens", "sample"),
    *_at_least(1, "responses", "batch_size"),
    Rule("responses", "chars_of_response", "length", ("chars", "response"), "a text cut later differs"),
    Rule("responses", "chars_of_reasoning", "length", ("reasoning_chars", "reasoning"), "as for chars"),
    Rule(
        *("responses", "finish_reason_accepted", "in_set", ("finish_reason",)),
        why="what was cut off says so, in one word",
        accepted=FINISH_REASONS,
    ),
    Rule("responses", "run_known", "known", ("source", "run_id"), TRACED, other="runs"),
    Rule("scores", "run_known", "known", ("source", "run_id"), TRACED, other="runs"),
    Rule(
        *("scores", "value_or_error", "not_null", ("error",)),
        why="what could not be scored says why",
        where=Where("value", "null"),
    ),
    Rule(
        *("scores", "value_not_error", "null", ("error",)),
        why="a value beside an error is an invented measurement",
        where=Where("value", "not null"),
    ),
    Rule(
        *("scores", "exact_match_accepted", "in_set", ("value",)),
        why="an answer matches or does not",
        where=Where("metric", "equal", "exact_match"),
        accepted=(0, 1),
    ),
    Rule(
        *("scores", "regime_accepted", "in_set", ("regime",)),
        why="trained before the test or not: never averaged together by a misspelling",
        accepted=("direct", "train_before_test"),
    ),
    *_matching(TEXT, "an empty name names nothing", "scores", "model", "benchmark", "item_id", "metric"),
    *_at_least(0, "scores", "sample", "repeat"),
    *_matching(RUN_ID, HASHED, "runs", "run_id", where=OURS),
    *_matching(SHA256, HASHED, "runs", "prompt_set_sha", "kernel_sha", "weights_sha", "adapter_sha"),
    *_matching(SHA256, HASHED, "runs", "settings_sha", "responses_sha"),
    *_matching(UTC, "times of two machines compare in one time zone only", "runs", "started", where=OURS),
    *_at_least(0, "runs", "wall_seconds", "responses", "tokens", "tokens_per_second", "temperature"),
    *_at_least(1, "runs", "max_tokens", "samples", "batch_size"),
    Rule("runs", "top_p_share", "between", ("top_p",), "a share of probability", low=0, high=1),
    *_matching(NAME.pattern, "a model's name is a file name too", "models", "name"),
    *_matching(SHA256, HASHED, "models", "weights_sha", "adapter_sha"),
    Rule(
        *("models", "role_accepted", "in_set", ("role",)),
        why="every comparison is of a fine-tuned model with its baseline",
        accepted=ROLES,
    ),
    *_matching(TEXT, "an empty name names nothing", "items", "benchmark", "item_id"),
    *_matching(SHA256, HASHED, "items", "sha"),
    *_intervals("measurements"),
    *_at_least(0, "measurements", "n", "unscored", "stderr"),
    *_intervals("summary"),
    *_at_least(0, "summary", "n", "unscored"),
    *_intervals("variant_detail"),
    *_at_least(0, "variant_detail", "n", "unscored"),
    *_matching(SHA256, HASHED, "models", "data_sha"),
    Rule(
        *("losses", "split_accepted", "in_set", ("split",)),
        why="a loss is of what was learned from, or of what was held out",
        accepted=SPLITS,
    ),
    *_at_least(0, "losses", "iteration", "loss", "learning_rate", "trained_tokens", "seconds"),
    Rule(
        *("distilled", "split_accepted", "in_set", ("split",)),
        why="what was kept is in one of two files",
        accepted=SPLITS,
    ),
    Rule(
        *("distilled", "dropped_or_kept", "not_null", ("dropped",)),
        why="what was dropped says why",
        where=Where("split", "null"),
    ),
    Rule(
        *("distilled", "kept_not_dropped", "null", ("dropped",)),
        why="what was kept was not dropped",
        where=Where("split", "not null"),
    ),
    Rule("distilled", "kept_at_most_all", "at_most", ("kept_chars", "chars"), "trimming adds nothing"),
    *_at_least(0, "distilled", "sample", "kept_chars"),
    *_differences(),
)


def of(table: str) -> tuple[Rule, ...]:
    """Return the rules of a table, in order; none for a table that has none."""
    return tuple(rule for rule in RULES if rule.table == table)


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


def offending_sql(rule: Rule, table: str | None = None, naming: Sequence[str] = ("file", "line")) -> str:
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
