"""Scoring at each image's own size, by both protocols."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from helpers import class_maps, mean_iou, set_matrix
from helpers.training import map_prediction
from helpers.training.map_prediction import _lanczos4_matrix
from helpers.training.recipes import Recipe

OPENCV = [0.003522, 0.514521, 0.900617, 0.547843, 0.428574, 0.693242, 0.476618, 0.135995]
RECIPE = Recipe(1, 2, "sgd", 0.1, mean=(0, 0, 0), deviation=(1, 1, 1))


class Threshold(nn.Module):
    """Class 1 where red is above a half: logits (N, 2, H, W)."""

    def forward(self, x):
        return torch.stack([0.5 - x[:, 0], x[:, 0] - 0.5], 1)


def scenes() -> SimpleNamespace:
    images = torch.zeros(3, 3, 32, 32, dtype=torch.uint8)
    images[:, :, :, 16:] = 255
    sizes = [(48, 64), (32, 32), (64, 40)]
    truths = [np.repeat((np.arange(w) >= w // 2)[None], h, 0).astype(np.int8) for h, w in sizes]
    return SimpleNamespace(images=images, full_labels=truths)


@pytest.mark.parametrize("enlarge", ["bilinear", "lanczos4"])
def test_maps_come_at_each_images_own_size_and_agree_with_the_truth(enlarge):
    parts = scenes()
    maps = class_maps(Threshold(), parts, RECIPE, enlarge)
    assert [one.shape for one in maps] == [truth.shape for truth in parts.full_labels]
    assert all(one.dtype == np.int8 for one in maps)
    assert mean_iou(set_matrix(maps, parts.full_labels, 2)) == 1


def test_more_than_128_classes_keep_their_numbers():
    class Last(nn.Module):
        def forward(self, x):
            return torch.arange(200.0).view(1, -1, 1, 1).expand(len(x), -1, *x.shape[2:])

    maps = class_maps(Last(), scenes(), RECIPE)
    assert {int(number) for one in maps for number in np.unique(one)} == {199}


def test_one_batch_of_logits_is_held_at_a_time(monkeypatch):
    asked = []

    def spy(model, images, *_, **__):
        asked.append(len(images))
        return torch.zeros(len(images), 2, 32, 32)

    monkeypatch.setattr(map_prediction, "predict", spy)
    assert len(class_maps(Threshold(), scenes(), RECIPE)) == 3
    assert asked == [2, 1]


def test_another_way_to_enlarge_is_refused():
    with pytest.raises(ValueError, match="'nearest'; choose bilinear or lanczos4"):
        class_maps(Threshold(), scenes(), RECIPE, "nearest")


def test_lanczos4_is_opencvs():
    """Values that OpenCV's resize(..., INTER_LANCZOS4) gives for the same five numbers."""
    row = torch.tensor([0.1, 0.9, 0.4, 0.7, 0.2])
    seen = _lanczos4_matrix(5, 8) @ row
    assert seen.tolist() == pytest.approx(OPENCV, abs=2e-6)


def test_one_matrix_counts_every_known_pixel_of_the_set():
    truths = [np.array([[0, 1], [-1, 1]], np.int8), np.array([[0, 0, 1]], np.int8)]
    maps = [np.array([[0, 0], [1, 1]], np.int8), np.array([[0, 1, 1]], np.int8)]
    assert set_matrix(maps, truths, 2).tolist() == [[2, 1], [1, 2]]
