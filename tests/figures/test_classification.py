"""The figures of the small classifier say what the arrays say."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from helpers.figures import classification as figures
from helpers.figures.style import COLOURS
from tests.figures.reading import dots, images, texts


@pytest.fixture
def pictures():
    return np.random.default_rng(0).integers(0, 256, (8, 3, 5, 6), dtype=np.uint8)


# --- the data ----------------------------------------------------------------------------------


def test_channels_go_last(pictures):
    assert figures.rgb(pictures).shape == (8, 5, 6, 3)
    np.testing.assert_array_equal(figures.rgb(pictures)[3, 1, 2], pictures[3, :, 1, 2])


def test_each_class_has_its_own_pictures_in_its_column(pictures):
    labels = [1, 0, 0, 1, 0, 1, 0, 0]
    figure = figures.pictures_by_class(pictures, labels, ["ant", "bee", "cow"], "all", each=4)
    assert {"ant", "bee", "cow", "all"} <= set(texts(figure))
    columns = np.array(figure.axes).reshape(4, 3).T
    for column, expected in zip(columns, ([1, 2, 4, 6], [0, 3, 5], []), strict=True):
        shown = [image.get_array() for axes in column for image in axes.get_images()]
        assert len(shown) == len(expected)
        for image, index in zip(shown, expected, strict=True):
            np.testing.assert_array_equal(image, np.moveaxis(pictures[index], 0, -1))


# --- training and its result -------------------------------------------------------------------


def test_classes_are_sorted_by_gain_with_their_standard_error():
    scores = {"relu": [0.5, 0.4, 0.0], "frelu": [0.6, 0.9, 0.0]}
    figure = figures.class_accuracy(scores, [100, 25, 0], ["ant", "bee", "cow"], "by class")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ant", "bee"]  # upwards
    assert {"+10.0", "+50.0", "ReLU", "FReLU", "by class"} <= set(texts(figure))
    np.testing.assert_allclose(dots(axes, COLOURS["relu"])[:, 0], [50, 40])
    (bars,) = axes.containers[1].lines[2]
    lengths = [np.ptp(segment[:, 0]) for segment in bars.get_segments()]
    np.testing.assert_allclose(
        lengths, [2 * 100 * np.sqrt(0.24 / 100), 2 * 100 * np.sqrt(0.09 / 25)]
    )


def test_batches_have_middle_ninety_percent_median_and_eval_mode(pictures):
    varying = np.stack([np.linspace(0, 1, 101), np.linspace(1, 0, 101)], axis=1)
    steady = np.tile([0.3, 0.7], (101, 1))
    figure = figures.predictions_by_batch(
        pictures[0],
        {"relu": steady, "frelu": varying},
        {"relu": steady[0], "frelu": np.array([0.2, 0.8])},
        ["ant", "bee"],
        "one",
    )
    _, relu, frelu = figure.axes
    assert [bar.get_width() for bar in relu.patches] == pytest.approx([0, 0], abs=1e-9)
    assert [bar.get_x() for bar in frelu.patches] == pytest.approx([5, 5])
    assert [bar.get_width() for bar in frelu.patches] == pytest.approx([90, 90])
    np.testing.assert_allclose(dots(frelu, "black"), [[20, 0], [80, 1]])
    assert {"ant", "bee", "ReLU", "FReLU", "one"} <= set(texts(figure))
    np.testing.assert_array_equal(images(figure)[0].get_array(), np.moveaxis(pictures[0], 0, -1))


def test_predictions_name_truth_and_three_best(pictures):
    probabilities = np.array([[0.7, 0.2, 0.06, 0.04], [0.3, 0.1, 0.1, 0.5]])
    figure = figures.predictions(pictures[:2], [0, 0], probabilities, "abcd", "two", columns=2)
    first, second = figure.axes[2:]
    written = [[text.get_text() for text in axes.texts] for axes in (first, second)]
    assert written[0] == ["a", "70%", "b", "20%", "c", "6%"]
    assert written[1][:4] == ["d", "50%", "a", "30%"]
    colours = [text.get_color() for text in second.texts]
    assert colours[:4] == [figures.WRONG] * 2 + [figures.RIGHT] * 2
    assert [axes.get_title() for axes in figure.axes[:2]] == ["a", "a"]


def test_predictions_fill_the_last_line_as_far_as_they_go(pictures):
    probabilities = np.full((3, 4), 0.25)
    figure = figures.predictions(pictures[:3], [0, 1, 2], probabilities, "abcd", columns=2)
    assert len(images(figure)) == 3


# --- inside the funnels ------------------------------------------------------------------------


def test_windows_have_one_scale_with_zero_in_black():
    before = {"one": np.zeros((2, 3, 3)), "two": np.full((3, 3, 3), 0.1)}
    after = {"one": np.full((2, 3, 3), -0.4), "two": np.full((3, 3, 3), 0.2)}
    figure = figures.windows_before_after(before, after, "windows")
    drawn = images(figure)
    assert [image.get_array()[0, 0] for image in drawn] == [0] * 2 + [-0.4] * 2 + [0.1] * 3 + [
        0.2
    ] * 3
    assert {image.get_clim() for image in drawn} == {(-0.4, 0.4)}
    assert {to_hex(image.cmap(image.norm(0.0))) for image in drawn} == {"#000000"}
    assert {"one before", "two before", "after", "-0.40", "0.40", "weight"} <= set(texts(figure))


def test_funnel_at_work_colours_the_winner(pictures):
    x = np.array([[[1.0, -1.0], [2.0, 0.0]], [[-1.0, -1.0], [-1.0, -1.0]]])
    condition = np.zeros((2, 2, 2))
    figure = figures.funnel_at_work(pictures[0], x, condition, "at work")
    assert {"channel 1", "channel 2", "x", "T(x)", "who wins"} <= set(texts(figure))
    assert {"T(x) wins 25%", "T(x) wins 100%"} <= set(texts(figure))
    winners = [image.get_array() for image in images(figure)[-2:]]
    vermilion = (255 * np.array(to_rgb(COLOURS["frelu"]))).round()
    is_funnel = [(winner == vermilion).all(-1).tolist() for winner in winners]
    assert is_funnel == [[[False, True], [False, False]], [[True, True], [True, True]]]


def test_winning_shares_are_percent_by_channel():
    funnel, zero = {"a": [0.25, 0.5], "b": [1.0]}, {"a": [0.5, 0.5], "b": [0.0]}
    figure = figures.winning_shares(funnel, zero, "shares")
    left, right = figure.axes
    np.testing.assert_allclose(dots(left, COLOURS["frelu"]), [[1, 25], [2, 50]])
    np.testing.assert_allclose(dots(right, COLOURS["frelu"]), [[1, 100]])
    dashes = next(line for line in left.lines if line.get_marker() == "_")
    np.testing.assert_allclose(dashes.get_ydata(), [50, 50])
    assert {"a", "b", "shares", "channel"} <= set(texts(figure))
