"""The figures of the funnel condition show the numbers they were given."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.colors import to_rgb

from helpers.figures import condition as figures
from tests.figures.reading import images, texts

EDGE = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 2
VALUES = st.floats(-9, 9, allow_subnormal=False)


@given(arrays(float, (3, 4), elements=VALUES), st.floats(0.1, 9))
def test_zero_is_black_on_every_scale_and_signs_differ(values, limit):
    values[0, 0] = 0.0
    colours = figures.signed_rgb(values, limit).astype(int)
    assert colours.shape == (3, 4, 3)
    assert (colours[0, 0] == 0).all()
    negative = colours[values < -limit / 10]
    positive = colours[values > limit / 10]
    assert (negative[:, 2] > negative[:, 0]).all(), "negative is blue"
    assert (np.ptp(positive, axis=1) == 0).all(), "positive is grey"


@given(arrays(float, (4, 5), elements=VALUES), arrays(float, (4, 5), elements=VALUES))
def test_branch_map_and_shares_name_the_winner(x, condition):
    condition[0] = x[0]
    shares, colours = figures.branch_shares(x, condition), figures.branch_rgb(x, condition)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["equal"] >= 1 / 4
    for name, wins in (("x", x > condition), ("T", x < condition), ("equal", x == condition)):
        assert shares[name] == pytest.approx(wins.mean())
        expected = np.round(255 * np.array(to_rgb(figures.BRANCH_COLOURS[name])))
        assert (colours[wins] == expected).all()


def test_signed_pictures_share_one_scale():
    rows = {name: {"x": np.eye(8) * scale, "y": np.eye(8)} for name, scale in (("a", 1), ("b", 9))}
    figure = figures.signed_pictures(rows)
    pictures = images(figure)
    assert len(pictures) == 4
    assert {image.get_clim() for image in pictures} == {(-figures.LIMIT, figures.LIMIT)}
    assert {image.get_cmap().name for image in pictures} == {"signed"}
    shown = [image.get_array().max() for image in pictures]
    assert shown == [1, 1, 9, 1], "the values themselves are drawn, not rescaled ones"


def test_branch_map_draws_the_maximum_and_prints_the_shares():
    x = np.array([[1.0, -1.0], [1.0, 1.0]])
    condition = np.zeros((2, 2))
    figure = figures.branch_map(x, condition)
    assert (figure.axes[3].get_images()[0].get_array() == np.maximum(x, 0)).all()
    assert "T(x) wins 25% (vermilion)\nx wins 75% (grey)" in texts(figure)


def test_pixel_arithmetic_shows_the_true_numbers():
    x = np.arange(25.0).reshape(5, 5) - 12
    x[2, 2] = -5.25
    text = texts(figures.pixel_arithmetic(x, EDGE, [(2, 2), (1, 3)]))
    condition = (EDGE * x[1:4, 1:4]).sum()
    assert f"T(x) = sum = {condition:.2f}" in text
    assert f"y = max(-5.25, {condition:.2f})" in text
    assert f"   = {max(-5.25, condition):.2f}" in text
    assert "T(x) wins" in text
    assert f"{x[1, 2]:.2f}" in text


def test_pixel_arithmetic_says_when_x_wins():
    x = np.full((5, 5), 1.0)
    assert "x wins" in texts(figures.pixel_arithmetic(x, EDGE, [(2, 2)]))


@pytest.mark.parametrize("pixel", [(0, 2), (2, 0), (4, 2), (2, 4), (-1, 2)])
def test_pixel_arithmetic_refuses_a_window_that_leaves_the_picture(pixel):
    with pytest.raises(ValueError, match="rows 1 to 3 and columns 1 to 3"):
        figures.pixel_arithmetic(np.zeros((5, 5)), EDGE, [pixel])


def test_compare_windows_has_a_column_for_each_and_names_ties():
    x = np.random.default_rng(0).normal(size=(12, 12))
    windows = {"identity": np.eye(3), "up": np.ones((5, 5))}
    figure = figures.compare_windows(x, windows, {"identity": x, "up": x + 1})
    text = texts(figure)
    assert len(images(figure)) == 6
    assert "a tie in 100% (white)" in text
    assert "T(x) wins 100%" in text


@given(st.integers(0, 6), st.integers(7, 9))
def test_reach_of_a_ring_is_its_side(radius, half):
    offsets = np.arange(-half, half + 1)
    ring = np.maximum(np.abs(offsets[:, None]), np.abs(offsets)) == radius
    side, spread = figures.reach(ring.astype(float))
    assert side == 2 * radius + 1
    assert radius - 1e-9 <= spread <= radius * 2**0.5 + 1e-9


def test_reach_weighs_by_size_but_the_side_counts_every_pixel():
    values = np.zeros((9, 9))
    values[4, 4], values[4, 8] = 1.0, 1e-30
    side, spread = figures.reach(values)
    assert side == 9
    assert spread == pytest.approx(0, abs=1e-12)


def test_reach_figures_print_and_draw_what_was_measured():
    values = np.zeros((9, 9))
    values[3:6, 3:6] = 1
    side, spread = figures.reach(values)
    assert f"side {side} (square), spread {spread:.2f} (circle)" in texts(
        figures.reach_maps({"a": values})
    )
    figure = figures.reach_growth([1, 2], {"a": [(3, 1.0), (5, 1.5)]})
    drawn = [list(ax.get_lines()[0].get_ydata()) for ax in figure.axes]
    assert drawn == [[3, 5], [1.0, 1.5]]


def test_start_of_condition_draws_both_deviations():
    figure = figures.start_of_condition([0.1, 1.0], [0.2, 2.0], [1.0, 1.0])
    drawn = [list(line.get_ydata()) for line in figure.axes[0].get_lines()]
    assert drawn == [[0.2, 2.0], [1.0, 1.0]]
    assert figure.axes[0].get_yscale() == "log"


def test_the_sketch_colours_one_nine_and_no_cells():
    figure = figures.what_a_pixel_must_beat()
    coloured = [
        sum(patch.get_facecolor()[2] < 0.8 for patch in ax.patches if patch.get_fill())
        for ax in figure.axes
    ]
    assert coloured == [0, 1, 9]
