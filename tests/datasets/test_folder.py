"""A reader's own pictures: right, or refused with the file's name; trained on like the series'."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import helpers
from helpers import figures
from helpers.datasets import DataError, load_classes, load_folder
from helpers.widgets import segmentation_explorer

NAMES = ("field", "house", "unknown")
COLOURS = {"field": (0, 128, 0), "house": (200, 0, 0), "unknown": (0, 0, 0)}


def scene(number, height=48, width=64):
    """A picture and its labels: a house of another size on a field, with an unknown rim."""
    labels = np.zeros((height, width), np.uint8)
    labels[8 : 20 + number, 10:40] = 1
    labels[:, -3:] = 2
    picture = np.where(labels[..., None] == 1, (180, 60, 50), (60, 140, 70)).astype(np.uint8)
    return picture, labels


@pytest.fixture
def folders(tmp_path):
    for name in ("images", "numbers", "colours"):
        (tmp_path / name).mkdir()
    for number in range(10):
        picture, labels = scene(number, 48 + number)
        Image.fromarray(picture).save(tmp_path / "images" / f"{number}.jpg", quality=95)
        Image.fromarray(labels).save(tmp_path / "numbers" / f"{number}.png")
        coloured = np.array(list(COLOURS.values()), np.uint8)[labels]
        Image.fromarray(coloured).save(tmp_path / "colours" / f"{number}.png")
    return tmp_path


@pytest.mark.parametrize(("masks", "classes"), [("numbers", NAMES), ("colours", COLOURS)])
def test_numbers_and_colours_give_the_same_labels(folders, masks, classes):
    data = load_folder(folders / "images", folders / masks, classes, size=(32, 64))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [6, 2, 2]
    assert data.classes == ("field", "house")
    assert data.train.images.shape == (6, 3, 32, 64)
    assert data.train.labels.shape == (6, 32, 64)
    for part in (data.train, data.validation, data.test):
        for name, full in zip(part.ids, part.full_labels, strict=True):
            expected = scene(int(name), 48 + int(name))[1].astype(int)
            np.testing.assert_array_equal(full, np.where(expected == 2, -1, expected))


def test_it_is_trained_scored_and_drawn_like_the_series_own(folders, monkeypatch):
    data = load_folder(folders / "images", folders / "numbers", NAMES, size=(32, 64))
    recipe = helpers.Recipe(2, 2, "adamw", 1e-3, keep="best_score")
    model = helpers.UNet(2, "relu", width=2)
    history = helpers.fit(model, data.train, data.validation, recipe, progress=False)
    assert history.train_loss[1] < history.train_loss[0]
    maps = helpers.class_maps(model, data.test, recipe)
    assert [m.shape for m in maps] == [full.shape for full in data.test.full_labels]
    assert 0 <= helpers.evaluate(model, data.test, recipe).score <= 1
    rows = [[part(i) for i in range(2)] for part in (data.test.full_image, maps.__getitem__)]
    figures.predictions_beside_truth(rows[0], data.test.full_labels, rows[1], data.classes)
    monkeypatch.setenv("FUNNEL_STATIC", "1")
    segmentation_explorer(data, {"mine": maps})


def test_exif_alpha_palette_grey_and_16_bits(folders):
    picture, labels = scene(0)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    place = folders / "images" / "0.jpg"
    Image.fromarray(np.rot90(picture).copy()).save(place, exif=exif, quality=95)
    palette = Image.fromarray(labels, mode="P")
    palette.putpalette([0, 90, 0, 90, 0, 0, 0, 0, 0])
    palette.save(folders / "numbers" / "0.png")
    deep = Image.fromarray((scene(1, 49)[0][..., 0].astype(np.uint16)) << 8)
    (folders / "images" / "1.jpg").unlink()
    deep.save(folders / "images" / "1.png")
    rgba = Image.open(folders / "colours" / "2.png").convert("RGBA")
    rgba.putalpha(
        Image.fromarray(np.where(np.arange(64) < 5, 0, 255).astype(np.uint8)[None].repeat(50, 0))
    )
    data = load_folder(folders / "images", folders / "numbers", NAMES, size=(32, 64))
    by_name = {
        name: (part.full_image(i), part.full_labels[i])
        for part in (data.train, data.validation, data.test)
        for i, name in enumerate(part.ids)
    }
    assert abs(by_name["0"][0].astype(int) - picture).mean() < 4
    assert by_name["0"][1].max() == 1
    assert abs(by_name["1"][0][..., 1].astype(int) - scene(1, 49)[0][..., 0]).max() <= 1
    rgba.save(folders / "colours" / "2.png")
    coloured = load_folder(folders / "images", folders / "colours", COLOURS, size=(32, 64))
    (seen,) = [
        part.full_labels[part.ids.index("2")]
        for part in (coloured.train, coloured.validation, coloured.test)
        if "2" in part.ids
    ]
    assert (seen[:, :5] == -1).all()


FAULTS = {
    "a colour of no class": (
        "colours",
        "3.png",
        lambda a: a + 1,
        r"3.png has colour \(1, 129, 1\)",
    ),
    "a number of no class": (
        "numbers",
        "3.png",
        lambda a: a + 7,
        "3.png has number 7; .* 3 classes",
    ),
    "another size": ("numbers", "3.png", lambda a: a[:-1], "3.png is 64x50, its picture"),
    "no picture": ("images", "4.jpg", None, "4 has no picture"),
    "no mask": ("numbers", "4.png", None, "4 has no mask"),
    "cut off": ("images", "5.jpg", b"\xff\xd8\xff", "5.jpg can't be read"),
    "a text": ("numbers", "5.png", b"hello", "5.png can't be read"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_names_its_file(folders, fault):
    folder, name, change, message = FAULTS[fault]
    place = folders / folder / name
    if change is None:
        place.unlink()
    elif isinstance(change, bytes):
        place.write_bytes(change)
    else:
        Image.fromarray(change(np.array(Image.open(place))).astype(np.uint8)).save(place)
    masks, classes = ("colours", COLOURS) if folder == "colours" else ("numbers", NAMES)
    with pytest.raises(DataError, match=message):
        load_folder(folders / "images", folders / masks, classes, size=(32, 64))


def test_coloured_masks_need_a_table(folders):
    with pytest.raises(DataError, match="has colours: pass classes as name"):
        load_folder(folders / "images", folders / "colours", NAMES)


def test_a_folder_for_each_class(tmp_path):
    for name, level in (("dark", 30), ("light", 220)):
        (tmp_path / name).mkdir()
        for number in range(10):
            grey = np.full((40, 50 + number), level + number, np.uint8)
            Image.fromarray(grey).save(tmp_path / name / f"{number}.png")
    data = load_classes(tmp_path)
    assert data.classes == ("dark", "light")
    assert data.train.images.shape == (16, 3, 32, 32)
    assert torch.bincount(data.test.labels).tolist() == [2, 2]
    assert ((data.train.images.float().mean((1, 2, 3)) > 128) == data.train.labels.bool()).all()
    recipe = helpers.Recipe(2, 4, "sgd", 1e-2)
    history = helpers.fit(helpers.LeNet("relu"), data.train, data.test, recipe, progress=False)
    assert history.epochs == 2


def test_a_folder_that_is_not_there_or_ambiguous_is_named(folders):
    with pytest.raises(DataError, match="nowhere is no folder"):
        load_classes(folders / "nowhere")
    with pytest.raises(DataError, match="nowhere is no folder"):
        load_folder(folders / "nowhere", folders / "numbers", NAMES)
    Image.open(folders / "images" / "3.jpg").save(folders / "images" / "3.png")
    with pytest.raises(DataError, match="has 3 with two endings"):
        load_folder(folders / "images", folders / "numbers", NAMES)
    for number in range(3, 10):
        (folders / "images" / f"{number}.jpg").unlink()
    with pytest.raises(DataError, match="has 4 pictures: it takes 5"):
        load_folder(folders / "images", folders / "numbers", NAMES)


def test_one_class_is_refused(tmp_path):
    (tmp_path / "only").mkdir()
    with pytest.raises(DataError, match="holds 1 folders"):
        load_classes(tmp_path)
