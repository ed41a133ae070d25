"""The segmentation figures say what the arrays say; their colours stay apart for every eye."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from helpers.figures import maps, scores, splits, unet
from helpers.figures.maps import REGIONS, SURFACES, label_image


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def texts(figure: Figure) -> list[str]:
    """Everything written in a figure, once it is drawn."""
    figure.canvas.draw()
    found = [text.get_text() for text in figure.findobj(plt.Text)]
    return [text for text in found if text]


def colour(name):
    return (255 * np.array(to_rgb(maps.CLASS_COLOURS[name]))).round().tolist()


# --- colours -----------------------------------------------------------------------------------

# Machado, Oliveira, Fernandes, IEEE TVCG 15(6), 2009: severity 1.0, on linear RGB.
EYES = {
    "usual": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(name, eye):
    """A class's colour as an eye sees it, in CIELAB (D65)."""
    rgb = np.array(to_rgb(maps.CLASS_COLOURS[name]))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(EYES[eye]) @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ linear / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("classes", [REGIONS, SURFACES])
def test_classes_stay_apart_for_every_eye(classes, eye):
    for a, b in combinations(classes, 2):
        assert np.linalg.norm(lab(a, eye) - lab(b, eye)) > 15, (a, b)


def test_label_image_paints_classes_and_hatches_unknown():
    labels = np.repeat(np.arange(-1, 8), 20)[:, None].repeat(80, axis=1)
    picture = label_image(labels)
    assert picture.shape == (180, 80, 3)
    assert picture.dtype == np.uint8
    for index, name in enumerate(REGIONS):
        assert (picture[20 * (index + 1) : 20 * (index + 2)] == colour(name)).all()
    unknown = {tuple(pixel) for pixel in picture[:20].reshape(-1, 3).tolist()}
    assert unknown == {(255, 255, 255), (140, 140, 140)}


def test_a_thin_border_of_unknown_shows():
    labels = np.zeros((60, 80), dtype=np.int8)
    labels[:, 0] = -1
    assert (label_image(labels)[:, 0] == 140).any()


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        (np.zeros((1, 2, 2), int), REGIONS, r"shape \(1, 2, 2\)"),
        (np.full((2, 2), 8), REGIONS, r"labels -1 \.\. 7"),
        (np.full((2, 2), -2), REGIONS, "one map"),
        (np.zeros((2, 2), int), ["lava"], "no colour for class 'lava'"),
    ],
)
def test_label_image_refuses(labels, classes, message):
    with pytest.raises(ValueError, match=message):
        label_image(labels, classes)


@pytest.mark.parametrize("corner", [(0, 0), (15, 22)])
def test_names_stand_inside_their_region(corner):
    mask = np.zeros((30, 40), dtype=bool)
    y, x = corner
    mask[y : y + 11, x : x + 13] = True
    found_y, found_x = maps._deepest_pixel(mask)
    assert abs(found_y - (y + 5)) <= 1
    assert abs(found_x - (x + 6)) <= 1


# --- scenes ------------------------------------------------------------------------------------


@pytest.fixture
def scene():
    generator = np.random.default_rng(0)
    photo = generator.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    regions = np.zeros((48, 64), dtype=np.int8)
    regions[20:], regions[:, -6:] = 2, -1
    return photo, regions


