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
from itertools import chain

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
from lem.rule_makers import (
    BOUNDED,
    REGIMES,
    at_least,
    differences,
    intervals,
    leaderboards,
    matching,
    not_null,
    ordered,
    refused,
    shares,
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
TRACED = "a number must lead back to the run that made it"
HASHED = "a hash that is none leads nowhere"
KEYED = "two rows with one key are counted twice"
DIFFERENCES = ("comparisons", "scale_delta", "mode_effects")
KEYS = {
    "responses": ("source", "model", "prompts", "mode", "seed_id", "sample"),
    "scores": (
        *("source", "model", "benchmark", "mode", "item_id"),
        *("sample", "metric", "scorer", "filter", "repeat", "regime"),
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
    "judge_agreement": ("source", "model", "benchmark", "mode", "metric", "scorer"),
    "extraction_gap": ("source", "model", "benchmark", "mode", "regime", "scorer"),
    "summary": (
        *("source", "model", "prompts", "mode", "benchmark"),
        *("metric", "filter", "scorer", "regime", "unit"),
    ),
    "variant_detail": ("source", "model", "metric", "benchmark", "mode", "regime", "filter", "scorer"),
    "declared": ("place", "declared"),
    "comparisons": ("declared", "prompts", "mode", "metric", "filter", "scorer", "regime"),
    "scale_delta": (
        *("source", "fine_tuned", "baseline", "prompts", "mode"),
        *("metric", "filter", "scorer", "regime"),
    ),
    "lm_eval_metrics": ("source", "document", "place", "model", "task", "metric", "filter"),
    "answer_differences": ("source", "candidate", "baseline", "prompts", "mode", "given"),
    "mode_effects": ("source", "model", "prompts", "mode", "metric", "filter", "scorer", "regime"),
    "quality_findings": (
        *("rule", "source", "model", "prompts", "mode", "item_id"),
        *("sample", "file", "detail"),
    ),
    "repairs": ("rule", "source", "model", "prompts", "mode", "metric", "filter"),
    "leaderboard_cells": ("source", "regime", "model", "task"),
    "leaderboard": ("source", "regime", "model"),
    "leaderboard_pairs": ("source", "regime", "model", "other"),
    "agreement": ("source", "regime"),
    "task_agreement": ("source", "regime", "task", "other"),
}
"""What names one row of a table."""


def _unique() -> Iterator[Rule]:
    for table, key in KEYS.items():
        if table == "quarantined":  # what was refused for being there twice is there twice
            continue
        yield Rule(table, "key_unique", "unique", key, KEYED, "shape")


def _required() -> Iterator[Rule]:
    for table, cls in RECORDS.items():
        yield from not_null(table, *(name for name, (_, nullable) in fields(cls).items() if not nullable))
    for table in ("measurements", "summary", "variant_detail"):
        yield from not_null(table, "source", "model", "metric", "n", "unscored")
    for table in DIFFERENCES:
        yield from not_null(table, "source", "metric", "n", "unscored", "verdict")
    yield from not_null("comparisons", "is_primary", "holds")
    yield from not_null("item_values", "source", "model", "prompts", "metric", "item_id")
    yield from not_null("basis", "source", "entry", "prompts")
    yield from not_null("judge_agreement", "source", "model", "metric", "repeats", "items")
    yield from not_null("extraction_gap", "source", "model", "benchmark", "n", "flexible")
    yield from not_null("lm_eval_metrics", "source", "model", "task", "metric")
    yield from not_null("answer_differences", "source", "prompts", "answers", "same")
    yield from not_null("quality_findings", "rule", "severity", "source", "detail")
    yield from not_null("repairs", "rule", "source", "model", "metric", "n", "affected", "unit", "how")


def _modes() -> Iterator[Rule]:
    why = "a misspelt mode is a comparison that nobody makes; foreign ones have their own words"
    for table in ("responses", "scores", "runs"):
        yield Rule(table, "mode_accepted", "in_set", ("mode",), why, where=OURS, accepted=MODES)


RULES: tuple[Rule, ...] = (
    *_unique(),
    *_required(),
    *_modes(),
    *matching(TEXT, "an empty name names nothing", "responses", "seed_id", "model", "prompts"),
    *matching(SHA256, HASHED, "responses", "prompt_sha"),
    *at_least(0, "responses", "gen_time", "tokens", "sample"),
    *at_least(1, "responses", "batch_size"),
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
        accepted=REGIMES,
    ),
    *matching(TEXT, "an empty name names nothing", "scores", "model", "benchmark", "item_id", "metric"),
    *at_least(0, "scores", "sample", "repeat"),
    *matching(RUN_ID, HASHED, "runs", "run_id", where=OURS),
    *matching(SHA256, HASHED, "runs", "prompt_set_sha", "kernel_sha", "weights_sha", "adapter_sha"),
    *matching(SHA256, HASHED, "runs", "settings_sha", "responses_sha"),
    *matching(UTC, "times of two machines compare in one time zone only", "runs", "started", where=OURS),
    *at_least(0, "runs", "wall_seconds", "responses", "tokens", "tokens_per_second", "temperature"),
    *at_least(1, "runs", "max_tokens", "samples", "batch_size"),
    Rule("runs", "top_p_share", "between", ("top_p",), "a share of probability", low=0, high=1),
    *matching(NAME.pattern, "a model's name is a file name too", "models", "name"),
    *matching(SHA256, HASHED, "models", "weights_sha", "adapter_sha"),
    Rule(
        *("models", "role_accepted", "in_set", ("role",)),
        why="every comparison is of a fine-tuned model with its baseline",
        accepted=ROLES,
    ),
    *matching(TEXT, "an empty name names nothing", "items", "benchmark", "item_id"),
    *matching(SHA256, HASHED, "items", "sha"),
    *intervals("measurements"),
    *at_least(0, "measurements", "stderr"),
    *intervals("summary"),
    *intervals("variant_detail"),
    *matching(SHA256, HASHED, "models", "data_sha"),
    Rule(
        *("losses", "split_accepted", "in_set", ("split",)),
        why="a loss is of what was learned from, or of what was held out",
        accepted=SPLITS,
    ),
    *at_least(0, "losses", "iteration", "loss", "learning_rate", "trained_tokens", "seconds"),
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
    *at_least(0, "distilled", "sample", "kept_chars"),
    *matching(TEXT, "an empty name names nothing", "figures", "document", "model", "metric", "unit"),
    *at_least(0, "figures", "stderr", "n"),
    Rule(
        *("figures", "value_or_error", "not_null", ("error",)),
        why="a figure that is missing says how",
        where=Where("value", "null"),
    ),
    *at_least(0, "log_entries", "chars", "seconds"),
    *at_least(1, "log_entries", "line", "place", "announced"),
    Rule(
        *("notes", "severity_accepted", "in_set", ("severity",)),
        why="one word from a short list, so that tables can be counted",
        accepted=SEVERITIES,
    ),
    *matching(TEXT, "what was refused says why", "quarantined", "reason"),
    Rule(
        *("quality_findings", "severity_accepted", "in_set", ("severity",)),
        why="one word from a short list, so that tables can be counted",
        accepted=SEVERITIES,
    ),
    *at_least(0, "repairs", "n", "affected"),
    *ordered("repairs", "no more are affected than there are", "affected", "n"),
    *ordered("repairs", BOUNDED, "low", "repaired", "high"),
    *ordered("repairs", "no end is beyond the other", "low", "high"),
    *at_least(0, "lm_eval_metrics", "stderr", "n"),
    *at_least(0, "answer_differences", "largest", "unknown"),
    *ordered("answer_differences", "no more are the same than there are", "same", "answers"),
    *chain.from_iterable(differences(table) for table in DIFFERENCES),
    *refused("comparisons"),
    *refused("scale_delta"),
    *shares("comparisons", 1, "p_holm", "p_equivalence"),
    *ordered("comparisons", "a correction makes no p smaller", "p", "p_holm"),
    *at_least(0, "comparisons", "margin"),
    *at_least(0, "declared", "margin"),
    *at_least(0, "extraction_gap", "n"),
    *shares("extraction_gap", 100, "flexible", "strict", "first_after_equals"),
    *at_least(2, "judge_agreement", "repeats"),
    *at_least(1, "judge_agreement", "items"),
    Rule("judge_agreement", "alpha_at_most_1", "between", ("alpha",), "1 is full agreement", high=1),
    *leaderboards(),
)


def of(table: str) -> tuple[Rule, ...]:
    """Return the rules of a table, in order; none for a table that has none."""
    return tuple(rule for rule in RULES if rule.table == table)
