"""What must hold of each record and table: one list, two readers.

From each rule come a SQL predicate (lem.rule_sql), which DuckDB applies to any number
of rows, and an expectation (lem.expectations), which Great Expectations applies
to a DataFrame; both must name the same rows. Null is no offence except where a
rule speaks of null, and NaN is null; in a key, null is a value like any other.

    for rule in rules.of("scores"):
        con.execute(rule_sql.offending_sql(rule))     # file, line and values of every row that breaks it
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, pairwise

from lem.layout import NAME
from lem.records import (
    FINISH_REASONS,
    MODES,
    OWN,
    ROLES,
    SEVERITIES,
    SPLITS,
    Distilled,
    Figure,
    Item,
    LogEntry,
    Loss,
    Model,
    Note,
    Quarantined,
    Response,
    Run,
    Score,
    fields,
)
from lem.rule_sql import Rule, Where

RECORDS = {
    "responses": Response,
    "scores": Score,
    "runs": Run,
    "models": Model,
    "items": Item,
    "losses": Loss,
    "distilled": Distilled,
    "figures": Figure,
    "log_entries": LogEntry,
    "notes": Note,
    "quarantined": Quarantined,
}
"""The tables that are records in files; all others are made by the warehouse."""

SHA256 = "[0-9a-f]{64}"
RUN_ID = "[0-9a-f]{16,64}"
UTC = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.][0-9]+)?(?:Z|[+]00:00)"
TEXT = "(?s:.+)"


OURS = Where("source", "equal", OWN)
NEEDED = "without it the row says nothing"
TRACED = "a number must lead back to the run that made it"
COUNTED = "a time, a count or a size below it is none"
HASHED = "a hash that is none leads nowhere"
KEYED = "two rows with one key are counted twice"
BOUNDED = "what was not scored may make it worse or better, never the other way round"
DIFFERENCES = ("comparisons", "scale_delta", "mode_effects")
VERDICTS = ("better", "worse", "equivalent", "inconclusive", "higher", "lower", "refused")
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
    "figures": (
        *("source", "document", "place", "model"),
        *("benchmark", "metric", "filter", "regime"),
    ),
    "log_entries": ("source", "file", "line"),
    "notes": ("source", "rule", "file", "line", "model", "prompts", "item_id"),
    "quarantined": ("source", "file", "line", "reason", "text"),
    "measurements": (
        *("source", "model", "prompts", "benchmark", "mode"),
        *("metric", "regime", "filter", "scorer", "unit"),
    ),
    "item_values": (
        *("source", "model", "prompts", "mode", "metric"),
        *("regime", "filter", "scorer", "item_id"),
    ),
    "basis": ("source", "entry", "prompts", "mode"),
    "agreement": ("source", "model", "benchmark", "mode", "metric", "scorer"),
    "extraction_gap": ("source", "model", "benchmark", "mode", "regime", "scorer"),
    "summary": (
        *("source", "model", "prompts", "mode", "benchmark"),
        *("metric", "filter", "scorer", "regime", "unit"),
    ),
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
        if table == "quarantined":  # what was refused for being there twice is there twice
            continue
        yield Rule(table, "key_unique", "unique", key, KEYED, "shape")


def _required() -> Iterator[Rule]:
    for table, cls in RECORDS.items():
        yield from _not_null(table, *(name for name, (_, nullable) in fields(cls).items() if not nullable))
    for table in ("measurements", "summary", "variant_detail"):
        yield from _not_null(table, "source", "model", "metric", "n", "unscored")
    for table in DIFFERENCES:
        yield from _not_null(table, "source", "metric", "n", "unscored", "verdict")
    yield from _not_null("comparisons", "is_primary", "holds")
    yield from _not_null("item_values", "source", "model", "prompts", "metric", "item_id")
    yield from _not_null("basis", "source", "entry", "prompts")
    yield from _not_null("agreement", "source", "model", "metric", "repeats", "items")
    yield from _not_null("extraction_gap", "source", "model", "benchmark", "n", "flexible")


def _not_null(table: str, *columns: str) -> Iterator[Rule]:
    for name in columns:
        yield Rule(table, f"{name}_not_null", "not_null", (name,), NEEDED, "shape")


def _differences(table: str) -> Iterator[Rule]:
    yield from _ordered(table, "an interval holds the difference it is about", "low", "difference", "high")
    yield from _ordered(table, BOUNDED, "worst", "best")
    yield Rule(
        *(table, "verdict_accepted", "in_set", ("verdict",)),
        why="one word from a short list, so that tables can be counted",
        accepted=VERDICTS,
    )
    yield from _at_least(0, table, "n", "unscored", "seed_sd", "gained", "lost", "detectable")
    yield from _at_least(1, table, "seeds")
    yield from _shares(table, 1, "p")


def _refused(table: str) -> Iterator[Rule]:
    """Yield the two halves of: refused exactly where the two were not asked the same."""
    yield Rule(
        *(table, "refused_where_differs", "in_set", ("verdict",)),
        why="what was not asked alike is not compared",
        where=Where("differs", "not null"),
        accepted=("refused",),
    )
    yield Rule(
        *(table, "differs_where_refused", "not_null", ("differs",)),
        why="what is not compared says why",
        where=Where("verdict", "equal", "refused"),
    )


def _at_least(low: int, table: str, *columns: str) -> Iterator[Rule]:
    for name in columns:
        yield Rule(table, f"{name}_at_least_{low}", "between", (name,), COUNTED, low=low)


def _shares(table: str, whole: int, *columns: str) -> Iterator[Rule]:
    for name in columns:
        why = "a probability" if whole == 1 else "a share in percent"
        yield Rule(table, f"{name}_share", "between", (name,), why, low=0, high=whole)


def _ordered(table: str, why: str, *columns: str) -> Iterator[Rule]:
    for low, high in pairwise(columns):
        yield Rule(table, f"{low}_at_most_{high}", "at_most", (low, high), why)


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
    yield from _ordered(table, "an interval holds the value it is about", "low", "value", "high")
    yield from _ordered(table, "no end is beyond the other", "low", "high")
    yield from _ordered(table, BOUNDED, "worst", "value", "best")
    yield from _at_least(0, table, "n", "unscored")
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
    *_at_least(0, "measurements", "stderr"),
    *_intervals("summary"),
    *_intervals("variant_detail"),
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
    *_matching(TEXT, "an empty name names nothing", "figures", "document", "model", "metric", "unit"),
    *_at_least(0, "figures", "stderr", "n"),
    Rule(
        *("figures", "value_or_error", "not_null", ("error",)),
        why="a figure that is missing says how",
        where=Where("value", "null"),
    ),
    *_at_least(0, "log_entries", "chars", "seconds"),
    *_at_least(1, "log_entries", "line", "place", "announced"),
    Rule(
        *("notes", "severity_accepted", "in_set", ("severity",)),
        why="one word from a short list, so that tables can be counted",
        accepted=SEVERITIES,
    ),
    *_matching(TEXT, "what was refused says why", "quarantined", "reason"),
    *chain.from_iterable(_differences(table) for table in DIFFERENCES),
    *_refused("comparisons"),
    *_refused("scale_delta"),
    *_shares("comparisons", 1, "p_holm", "p_equivalence"),
    *_ordered("comparisons", "a correction makes no p smaller", "p", "p_holm"),
    *_at_least(0, "comparisons", "margin"),
    *_at_least(0, "declared", "margin"),
    *_at_least(0, "extraction_gap", "n"),
    *_shares("extraction_gap", 100, "flexible", "strict", "first_after_equals"),
    *_at_least(2, "agreement", "repeats"),
    *_at_least(1, "agreement", "items"),
    Rule("agreement", "alpha_at_most_1", "between", ("alpha",), "1 is full agreement", high=1),
)


def of(table: str) -> tuple[Rule, ...]:
    """Return the rules of a table, in order; none for a table that has none."""
    return tuple(rule for rule in RULES if rule.table == table)
