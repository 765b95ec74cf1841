"""The plots: valid SVG, the same bytes for the same rows, every row in them and nothing made up."""

import re
from xml.etree import ElementTree

import pytest

from lem.report import plots

RATES = [
    {"panel": panel, "model": model, "role": role, "value": value, "low": low, "high": high}
    for panel in ("sums, flexible", "sums, strict")
    for model, role, value, low, high in (
        ("base", "baseline", 44.0, 36.3, 52.0),
        ("tuned <&>", "fine-tuned", 50.0, None, None),
        ("unscored", "fine-tuned", None, None, None),
    )
]
MODES = [
    {
        "panel": "validation: cut_off",
        "model": model,
        "mode": mode,
        "difference": 5.0,
        "low": -2.0,
        "high": 12.0,
    }
    for mode in ("system", "sandwich")
    for model in ("base", "tuned")
]
LOSSES = [
    {"model": "tuned.s0", "split": split, "iteration": n, "loss": 3 - n / 100}
    for split in ("train", "valid")
    for n in (0, 40, 80)
]
DRAWN = {plots.accuracy: RATES, plots.modes: MODES, plots.losses: LOSSES}


def texts(svg):
    return {node.text for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("text")}


def symbols(svg):
    """Return how many points of data there are."""
    marks = re.findall(r'<g class="mark-symbol[^"]*layer[^"]*marks".*?</g>', svg, re.S)
    return sum(mark.count("<path") for mark in marks)


@pytest.mark.parametrize("plot", DRAWN)
def test_the_same_rows_are_the_same_bytes_and_valid_xml(plot):
    svg = plot(DRAWN[plot])
    assert svg == plot(DRAWN[plot]) and svg.endswith("</svg>\n")
    ElementTree.fromstring(svg)
    assert set(re.findall('font-family="([^"]*)"', svg)) == {plots.FONT}
    assert not re.search(r"20\d\d-\d\d|<image|href=", svg)


@pytest.mark.parametrize("plot", DRAWN)
def test_a_changed_row_is_another_plot(plot):
    rows = [dict(row) for row in DRAWN[plot]]
    field = next(name for name in ("value", "difference", "loss") if name in rows[0])
    rows[0][field] += 1
    assert plot(rows) != plot(DRAWN[plot])


@pytest.mark.parametrize("plot", DRAWN)
def test_nothing_to_draw_is_a_plot_that_says_so(plot):
    assert any(re.match("No .*[.]", text or "") for text in texts(plot([])))


def test_accuracy_draws_what_was_scored_by_its_name():
    svg = plots.accuracy(RATES)
    found = texts(svg)
    assert {"sums, flexible", "sums, strict", "base", "tuned <&>", "correct, in percent"} <= found
    assert "unscored" not in found
    assert symbols(svg) == 4


def test_modes_draw_a_point_a_model_and_mode():
    svg = plots.modes(MODES)
    assert {"system", "sandwich", "base", "tuned", "mode minus naked, in points"} <= texts(svg)
    assert symbols(svg) == 4


def test_losses_tell_models_and_splits_apart():
    svg = plots.losses(LOSSES)
    assert {"tuned.s0", "train", "valid", "training iterations"} <= texts(svg)
    assert symbols(svg) == 6 and 'stroke-dasharray="6,3"' in svg
