"""What is known of each metric, and what is assumed of one that nobody knows."""

from lem import metrics
from lem.metrics import METRICS, Metric


def test_each_metric_is_named_once():
    assert len(METRICS) == len(metrics.ALL)
    assert all(METRICS[metric.name] is metric for metric in metrics.ALL)


def test_a_rate_has_the_unit_of_rates_and_a_mean_has_not():
    assert all((metric.unit == "rate") == metric.is_rate for metric in metrics.ALL)


def test_exact_match_is_a_rate_and_more_of_it_is_better():
    assert metrics.metric("exact_match") == Metric("exact_match", True, "rate", True)


def test_how_long_an_answer_is_is_neither_good_nor_bad():
    """A model that was taught by trimmed answers ends its own sooner: that is no merit."""
    assert metrics.metric("cut_off").higher_is_better is metrics.metric("chars").higher_is_better is None


def test_a_foreign_metric_is_a_mean_of_which_neither_way_is_better():
    assert metrics.metric("sparkle") == Metric("sparkle", False, "as given", None)
    assert "sparkle" not in METRICS
