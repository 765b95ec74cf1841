"""The first principal component of a table of scores: one number a model, and how much of the table it tells.

A leaderboard of many benchmarks is often summed up by it. How much it sums up is its
share of the variance; a share of 85 % leaves 15 % that the ranking does not tell.

    pc1([[90.0, 60.0], [80.0, 55.0], [40.0, 20.0]])   # Component(scores=[..., ..., ...], share=0.99)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEWEST = 3
"""Models that a component needs: two always lie on one line."""
SCALE = 100
"""Of a score, as LM-Harmony's leaderboard states them."""

Row = Sequence[float | None]


class Component(NamedTuple):
    """A score for each row (None where a cell is missing) and the share of the variance, 0-1."""

    scores: list[float | None]
    share: float | None


def pc1(matrix: Sequence[Row]) -> Component:
    """Return the first principal component of the z-scored matrix; rows are models, columns tasks.

    K. Pearson, "On lines and planes of closest fit to systems of points in space", Philosophical
    Magazine 2 (1901), by the singular value decomposition. Each column is centred and divided by
    its population standard deviation; one in which all models are alike tells nothing and stays 0.
    Scores are times 100, and their sign is that of the mean loading, so that higher is better
    where it is better on most tasks. A row with a missing cell (null, not finite, or beyond its
    end) is left out; with fewer than 3 whole rows, or none that differ, all is None.
    """
    import numpy as np

    values = cells(matrix)
    places = np.flatnonzero(np.isfinite(values).all(axis=1)).tolist()
    nothing = Component([None] * len(matrix), None)
    if len(places) < FEWEST or not values.shape[1]:
        return nothing
    standard = z_scores(values[places])
    left, sizes, loadings = np.linalg.svd(standard, full_matrices=False)
    if not sizes[0]:
        return nothing
    sign = -1.0 if loadings[0].mean() < 0 else 1.0
    scores = dict(zip(places, (SCALE * sign * sizes[0] * left[:, 0]).tolist(), strict=True))
    share = float(sizes[0] ** 2 / (sizes**2).sum())
    return Component([scores.get(place) for place in range(len(matrix))], share)


def cells(matrix: Sequence[Row], width: int = 0) -> NDArray[np.float64]:
    """Return the matrix as floats, `width` columns or more; NaN for a null, an infinity or no cell."""
    import numpy as np

    values = np.full((len(matrix), max([width, *map(len, matrix)])), np.nan)
    for place, row in enumerate(matrix):
        values[place, : len(row)] = [math.nan if cell is None else cell for cell in row]
    values[~np.isfinite(values)] = np.nan
    return values


def z_scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each column less its mean, in population standard deviations; rounding is no spread.

    Models are the last axis but one, tasks the last: a whole stack of tables is scored at a time.
    """
    import numpy as np

    mean, spread = values.mean(axis=-2, keepdims=True), values.std(axis=-2, keepdims=True)
    tells = spread > 1e-12 * np.abs(values).max(axis=-2, keepdims=True)
    return np.where(tells, (values - mean) / np.where(tells, spread, 1.0), 0.0)
