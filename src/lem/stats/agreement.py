"""How far judges, or a judge's repeats, agree with each other beyond chance.

alpha([[8, 7, 3], [8, 6, None]])   # two raters of three items, one rating missing
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

Level = Literal["nominal", "ordinal", "interval"]


def alpha(ratings: Sequence[Sequence[float | None]], level: Level = "ordinal") -> float | None:
    """Return Krippendorff's alpha of raters (or repeats) by items: 1 is agreement, 0 what chance gives.

    K. Krippendorff, "Content analysis" (2004), chapter 11. One row a rater, one
    column an item, None where a rating is missing; only items with two ratings
    count. None where it is not defined: no such item, or the same rating
    everywhere. ValueError where a rater has more or fewer columns than another.
    """
    import krippendorff

    items = [[rating for rating in item if rating is not None] for item in zip(*ratings, strict=True)]
    if len({rating for item in items if len(item) > 1 for rating in item}) < 2:
        return None
    data = [[math.nan if rating is None else float(rating) for rating in rater] for rater in ratings]
    return float(krippendorff.alpha(reliability_data=data, level_of_measurement=level))
