"""Where a score's variation comes from: from the items, from the training seeds, or from neither.

components([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])   # three items of two training seeds
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Components(NamedTuple):
    """Variances, in the values' unit squared: between items, between training seeds, and what is left."""

    item: float | None
    seed: float | None
    residual: float | None


def spread(values: Sequence[float]) -> float | None:
    """Return the sample standard deviation; None for fewer than two values."""
    return statistics.stdev(values) if len(values) > 1 else None


def components(values: Sequence[Sequence[float]]) -> Components:
    """Return the variance between items, between training seeds and the residual; one row an item.

    Two-way random effects without replication, by the method of moments; a
    negative estimate is reported as 0 (S. R. Searle, G. Casella and C. E.
    McCulloch, "Variance components" (1992), chapter 4). With one item or one
    seed they cannot be told apart: all are None. ValueError where an item has
    more or fewer seeds than another.
    """
    columns = list(zip(*values, strict=True))
    items, seeds = len(values), len(columns)
    if items < 2 or seeds < 2:
        return Components(None, None, None)
    rows, across = ([math.fsum(side) / len(side) for side in table] for table in (values, columns))
    middle = math.fsum(rows) / items
    of_items = seeds * _squares(rows, [middle] * items) / (items - 1)
    of_seeds = items * _squares(across, [middle] * seeds) / (seeds - 1)
    flat = [value for row in values for value in row]
    fitted = [row + column - middle for row in rows for column in across]
    residual = _squares(flat, fitted) / ((items - 1) * (seeds - 1))
    return Components(
        max(0.0, (of_items - residual) / seeds), max(0.0, (of_seeds - residual) / items), residual
    )


def _squares(values: Sequence[float], fitted: Sequence[float]) -> float:
    return math.fsum((value - fit) ** 2 for value, fit in zip(values, fitted, strict=True))
