"""The figures of scores say what the arrays say."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.figures import scores
from helpers.figures.maps import SURFACES
from tests.figures.reading import texts


def test_confusion_heatmap_is_normalised_by_row():
    figure = scores.confusion_heatmap([[30, 10, 0], [1, 4, 0], [0, 0, 0]], "abc", "test set")
    written = texts(figure)
    assert {"75", "25", "20", "80", "none in the truth", "test set"} <= set(written)
    image = figure.axes[0].get_images()[0].get_array()
    np.testing.assert_allclose(np.ma.filled(image[:2], np.nan).sum(1), 100)
    with pytest.raises(ValueError, match=r"2 classes need a \(2, 2\)"):
        scores.confusion_heatmap(np.eye(3), "ab")


def test_scores_are_compared_with_the_first():
    figure = scores.scored_in_ways({"fair": 0.5, "lower": 0.42, "higher": 0.625}, "same")
    assert {"50.0", "42.0  (-8.0)", "62.5  (+12.5)", "fair", "same"} <= set(texts(figure))
    dots = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert dots == pytest.approx([50, 42, 62.5])


def test_a_change_too_small_to_see_has_no_minus():
    assert "50.0  (+0.0)" in texts(scores.scored_in_ways({"fair": 0.5, "other": 0.4999}))
    table = [[0.5, 0.4999], [0.4999, 0.5]]
    assert texts(scores.split_by_metric(table, "ab", "cd")).count("+0.0") == 4


def test_split_by_metric_shows_four_numbers_and_four_differences():
    figure = scores.split_by_metric([[0.3, 0.4], [0.45, 0.6]], ["a", "b"], ["c", "d"], "table")
    expected = {"30.0 %", "40.0 %", "45.0 %", "60.0 %", "+10.0", "+15.0", "+20.0", "a", "d"}
    assert expected <= set(texts(figure))
    with pytest.raises(ValueError, match=r"2 splits x 2 metrics; this table is \(2,\)"):
        scores.split_by_metric([1, 2], "ab", "cd")


def test_iou_bars_leave_nan_out_and_average_minus_one():
    by_protocol = {"fair": [0.6, 0.4, np.nan], "article": [0.5, 0.4, -1]}
    written = texts(scores.iou_bars(by_protocol, SURFACES, "IoU"))
    assert {"60.0", "absent", "never occurs, and counts as -100", "fair", "IoU"} <= set(written)
    assert written.count("50.0") == 2  # the fair mean, and the article's sky
    assert "-3.3" in written  # the article's mean


def test_iou_bars_of_nothing():
    assert texts(scores.iou_bars({"fair": [np.nan] * 3}, SURFACES)).count("absent") == 4
    with pytest.raises(
        ValueError, match=r"'fair' has shape \(2,\): pass one IoU per class, \(3,\)"
    ):
        scores.iou_bars({"fair": [1, 2]}, SURFACES)


def test_iou_by_image_sorts_images_and_leaves_absent_classes_white():
    table = [[0.2, np.nan, 0.4], [0.9, 0.7, np.nan], [np.nan] * 3]
    figure = scores.iou_by_image(table, SURFACES, "by image")
    image = figure.axes[0].get_images()[0].get_array()
    assert image.filled(-1).tolist() == [[90, 20, -1], [70, -1, -1], [-1, 40, -1]]
    written = texts(figure)
    assert {"2 images", "by image", "IoU (%)"} <= set(written)
    assert written.count("1 image") == 2
    with pytest.raises(ValueError, match=r"3 classes need a \(N, 3\) table; this is \(2, 4\)"):
        scores.iou_by_image(np.ones((2, 4)), SURFACES)


def test_measured_scores_stand_beside_the_article():
    article = {"relu": (0.27, 0.32), "frelu": (0.33, 0.34)}
    figure = scores.beside_article(article, {"here": 0.505}, "regions")
    expected = {"article, ReLU", "27.0, at most 32.0", "here", "50.5", "regions"}
    assert expected <= set(texts(figure))
    dots = {line.get_marker(): line.get_xdata()[0] for line in figure.axes[0].lines}
    assert dots["D"] == pytest.approx(50.5)
    assert dots["o"] == pytest.approx(33)
    bars = [line.get_xdata() for line in figure.axes[0].lines if line.get_linewidth() == 5]
    np.testing.assert_allclose(bars, [[27, 32], [33, 34]])
