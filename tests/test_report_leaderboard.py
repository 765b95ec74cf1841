"""The report's leaderboards: rows by hand to text, how much of a big one, what is missing."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from lem import layout, report, sandbox, warehouse
from lem.cli import main
from lem.leaderboards import DIFFERENCE, DIRECT, TRAINED
from lem.report import board_plots, leaderboard
from rows import Records, cell

ROOT = Path(__file__).parents[1]
MODELS, TASKS = ("a", "b", "c", "d", "e"), {"sums": "math", "nouns": "language", "verbs": "language"}


def board(regime=DIRECT, **more):
    """A row of the query `boards`."""
    told = {"models": 5, "tasks": 3, "pairs": 3, "tau_mean": 0.5, "low": 0.25, "high": 0.75}
    counts = {"pc1_share": 0.8, "note": None, "compared": 10, "untold": 4}
    return {"source": "own", "regime": regime, **told, **counts, **more}


def changed(**more):
    row = board(DIFFERENCE, tau_mean=0.125, low=0.05, high=0.2, pc1_share=0.1, compared=None, untold=None)
    return {**row, **more}


def place(model, rank, regime=DIRECT, **more):
    """A row of the query `board_ranks`."""
    told = {"pc1": 100.0 - 50 * (rank or 3), "rank_low": rank or 1, "rank_high": 5, "p_best": 1 / (rank or 5)}
    counts = {"not_told_apart": 1, "coverage": 1.0, "cells": 3, "stderrs": 3}
    return {"source": "own", "regime": regime, "model": model, "rank": rank, **told, **counts, **more}


def mark(model, task, value, regime=DIRECT, stderr=None, **more):
    """A row of the query `board_cells`."""
    told = {"source": "own", "category": TASKS.get(task), "unit": "%", "n": 100, "error": None}
    return {**told, "regime": regime, "task": task, "model": model, "value": value, "stderr": stderr, **more}


def found(**rows):
    return {**{name: [] for name in (*leaderboard.NEEDED, "trained")}, **rows}


def places(regime=DIRECT):
    return [place(model, n + 1, regime) for n, model in enumerate(MODELS)]


# In words


def test_a_board_says_what_follows_and_what_may_be_chance():
    assert leaderboard.board(board(), places()) == (
        "**direct**: 5 models on 3 tasks; 4 of the 10 pairs of models are not told apart: their order may be "
        "chance; first is **a**, in 100.0 % of the draws. The mean tau over 3 pairs of tasks is 0.500 "
        "(95 % 0.250-0.750), and PC1 tells 80.0 % of the variance."
    )


@pytest.mark.parametrize(
    ("stderrs", "said"),
    [
        (0, "; no score states a standard error: that noise is in no interval;"),
        (2, "; 5 of 15 scores state no standard error: that noise is in no interval;"),
    ],
)
def test_noise_that_nobody_states_is_said_to_be_in_no_interval(stderrs, said):
    ranked = [{**row, "stderrs": stderrs} for row in places()]
    assert said in leaderboard.board(board(), ranked)


@pytest.mark.parametrize(
    ("untold", "said"),
    [
        (0, "each of the 10 pairs of models is told apart;"),
        (1, "1 of the 10 pairs of models is not told apart: its order may be chance;"),
        (10, "none of the 10 pairs of models is told apart: the whole order may be chance;"),
    ],
)
def test_of_how_many_pairs_the_order_may_be_chance(untold, said):
    assert f"5 models on 3 tasks; {said} first is" in leaderboard.board(board(untold=untold), places())


@pytest.mark.parametrize(
    ("ranks", "shares", "said"),
    [
        ((1, 2, 3), (0.4, 0.4, 0.2), "first is **a**, in 40.0 % of the draws."),
        ((1, 2, 3), (0.4, 0.5, 0.1), "first is **a**, in 40.0 % of the draws (**b** in 50.0 %)."),
        ((1, 1, 3), (0.4, 0.35, 0.25), "first are **a** and **b**, in 40.0 % and 35.0 % of the draws."),
        ((None, 1, 2), (0.9, 0.06, 0.04), "first is **b**, in 6.0 % of the draws (**a** in 90.0 %)."),
        ((None, None, None), (0.4, 0.3, 0.3), "no model has a rank."),
    ],
)
def test_who_is_first_and_how_surely(ranks, shares, said):
    rows = [place(m, n, p_best=p) for m, n, p in zip(MODELS, ranks, shares, strict=False)]
    assert f"may be chance; {said} The mean tau" in leaderboard.board(board(), rows)


def test_a_board_that_cannot_be_ranked_says_why():
    row = board(**dict.fromkeys(("tau_mean", "low", "high", "pc1_share", "compared", "untold")),
                note="2 models are scored, 3 are needed: a*, b")  # fmt: skip
    assert leaderboard.board(row, []) == (
        r"**direct**: no ranking; 2 models are scored, 3 are needed: a\*, b."
    )
    alike = {**row, "note": "no two tasks order the same models"}
    assert leaderboard.board(alike, places()).endswith(
        "There is no mean tau: no two tasks order the same models."
    )
    assert "(no interval), and PC1" in leaderboard.board(board(low=None, high=None), places())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "+0.125 (95 % +0.050 to +0.200): told apart from none, the tasks agree more after it."),
        (
            {"tau_mean": -0.125, "low": -0.2, "high": -0.05},
            "-0.125 (95 % -0.200 to -0.050): told apart from none, the tasks agree less after it.",
        ),
        ({"low": -0.05}, "+0.125 (95 % -0.050 to +0.200): not told apart from none."),
        ({"low": 0.0}, "+0.125 (95 % 0.000 to +0.200): not told apart from none."),
        ({"low": None, "high": None}, "+0.125 (no interval): not told apart from none."),
    ],
)
def test_what_training_changes_is_told_with_its_interval(more, said):
    rows = [board(), board(TRAINED, tau_mean=0.625), changed(**more)]
    *_, line = leaderboard.said(rows, [*places(), *places(TRAINED)]).splitlines()
    assert line == (
        "- **What training changes**: the mean tau is 0.500 before and 0.625 after; paired, over the cells "
        f"of both (5 models, 3 tasks), the difference is {said} PC1's share of the variance changes by +10.0 "
        "points. Resampling 5 models gives too short an interval, and models made of each other are no "
        "sample of models."
    )
    many = [{**row, "models": 10} for row in rows]
    assert "Resampling" not in leaderboard.said(many, [*places(), *places(TRAINED)])


def test_what_training_changes_is_not_told_of_too_few():
    note = "3 models are in both regimes, 5 are needed: a, b, c"
    rows = [board(), board(TRAINED), changed(tau_mean=None, note=note)]
    lines = leaderboard.said(rows, [*places(), *places(TRAINED)]).splitlines()
    assert [line.split("**")[1] for line in lines] == ["direct", "train_before_test", "What training changes"]
    assert lines[2] == f"- **What training changes** is not told: {note}."


def test_what_the_audit_found_is_said_up_to_a_number():
    rows = [{"rule": "few_models", "detail": "4 models are ranked"}]
    rows += [{"rule": "missing_cell", "detail": f"m{n} has no score on x|y"} for n in range(10)]
    told = leaderboard.notes(rows).splitlines()
    assert told[:2] == ["- 4 models are ranked.", r"- m0 has no score on x\|y."]
    assert told[-1] == "- 2 more of rule missing_cell." and len(told) == 1 + 8 + 1
    assert leaderboard.notes([]) is None


# As tables


def test_both_regimes_stand_next_to_each_other():
    cells = [mark("a", "sums", 50.0, stderr=4.96), mark("a", "sums", 62.34, TRAINED, stderr=5.0)]
    cells += [mark("b", "sums", 40.0), mark("b", "sums", None, TRAINED, error="not there")]
    cells += [mark(model, "verbs", 20.0, regime) for model in "ab" for regime in (DIRECT, TRAINED)]
    ranked = [place("a", 2, pc1=-1234.5), place("b", 1)]
    ranked += [place("a", 1, TRAINED), place("b", None, TRAINED, pc1=None, coverage=0.5, cells=2)]
    (part,) = leaderboard.parts(
        found(boards=[board(), board(TRAINED)], board_ranks=ranked, board_cells=cells)
    )
    assert part["ranks"].splitlines() == [
        "| rank | model | PC1 | ranks (95 %) | first in % of the draws | not told apart from | tasks scored "
        "| verbs, % | sums, % |",
        "|" + " --- |" * 9,
        "| 2 -> 1 | a | -1,234.50 -> 50.00 | 2-5 -> 1-5 | 50.0 -> 100.0 | 1 of 1 -> 1 of 1 "
        "| 3 of 3 -> 3 of 3 | 20.0 -> 20.0 | 50.0 ± 5.0 -> 62.3 ± 5.0 |",
        "| 1 -> - | b | 50.00 -> - | 1-5 -> 1-5 | 100.0 -> 20.0 | 1 of 1 -> 1 of 1 "
        "| 3 of 3 -> 1 of 2 | 20.0 -> 20.0 | 40.0 -> missing |",
    ]
    assert part["shown"] is None and part["notes"] is None and part["categories"] is None


def test_a_model_of_one_regime_has_a_dash_in_the_other():
    ranked = [place("a", 1), place("b", 2), place("b", 1, TRAINED)]
    cells = [mark("a", "sums", 50.0), mark("b", "sums", 40.0), mark("b", "sums", 41.0, TRAINED)]
    _, _, first, second = leaderboard.ranks(ranked, cells, ["b", "a"]).splitlines()
    assert first.startswith("| 2 -> 1 | b |") and first.endswith("| 40.0 -> 41.0 |")
    assert second.startswith("| 1 -> - | a | 50.00 -> - |") and second.endswith("| 50.0 -> - |")


def test_a_scale_that_is_not_known_is_in_its_own_unit_and_a_name_breaks_no_table():
    ranked = [place("a|b", 1), place("c", 2)]
    cells = [mark("a|b", "x_|", 7.25, unit="points"), mark("c", "x_|", None, unit=None, error="N/A")]
    head, _, first, second = leaderboard.ranks(ranked, cells, ["a|b", "c"]).splitlines()
    assert head.endswith(r" | x\_\|, points |")
    assert first.startswith(r"| 1 | a\|b |") and first.endswith("| 7.2 |") and second.endswith("| missing |")


def categories(regime=DIRECT, within=(0.9, 1), between=(0.25, 2)):
    """Rows of the query `board_categories`: language has two tasks, math one."""
    shared = {"source": "own", "regime": regime, "tau_between": between[0], "pairs_between": between[1]}
    inner = {"tau_within": within[0], "pairs_within": within[1]}
    outer = {"tau_within": None, "pairs_within": 0}
    return [{**shared, **inner, "category": kind} for kind in (None, "language")] + [
        {**shared, **outer, "category": "math"}
    ]


def test_categories_tell_within_from_between():
    assert leaderboard.categories(categories()).splitlines()[2:] == [
        "| every category | 0.900 (1) | 0.250 (2) |",
        "| language | 0.900 (1) | 0.250 (2) |",
        "| math | - | 0.250 (2) |",
    ]
    both = [*categories(), *categories(TRAINED, (1.0, 1), (0.5, 2))]
    assert "| language | 0.900 (1) -> 1.000 (1) | 0.250 (2) -> 0.500 (2) |" in leaderboard.categories(both)


def test_one_category_or_none_with_two_tasks_is_nothing_to_compare():
    assert leaderboard.categories([]) is None
    assert leaderboard.categories(categories()[:2]) is None
    assert leaderboard.categories(categories(within=(None, 0))) is None


def gain(model, task, difference, low, high, **more):
    told = {"metric": "acc", "n": 100, "unscored": 0, "unit": "points"}
    return {"model": model, "task": task, "difference": difference, "low": low, "high": high, **told, **more}


def test_what_training_on_a_task_changed_is_paired():
    rows = [
        gain("a", "sums", 12.5, 4.25, 20.0),
        gain("b", "sums", -3.0, -6.0, -1.0),
        gain("a", "verbs", 0.0, None, None, n=90),
        gain("b", "verbs", 5.0, -1.0, 11.0, unscored=2),
    ]
    told = leaderboard.trained(found(trained=rows, board_ranks=[place("b", 1), place("a", 2)]))
    assert told["said"] == "Of 4 differences, 1 has its interval above zero, 1 below it."
    assert told["table"].splitlines() == [
        "| model | sums acc, points (n = 100) | verbs acc, points |",
        "| --- | --- | --- |",
        "| b | -3.0 (-6.0 to -1.0) | +5.0 (-1.0 to +11.0), n = 100 (2 unscored) |",
        "| a | +12.5 (+4.2 to +20.0) | 0.0 (no interval), n = 90 |",
    ]
    assert leaderboard.trained(found()) is None


# Somebody else's


def foreign(models, tasks):
    """A board of another source, of this many models and tasks."""
    names, kinds = [f"m{n:02}" for n in range(models)], [f"t{n}" for n in range(tasks)]
    rows = [place(name, n + 1, TRAINED, source="their|s") for n, name in enumerate(names)]
    cells = [mark(name, kind, 50.0, TRAINED, source="their|s") for name in names for kind in kinds]
    (part,) = leaderboard.parts(
        found(boards=[board(TRAINED, source="their|s")], board_ranks=rows, board_cells=cells)
    )
    return part


@pytest.mark.parametrize(
    ("models", "tasks", "said", "lines", "columns"),
    [
        (30, 8, None, 30, 15),
        (31, 2, "The first 20 of 31 models, without their scores on 2 tasks;", 20, 7),
        (6, 9, "All 6 models, without their scores on 9 tasks;", 6, 7),
    ],
)
def test_of_a_big_board_the_first_are_shown_and_the_queries_for_all(models, tasks, said, lines, columns):
    part = foreign(models, tasks)
    rows = part["ranks"].splitlines()
    assert len(rows) == 2 + lines and {row.count("|") - 1 for row in rows} == {columns}
    assert part["source"] == r"their\|s"
    if said is None:
        assert part["shown"] is None
    else:
        assert part["shown"].startswith(said) and "`lem sql @leaderboard`" in part["shown"]


# From records to the report


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scores(source, regime=TRAINED):
    """Five models on three tasks that all have them in one order."""
    return Records(
        cell(source, model, task, 40.0 + 7 * m + t, regime, category=kind, stderr=1.0)
        for m, model in enumerate(MODELS)
        for t, (task, kind) in enumerate(TASKS.items())
    )


def written(*records, source="s"):
    Records(records).write(source)
    return read()


def read():
    warehouse.export(warehouse.build(), layout.TABLES)
    with sandbox.connect(layout.TABLES) as con:
        rows = report.read(con)
    return rows, report.render(rows)


def section(text):
    return text.split("## Train before test\n")[1].split("\n```sql\n")[0]


def test_an_imported_board_in_the_report(folder):
    rows, text = written(*scores("s"))
    told = section(text)
    assert "From **s**, imported:\n\n- **train_before_test**: 5 models on 3 tasks; " in told
    assert "first is **e**, in " in told and "is 1.000 (no interval), and PC1 tells 100.0 % of the" in told
    assert "What is missing" not in told and "What training changes" not in told
    assert re.search(r"^\| 1 \| e \| .* \| 3 of 3 \| 69.0 ± 1.0 \| 70.0 ± 1.0 \| 68.0 ± 1.0 \|$", told, re.M)
    assert "| math | - | 1.000 (2) |" in told
    assert "No model of our own was tested before and after training." in text
    assert len(board_plots.tau_cells(rows["board_taus"])) == 9


def test_a_missing_cell_is_named(folder):
    others = [row for row in scores("s") if (row.model, row.benchmark) != ("e", "nouns")]
    stated = replace(cell("s", "e", "nouns", None, TRAINED, category="language"), error="stated as 'N/A'")
    rows, text = written(*others, stated)
    told = section(text)
    named = "What is missing or in doubt:\n\n- e has no score on nouns, train_before_test: stated as 'N/A'.\n"
    assert named in told
    assert re.search(
        r"^\| - \| e \| - \| .* \| 2 of 3 \| missing \| 70.0 ± 1.0 \| 68.0 ± 1.0 \|$", told, re.M
    )
    (point,) = [row for row in board_plots.rank_points(rows["board_ranks"]) if row["model"] == "e"]
    assert point["rank"] is None and point["low"] == 1


def test_a_board_of_few_models_says_so(folder):
    _, text = written(*[row for row in scores("s") if row.model in "abc"])
    told = "3 models are ranked, train_before_test; of fewer than 5 the order may be chance: a, b, c."
    assert f"- {told}\n" in section(text)


def test_two_models_are_no_board(folder):
    _, text = written(*[row for row in scores("s") if row.model in "ab"])
    told = section(text)
    assert "- **train_before_test**: no ranking; 2 models are scored, 3 are needed: a, b.\n" in told
    assert "| rank |" not in told


def test_no_leaderboard_at_all(folder):
    rows, text = read()
    assert section(text).startswith("\nNo leaderboard has been made (`lem harmony`) or imported yet.\n")
    assert "None" not in section(text) and board_plots.rank_points(rows["board_ranks"]) == []
    assert board_plots.tau_cells(rows["board_taus"]) == []


def test_the_published_leaderboard(tmp_path_factory):
    here = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("published"))
    try:
        figures = ["ingest", "figures", str(ROOT / "seeds" / "published"), "--as", "published"]
        assert CliRunner().invoke(main, figures).exit_code == 0
        rows, text = read()
    finally:
        os.chdir(here)
    told = section(text)
    assert (
        "- **train_before_test**: 61 models on 24 tasks; " in told and " of the 1,830 pairs of models" in told
    )
    assert "first is **Qwen/Qwen2.5-14B**, in " in told and "PC1 tells 85.5 % of the variance." in told
    assert "The first 20 of 61 models, without their scores on 24 tasks;" in told
    assert len(re.findall(r"^\| \d+ \| \S+ \| .*\| 24 of 24 \|$", told, re.M)) == 20
    for line in ("| every category | ", "| physics/chemistry/biology | "):
        assert line in told
    ranks = board_plots.ranks(board_plots.rank_points(rows["board_ranks"]))
    tasks = board_plots.tasks(board_plots.tau_cells(rows["board_taus"]))
    assert max(len(ranks), len(tasks)) < 150_000
    assert ranks.count(">EleutherAI/pythia-70m-deduped<") == 1
    assert ">question answering: OpenBookQA<" in tasks
