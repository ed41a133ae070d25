"""Multiply-adds are those that torch's own counter finds, and the network stays as it was."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from helpers.nn.networks import LeNet
from helpers.swap.counting import multiply_adds, total_multiply_adds
from helpers.swap.torchvision import import_torchvision

IMAGE = torch.zeros(1, 3, 64, 64)


def test_lenet_layer_by_layer():
    image = torch.zeros(1, 3, 32, 32)
    relu, frelu = (multiply_adds(LeNet(name), image) for name in ("relu", "frelu"))
    assert relu == {"conv1": 352_800, "conv2": 240_000, "fc1": 48_000, "fc2": 10_080, "fc3": 840}
    assert frelu == relu | {"act1.conv": 42_336, "act2.conv": 14_400}
    assert list(frelu)[:3] == ["conv1", "act1.conv", "conv2"]
    assert total_multiply_adds(LeNet(), image) == 651_720
    assert total_multiply_adds(LeNet("frelu"), image) == 708_456


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5"])
def test_torchs_own_counter_agrees(name):
    model = getattr(import_torchvision().models, name)(weights=None).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(IMAGE)
    assert 2 * total_multiply_adds(model, IMAGE) == counter.get_total_flops()


@pytest.mark.parametrize(
    "layer",
    [
        nn.ConvTranspose2d(3, 4, 3, stride=2, groups=1),
        nn.ConvTranspose2d(3, 6, 2, groups=3),
        nn.Conv2d(3, 6, (1, 5), groups=3, dilation=2, stride=3),
    ],
)
def test_layers_of_all_kinds(layer):
    model = nn.Sequential(layer)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(IMAGE)
    assert 2 * multiply_adds(model, IMAGE)["0"] == counter.get_total_flops()


def test_a_layer_used_twice_counts_twice_and_a_batch_for_all_its_images():
    layer = nn.Conv2d(3, 3, 1)
    once = total_multiply_adds(nn.Sequential(layer), IMAGE)
    assert total_multiply_adds(nn.Sequential(layer, layer), IMAGE) == 2 * once
    assert total_multiply_adds(nn.Sequential(layer), IMAGE.repeat(3, 1, 1, 1)) == 3 * once


def test_the_network_stays_as_it_was():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout()).train()
    statistics = model[1].running_mean.clone()
    multiply_adds(model, IMAGE)
    assert model.training
    assert torch.equal(model[1].running_mean, statistics)
    assert not any(m._forward_hooks for m in model.modules())
