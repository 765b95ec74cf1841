"""Leaderboards as tables: ranks, taus, what training adds, and one line for each thing that is wrong."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from lem import checks, holding, layout, leaderboards, record_files, rules, warehouse
from lem.cli import main
from lem.harmony import registry
from lem.records import Figure
from rows import Records, cell, mark

ROOT = Path(__file__).parents[1]
TASKS = ("cola", "rte", "piqa", "sciq", "gsm8k")
MODELS = tuple(f"org/m{n}" for n in range(8))
BOTH = ("direct", "train_before_test")
RULES = (
    *("score_out_of_range", "cell_stands_twice", "missing_cell"),
    *("one_regime_only", "few_shared_models", "few_models"),
)
TABLES = ("leaderboard_cells", *leaderboards.SHAPES)
TRAINED = [[40 + 5 * m + 3 * t + (m * t) % 3 for t in range(5)] for m in range(8)]
"""In percent: after training every task has the models in one order."""
DIRECT = [[40 + 5 * ((m * (2 * t + 1)) % 8) + t for t in range(5)] for m in range(8)]
"""Before it each task has an order of its own."""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def board(source, values=TRAINED, regime="train_before_test", **more):
    """The figures of a whole board in percent; names without a slash are names of files."""
    return Records(
        cell(source, MODELS[m].removeprefix("org/"), task, float(values[m][t]), regime, **more)
        for m in range(len(values))
        for t, task in enumerate(TASKS)
    )


def both(source):
    return Records([*board(source), *board(source, DIRECT, "direct")])


def built(*records, source="s"):
    """The warehouse of one source of these figures, whose tables hold their rules."""
    Records(records).write(source)
    con = warehouse.build()
    for table in TABLES:
        assert not holding.broken(con, rules.of(table), table)
    return con


def rows(con, sql, *given):
    return con.execute(sql, given).fetchall()


def faults(con):
    """(rule, model, task, detail) of everything that is said of leaderboards."""
    asked = "select rule, model, prompts, detail from quality_findings where rule in ? order by all"
    return rows(con, asked, list(RULES))


# The published leaderboard


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The tables of what the documents state; read by several tests, written by none."""
    here = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("published"))
    try:
        CliRunner().invoke(
            main, ["ingest", "figures", str(ROOT / "seeds" / "published"), "--as", "published"]
        )
        return warehouse.build()
    finally:
        os.chdir(here)


