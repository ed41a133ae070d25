"""Whose class maps the segmentation explorer finds, their IoU, and the orders of the scenes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers import UNet, load_stanford, set_matrix
from helpers.evaluation.iou import iou_per_class
from helpers.session import Session, current_profile, data_directory
from helpers.widgets import scene_maps, scenes, segmentation_explorer
from tests.widgets.states import predicted, stanford


def test_iou_is_of_each_scene_and_of_all_pixels_of_the_set():
    every, truths = (
        scene_maps.predictions(stanford(), predicted()),
        stanford().test.part.full_labels,
    )
    for arm, maps in predicted().items():
        whole = iou_per_class(set_matrix(maps, truths, 3)).numpy()
        np.testing.assert_allclose(every.iou_of_set[arm], whole)
        for place in range(3):
            pair = maps[place : place + 1], truths[place : place + 1]
            one = iou_per_class(set_matrix(*pair, 3)).numpy()
            np.testing.assert_allclose(every.iou_of_scenes[arm][place], one)


def test_the_mean_leaves_out_absent_classes():
    iou = np.array([[0.2, np.nan, 0.4], [np.nan] * 3])
    np.testing.assert_allclose(scene_maps.mean_of(iou), [0.3, np.nan])
    assert np.isnan(scene_maps.mean_of(iou[1]))


def test_worst_first_is_by_the_mean_or_the_class_and_absent_ones_are_last():
    every = scene_maps.predictions(stanford(), predicted())
    vars(every)["iou_of_scenes"] = {
        "moved": np.array([[0.5, 0.1, 0.6], [np.nan, 0.2, 0.2], [0.4, 0.9, 0.9]]),
        "right": np.ones((3, 3)),
    }
    walks = {
        ("moved", "all"): [1, 0, 2],
        ("moved", "sky"): [2, 0, 1],
        ("moved", "horizontal"): [0, 1, 2],
        ("right", "all"): [0, 1, 2],
    }
    for (arm, label), walk in walks.items():
        state = scene_maps.State(arm, label=label, order="worst")
        assert every.walk(state) == walk, (arm, label)
        assert every.number(scene_maps.State(arm, 1, label, order="worst")) == walk[1]
    assert every.walk(scene_maps.State("moved", label="sky")) == [0, 1, 2]


# --- whose predictions --------------------------------------------------------------------------


def test_recorded_maps_join_the_readers_on_real_data_only(monkeypatch):
    recorded = predicted()["right"]
    monkeypatch.setattr(
        "helpers.experiments.recorded_maps",
        lambda arm, task: recorded if arm == "relu" else None,
    )
    data = stanford()
    real = type(data)(**(vars(data) | {"source": "Stanford Background"}))
    assert list(scene_maps.predictions(real, predicted()).maps) == [
        "right",
        "moved",
        "ReLU, recorded",
    ]
    assert list(scene_maps.predictions(data, predicted()).maps) == ["right", "moved"]
    other_split = type(data)(**(vars(real) | {"split": "article"}))
    assert list(scene_maps.predictions(other_split, predicted()).maps) == ["right", "moved"]
    assert list(scene_maps.predictions(real, None).maps) == ["ReLU, recorded"]


def test_maps_of_another_size_are_refused():
    wrong = [each.T for each in predicted()["right"]]
    with pytest.raises(ValueError, match="A map of 'mine' is"):
        scene_maps.predictions(stanford(), {"mine": wrong})


def test_fewer_maps_show_fewer_scenes():
    few = scene_maps.predictions(stanford(), {"mine": predicted()["right"][:2]})
    assert len(few.scenes) == 2
    assert scenes.build(few, scene_maps.State("mine")).controls["image"].max == 1


def test_without_maps_there_is_one_line(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("FUNNEL_DATA", str(tmp_path))
    segmentation_explorer(stanford())
    assert "notebook 04 has left no network" in capsys.readouterr().out


def test_the_network_that_notebook_04_left_is_used(monkeypatch, tmp_path):
    monkeypatch.setenv("FUNNEL_DATA", str(tmp_path))
    data, profile = load_stanford("surfaces"), current_profile()
    session = Session(profile, torch.device("cpu"), 0, data_directory())
    kept = session.checkpoint("unet", "surfaces", "frelu", "shuffled", data.source)
    assert scene_maps._of_checkpoint(data) == {}
    kept.parent.mkdir(parents=True)
    model = UNet(3, "frelu", profile.unet_width)
    kept.touch()
    monkeypatch.setattr(
        scene_maps, "load_weights", lambda net, path: net.load_state_dict(model.state_dict())
    )
    found = scene_maps.predictions(data)
    assert list(found.maps) == ["FReLU, notebook 04"]
    lab = scenes.build(found, scene_maps.State("FReLU, notebook 04"))
    assert lab.controls["image"].max == profile.unet_test - 1
