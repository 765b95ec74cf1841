"""The leaderboards' plots: valid SVG, the same bytes for the same rows, each panel in its own order."""

import re
from xml.etree import ElementTree

import pytest

from lem.report import board_plots, plots

RANKS = [
    {"panel": panel, "model": model, "rank": rank, "low": low, "high": high}
    for panel, told in {
        "own, direct": [("base <&>", 1, 1, 2), ("tuned", 2, 1, 3), ("cut", 3, 2, 3)],
        "own, train_before_test": [("tuned", 1, 1, 2), ("cut", 2, 1, 3), ("base <&>", None, 1, 3)],
    }.items()
    for model, rank, low, high in told
]
KINDS = {"sums": "math", "nouns": "language", "verbs": "language"}
TAUS = {("nouns", "sums"): -0.5, ("nouns", "verbs"): 0.75, ("sums", "verbs"): None}


def pairs(regime="direct", taus=TAUS, kinds=KINDS):
    """Rows of the query `board_taus`."""
    shared = {"source": "own", "regime": regime}
    return [
        {
            **shared,
            "task": one,
            "other": two,
            "category": kinds[one],
            "other_category": kinds[two],
            "tau": tau,
        }
        for (one, two), tau in taus.items()
    ]


TASKS = board_plots.tau_cells(pairs() + pairs("train_before_test"))
DRAWN = {board_plots.ranks: (RANKS, "high"), board_plots.tasks: (TASKS, "tau")}


def texts(svg):
    return [node.text for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("text")]


@pytest.mark.parametrize("plot", DRAWN)
def test_the_same_rows_are_the_same_bytes_and_valid_xml(plot):
    rows, _ = DRAWN[plot]
    svg = plot(rows)
    assert svg == plot(rows) and svg.endswith("</svg>\n")
    assert set(re.findall('font-family="([^"]*)"', svg)) == {plots.FONT}
    assert not re.search(r"20\d\d-\d\d|<image|href=|url\(", svg)


@pytest.mark.parametrize("plot", DRAWN)
def test_a_changed_row_is_another_plot(plot):
    rows, field = DRAWN[plot]
    changed = [dict(row) for row in rows]
    changed[1][field] = 0.25 if field == "tau" else 1
    assert plot(changed) != plot(rows)


@pytest.mark.parametrize("plot", DRAWN)
def test_nothing_to_draw_is_a_plot_that_says_so(plot):
    assert "No leaderboard has been made or imported yet." in texts(plot([]))


def test_each_panel_of_ranks_has_its_own_order():
    svg = board_plots.ranks(RANKS)
    found = texts(svg)
    named = [text for text in found if text in ("base <&>", "tuned", "cut")]
    assert named == ["base <&>", "tuned", "cut", "tuned", "cut", "base <&>"]
    assert {"own, direct", "own, train_before_test", "rank"} <= set(found)


def test_a_model_without_a_rank_has_its_interval_and_no_point():
    svg = board_plots.ranks(RANKS)
    assert svg.count('aria-roledescription="point"') == 5
    assert svg.count('aria-roledescription="rule mark"') == 6


def test_a_heat_map_has_each_two_tasks_both_ways_and_the_diagonal():
    panel = [row for row in TASKS if row["panel"] == "own, direct"]
    assert list(dict.fromkeys(row["row"] for row in panel)) == [
        "language: nouns",
        "language: verbs",
        "math: sums",
    ]
    assert [row["column"] for row in panel] == ["nouns", "verbs", "sums"] * 3
    assert [row["tau"] for row in panel] == [1.0, 0.75, -0.5, 0.75, 1.0, None, -0.5, None, 1.0]


def test_a_task_without_any_tau_has_none_with_itself():
    alone = board_plots.tau_cells(pairs(taus={("nouns", "sums"): None}))
    assert {row["tau"] for row in alone} == {None}


def test_a_task_of_no_category_is_last_and_says_so():
    kinds = {**KINDS, "nouns": None}
    rows = board_plots.tau_cells(pairs(kinds=kinds))
    assert [row["row"] for row in rows[::3]] == ["language: verbs", "math: sums", "no category: nouns"]


def test_few_tasks_have_their_values_in_the_cells_and_many_have_not():
    found = texts(board_plots.tasks(TASKS))
    assert found.count("0.75") == 4 and found.count("1.00") == 6 and found.count("−0.50") == 4
    many = {f"t{n}": "kind" for n in range(9)}
    taus = {(f"t{a}", f"t{b}"): 0.75 for a in range(9) for b in range(a + 1, 9)}
    assert "0.75" not in texts(board_plots.tasks(board_plots.tau_cells(pairs(taus=taus, kinds=many))))


def test_the_colours_are_those_of_the_fixed_scale_whatever_the_values():
    legend = ["−1.0", "−0.5", "0.0", "0.5", "1.0"]
    for tau in (0.9, 0.1):
        rows = board_plots.tau_cells(pairs(taus={("nouns", "verbs"): tau}))
        svg = board_plots.tasks(rows)
        assert [text for text in texts(svg) if text in legend] == legend
        assert svg.count("rgb(0, 114, 178)") >= 2  # the diagonal is blue, and is 1
    low, high = (
        board_plots.tasks(board_plots.tau_cells(pairs(taus={("nouns", "verbs"): tau}))) for tau in (-1.0, 1.0)
    )
    assert low.count("rgb(213, 94, 0)") == high.count("rgb(213, 94, 0)") + 2


def test_a_panel_a_source_and_regime():
    assert {"own, direct", "own, train_before_test"} <= set(texts(board_plots.tasks(TASKS)))
