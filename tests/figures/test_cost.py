"""The figures of notebook 07 show the numbers they were given."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex

from helpers.figures import cost as figures
from helpers.figures.style import COLOURS
from tests.figures.reading import texts

FLOORS = {
    "training": {"relu": 2.5, "mish": 2.5, "frelu": 4.0},
    "inference": {"relu": 1.0, "mish": 1.0, "frelu": 1.0},
}


def records(copied: float) -> list[dict]:
    ms = {"copy": 2.0, "relu": 6.0, "mish": 8.0, "copied": copied, "fast": 20.0}
    return [{"megabytes": size, "training": ms, "inference": ms} for size in (4.0, 2.0, 1.0)]


def test_times_are_drawn_in_copies_with_a_row_for_each_machine():
    figure = figures.times_in_copies({"yours": records(60.0), "theirs": records(90.0)}, FLOORS)
    assert [axes.get_title() for axes in figure.axes] == [
        "yours: forward and backward",
        "yours: inference",
        "theirs: forward and backward",
        "theirs: inference",
    ]
    for axes, copied in zip(figure.axes, (30, 30, 45, 45), strict=True):
        drawn = {line.get_marker(): line.get_ydata() for line in axes.lines}
        np.testing.assert_allclose(drawn["X"], copied)
        np.testing.assert_allclose(drawn["o"], 3)
        assert {"ReLU", "Mish", "FReLU, copied", "FReLU, fast"} <= {
            text.get_text() for text in axes.texts
        }


def test_floors_are_named_by_whose_they_are():
    training, inference = figures.times_in_copies({"yours": records(60.0)}, FLOORS).axes
    flat = [line.get_ydata()[0] for line in training.lines if len(line.get_ydata()) == 2]
    assert sorted(flat) == [2.5, 4.0]
    assert {"floor: ReLU, Mish", "floor: FReLU"} <= {text.get_text() for text in training.texts}
    assert "floor: ReLU, Mish, FReLU" in {text.get_text() for text in inference.texts}


def test_names_at_equal_ends_do_not_overlap():
    axes, *_ = figures.times_in_copies({"yours": records(20.0)}, FLOORS).axes
    heights = {t.get_text(): t.xy[1] for t in axes.texts if t.get_text() in figures.NAMES.values()}
    assert heights["FReLU, copied"] / heights["FReLU, fast"] == pytest.approx(1.35, abs=0.01) or (
        heights["FReLU, fast"] / heights["FReLU, copied"] == pytest.approx(1.35, abs=0.01)
    )


def test_kept_tensors_are_blocks_in_units_of_x():
    kept = {"ReLU": [("y", 25.0)], "FReLU": [("x", 25.0), ("conv(x)", 25.0), ("other", 0.1)]}
    figure = figures.kept_tensors(kept, unit=25.0)
    (axes,) = figure.axes
    widths = [round(bar.get_width(), 3) for bar in axes.patches]
    assert widths == [1, 1, 1, 0.004]
    assert [bar.get_x() for bar in axes.patches] == pytest.approx([0, 0, 1, 2])
    assert {"x", "y", "conv(x)"} <= set(texts(figure))
    assert "other" not in texts(figure)  # too narrow for its name
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first layer on top


def test_each_price_has_a_panel_with_its_shares():
    shares = {"parameters": np.array([0.25, 0.75]), "bytes kept": np.array([0.8, 0.2])}
    figure = figures.price_by_level(["first", "second"], shares)
    for axes, (price, share) in zip(figure.axes, shares.items(), strict=True):
        assert axes.get_title() == price
        np.testing.assert_allclose([bar.get_width() for bar in axes.patches], share)
        assert to_hex(axes.patches[0].get_facecolor()) == COLOURS["frelu"].lower()
    assert {"first", "second", "25%", "75%", "80%", "20%"} <= set(texts(figure))
