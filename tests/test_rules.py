"""Both readers of the rules, DuckDB and Great Expectations, name the same rows; each rule can be broken."""

import duckdb
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lem import expectations, records, rule_sql, rules
from lem.rule_sql import Rule
from lem.rules import RULES

SHA = "0" * 64
NUMBERS = (
    *("value", "stderr", "low", "high", "worst", "best", "difference", "seed_sd", "margin", "detectable"),
    *("p", "p_holm", "p_equivalence", "alpha", "flexible", "strict", "first_after_equals"),
    *("published", "repaired", "largest"),
    *("p_best", "coverage", "p_above", "tau_mean", "pc1_share", "tau"),
)
DERIVED = {
    **dict.fromkeys(("n", "unscored", "seeds", "place", "gained", "lost", "repeats", "items"), int),
    **dict.fromkeys(("sample", "affected", "answers", "same", "unknown"), int),
    **dict.fromkeys(("rank", "rank_low", "rank_high", "not_told_apart", "cells", "stderrs"), int),
    **dict.fromkeys(("models", "tasks", "pairs"), int),
    **dict.fromkeys(NUMBERS, float),
}
RUN_KEYS = {("own", "r" * 16), ("their", "r" * 16)}


def columns(table):
    """Return {column: type} of every column that the rules of a table read."""
    known = (
        {name: kind for name, (kind, _) in records.fields(rules.RECORDS[table]).items()}
        if (table in rules.RECORDS)
        else DERIVED
    )
    return {name: known.get(name, str) for name in rule_sql.columns(rules.of(table))}


def named_by_sql(table: str, frame: pd.DataFrame) -> dict[str, set[int]]:
    types = {str: "VARCHAR", int: "BIGINT", float: "DOUBLE"}
    typed = ", ".join(f'cast("{name}" as {types[kind]}) as "{name}"' for name, kind in columns(table).items())
    with duckdb.connect() as con:
        con.register("frame", frame.assign(at_line=frame.index))
        con.register("runs", pd.DataFrame(sorted(RUN_KEYS), columns=["source", "run_id"]))
        con.execute(f"create table these as select at_line, {typed} from frame")
        return {
            rule.name: {
                row[0] for row in con.execute(rule_sql.offending_sql(rule, "these", ("at_line",))).fetchall()
            }
            for rule in rules.of(table)
        }


def named_by_gx(table: str, frame: pd.DataFrame) -> dict[str, set[int]]:
    return expectations.offending(rules.of(table), frame, {"runs": RUN_KEYS})


def frame_of(table, rows):
    return pd.DataFrame(rows, columns=list(columns(table)), dtype=object)


WORDS = ["own", "their", "naked", "Naked", "exact_match", "direct", "stop", "baseline", "null", "nan", "true"]
HEX = [SHA, "A" * 64, SHA + "\n", "\n" + SHA, SHA[1:], "r" * 16, "0" * 16, "٣" * 16]
ODD = [None, float("nan"), "", " ", "é", "e\u0301", "😀", "a\x00b", "\u2028", "it's", "2026-01-01T00:00:00Z"]
TEXTS = st.sampled_from([None, *WORDS, *HEX, *ODD]) | st.text(max_size=3)
VALUES = {
    str: TEXTS,
    int: st.sampled_from([None, float("nan"), -1, 0, 1, 1, 2, 3, 64, 2**53 + 1, -(2**63)]),
    float: st.sampled_from(
        [None, float("nan"), -1.0, -0.0, 0.0, 0.5, 1.0, 1, 2, float("inf"), -float("inf")]
    ),
}


@st.composite
def frames(draw, table):
    row = st.fixed_dictionaries({name: VALUES[kind] for name, kind in columns(table).items()})
    rows = draw(st.lists(row, min_size=1, max_size=10))
    rows += [rows[i % len(rows)] for i in draw(st.lists(st.integers(0, 9), max_size=4))]
    return frame_of(table, rows)


@pytest.mark.parametrize("table", rules.KEYS)
@settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # an example takes Great Expectations half a second: shrinking one takes minutes
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_sql_and_great_expectations_name_the_same_rows(table, data):
    frame = data.draw(frames(table))
    assert named_by_gx(table, frame) == named_by_sql(table, frame)


