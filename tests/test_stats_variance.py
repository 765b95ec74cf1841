"""Variance components against a published table, statsmodels and simulation."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from lem import stats

# P. E. Shrout and J. L. Fleiss, "Intraclass correlations", Psychological Bulletin 86 (1979), table 2: six
# targets by four judges. Table 3: mean squares 11.24, 32.49 and 1.02; ICC(2,1) = 0.29.
RATINGS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


def test_components_as_published():
    found = stats.components(RATINGS)
    assert found.residual == pytest.approx(1.02, abs=0.005)
    assert found.item == pytest.approx((11.24 - 1.02) / 4, abs=0.005)
    assert found.seed == pytest.approx((32.49 - 1.02) / 6, abs=0.005)
    assert found.item / sum(found) == pytest.approx(0.29, abs=0.005)


SHAPES = st.tuples(st.integers(2, 6), st.integers(2, 4))
TABLES = SHAPES.flatmap(
    lambda shape: st.lists(
        st.lists(st.integers(-20, 20), min_size=shape[1], max_size=shape[1]),
        min_size=shape[0],
        max_size=shape[0],
    )
)


@given(TABLES)
def test_components_are_those_of_statsmodels_mean_squares(table):
    items, seeds = len(table), len(table[0])
    rows = [(f"i{i}", f"s{s}", float(v)) for i, row in enumerate(table) for s, v in enumerate(row)]
    frame = pd.DataFrame(rows, columns=["item", "seed", "value"])
    squares = anova_lm(ols("value ~ C(item) + C(seed)", frame).fit())["sum_sq"]
    of_items, of_seeds = squares["C(item)"] / (items - 1), squares["C(seed)"] / (seeds - 1)
    left = squares["Residual"] / ((items - 1) * (seeds - 1))
    expected = max(0.0, (of_items - left) / seeds), max(0.0, (of_seeds - left) / items), left
    assert stats.components(table) == pytest.approx(expected, abs=1e-6)


def test_components_by_hand():
    # rows differ by 2, columns by 1, nothing else
    assert stats.components([[0, 1], [2, 3]]) == (2.0, 0.5, 0.0)
    # crossed: no row and no column differs from another, so both would be negative
    assert stats.components([[0, 1], [1, 0]]) == (0.0, 0.0, 1.0)


def test_components_find_what_was_put_in():
    draws = np.random.default_rng(1992)
    values = draws.normal(0, 3, (300, 1)) + draws.normal(0, 2, (1, 300)) + draws.normal(0, 1, (300, 300))
    assert stats.components(values.tolist()) == pytest.approx((9.0, 4.0, 1.0), rel=0.25)


@pytest.mark.parametrize("table", [[], [[1.0, 2.0]], [[1.0], [2.0]], [[1.0]], [[], []]])
def test_one_item_or_one_seed_cannot_be_told_apart(table):
    assert stats.components(table) == (None, None, None)


def test_each_item_has_as_many_seeds():
    with pytest.raises(ValueError, match="shorter"):
        stats.components([[1.0, 2.0], [1.0]])
