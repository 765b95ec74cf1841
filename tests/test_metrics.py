"""What is known of each metric, and what is assumed of one that nobody knows."""

from lem import metrics
from lem.metrics import METRICS, Metric


def test_each_metric_is_named_once():
    assert len(METRICS) == len(metrics.ALL)
    assert all(METRICS[metric.name] is metric for metric in metrics.ALL)


def test_a_rate_has_the_unit_of_rates_and_a_mean_has_not():
    assert all((metric.unit == "rate") == metric.is_rate for metric in metrics.ALL)


def test_exact_match_is_a_rate_and_more_of_it_is_better():
    assert metrics.metric("exact_match") == Metric("exact_match", True, "rate", True, 0, 1)


def test_how_long_an_answer_is_is_neither_good_nor_bad():
    """A model that was taught by trimmed answers ends its own sooner: that is no merit."""
    assert metrics.metric("cut_off").higher_is_better is metrics.metric("chars").higher_is_better is None


def test_a_verdict_is_about_a_metric_with_a_better_way_in_the_reading_that_is_shown():
    assert metrics.is_primary("exact_match", "flexible") and metrics.is_primary("mc1", "none")
    assert not metrics.is_primary("exact_match", "strict")
    assert not metrics.is_primary("chars", "none")
    assert not metrics.is_primary("sparkle", "none")


def test_what_can_be_bounded_has_both_ends_and_a_rate_always_does():
    for metric in metrics.ALL:
        assert (metric.lowest, metric.highest) == (0, 1) or not metric.is_rate
        assert metric.highest is None or metric.lowest is not None


def test_a_foreign_metric_is_a_mean_of_which_neither_way_is_better():
    assert metrics.metric("sparkle") == Metric("sparkle", False, "as given", None)
    assert "sparkle" not in METRICS