DIFFERENCE = {
    **{"source": "own", "prompts": "v", "mode": "naked", "metric": "chars", "filter": "none"},
    **{"scorer": "sign", "regime": "direct", "n": 0, "unscored": 0, "seeds": 1, "seed_sd": 0.0},
    **{"low": -0.5, "difference": -0.5, "high": -0.5, "verdict": "lower", "worst": -0.5, "best": -0.5},
    **{"gained": 0, "lost": 0, "p": 1.0, "detectable": 0.0},
}
TWO = {**DIFFERENCE, "differs": None}
ESTIMATE = {"n": 2, "unscored": 0, "value": 0.5, "low": 0.5, "high": 0.5, "worst": 0.5, "best": 0.5}
GOOD = {
    "responses": {
        **{"seed_id": "P01", "prompt": "p", "response": "né", "chars": 2, "mode": "naked", "model": "m"},
        **{"prompts": "v", "prompt_sha": SHA, "run_id": "r" * 16, "source": "own", "sample": 0, "tokens": 3},
        **{"gen_time": 0.5, "finish_reason": "stop", "batch_size": 1, "reasoning": "é", "reasoning_chars": 1},
    },
    "scores": {
        **{"run_id": "r" * 16, "model": "m", "benchmark": "b", "item_id": "1", "metric": "exact_match"},
        **{"value": 1.0, "error": None, "scorer": "number", "filter": "none", "mode": "naked", "sample": 0},
        **{"repeat": 0, "regime": "direct", "source": "own"},
    },
    "runs": {
        **{"run_id": "0" * 16, "source": "own", "model": "m", "prompts": "v", "mode": "naked", "top_p": 1.0},
        **{"prompt_set_sha": SHA, "kernel_sha": SHA, "weights_sha": SHA, "adapter_sha": None, "samples": 1},
        **{
            "settings_sha": SHA,
            "responses_sha": SHA,
            "started": "2026-01-01T00:00:00+00:00",
            "wall_seconds": 0.0,
            "tokens": 0,
        },
        **{"responses": 0, "tokens_per_second": 0.0, "temperature": 0.0, "max_tokens": 1, "batch_size": 1},
    },
    "models": {
        **{"name": "m", "source": "own", "role": "baseline", "weights_sha": SHA, "adapter_sha": None},
        **{"data_sha": SHA},
    },
    "losses": {
        **{"model": "m.s0", "iteration": 0, "split": "valid", "loss": 0.0, "source": "own"},
        **{"learning_rate": 0.0, "trained_tokens": 0, "seconds": 0.0, "mode": "naked", "data": None},
    },
    "distilled": {
        **{"name": "lek", "seed_id": "P41", "sample": 0, "split": "train", "dropped": None, "source": "own"},
        **{"chars": 9, "kept_chars": 9},
    },
    "items": {"benchmark": "b", "item_id": "1", "question": "", "sha": SHA, "source": "own"},
    "measurements": {
        **{"source": "own", "model": "m", "prompts": None, "benchmark": "b", "mode": "naked", "metric": "m"},
        **{"regime": "direct", "filter": "none", "scorer": "number", "unit": "share", **ESTIMATE},
        **{"low": 0.1, "high": 0.9, "stderr": 0.1},
    },
    "summary": {
        **{"source": "own", "model": "m", "prompts": None, "mode": "naked", "benchmark": "b", "metric": "m"},
        **{"filter": "none", "unit": "share", **ESTIMATE},
    },
    "variant_detail": {
        **{"source": "own", "model": "m", "metric": "m", "benchmark": "b", "mode": "naked", "filter": "none"},
        **{"regime": "direct", "scorer": "number", **ESTIMATE},
    },
    "item_values": {
        **{"source": "own", "model": "m", "prompts": "b", "mode": "naked", "metric": "m", "item_id": "1"},
        **{"regime": "direct", "filter": "none", "scorer": "number"},
    },
    "basis": {"source": "own", "entry": "m", "prompts": "b", "mode": "naked"},
    "judge_agreement": {
        **{"source": "own", "model": "m", "benchmark": "b", "mode": "naked", "metric": "safety"},
        **{"scorer": "judge:j", "repeats": 2, "items": 1, "alpha": 1.0},
    },
    "extraction_gap": {
        **{"source": "own", "model": "m", "benchmark": "b", "mode": "naked", "regime": "direct", "n": 0},
        **{"scorer": "number", "flexible": 100.0, "strict": 0.0, "first_after_equals": None},
    },
    "lm_eval_metrics": {
        **{"source": "own", "document": "r.json", "place": 1, "model": "m", "task": "t"},
        **{"metric": "acc", "filter": "none", "stderr": 0.0, "n": 0},
    },
    "answer_differences": {
        **{"source": "own", "candidate": "lek", "baseline": "m", "prompts": "t", "mode": "naked"},
        **{"given": "true", "answers": 2, "same": 2, "unknown": 0, "largest": 0.0},
    },
    "declared": {"place": 0, "declared": "lek > m", "margin": 0.0},
    "comparisons": {
        **{"declared": "lek > m", **TWO, "is_primary": False, "holds": "open", "margin": 0.0},
        **{"p_holm": 1.0, "p_equivalence": 0.0},
    },
    "scale_delta": {"fine_tuned": "lek", "baseline": "m", **TWO},
    "mode_effects": {"model": "m", **DIFFERENCE},
    "figures": {
        **{"source": "their", "document": "README.md", "place": "row 3", "model": "m", "benchmark": "b"},
        **{"metric": "exact_match", "value": 34.0, "unit": "percent", "error": None, "stderr": 0.0, "n": 0},
        **{"filter": "none", "regime": "direct"},
    },
    "log_entries": {
        **{"source": "their", "file": "a.log", "line": 1, "model": "m", "prompts": "v", "mode": "naked"},
        **{"seed_id": "P01", "place": 1, "announced": 1, "chars": 0, "seconds": 0.0},
    },
    "notes": {
        **{"source": "their", "rule": "log_noise", "severity": "info", "file": "a.log", "line": None},
        **{"detail": "a progress bar", "model": None, "prompts": None, "item_id": None},
    },
    "quarantined": {
        **{"source": "their", "file": "a.jsonl", "line": None, "reason": "not JSON", "text": ""},
    },
    "quality_findings": {
        **{"rule": "loop", "severity": "warning", "source": "own", "model": "m", "prompts": "v"},
        **{"mode": "naked", "item_id": "P01", "sample": 0, "file": None, "detail": "over and over"},
    },
    "repairs": {
        **{"rule": "loop", "source": "own", "model": "m", "prompts": "v", "mode": "naked", "metric": "chars"},
        **{"filter": "none", "n": 0, "affected": 0, "published": 2.0, "repaired": 1.0, "low": 1.0},
        **{"high": 1.0, "unit": "characters", "how": "without them"},
    },
    "leaderboard_cells": {
        **{"source": "own", "regime": "direct", "model": "m", "task": "cola"},
        **{"value": 0.5, "stderr": 0.0, "n": 0, "error": None},
    },
    "leaderboard": {
        **{"source": "own", "regime": "direct", "model": "m", "rank": 1, "rank_low": 1, "rank_high": 1},
        **{"p_best": 1.0, "not_told_apart": 0, "coverage": 1.0, "cells": 0, "stderrs": 0},
    },
    "leaderboard_pairs": {
        **{"source": "own", "regime": "direct", "model": "m", "other": "n"},
        **{"p_above": 1.0, "told_apart": "true"},
    },
    "agreement": {
        **{"source": "own", "regime": "direct", "models": 0, "tasks": 0, "pairs": 0, "note": None},
        **{"low": 1.0, "tau_mean": 1.0, "high": 1.0, "pc1_share": 1.0},
    },
    "task_agreement": {
        **{"source": "own", "regime": "direct", "task": "cola", "other": "rte", "models": 0, "tau": -1.0},
    },
}

