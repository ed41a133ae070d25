"""Label maps have the arrays' colours, and these stay apart for every eye."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from helpers.figures import maps
from helpers.figures.maps import HATCH, REGIONS, SURFACES, label_image
from tests.figures.reading import texts


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
    assert unknown == {(255, 255, 255), tuple(round(255 * level) for level in HATCH)}


def test_a_thin_border_of_unknown_shows():
    labels = np.zeros((60, 80), dtype=np.int8)
    labels[:, 0] = -1
    assert (label_image(labels)[:, 0] < 255).any()


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


# --- maps --------------------------------------------------------------------------------------


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


def test_pictures_stand_over_their_labels():
    labels = [np.full((8, 10), 2), np.full((8, 10), -1)]
    figure = maps.pictures_over_labels([np.zeros((8, 10, 3))] * 2, labels, title="two")
    assert len(figure.axes) == 4
    assert {"road", "unknown", "two"} <= set(texts(figure))


def test_label_maps_stand_side_by_side():
    drawn = {"nearest": np.full((6, 8), 5), "bilinear": np.full((6, 8), 7)}
    drawn["bilinear"][:, 3] = -1
    figure = maps.label_maps(drawn, title="one scene")
    expected = {"nearest", "bilinear", "building", "foreground", "unknown", "one scene"}
    assert expected == set(texts(figure))
    assert (figure.axes[0].get_images()[0].get_array() == colour("building")).all()


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
