"""The segmentation explorer: panels, IoU beside the set's, and whose predictions it finds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers import UNet, load_stanford, set_matrix
from helpers.evaluation.iou import iou_per_class
from helpers.figures.maps import label_image
from helpers.session import Session, current_profile, data_directory
from helpers.widgets import scenes, segmentation_explorer
from tests.widgets.states import build, picture_of, predicted, stanford


def found() -> scenes.Predictions:
    return scenes.predictions(stanford(), predicted())


def state(**changes: object) -> scenes.State:
    return scenes.State(**({"image": 1, "arm": "moved", "label": "all", "opacity": 1.0} | changes))


def test_panels_at_full_opacity_are_the_label_maps():
    panels = scenes.panels(found(), state())
    truth, seen = stanford().test.part.full_labels[1], predicted()["moved"][1]
    photo = stanford().test.part.full_image(1)
    assert list(panels) == list(scenes.PANELS)
    assert (panels["photograph"] == photo).all()
    assert (panels["truth"] == label_image(truth, stanford().classes)).all()
    colours = label_image(seen, stanford().classes)
    assert (panels["prediction"] == colours).all()
    wrong = (truth >= 0) & (truth != seen)
    assert (panels["disagreement"][wrong] == colours[wrong]).all()
    assert (np.ptp(panels["disagreement"][~wrong], axis=1) == 0).all(), "the rest is grey"


def test_no_opacity_is_the_photograph():
    panels = scenes.panels(found(), state(opacity=0.0))
    for name in ("truth", "prediction"):
        assert (panels[name] == panels["photograph"]).all()


def test_one_class_shows_hits_misses_and_false_alarms():
    panels = scenes.panels(found(), state(label="vertical"))
    truth, seen = stanford().test.part.full_labels[1], predicted()["moved"][1]
    errors, photo = panels["disagreement"], panels["photograph"]
    assert (panels["truth"][truth != 2] == photo[truth != 2]).all()
    assert (errors[(truth == 2) & (seen != 2)] == scenes.MISSED).all()
    assert (errors[(truth >= 0) & (truth != 2) & (seen == 2)] == scenes.FALSE_ALARM).all()
    hits = (truth == 2) & (seen == 2)
    assert (errors[hits] == label_image(seen, stanford().classes)[hits]).all()
    unknown = (truth < 0) & (seen == 2)
    bare = scenes.panels(found(), state(opacity=0.0))["disagreement"]
    assert (errors[unknown] == bare[unknown]).all()


def test_iou_of_the_scene_stands_beside_the_sets():
    every, now = found(), state()
    truths = stanford().test.part.full_labels
    set_iou = iou_per_class(set_matrix(predicted()["moved"], truths, 3)).numpy()
    np.testing.assert_allclose(every.iou_of_set["moved"], set_iou)
    one = iou_per_class(set_matrix(predicted()["moved"][1:2], truths[1:2], 3)).numpy()
    np.testing.assert_allclose(every.iou_of_scene(now), one)
    words = scenes.words(every, now)
    for value in (*set_iou, *one):
        assert f"<td>{100 * value:.1f}</td>" in words
    assert "Scene 1 (1000001, stand-in data), network: moved" in words
    assert "Right on <b>100.0 %</b>" in scenes.words(every, state(arm="right"))


def test_absent_classes_and_unknown_scenes_are_said_not_counted():
    part = stanford().test.part
    maps = {"empty": [np.zeros_like(each) for each in part.full_labels]}
    every = scenes.predictions(stanford(), maps)
    one = scenes.Predictions(every.scenes, every.classes, every.source, every.maps)
    one.scenes.full_labels[0] = np.full_like(part.full_labels[0], -1)
    words = scenes.words(one, state(image=0, arm="empty"))
    assert "absent" in words


def test_every_scene_has_the_same_room():
    lab = build("scenes")
    for image in range(3):
        lab.controls["image"].value = image
        assert picture_of(lab).shape[:2] == (scenes.HEIGHT, scenes.SCREEN.width)
    tall = np.zeros((480, 320, 3), np.uint8)
    assert scenes._fitted(tall).size == (160, 240)
    assert scenes._fitted(tall[:200]).size == (320, 200)


def test_the_titles_explain_the_colours_of_errors():
    assert "missed" not in scenes.titles(state())
    assert "missed" in scenes.titles(state(label="sky"))


# --- whose predictions --------------------------------------------------------------------------


def test_recorded_maps_join_the_readers_on_real_data_only(monkeypatch):
    recorded = predicted()["right"]
    monkeypatch.setattr(
        "helpers.experiments.recorded_maps",
        lambda arm, task: recorded if arm == "relu" else None,
    )
    data = stanford()
    real = type(data)(**(vars(data) | {"source": "Stanford Background"}))
    assert list(scenes.predictions(real, predicted()).maps) == ["right", "moved", "ReLU, recorded"]
    assert list(scenes.predictions(data, predicted()).maps) == ["right", "moved"]
    other_split = type(data)(**(vars(real) | {"split": "article"}))
    assert list(scenes.predictions(other_split, predicted()).maps) == ["right", "moved"]
    assert list(scenes.predictions(real, None).maps) == ["ReLU, recorded"]


def test_maps_of_another_size_are_refused():
    wrong = [each.T for each in predicted()["right"]]
    with pytest.raises(ValueError, match="A map of 'mine' is"):
        scenes.predictions(stanford(), {"mine": wrong})


def test_fewer_maps_show_fewer_scenes():
    few = scenes.predictions(stanford(), {"mine": predicted()["right"][:2]})
    assert len(few.scenes) == 2
    assert scenes.build(few).controls["image"].max == 1


def test_without_maps_there_is_one_line(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("FUNNEL_DATA", str(tmp_path))
    segmentation_explorer(stanford())
    assert "notebook 04 has left no network" in capsys.readouterr().out


def test_the_network_that_notebook_04_left_is_used(monkeypatch, tmp_path):
    monkeypatch.setenv("FUNNEL_DATA", str(tmp_path))
    data, profile = load_stanford("surfaces"), current_profile()
    session = Session(profile, torch.device("cpu"), 0, data_directory())
    kept = session.checkpoint("unet", "surfaces", "frelu", "shuffled", data.source)
    assert scenes._of_checkpoint(data) == {}
    kept.parent.mkdir(parents=True)
    model = UNet(3, "frelu", profile.unet_width)
    kept.touch()
    monkeypatch.setattr(
        scenes, "load_weights", lambda net, path: net.load_state_dict(model.state_dict())
    )
    found = scenes.predictions(data)
    assert list(found.maps) == ["FReLU, notebook 04"]
    lab = scenes.build(found)
    assert lab.controls["image"].max == profile.unet_test - 1


@pytest.mark.parametrize("wrong", [{"image": 3}, {"arm": "gelu"}, {"label": "moon"}])
def test_a_wrong_word_is_named(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is"):
        build("scenes", **wrong)


def test_a_stored_notebook_gets_the_twin_and_a_reader_the_widget(on_both_pages):
    figure, alt, widget = on_both_pages(
        lambda: segmentation_explorer(stanford(), predicted(), arm="moved")
    )
    assert "stand-in data" in alt
    assert [axes.get_ylabel() for axes in figure.axes[::4]] == ["scene 0", "scene 1", "scene 2"]
    assert "lab-scenes" in widget._dom_classes


def test_a_scene_that_is_not_there_is_refused_with_the_range():
    with pytest.raises(ValueError, match="image is 999; choose a whole number from 0 to 4"):
        scenes.shell.checked("image", 999, range(5))