INTERVAL = {
    "low_at_most_value": {"low": 0.6},
    "value_at_most_high": {"high": 0.4},
    "low_at_most_high": {"low": 0.9, "value": None, "high": 0.1},
    "worst_at_most_value": {"worst": 0.6},
    "value_at_most_best": {"best": 0.4},
    "value_null_without_rows": {"n": 0},
    "value_where_rows": {"value": None},
    "n_at_least_0": {"n": -1},
    "unscored_at_least_0": {"unscored": -1},
}
PAIRED = {
    "low_at_most_difference": {"low": -0.4},
    "difference_at_most_high": {"high": -0.6},
    "verdict_accepted": {"verdict": "maybe"},
    "n_at_least_0": {"n": -1},
    "unscored_at_least_0": {"unscored": -1},
    "seed_sd_at_least_0": {"seed_sd": -0.1},
    "seeds_at_least_1": {"seeds": 0},
    "worst_at_most_best": {"worst": 0.5},
    "gained_at_least_0": {"gained": -1},
    "lost_at_least_0": {"lost": -1},
    "detectable_at_least_0": {"detectable": -0.1},
    "p_share": {"p": 1.1},
}
REFUSED = {
    "refused_where_differs": {"differs": "items"},
    "differs_where_refused": {"verdict": "refused"},
}
LEADERBOARDS = {
    "leaderboard_cells": {
        "regime_accepted": {"regime": "trained"},
        "value_or_error": {"value": None},
        "value_not_error": {"error": "not there"},
        "stderr_at_least_0": {"stderr": -0.1},
        "n_at_least_0": {"n": -1},
    },
    "leaderboard": {
        "regime_accepted": {"regime": "Direct"},
        "rank_low_at_most_rank": {"rank_low": 2},
        "rank_at_most_rank_high": {"rank_high": 0},
        "rank_low_at_most_rank_high": {"rank_low": 2, "rank": None, "rank_high": 1},
        "rank_at_least_1": {"rank": 0},
        "rank_low_at_least_1": {"rank_low": 0},
        "p_best_share": {"p_best": 1.1},
        "not_told_apart_at_least_0": {"not_told_apart": -1},
        "coverage_share": {"coverage": 1.1},
        "stderrs_at_least_0": {"stderrs": -1},
        "stderrs_at_most_cells": {"stderrs": 1},
    },
    "leaderboard_pairs": {"regime_accepted": {"regime": "both"}, "p_above_share": {"p_above": -0.1}},
    "agreement": {
        "low_at_most_tau_mean": {"low": 1.1},
        "tau_mean_at_most_high": {"high": 0.9},
        "low_at_most_high": {"low": 1.0, "tau_mean": None, "high": 0.9},
        "models_at_least_0": {"models": -1},
        "tasks_at_least_0": {"tasks": -1},
        "pairs_at_least_0": {"pairs": -1},
        "tau_mean_range": {"regime": "train_before_test - direct", "tau_mean": 2.1, "high": 2.1},
        "pc1_share_range": {"pc1_share": -1.1},
        "mean_or_note": {"tau_mean": None},
        "tau_of_direct": {"tau_mean": 1.1, "high": 1.1},
        "tau_of_train_before_test": {"regime": "train_before_test", "low": -1.1, "tau_mean": -1.1},
    },
    "task_agreement": {
        "regime_accepted": {"regime": ""},
        "tau_range": {"tau": -1.1},
        "models_at_least_0": {"models": -1},
    },
}
OFFENCES = {
    **LEADERBOARDS,
    "responses": {
        "mode_accepted": {"mode": "Naked"},
        "seed_id_form": {"seed_id": ""},
        "model_form": {"model": ""},
        "prompts_form": {"prompts": ""},
        "prompt_sha_form": {"prompt_sha": SHA + "\n"},
        "gen_time_at_least_0": {"gen_time": -0.1},
        "tokens_at_least_0": {"tokens": -1},
        "sample_at_least_0": {"sample": -1},
        "batch_size_at_least_1": {"batch_size": 0},
        "chars_of_response": {"chars": 3},  # bytes, not characters
        "chars_of_reasoning": {"reasoning_chars": 2},
        "finish_reason_accepted": {"finish_reason": "eos"},
        "run_known": {"source": "nobody"},
    },
    "scores": {
        "mode_accepted": {"mode": "sandwhich"},
        "run_known": {"run_id": "0" * 16},
        "value_or_error": {"value": None},
        "value_not_error": {"error": "timed out"},
        "exact_match_accepted": {"value": 0.5},
        "regime_accepted": {"regime": "Direct"},
        "model_form": {"model": ""},
        "benchmark_form": {"benchmark": ""},
        "item_id_form": {"item_id": ""},
        "metric_form": {"metric": ""},
        "sample_at_least_0": {"sample": -1},
        "repeat_at_least_0": {"repeat": -1},
    },
    "runs": {
        "mode_accepted": {"mode": ""},
        "run_id_form": {"run_id": "run-1"},
        "prompt_set_sha_form": {"prompt_set_sha": "0"},
        "kernel_sha_form": {"kernel_sha": SHA + "0"},
        "weights_sha_form": {"weights_sha": ""},
        "adapter_sha_form": {"adapter_sha": "none"},
        "settings_sha_form": {"settings_sha": "A" * 64},
        "responses_sha_form": {"responses_sha": "0"},
        "started_form": {"started": "2026-01-01T00:00:00+01:00"},
        "wall_seconds_at_least_0": {"wall_seconds": -1.0},
        "responses_at_least_0": {"responses": -1},
        "tokens_at_least_0": {"tokens": -1},
        "tokens_per_second_at_least_0": {"tokens_per_second": -1.0},
        "temperature_at_least_0": {"temperature": -0.5},
        "max_tokens_at_least_1": {"max_tokens": 0},
        "samples_at_least_1": {"samples": 0},
        "batch_size_at_least_1": {"batch_size": 0},
        "top_p_share": {"top_p": 1.5},
    },
    "models": {
        "name_form": {"name": "../m"},
        "weights_sha_form": {"weights_sha": "0"},
        "adapter_sha_form": {"adapter_sha": "0"},
        "role_accepted": {"role": "finetuned"},
        "data_sha_form": {"data_sha": "0" * 63},
    },
    "losses": {
        "split_accepted": {"split": "test"},
        "iteration_at_least_0": {"iteration": -1},
        "loss_at_least_0": {"loss": -0.1},
        "learning_rate_at_least_0": {"learning_rate": -1e-5},
        "trained_tokens_at_least_0": {"trained_tokens": -1},
        "seconds_at_least_0": {"seconds": -0.1},
    },
    "distilled": {
        "split_accepted": {"split": "test"},
        "dropped_or_kept": {"split": None},
        "kept_not_dropped": {"dropped": "loop"},
        "kept_at_most_all": {"kept_chars": 10},
        "sample_at_least_0": {"sample": -1},
        "kept_chars_at_least_0": {"kept_chars": -1},
    },
    "items": {
        "benchmark_form": {"benchmark": ""},
        "item_id_form": {"item_id": ""},
        "sha_form": {"sha": "0"},
    },
    "measurements": {**INTERVAL, "stderr_at_least_0": {"stderr": -0.1}},
    "summary": INTERVAL,
    "variant_detail": INTERVAL,
    "comparisons": {
        **PAIRED,
        **REFUSED,
        "p_holm_share": {"p_holm": 1.1},
        "p_equivalence_share": {"p_equivalence": -0.1},
        "p_at_most_p_holm": {"p_holm": 0.9},
        "margin_at_least_0": {"margin": -1.0},
    },
    "scale_delta": {**PAIRED, **REFUSED},
    "mode_effects": PAIRED,
    "declared": {"margin_at_least_0": {"margin": -1.0}},
    "judge_agreement": {
        "repeats_at_least_2": {"repeats": 1},
        "items_at_least_1": {"items": 0},
        "alpha_at_most_1": {"alpha": 1.1},
    },
    "lm_eval_metrics": {"stderr_at_least_0": {"stderr": -0.1}, "n_at_least_0": {"n": -1}},
    "answer_differences": {
        "largest_at_least_0": {"largest": -0.1},
        "unknown_at_least_0": {"unknown": -1},
        "same_at_most_answers": {"same": 3},
    },
    "extraction_gap": {
        "n_at_least_0": {"n": -1},
        "flexible_share": {"flexible": 100.1},
        "strict_share": {"strict": -0.1},
        "first_after_equals_share": {"first_after_equals": 101.0},
    },
    "figures": {
        "document_form": {"document": ""},
        "model_form": {"model": ""},
        "metric_form": {"metric": ""},
        "unit_form": {"unit": ""},
        "stderr_at_least_0": {"stderr": -0.1},
        "n_at_least_0": {"n": -1},
        "value_or_error": {"value": None},
    },
    "log_entries": {
        "chars_at_least_0": {"chars": -1},
        "seconds_at_least_0": {"seconds": -0.1},
        "line_at_least_1": {"line": 0},
        "place_at_least_1": {"place": 0},
        "announced_at_least_1": {"announced": 0},
    },
    "notes": {"severity_accepted": {"severity": "fatal"}},
    "quarantined": {"reason_form": {"reason": ""}},
    "quality_findings": {"severity_accepted": {"severity": "fatal"}},
    "repairs": {
        "n_at_least_0": {"n": -1},
        "affected_at_least_0": {"affected": -1},
        "affected_at_most_n": {"affected": 1},
        "low_at_most_repaired": {"low": 1.5},
        "repaired_at_most_high": {"high": 0.5},
        "low_at_most_high": {"low": 2.0, "repaired": None, "high": 1.0},
    },
}


