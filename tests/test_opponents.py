"""The benchmarks compare like with like: what a user would copy computes what the series does."""

from __future__ import annotations

from contextlib import closing
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from helpers import FReLU, LeNet, UNet, initialise, per_image_iou
from helpers.training.prediction import standardise
from helpers.training.recipes import Recipe
from tests.benchmarks import opponents


def same_weights(funnel: FReLU) -> opponents.CopiedFReLU:
    copied = opponents.CopiedFReLU(funnel.conv.in_channels)
    copied.load_state_dict(
        funnel.state_dict() | {"conv.bias": torch.zeros(funnel.conv.in_channels)}
    )
    return copied


@pytest.mark.parametrize("mode", [True, False])
def test_the_copied_funnel_is_the_series_funnel(mode):
    funnel, x = FReLU(5).train(mode), torch.randn(3, 5, 9, 9)
    copied = same_weights(funnel).train(mode)
    with torch.no_grad():
        assert torch.allclose(funnel(x), copied(x), atol=1e-6)


def test_funnels_are_exchanged_in_the_same_network():
    theirs = opponents.with_copied_funnels(UNet(8, "frelu", width=1))
    kinds = [type(layer).__name__ for layer in theirs.modules()]
    assert kinds.count("CopiedFReLU") == 14
    assert "FReLU" not in kinds
    assert theirs(torch.zeros(2, 3, 64, 64)).shape == (2, 8, 64, 64)


@pytest.fixture
def some() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (8, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return images, torch.arange(8)


def test_per_image_transforms_give_the_series_batches(some):
    images, labels = some
    pictures = opponents.Pictures(images, labels)
    theirs = torch.stack([pictures[i][0] for i in range(len(pictures))])
    ours = standardise(images.float() / 255, Recipe(1, 4, "sgd", 1e-3))
    assert torch.allclose(theirs, ours, atol=1e-6)
    assert [pictures[i][1] for i in range(len(pictures))] == labels.tolist()


def test_the_tutorials_loop_learns_and_begins_a_new_epoch(some):
    network = initialise(LeNet("relu"), 0)
    before = network.fc3.weight.clone()
    with closing(opponents.tutorial_loop(network, opponents.Pictures(*some), workers=0)) as steps:
        losses = list(islice(steps, 3))
    assert losses[0] < losses[1]  # summed within an epoch
    assert losses[2] < losses[1]  # and from zero in the next
    assert not torch.equal(before, network.fc3.weight)


def test_plain_float32_training_learns():
    network = initialise(UNet(3, "relu", width=1), 0)
    images = torch.randint(256, (2, 3, 32, 32), dtype=torch.uint8)
    labels = torch.zeros(2, 32, 32, dtype=torch.int8)
    first, *_, last = [opponents.float32_steps(network, images, labels, 2) for _ in range(5)]
    assert last < first


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_the_articles_iou_is_per_image_iou(data):
    classes, sizes = 4, data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    truths, predictions = (
        [data.draw(arrays(np.int64, (size, 3), elements=st.integers(least, 3))) for size in sizes]
        for least in (-1, 0)
    )
    theirs = opponents.article_iou(predictions, truths, classes)
    assert theirs == pytest.approx(per_image_iou(predictions, truths, classes).mean)
