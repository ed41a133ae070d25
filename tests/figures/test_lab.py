"""Static figures of widgets: a row of panels for each state, and the explorer's axes."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot as plt

from helpers.figures import lab
from helpers.figures.activations import Curve

RED = np.full((4, 6, 3), (255, 0, 0), np.uint8)


def test_each_state_has_a_row_and_each_title_a_column():
    rows = {"first": {"x": RED, "y": RED // 2}, "second": {"x": RED, "y": RED}}
    figure = lab.panel_rows(rows, {"first": ["", "a note"], "second": ["b", ""]}, {"sky": "blue"})
    first, second = np.array(figure.axes).reshape(2, 2)
    assert [axes.get_title() for axes in first] == ["x", "y"]
    assert [axes.get_title() for axes in second] == ["", ""]
    assert [line[0].get_ylabel() for line in (first, second)] == ["first", "second"]
    assert [axes.get_xlabel() for axes in (*first, *second)] == ["", "a note", "b", ""]
    assert (first[1].images[0].get_array() == RED // 2).all()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["sky"]


def test_notes_and_legend_can_be_left_out():
    figure = lab.panel_rows({"only": {"x": RED}})
    assert not figure.legends
    assert figure.axes[0].get_xlabel() == ""


def explored(name: str) -> lab.Explored:
    x = np.linspace(-4, 4, 9)
    curve = Curve(name, x, np.maximum(x, 0), (x > 0).astype(float))
    return lab.Explored(curve, (1.0, 1.0, 1.0), RED)


@pytest.mark.parametrize(
    ("count", "drawn_in"), [(0, "large"), (3, "large"), (4, "small"), (8, "small")]
)
def test_there_are_panels_for_every_output(count, drawn_in):
    figure = plt.figure(figsize=(12, 4.4))
    axes = lab.explorer_axes(figure)
    assert axes.panels(count) is getattr(axes, drawn_in)
    assert len(axes.panels(count)) > count


def test_the_small_panels_are_as_many_as_the_functions_need(monkeypatch):
    monkeypatch.setattr(lab, "FORMULAS", dict.fromkeys(map(str, range(12)), ""))
    axes = lab.explorer_axes(plt.figure(figsize=(12, 4.4)))
    assert len(axes.panels(12)) == 16


def test_a_function_has_curve_slope_name_and_output():
    figure = lab.explorer(RED, [[explored("relu"), explored("mish")]])
    (part,) = figure.subfigs
    values, slopes, first, second, third = part.axes[:5]
    assert [text.get_text() for text in values.texts] == ["ReLU", "Mish"]
    assert len(values.lines) == 3 + 2 * 3, "two zero lines, x; a curve, a tangent and a point each"
    assert len(slopes.lines) == 3 + 2 * 2
    assert [panel.texts[0].get_text() for panel in (first, second, third)] == ["x", "ReLU", "Mish"]


def test_the_tangent_has_the_slope_and_the_axes_one_scale():
    figure = plt.figure(figsize=(12, 4.4))
    axes = lab.explorer_axes(figure)
    lab.explorer_touch(axes, [explored("relu")])
    ends = axes.values.lines[2].get_xydata()
    assert np.diff(ends[:, 1]) / np.diff(ends[:, 0]) == pytest.approx(1)
    box = axes.values.get_window_extent()
    per_unit = (
        box.width / np.ptp(axes.values.get_xlim()),
        box.height / np.ptp(axes.values.get_ylim()),
    )
    assert per_unit[0] == pytest.approx(per_unit[1], rel=0.05)