def offence(rule: Rule) -> dict[str, object]:
    """Return a row that breaks this rule: the good one with what is wrong written over it."""
    if rule.kind == "unique":
        return GOOD[rule.table]
    wrong = {rule.field: None} if rule.scope == "shape" else OFFENCES[rule.table][rule.name]
    return {**GOOD[rule.table], **wrong}


@pytest.mark.parametrize("table", rules.KEYS)
def test_each_rule_can_be_broken_and_both_name_the_row(table):
    held = rules.of(table)
    frame = frame_of(table, [GOOD[table], *(offence(rule) for rule in held)])
    by_gx = named_by_gx(table, frame)
    assert by_gx == named_by_sql(table, frame)
    for line, rule in enumerate(held, 1):
        assert line in by_gx[rule.name], rule
        assert 0 not in by_gx[rule.name] or rule.kind == "unique", rule


@pytest.mark.parametrize("table", rules.KEYS)
def test_no_rule_names_a_good_row(table):
    frame = frame_of(table, [GOOD[table]])
    assert not any(named_by_gx(table, frame).values())
    assert not any(named_by_sql(table, frame).values())


def test_foreign_modes_are_left_alone():
    for table in ("responses", "scores", "runs"):
        frame = frame_of(table, [{**GOOD[table], "source": "their", "mode": "A_sandwich"}])
        assert not any(named_by_gx(table, frame).values())


def test_rules_are_named_once_and_read_columns_that_exist():
    assert len({(rule.table, rule.name) for rule in RULES}) == len(RULES)
    for table, cls in rules.RECORDS.items():
        assert set(rule_sql.columns(rules.of(table))) <= set(records.fields(cls))


def test_every_offence_written_here_is_of_a_rule():
    content = {(rule.table, rule.name) for rule in RULES if rule.scope == "content"}
    assert content == {(table, name) for table, names in OFFENCES.items() for name in names}


def test_a_rule_says_in_words_what_it_asks():
    words = {f"{rule.table}.{rule.name}": rule_sql.requirement(rule) for rule in RULES}
    assert words["runs.top_p_share"] == "at least 0, at most 1"
    assert words["comparisons.p_share"] == "at least 0, at most 1"
    assert words["scale_delta.refused_where_differs"] == "refused where differs is not null"
    assert words["scale_delta.differs_where_refused"] == "a value where verdict is refused"
    assert words["scores.value_or_error"] == "a value where value is null"
    assert words["scores.exact_match_accepted"] == "0 or 1 where metric is exact_match"
    assert words["responses.run_known"] == "one that runs has"