def test_the_published_order_follows_from_the_published_cells(published):
    beside = """
        select ours.pc1, theirs.value, ours.rank, ranks.value
        from leaderboard as ours
        join figures as theirs on theirs.model = ours.model and theirs.metric = 'pc1'
        join figures as ranks on ranks.model = ours.model and ranks.metric = 'rank'
        where ours.source = 'published'
    """
    found = np.array(rows(published, beside))
    assert found.shape == (61, 4)
    assert np.corrcoef(found[:, 0], found[:, 1])[0, 1] >= 0.99999
    assert np.abs(found[:, 0] - found[:, 1]).max() <= 1.5
    assert (found[:, 2] == found[:, 3]).sum() >= 59
    ((share, models, tasks, pairs),) = rows(
        published, "select pc1_share, models, tasks, pairs from agreement"
    )
    assert round(100 * share, 1) == 85.5
    assert (models, tasks, pairs) == (61, 24, 24 * 23 // 2)


def test_the_published_table_is_a_leaderboard_without_a_fault(published):
    assert checks.check_tables(published, TABLES) == []
    counts = "select count(*), count(value), count(distinct category) from leaderboard_cells"
    assert rows(published, counts) == [
        (61 * 24, 61 * 24, len({t.category for t in registry.tasks().values()}))
    ]
    assert rows(published, "select count(*), min(coverage), max(stderrs) from leaderboard") == [(61, 1.0, 0)]
    assert rows(published, "select count(*), count(*) filter (p_above >= 0.5) from leaderboard_pairs") == [
        (61 * 30, 61 * 30)
    ]
    assert faults(published) == []


# Both regimes, as LM-Harmony writes them


def harmony(scale=1.0):
    """Scores by regime, task and model, with standard errors after training."""
    tree = {
        key: {task: {MODELS[m]: values[m][t] / scale for m in range(8)} for t, task in enumerate(TASKS)}
        for key, values in (("train_before_test", TRAINED), ("direct_eval", DIRECT))
    }
    errors = {task: dict.fromkeys(MODELS, 1 / scale) for task in TASKS}
    return {**tree, "train_before_test_stderr": errors}


def ingested(lem, tree):
    Path("scores.json").write_text(json.dumps(tree))
    lem("ingest", "lm-harmony", "scores.json", "--as", "theirs")
    return warehouse.build()


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_both_regimes_are_ranked_and_training_makes_the_tasks_agree(lem, scale):
    con = ingested(lem, harmony(scale))
    assert checks.check_tables(con, TABLES) == []
    asked = "select regime, models, tasks, pairs, note from agreement order by regime"
    assert rows(con, asked) == [
        (name, 8, 5, 10, None) for name in ("direct", "train_before_test", "train_before_test - direct")
    ]
    direct, trained, gained = rows(
        con, "select tau_mean, low, high, pc1_share from agreement order by regime"
    )
    assert trained[0] == 1.0 and trained[3] > 0.99
    assert gained[0] == pytest.approx(1 - direct[0]) and 0 < gained[1] < gained[0] < gained[2]
    assert gained[3] == pytest.approx(trained[3] - direct[3], abs=1e-6)
    order = "select list(model order by rank) from leaderboard where regime = 'train_before_test'"
    assert rows(con, order) == [(list(reversed(MODELS)),)]
    sure = "select min(stderrs), max(stderrs) from leaderboard group by regime order by regime"
    assert rows(con, sure) == [(0, 0), (5, 5)]
    assert faults(con) == []


def test_a_pair_of_tasks_has_its_tau_and_the_kinds_of_both(lem):
    con = ingested(lem, harmony())
    asked = "select * exclude (source, tau), tau from task_agreement where task = 'cola' and other = 'gsm8k'"
    kinds = [registry.tasks()[task].category for task in ("cola", "gsm8k")]
    direct, trained = sorted(rows(con, asked))
    assert trained == ("train_before_test", "cola", "gsm8k", *kinds, 8, 1.0)
    # 0 1 2 3 4 5 6 7 and 0 9 18 ... modulo 8: cola counts up, gsm8k by nines, which is the same
    assert direct == ("direct", "cola", "gsm8k", *kinds, 8, 1.0)
    ((less,),) = rows(
        con, "select tau from task_agreement where (regime, task, other) = ('direct', 'cola', 'rte')"
    )
    # threes modulo 8: 0 3 6 1 4 7 2 5; of 28 pairs 19 go up
    assert less == pytest.approx((19 - 9) / 28)
    assert rows(con, "select count(*), bool_and(task < other) from task_agreement") == [(20, True)]


def test_of_two_models_first_the_one_more_often_above(lem):
    con = ingested(lem, harmony())
    asked = """
        select model, p_above, told_apart from leaderboard_pairs
        where regime = ? and 'org/m0' in (model, other)
    """
    assert {row[1:] for row in rows(con, asked, "train_before_test") if row[0] == "org/m7"} == {(1.0, True)}
    apart = """
        select board.regime, board.model, any_value(not_told_apart) = count(*) filter (not told_apart)
        from leaderboard as board join leaderboard_pairs as pairs on pairs.regime = board.regime
            and board.model in (pairs.model, pairs.other)
        group by all
    """
    found = rows(con, apart)
    assert len(found) == 16 and all(same for *_, same in found)
    untold = rows(con, "select sum(not_told_apart) from leaderboard group by regime order by regime")
    assert untold[0] > untold[1]  # before training hardly anything is told apart


def test_named_queries(lem):
    con = ingested(lem, harmony())
    warehouse.export(con, layout.TABLES)
    shown = json.loads(lem("sql", "--format", "json", "@leaderboard").stdout)
    assert [(row["regime"], row["rank"]) for row in shown] == [
        (regime, rank)
        for regime in BOTH
        for rank in sorted(r["rank"] for r in shown if r["regime"] == regime)
    ]
    assert all(
        row["pc1"] == round(row["pc1"], 2) and row["p_best"] == round(row["p_best"], 3) for row in shown
    )
    shown = json.loads(lem("sql", "--format", "json", "@agreement").stdout)
    assert [row["regime"] for row in shown] == ["direct", "train_before_test", "train_before_test - direct"]


# Our own cells


def own(model, task, value, regime, place="test", **more):
    document = f"harmony/results/{model}/{task}/figures.jsonl"
    told = {"unit": "rate", "regime": regime, "stderr": 0.01, "n": 100, "category": "ours"}
    figure = Figure("own", document, place, model, task, "acc", value, higher_is_better=True, **told)
    return replace(figure, **more)


def test_own_cells_are_the_tests_and_not_what_was_measured_between_the_epochs(lem):
    for m, model in enumerate(("a", "b", "c")):
        for t, task in enumerate(TASKS):
            cells = [
                own(model, task, DIRECT[m][t] / 100, "direct"),
                own(model, task, TRAINED[m][t] / 100, "train_before_test"),
                own(model, task, 0.01, "direct", "validation, before"),
                own(model, task, 0.02, "train_before_test", "validation, epoch 1"),
            ]
            record_files.write_jsonl(layout.DATA / "harmony/results" / model / task / "figures.jsonl", cells)
    con = built(*board("another"), source="another")
    found = rows(
        con,
        "select distinct regime, model, task, category, unit, n from leaderboard_cells where source = 'own'",
    )
    assert len(found) == 30 and {row[3:] for row in found} == {("ours", "rate", 100)}
    assert rows(con, "select min(value) > 0.3 from leaderboard_cells where source = 'own'") == [(True,)]
    assert rows(con, "select count(*) from lm_eval_metrics") == [(0,)]
    warehouse.export(con, layout.TABLES)
    shown = json.loads(lem("sql", "--format", "json", "@leaderboard").stdout)
    assert list(dict.fromkeys(row["source"] for row in shown)) == ["own", "another"]
    details = [row[3] for row in faults(con)]
    assert details == ["3 models are in both regimes, 5 are needed: a, b, c"]


def test_what_is_measured_between_epochs_is_held_against_no_rows():
    """The rows are those of the test; a validation figure is of other items, an mcc no mean of them."""
    shown = {"place": "validation, epoch 1", "document": "harmony/results/m/cola/figures.jsonl", "n": 2}
    scored = [replace(mark("s", n, 1.0, "acc"), benchmark="cola") for n in range(2)]
    fine = cell("s", "m", "cola", 0.5, unit="rate", metric="acc", **shown)
    con = built(*scored, fine, replace(fine, place="test", metric="mcc"))
    assert rows(con, "from audit_figures") == []
    con = built(*scored, replace(fine, place="test"))
    assert rows(con, "select rule from quality_findings") == [("figure_against_rows",)]


def test_a_metric_that_is_better_where_it_is_lower_is_turned():
    turned = board("s", higher_is_better=False)
    con = built(*turned)
    assert rows(con, "select min(value), max(value) from leaderboard_cells") == [(-88.0, -40.0)]
    assert rows(con, "select arg_min(model, rank) from leaderboard") == [("m0",)]


# What is wrong, one line each


def without(records, *cells):
    return [row for row in records if (row.regime, row.model, row.benchmark) not in cells]


def width(con, *models):
    asked = (
        "select sum(rank_high - rank_low) from leaderboard where regime = 'train_before_test' and model in ?"
    )
    return rows(con, asked, list(models))[0][0]


def test_a_missing_cell_is_named_and_makes_the_ranks_less_sure():
    whole = built(*both("s"))
    con = built(*without(both("s"), ("train_before_test", "m3", "rte")))
    assert width(con, "m3") > width(whole, "m3")
    found = rows(con, "select model, rank, coverage, cells, missing from leaderboard where coverage < 1")
    assert found == [("m3", None, 0.8, 5, "rte")]
    asked = "select value, stderr, error from leaderboard_cells where model = 'm3' and value is null"
    assert rows(con, asked) == [(None, None, "not there")]
    assert faults(con) == [
        ("missing_cell", "m3", "rte", "m3 has no score on rte, train_before_test: not there"),
    ]
    # of two tasks the pair is over the seven that have both
    fewer = """
        select distinct models from task_agreement
        where 'rte' in (task, other) and regime = 'train_before_test'
    """
    assert rows(con, fewer) == [(7,)]
    assert rows(con, "select models, pairs from agreement where regime = 'train_before_test - direct'") == [
        (8, 10)
    ]


def test_a_score_that_is_stated_as_missing_says_how():
    stated = replace(cell("s", "m3", "rte", None), error="stated as 'N/A'")
    con = built(*without(board("s", regime="direct"), ("direct", "m3", "rte")), stated)
    assert faults(con) == [("missing_cell", "m3", "rte", "m3 has no score on rte, direct: stated as 'N/A'")]


@pytest.mark.parametrize(
    ("task", "unit", "value", "told"),
    [
        ("rte", "percent", 120.0, "120 is out of range 0-100"),
        ("rte", "percent", -0.5, "-0.5 is out of range 0-100"),
        ("cola", "percent", -100.5, "-100.5 is out of range -100-100"),
        ("CoLA", "rate", -1.5, "-1.5 is out of range -1-1"),
        ("rte", "rate", 1.25, "1.25 is out of range 0-1"),
        ("rte", "as given", 100.5, "100.5 is out of range 0-100"),
    ],
)
def test_a_score_beyond_its_scale_is_none(task, unit, value, told):
    others = [
        replace(row, benchmark=task if row.benchmark == task.lower() else row.benchmark)
        for row in board("s", unit="as given" if unit == "as given" else "percent")
    ]
    key = ("train_before_test", "m3", task)
    con = built(*without(others, key), cell("s", "m3", task, value, "train_before_test", unit=unit))
    assert rows(con, "select value, error from leaderboard_cells where error is not null") == [(None, told)]
    assert faults(con) == [("score_out_of_range", "m3", task, f"m3 of {task}, train_before_test: {told}")]


@pytest.mark.parametrize(("task", "value"), [("cola", -40.0), ("rte", 0.0), ("rte", 100.0), ("cola", -100.0)])
def test_the_ends_of_a_scale_are_on_it_and_an_mcc_may_be_negative(task, value):
    key = ("train_before_test", "m3", task)
    con = built(*without(board("s"), key), cell("s", "m3", task, value, "train_before_test"))
    assert faults(con) == []
    assert rows(con, "select value from leaderboard_cells where (model, task) = ('m3', ?)", task) == [
        (value,)
    ]


def test_a_scale_that_nobody_states_is_told_by_the_median():
    shares = [replace(row, value=row.value / 100, unit="as given") for row in board("s")]
    assert faults(built(*shares)) == []
    odd = replace(shares[0], value=40.0)
    con = built(odd, *shares[1:])
    assert [row[0] for row in faults(con)] == ["score_out_of_range"]
    assert rows(con, "select distinct whole from leaderboard_cells where value is not null") == [(1.0,)]


def test_two_values_of_one_cell_are_none_and_one_value_twice_is_one():
    again = cell("s", "m3", "rte", 59.0, "train_before_test", document="b.json")
    con = built(*board("s"), replace(again, value=0.60, unit="rate", stderr=0.01))
    told = "stands twice: 0.6 (b.json, train_before_test.rte) and 58 (board.json, train_before_test.rte)"
    assert rows(con, "select value, error from leaderboard_cells where value is null") == [(None, told)]
    detail = f"m3 on rte, train_before_test: {told}"
    assert faults(con) == [("cell_stands_twice", "m3", "rte", detail)]
    con = built(*board("s"), replace(again, value=0.58, unit="rate", stderr=0.01))
    assert faults(con) == []
    asked = "select value, unit, whole, stderr from leaderboard_cells where stderr is not null"
    assert rows(con, asked) == [(0.58, "rate", 1.0, 0.01)]  # the one that says how sure it is


def test_a_model_of_one_regime_only():
    con = built(*(row for row in both("s") if (row.model, row.regime) != ("m3", "direct")))
    told = "m3 has scores in train_before_test and none in direct"
    assert faults(con) == [("one_regime_only", "m3", None, told)]
    assert rows(con, "select models, tasks from agreement where regime = 'train_before_test - direct'") == [
        (7, 5)
    ]


def test_too_few_models_in_both_regimes():
    con = built(*(row for row in both("s") if row.regime == "direct" or row.model in ("m0", "m1", "m2")))
    few = [row for row in faults(con) if row[0] != "one_regime_only"]
    note = "3 models are in both regimes, 5 are needed: m0, m1, m2"
    assert few == [("few_shared_models", None, None, note)]
    asked = """
        select tau_mean, low, high, pc1_share, method, models, tasks, note from agreement
        where contains(regime, ' - ')
    """
    assert rows(con, asked) == [(None, None, None, None, None, 3, 5, note)]


def test_too_few_tasks_in_both_regimes():
    con = built(*(row for row in both("s") if row.regime == "direct" or row.benchmark == "rte"))
    asked = "select models, tasks, note from agreement where contains(regime, ' - ')"
    assert rows(con, asked) == [(8, 1, "1 task is in both regimes, 2 are needed: rte")]
    asked = "select tau_mean, note from agreement where regime = 'train_before_test'"
    assert rows(con, asked) == [(None, "1 task is scored, 2 are needed: rte")]
    assert rows(con, "select distinct regime from leaderboard") == [("direct",)]


def test_two_models_are_no_leaderboard_and_four_are_one_that_says_so():
    two = board("s")[:10]
    con = built(*two[:-1])
    assert rows(con, "select note from agreement") == [("2 models are scored, 3 are needed: m0, m1",)]
    assert rows(con, "from leaderboard") == [] and faults(con) == []  # the missing cell of no ranking
    con = built(*board("s")[:20])
    told = "4 models are ranked, train_before_test; of fewer than 5 the order may be chance: m0, m1, m2, m3"
    assert faults(con) == [("few_models", None, None, told)]
    assert rows(con, "select count(rank) from leaderboard") == [(4,)]


def test_a_task_that_nobody_has_is_missing_and_ranks_nobody():
    nobody = [cell("s", f"m{n}", "boolq", None, "train_before_test", error="not stated") for n in range(8)]
    con = built(*board("s"), *nobody)
    found = rows(con, "select distinct rank is null, coverage, cells, missing from leaderboard")
    assert found == [(False, pytest.approx(5 / 6), 6, "boolq")]
    assert len(faults(con)) == 8


def test_models_that_are_all_alike_have_no_order():
    con = built(*board("s", [[50] * 5] * 4))
    assert rows(con, "select distinct rank, pc1, not_told_apart from leaderboard") == [(None, None, 3)]
    ((mean, share, note),) = rows(con, "select tau_mean, pc1_share, note from agreement")
    assert (mean, share) == (None, None) and "no two tasks" in note


def test_figures_that_are_no_scores_make_no_leaderboard():
    con = built(*(replace(row, metric="acc") for row in both("s")), replace(both("s")[0], benchmark=None))
    for table in leaderboards.SHAPES:
        assert rows(con, f"from {table}") == []
    assert faults(con) == []


def test_the_order_of_the_rows_changes_nothing():
    one = built(*both("s"))
    other = built(*reversed(both("s")))
    for table in TABLES:
        assert rows(one, f"from {table} order by all") == rows(other, f"from {table} order by all")


@pytest.mark.parametrize(("value", "whole"), [(0.0, 1.0), (1.0, 1.0), (100.0, 100.0)])
def test_none_or_all_of_few_items_is_no_certainty(value, whole):
    told = leaderboards.spread({"value": value, "stderr": 0.0, "n": 120, "whole": whole})
    assert told == pytest.approx((2 / 124 * 122 / 124 / 124) ** 0.5)
    assert leaderboards.spread({"value": whole / 2, "stderr": 0.0, "n": 120, "whole": whole}) == 0
    assert leaderboards.spread({"value": value, "stderr": None, "n": 120, "whole": whole}) is None
