"""What each metric is: a rate or a mean, its unit, and which way is better.

METRICS["exact_match"].unit      # 'rate'
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A rate of items in 0-1 or a mean in a unit; higher_is_better None where neither way is."""

    name: str
    is_rate: bool
    unit: str
    higher_is_better: bool | None


ALL = (
    Metric("exact_match", True, "rate", True),
    Metric("truthful", False, "points 1-10", True),
    Metric("informative", False, "points 1-10", True),
    Metric("safety", False, "points 1-10", True),
    Metric("nuance", False, "points 1-10", True),
    Metric("kindness", False, "points 1-10", True),
    Metric("awareness", False, "points 1-10", True),
    Metric("cut_off", True, "rate", None),  # how long a model was taught to be decides it
    Metric("chars", False, "characters", None),
)
METRICS = {metric.name: metric for metric in ALL}


def metric(name: str) -> Metric:
    """Return what is known of a metric; a foreign one is a mean of which neither way is called better."""
    return METRICS.get(name, Metric(name, False, "as given", None))
