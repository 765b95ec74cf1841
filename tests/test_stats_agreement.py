"""Krippendorff's alpha against his own worked example."""

import pytest

from lem import stats

# K. Krippendorff, "Computing Krippendorff's alpha-reliability" (2011), part C: four observers, twelve units.
RATINGS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


@pytest.mark.parametrize(
    ("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_alpha_as_published(level, published):
    assert stats.alpha(RATINGS, level) == pytest.approx(published, abs=0.0005)


def test_alpha_by_hand():
    # Two raters, two items, one of them agreed on: of the 4 ratings three are alike. Disagreement seen:
    # 2 of 4 coincidences; by chance 2 * 3 * 1 / 3 = 2 of 4. So they agree as chance would have it.
    assert stats.alpha([[1, 1], [1, 2]], "nominal") == pytest.approx(0.0)
    assert stats.alpha([[1, 2, 3], [1, 2, 3]]) == pytest.approx(1.0)


def test_the_size_of_a_disagreement_counts_only_on_a_scale():
    near, far = [[1, 5, 9], [2, 5, 9]], [[1, 5, 9], [9, 5, 9]]
    assert stats.alpha(near, "interval") > stats.alpha(far, "interval")
    assert stats.alpha(near) > stats.alpha(far)


@pytest.mark.parametrize(
    "ratings",
    [
        [],
        [[1, 2, 3]],  # nobody else rated
        [[1, None], [None, 2]],  # nor the same item
        [[4, 4], [4, 4]],  # always the same
        [[4, 4, 7], [4, 4, None]],  # the other rating stands alone
        [[None], [None]],
    ],
)
def test_alpha_is_not_defined(ratings):
    assert stats.alpha(ratings) is None


def test_raters_rate_the_same_items():
    with pytest.raises(ValueError, match="shorter"):
        stats.alpha([[1, 2], [1]])
