"""The first principal component: by hand, against another way to it, and on a published leaderboard."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lem.stats.principal import pc1

ROOT = Path(__file__).parents[1]
UPSTREAM = Path(os.environ.get("LEM_UPSTREAM", ROOT.parent / "shared" / "upstream"))
LEADERBOARD = UPSTREAM.parent / "seed-documents" / "lm-harmony-readme.md"


def test_two_tasks_that_agree_are_one():
    found = pc1([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    z = math.sqrt(1.5)  # of 1, 2, 3: one population standard deviation is sqrt(2/3)
    assert found.share == pytest.approx(1)
    assert found.scores == pytest.approx([-100 * z * math.sqrt(2), 0, 100 * z * math.sqrt(2)], abs=1e-9)


def test_higher_scores_are_better_where_most_tasks_are():
    found = pc1([[1.0, 1.0, 9.0], [2.0, 2.0, 5.0], [3.0, 3.0, 1.0]])
    assert found.scores[0] < found.scores[1] < found.scores[2]
    assert pc1([[-c for c in row] for row in [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]]).scores[0] > 0


def test_a_task_in_which_all_are_alike_tells_nothing():
    table = [[1.0, 0.1], [2.0, 0.3], [4.0, 0.2]]
    alike = pc1([[*row, 0.1 + 0.2] for row in table])
    assert alike.share == pytest.approx(pc1(table).share)
    assert alike.scores == pytest.approx(pc1(table).scores)


@pytest.mark.parametrize("gap", [None, math.nan, math.inf])
def test_a_model_with_a_missing_cell_is_left_out(gap):
    table = [[1.0, 2.0], [2.0, 1.0], [4.0, 5.0]]
    found = pc1([table[0], [3.0, gap], *table[1:], [3.0]])
    whole = pc1(table)
    assert found.share == whole.share
    assert found.scores == [whole.scores[0], None, *whole.scores[1:], None]


@pytest.mark.parametrize(
    "table", [[], [[]], [[], [], []], [[1.0, 2.0], [2.0, 3.0]], [[1.0, None]] * 4, [[1.0, 2.0]] * 3]
)
def test_where_there_is_no_component_nothing_is_said(table):
    assert pc1(table) == ([None] * len(table), None)


@given(st.lists(st.lists(st.integers(-50, 50), min_size=4, max_size=4), min_size=5, max_size=9))
def test_the_share_is_that_of_the_largest_eigenvalue(table):
    values = np.array(table, dtype=float)
    spread = values[:, values.std(axis=0) > 0]
    if not spread.size:
        assert pc1(table).share is None
        return
    eigenvalues = np.linalg.eigvalsh(np.atleast_2d(np.corrcoef(spread, rowvar=False)))
    assert pc1(table).share == pytest.approx(eigenvalues.max() / eigenvalues.sum())


def test_the_published_leaderboard():
    if not LEADERBOARD.is_file():
        pytest.skip(f"{LEADERBOARD} is absent; it lies beside the folder that LEM_UPSTREAM names")
    cells = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in LEADERBOARD.read_text().splitlines()
        if line.startswith("|") and line.count("|") > 20
    ][2:]
    stated = [float(row[2]) for row in cells]
    found = pc1([[float(cell) for cell in row[3:]] for row in cells])
    assert (len(cells), len(cells[0][3:])) == (61, 24)
    assert found.share == pytest.approx(0.8546, abs=5e-5)
    assert np.corrcoef(stated, found.scores)[0, 1] > 0.99999999
    assert found.scores == pytest.approx(stated, abs=1.5)
