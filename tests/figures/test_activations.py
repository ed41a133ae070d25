"""The figures of notebook 01 show the arrays they were given, in the series' colours."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, strategies as st
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from helpers import figures
from helpers.figures import activations as curves, style

POINTWISE = tuple(curves.FORMULAS)


def curve(name: str) -> figures.Curve:
    """Any curve will do: with a kink at zero and a slope that jumps there."""
    x = np.linspace(-5, 5, 101)
    return figures.Curve(name, x, np.maximum(x, 0.1 * x), np.where(x > 0, 1, 0.1))


def texts(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(plt.Text))


def lines_of(axes: plt.Axes, name: str) -> list[np.ndarray]:
    """The y values of the lines in the activation's colour."""
    colour = to_hex(style.COLOURS[name])
    return [line.get_ydata() for line in axes.lines if to_hex(line.get_color()) == colour]


def test_every_pointwise_activation_has_a_look_of_its_own():
    assert {"relu", "prelu", "mish"} < set(POINTWISE)
    looks = {(style.COLOURS[name], style.LINES[name]) for name in POINTWISE}
    assert len(looks) == len(POINTWISE), "a colour may come again, with another line"
    assert {colour for colour, _ in looks} <= set(style.OKABE_ITO.values())


def test_families_show_every_activation_once_besides_relu():
    figure = figures.families([curve(name) for name in POINTWISE])
    values = figure.axes[: len(curves.FAMILIES)]
    shown = [text.get_text() for axes in values for text in axes.texts]
    assert sorted(shown) == sorted([*(style.LABELS[name] for name in POINTWISE), "ReLU"])
    np.testing.assert_allclose(lines_of(figure.axes[0], "prelu")[0], curve("prelu").y)


ADDED = """
import numpy as np
from matplotlib import pyplot as plt
from torch import nn
from helpers.nn import ACTIVATIONS, Activation
family = ACTIVATIONS["elu"].family
look = "Softplus", "#F0E442", ":", "$log$", family
row = Activation(lambda _: nn.Softplus(), *look, needs_channels=False)
ACTIVATIONS["softplus"] = row

from helpers import figures, make_activation
from helpers.figures.activations import FORMULAS
from helpers.widgets import explorer

def one(name):
    return explorer.explored(explorer.opening([name], 0.5))[0]

assert type(make_activation("softplus")) is nn.Softplus
curves = [one(name).curve for name in FORMULAS]
norms = {"softplus": np.ones((2, 3))}
outputs = {name: np.eye(4) for name in FORMULAS}
drawn = [
    figures.families(curves),
    figures.one_by_one(curves),
    figures.photographs(np.eye(4) - 0.5, outputs),
    figures.gradient_depth({"title": norms}),
    figures.dead_units([0.1, 1.0, 2.0], norms),
    explorer.drawing.explorer(np.zeros((4, 4, 3), np.uint8), [[one("softplus")]]),
]
for figure in drawn:
    (texts,) = [[t for t in figure.findobj(plt.Text) if t.get_text().startswith("Softplus")]]
    assert texts and {t.get_color() for t in texts} <= {"#F0E442"}, figure.get_axes()[0].get_title()
assert "softplus" in explorer.constants()["functions"]
"""


def test_a_row_added_to_the_one_table_is_drawn_everywhere():
    """In a process of its own: figures read the table when they are imported."""
    done = subprocess.run([sys.executable, "-c", ADDED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_slopes_have_a_gap_where_they_jump_and_nowhere_else():
    gaps = curves.with_gaps(curve("relu").slope)
    assert np.isnan(gaps).sum() == 1
    smooth = np.tanh(np.linspace(-3, 3, 100))
    np.testing.assert_array_equal(curves.with_gaps(smooth), smooth)


def test_one_by_one_writes_each_formula():
    figure = figures.one_by_one([curve(name) for name in POINTWISE])
    assert all(curves.FORMULAS[name] in texts(figure) for name in POINTWISE)
    value, slope = lines_of(figure.axes[POINTWISE.index("mish")], "mish")
    np.testing.assert_allclose(value, curve("mish").y)
    assert np.nanmax(slope) == 1


def test_bracket_draws_one_bar_per_step():
    steps = np.array([(-2, 0), (-2, -1), (-1.5, -1)])
    values, slopes = figures.bracket(curve("mish"), steps).axes
    bars = [line.get_xdata() for line in values.lines if line.get_marker() == "|"]
    np.testing.assert_array_equal(bars, steps)
    assert "after 2 halvings" in texts(values.figure)
    assert lines_of(slopes, "mish")


def test_overflow_marks_nan_and_only_nan():
    x = np.linspace(0, 10, 11)
    slopes = {"broken": np.where(x > 5, np.nan, 1), "right": np.ones(11)}
    broken, right = figures.overflow(x, slopes, limit=5).axes
    assert [text.get_text() for text in broken.texts] == ["NaN"]
    assert not right.texts


def test_photographs_put_zero_at_black_on_one_scale():
    rng = np.random.default_rng(0)
    picture = rng.normal(size=(12, 12))
    figure = figures.photographs(picture, {name: np.maximum(picture, 0) for name in POINTWISE})
    images = [image for axes in figure.axes for image in axes.images]
    assert len(images) == 1 + len(POINTWISE)
    np.testing.assert_array_equal(images[0].get_array(), picture)
    colours = {to_hex(image.cmap(image.norm(0.0))) for image in images}
    assert colours == {"#000000"}


def test_gradients_set_out_as_one_from_the_last_layer():
    norms = np.array([[1.0, 2, 4], [1, 2, 4]])
    (axes,) = figures.gradient_depth({"halved per layer": {"silu": norms}}).axes
    np.testing.assert_allclose(lines_of(axes, "silu")[0], [1, 0.5, 0.25])
    assert axes.get_yscale() == "log"


def test_names_at_line_ends_keep_their_distance():
    same = {name: np.ones((2, 5)) for name in POINTWISE}
    (axes,) = figures.gradient_depth({"all alike": same}).axes
    heights = sorted(text.xyann[1] for text in axes.texts)
    assert len(heights) == len(POINTWISE)
    assert np.diff(heights) == pytest.approx(0.05)
    assert np.mean(heights) == pytest.approx(0.5)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_spread_names_keep_order_distance_and_centre(heights: list[float]):
    spread = curves._spread(heights, apart=0.1)
    assert np.all(np.diff(np.sort(spread)) >= 0.1 - 1e-9)
    assert spread.mean() == pytest.approx(np.mean(heights))
    order = np.argsort(heights, kind="stable")
    assert np.all(np.diff(spread[order]) > 0)


def test_names_that_do_not_collide_stay_where_they_are():
    assert curves._spread([0.9, 0.1, 0.5], apart=0.1) == pytest.approx([0.9, 0.1, 0.5])


def test_activity_counts_and_reddens_the_dead():
    active = np.array([[True, False, False], [False, False, True]])
    (axes,) = figures.activity({"layer": active}).axes
    assert axes.get_title() == "layer: 1 of 3 units dead"
    drawn = np.asarray(axes.images[0].get_array())
    assert (drawn == 2).all(axis=1).tolist() == [False, False, True]


def test_dead_units_draws_mean_and_band():
    shares = {"relu": np.array([[0.0, 0.5], [0.2, 0.7]])}
    (axes,) = figures.dead_units([0.1, 1.0], shares).axes
    np.testing.assert_allclose(lines_of(axes, "relu")[0], [0.1, 0.6])
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == 0
    assert band[:, 1].max() == pytest.approx(0.7)
