"""Augmentation: pictures and labels move together, and nothing leaves its range."""

from __future__ import annotations

import torch
from hypothesis import given, settings, strategies as st

from helpers import augment
from helpers.training.augmentation import BRIGHTNESS, LEAST_CROP


def scene(count: int = 4, height: int = 32, width: int = 48) -> tuple[torch.Tensor, torch.Tensor]:
    """Images whose brightness is the label, so that a label that moves alone is found out."""
    columns = torch.arange(width).expand(count, height, width) * 4 // width
    rows = torch.arange(height).view(1, height, 1).expand(count, height, width) * 2 // height
    labels = columns + 4 * rows
    return (labels / 16).unsqueeze(1).repeat(1, 3, 1, 1), labels


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_labels_move_with_the_picture(seed):
    images, labels = scene()
    seen, moved = augment(images, labels, torch.Generator().manual_seed(seed))
    assert (seen.shape, moved.shape) == (images.shape, labels.shape)
    assert moved.dtype == torch.int64
    assert set(moved.unique().tolist()) <= set(range(8))
    ratio = seen[:, 0] / (moved / 16).clamp(min=1e-6)
    for one, label in zip(ratio, moved, strict=True):
        typical = one[label > 0].median()
        assert 1 - BRIGHTNESS - 0.01 <= typical <= 1 + BRIGHTNESS + 0.01
        matching = ((one - typical).abs() < 0.02)[label > 0]
        assert matching.float().mean() > 0.75  # all but the blended borders


def test_each_picture_changes_in_a_way_of_its_own_and_the_seed_fixes_it():
    images, labels = scene(count=2)
    first, _ = augment(images, labels, torch.Generator().manual_seed(0))
    again, _ = augment(images, labels, torch.Generator().manual_seed(0))
    assert torch.equal(first, again)
    assert not torch.allclose(first[0], first[1])


def test_unknown_stays_unknown_and_a_crop_keeps_most_of_a_side():
    images, labels = scene(count=64)
    unknown = torch.full_like(labels, -1)
    _, moved = augment(images, unknown, torch.Generator().manual_seed(1))
    assert (moved == -1).all()
    _, moved = augment(images, labels, torch.Generator().manual_seed(1))
    kinds = torch.tensor([len(one.unique()) for one in moved])
    assert kinds.min() >= 8 * LEAST_CROP / 2  # never a small corner only
    assert kinds.max() == 8


def test_labels_of_whole_pictures_stay():
    images, labels = scene()[0], torch.tensor([3, 1, 4, 1])
    seen, kept = augment(images, labels, torch.Generator().manual_seed(0))
    assert torch.equal(kept, labels)
    assert seen.min() >= 0
    assert seen.max() <= 1
