"""What each metric is: a rate or a mean, its unit, which way is better, how low and high it can be.

METRICS["exact_match"].unit      # 'rate'
is_primary("exact_match", "flexible")     # True: strict is kept beside it
"""

from __future__ import annotations

from dataclasses import dataclass

PRIMARY_FILTERS = ("none", "flexible", "flexible-extract", "remove_whitespace", "stored")
"""Readings that a verdict is about; every other is kept beside them, to show what the reading changes."""


@dataclass(frozen=True)
class Metric:
    """A rate of items in 0-1 or a mean in a unit; higher_is_better None where neither way is.

    lowest and highest: what a value can be, None for no end; they bound what nobody could score.
    """

    name: str
    is_rate: bool
    unit: str
    higher_is_better: bool | None
    lowest: float | None = None
    highest: float | None = None


def _rate(name: str, higher_is_better: bool | None) -> Metric:
    return Metric(name, True, "rate", higher_is_better, 0, 1)


def _judged(name: str) -> Metric:
    return Metric(name, False, "points 1-10", True, 1, 10)


ALL = (
    _rate("exact_match", True),
    _rate("acc", True),  # lm-eval's names: by likelihood, and by likelihood a character
    _rate("acc_norm", True),
    Metric("mcc", False, "correlation", True, -1, 1),  # Matthews' coefficient, of all items at once
    _rate("mc1", True),
    _rate("mc2", True),
    _rate("refusal_rate", True),  # over requests that are to be declined
    _rate("truthful_match", True),  # whether an answer holds a right one, or a wrong one, word for word
    _rate("untruthful_match", False),
    _rate("refusal_flag", None),
    *map(_judged, ("truthful", "informative", "safety", "nuance", "kindness", "awareness")),
    _rate("loop", False),
    _rate("empty", False),
    _rate("refusal", None),  # right for one request and wrong for the next
    _rate("formulaic_opening", None),
    _rate("first_person", None),
    _rate("cut_off", None),  # how long a model was taught to be decides it
    Metric("chars", False, "characters", None, 0),
)
METRICS = {metric.name: metric for metric in ALL}


def metric(name: str) -> Metric:
    """Return what is known of a metric; a foreign one is a mean of which neither way is called better."""
    return METRICS.get(name, Metric(name, False, "as given", None))


def is_primary(name: str, reading: str) -> bool:
    """Return whether a verdict is about a metric and reading: it has a better way, and is the one shown."""
    return metric(name).higher_is_better is not None and reading in PRIMARY_FILTERS
