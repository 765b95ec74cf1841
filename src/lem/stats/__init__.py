"""The only statistics: each number with its standard error, its interval and the method's name. Pure.

Everything is said twice: by an interval, and by a test where two models are compared. Where several
items share one cluster (a passage, a template) the clusters are what was sampled, not the items.

    rate(66, 150)                  # Estimate(n=150, value=0.44, ..., method='wilson 95 %')
    mean([8.0, 9.0, 7.0])          # Estimate(n=3, value=8.0, ..., method='t 95 %')
    paired([1, 1, 0], [1, 0, 0])   # Estimate(n=3, value=0.33, ..., method='paired t 95 %')
"""

from lem.stats.agreement import alpha
from lem.stats.bounds import Bounds, bounds, difference_bounds
from lem.stats.estimates import CONFIDENCE, ROUNDING, Estimate, mean, paired, proportion, rate
from lem.stats.hypotheses import SIGNIFICANCE, Flips, detectable, flips, holm, sign_flip, tost
from lem.stats.ratio import ratio
from lem.stats.variance import Components, components, spread
from lem.stats.verdicts import holds, verdict

__all__ = [
    "CONFIDENCE",
    "ROUNDING",
    "SIGNIFICANCE",
    "Bounds",
    "Components",
    "Estimate",
    "Flips",
    "alpha",
    "bounds",
    "components",
    "detectable",
    "difference_bounds",
    "flips",
    "holds",
    "holm",
    "mean",
    "paired",
    "proportion",
    "rate",
    "ratio",
    "sign_flip",
    "spread",
    "tost",
    "verdict",
]