def test_scene_names_what_it_shows(scene):
    photo, regions = scene
    surfaces = np.where(regions == 2, 1, regions)
    layers = np.where(regions < 0, -1, np.arange(64) // 32)
    figure = maps.scene_with_labels(photo, regions, surfaces, layers, "one image")
    written = texts(figure)
    assert {"sky", "road", "horizontal", "unknown", "one image"} <= set(written)
    assert "layers: 2 pieces of this image" in written
    assert "tree" not in written


def test_predictions_show_truth_and_share(scene):
    photo, truth = scene
    prediction = np.where(truth < 0, 0, truth)
    prediction[:10, :29] = 5  # 290 of 48 * 58 known pixels: 10 %
    figure = maps.predictions_beside_truth([photo] * 2, [truth] * 2, [prediction, truth])
    written = texts(figure)
    assert "90% of the known pixels right" in written
    assert "100% of the known pixels right" in written
    assert {"sky", "road", "building", "unknown"} <= set(written)
    assert len(figure.axes) == 8
    wrong = figure.axes[3].get_images()[0].get_array()
    assert (wrong[:10, :29] == colour("building")).all()
    assert (wrong[10:, :58].std(-1) == 0).all()  # right pixels are grey


def test_all_unknown_is_said(scene):
    photo, truth = scene
    nothing = np.full_like(truth, -1)
    figure = maps.predictions_beside_truth([photo], [nothing], [np.zeros_like(truth)])
    assert "all unknown" in texts(figure)


def test_predictions_refuse_other_sizes(scene):
    photo, truth = scene
    with pytest.raises(ValueError, match=r"row 0: .*\(24, 64\).*enlarge"):
        maps.predictions_beside_truth([photo], [truth], [truth[::2]])
    with pytest.raises(ValueError, match="1 photos, 1 truths and 0 predictions"):
        maps.predictions_beside_truth([photo], [truth], [])


def test_each_arm_has_a_row_of_maps_with_its_share_of_right_pixels(scene):
    photo, truth = scene
    wrong = np.where(truth == 0, 1, truth)
    drawn = {"relu": [truth, wrong], "frelu": [truth, truth]}
    figure = maps.maps_by_arm([photo] * 2, [truth] * 2, drawn, title="two scenes")
    assert len(figure.axes) == 8
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert [label for label in labels if label] == ["photograph", "truth", "ReLU", "FReLU"]
    known = truth >= 0
    share = (truth == wrong)[known].mean()
    shares = [axes.get_xlabel() for axes in figure.axes[4:]]
    assert shares == ["100%", f"{share:.0%}", "100%", "100%"]
    with pytest.raises(ValueError, match="enlarge"):
        maps.maps_by_arm([photo], [truth], {"relu": [truth[::2]]})


# --- the data set ------------------------------------------------------------------------------


def test_class_shares_are_percent():
    figure = splits.class_shares({"sky": 0.75, "road": 0.2, "unknown": 0.05}, "shares")
    assert {"75.0%", "20.0%", "5.0%", "unknown", "shares"} <= set(texts(figure))
    bars = figure.axes[0].patches
    assert [bar.get_width() for bar in bars] == pytest.approx([75, 20, 5])
    assert bars[2].get_hatch()


def test_sources_never_seen_in_training_are_hatched():
    counts = {
        "article": [[60, 20, 0], [0, 30, 0], [0, 10, 20]],
        "shuffled": [[36, 36, 12], [12, 12, 4], [12, 12, 4]],
    }
    figure = splits.sources_in_splits(counts, [0, 6, 9])
    article, shuffled = figure.axes
    assert [bar.get_width() for bar in article.patches if bar.get_hatch()] == [20]
    assert not any(bar.get_hatch() for bar in shuffled.patches)
    assert {"article", "shuffled", "train", "80", "9"} <= set(texts(figure))


def test_sources_refuse_another_shape():
    with pytest.raises(ValueError, match=r"split 'article' has shape \(2, 3\).*\(3, 3\)"):
        splits.sources_in_splits({"article": np.ones((2, 3))}, [0, 1, 2])


# --- the network and its training --------------------------------------------------------------

STEPS = [
    ("image", 3, 64, 96),
    ("down 1", 16, 64, 96),
    ("down 2", 32, 32, 48),
    ("bottom", 64, 16, 24),
    ("up 1", 32, 32, 48),
    ("last", 32, 64, 96),
    ("head", 8, 64, 96),
]


def test_unet_has_a_row_for_each_size_and_its_skips():
    figure = unet.unet_shapes(STEPS, "U-Net")
    written = texts(figure)
    assert {"64x96", "32x48", "16x24", "bottom", "64", "U-Net"} <= set(written)
    assert written.count("64x96") == 1
    assert unet._skips([0, 0, 1, 2, 1, 0, 0]) == [(1, 5), (2, 4)]


def test_training_curves_mark_the_kept_epoch():
    figure = unet.training_curves([2, 1, 0.5], [2, 1.5, 1.6], [0.1, 0.31, 0.3], 2, "FReLU")
    assert {"training", "validation", "kept: epoch 2, 31.0 %", "FReLU"} <= set(texts(figure))
    iou = figure.axes[1].lines[0]
    np.testing.assert_allclose(iou.get_xydata(), [[1, 10], [2, 31], [3, 30]])


def test_training_curves_without_epochs():
    figure = unet.training_curves([], [], [])
    assert not any("kept" in text for text in texts(figure))


# --- scores ------------------------------------------------------------------------------------


def test_iou_by_hand_counts():
    truth, prediction = np.zeros((2, 4, 4), dtype=bool)
    truth[:3, :2] = prediction[1:, 1:3] = True
    written = texts(maps.iou_by_hand(truth, prediction, "class 1"))
    assert "IoU = intersection / union = 2 / 10 = 0.200" in written
    assert {"truth: 6", "prediction: 6", "intersection: 2", "union: 10", "class 1"} <= set(written)
    assert written.count("10") == 1  # only the union counts so far


def test_iou_by_hand_of_nothing():
    nothing = np.zeros((4, 4), dtype=bool)
    assert any("0 / 0" in text for text in texts(maps.iou_by_hand(nothing, nothing)))
    with pytest.raises(ValueError, match=r"\(4, 4\), the prediction \(2, 4\)"):
        maps.iou_by_hand(nothing, nothing[:2])


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


def test_label_maps_stand_side_by_side():
    drawn = {"nearest": np.full((6, 8), 5), "bilinear": np.full((6, 8), 7)}
    drawn["bilinear"][:, 3] = -1
    figure = maps.label_maps(drawn, title="one scene")
    expected = {"nearest", "bilinear", "building", "foreground", "unknown", "one scene"}
    assert expected == set(texts(figure))
    assert (figure.axes[0].get_images()[0].get_array() == colour("building")).all()


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


def test_pictures_stand_over_their_labels():
    labels = [np.full((8, 10), 2), np.full((8, 10), -1)]
    figure = maps.pictures_over_labels([np.zeros((8, 10, 3))] * 2, labels, title="two")
    assert len(figure.axes) == 4
    assert {"road", "unknown", "two"} <= set(texts(figure))
