"""Figures of runs show what they were given, and all of it."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.figures import runs
from helpers.figures.panels import FAINT, INK
from helpers.figures.style import COLOURS
from tests.figures.reading import dots, texts


def test_learning_starts_untrained_and_draws_percent():
    losses = {"relu": [2.3, 1.5, 1.2], "frelu": [2.3, 1.3, 1.1]}
    scores = {"relu": [0.1, 0.4, 0.5], "frelu": [0.1, 0.5, 0.6]}
    figure = runs.learning(losses, scores, "test")
    left, right = figure.axes
    np.testing.assert_allclose(dots(left, COLOURS["frelu"]), [[0, 2.3], [1, 1.3], [2, 1.1]])
    np.testing.assert_allclose(dots(right, COLOURS["relu"]), [[0, 10], [1, 40], [2, 50]])
    assert texts(figure).count(" FReLU") == 2
    assert left.get_ylim()[0] == right.get_ylim()[0] == 0


def test_training_curves_mark_the_kept_epoch():
    figure = runs.training_curves([2, 1, 0.5], [2, 1.5, 1.6], [0.1, 0.31, 0.3], 2, "frelu", "FReLU")
    assert {"training", "validation", "kept: epoch 2, 31.0 %", "FReLU"} <= set(texts(figure))
    assert [line.get_linestyle() for line in figure.axes[0].lines] == ["--", "-"]
    iou = figure.axes[1].lines[0]
    np.testing.assert_allclose(iou.get_xydata(), [[1, 10], [2, 31], [3, 30]])


def test_training_curves_without_epochs():
    figure = runs.training_curves([], [], [])
    assert not any("kept" in text for text in texts(figure))


def test_every_run_is_a_dot_in_its_arms_colour():
    scores = {"relu": [54.0, 55.0, 56.0], "bn_relu": [59.0, 60.0]}
    figure = runs.runs_by_arm(scores, {"relu": (54.1, 55.9), "bn_relu": (58, 61)}, "title")
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [sorted(line.get_xdata()) for line in dots] == list(scores.values())
    assert [line.get_color() for line in dots] == [COLOURS["relu"], INK]
    rows = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert rows == ["ReLU (3)", "bn_relu (2)"]


def test_differences_stand_on_one_axis_with_their_words():
    rows = [
        runs.Difference("a - b", 6.0, 5.0, 7.0, 5.2, 6.8, "larger"),
        runs.Difference("c - b", 0.1, -0.4, 0.6, -0.3, 0.5, "smaller"),
    ]
    figure = runs.difference_axis(rows, 1.0, "points", "title")
    axes = figure.axes[0]
    for width, expected in ((1.5, [(5.0, 7.0), (-0.4, 0.6)]), (4, [(5.2, 6.8), (-0.3, 0.5)])):
        spans = [line.get_xdata() for line in axes.lines if line.get_linewidth() == width]
        assert [tuple(span) for span in spans] == expected
    assert {"larger", "smaller", "too small to matter"} <= set(texts(figure))
    band = axes.patches[0].get_extents().transformed(axes.transData.inverted())
    assert (band.x0, band.x1) == (pytest.approx(-1.0), pytest.approx(1.0))


def test_pairs_with_the_other_sign_are_counted_and_red():
    figure = runs.pairs_of_runs([3.0, 2.0, 1.0, -1.0], "difference", "title")
    bars = {}
    for patch in figure.axes[0].patches:
        bars[patch.get_facecolor()[:3]] = (
            bars.get(patch.get_facecolor()[:3], 0) + patch.get_height()
        )
    assert sorted(bars.values()) == [pytest.approx(25), pytest.approx(75)]


def test_the_band_reaches_from_the_least_to_the_largest_run():
    three = np.array([[2.0, 1.0], [2.4, 1.2], [2.2, 1.4]])
    recorded = {"relu": three, "frelu": three - 0.5}
    figure = runs.loss_over_band(recorded, {"relu": [2.1, 1.1]}, 2000, "title")
    left, right = figure.axes
    band = left.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (1.0, 2.4)
    assert (len(left.lines), len(right.lines)) == (2, 1)
    assert list(left.lines[1].get_xdata()) == [1000, 3000]


def test_each_rate_has_its_runs():
    scores = {"relu": [[50.0, 52.0], [54.0, 56.0]]}
    figure = runs.score_by_rate([1e-3, 1e-2], scores, "title")
    mean, dots = figure.axes[0].lines
    assert list(mean.get_ydata()) == [51.0, 55.0]
    assert list(dots.get_xdata()) == [1e-3, 1e-3, 1e-2, 1e-2]


def test_each_class_has_its_runs_and_mountain_stands_apart():
    scores = {"relu": [[50.0, 10.0], [52.0, 20.0]], "frelu": [[55.0, 5.0]]}
    axes = runs.class_scores(scores, ("sky", "mountain"), "mountain", "title").axes[0]
    dots = [line for line in axes.lines if len(line.get_xdata())]
    assert [list(line.get_ydata()) for line in dots] == [[50, 10, 52, 20], [55, 5]]
    assert max(dots[0].get_xdata()[:1]) < min(dots[1].get_xdata()[:1])
    ground = axes.patches[0].get_extents().transformed(axes.transData.inverted())
    assert (ground.x0, ground.x1) == (pytest.approx(0.5), pytest.approx(1.5))
    means = [segment[0][1] for part in axes.collections for segment in part.get_segments()]
    assert means == [51, 15, 55, 5]


def test_a_score_over_epochs_has_every_run_and_the_other_means_faint():
    curves = {"relu": [[10.0, 20.0], [20.0, 30.0]], "frelu": [[30.0, 40.0]]}
    left, right = runs.score_over_epochs(curves, "mean IoU", "title").axes
    assert [list(line.get_ydata()) for line in left.lines] == [
        [15, 25],
        [30, 40],
        [10, 20],
        [20, 30],
    ]
    assert [line.get_color() for line in left.lines][1] == FAINT
    assert left.get_title() == "ReLU, 2 runs"
    assert len(right.lines) == 3


def test_losses_by_setting_are_means_over_runs_training_dashed():
    relu = [[[1.0, 0.5], [3.0, 0.7]], [[2.0, 1.0], [2.0, 2.0]]]
    left, right = runs.losses_by_setting({"augmented": {"relu": relu}, "plain": {}}, "t").axes
    training, validation = left.lines
    assert training.get_ydata() == pytest.approx([2.0, 0.6])
    assert validation.get_ydata() == pytest.approx([2.0, 1.5])
    assert (training.get_linestyle(), validation.get_linestyle()) == ("--", "-")
    assert left.get_ylim() == (0, pytest.approx(2.1))  # the largest training loss fits
    assert left.get_title() == "augmented"
    assert not right.lines
