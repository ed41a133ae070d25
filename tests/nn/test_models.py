"""The articles' networks: layer by layer, to the last parameter."""

from __future__ import annotations

import pytest
import torch

from helpers import LeNet, UNet, block_shapes, initialise, parameter_count
from helpers.nn.networks import HeConv2d


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (lambda: LeNet(), 62_006),
        (lambda: LeNet("mish"), 62_006),
        (lambda: LeNet("frelu"), 62_248),
        (lambda: UNet(8), 39_353_480),
        (lambda: UNet(3), 39_353_155),
        (lambda: UNet(8, "frelu"), 39_353_480 + 66_528),
        (lambda: UNet(8, width=16), 9_843_272),
        (lambda: UNet(8, "frelu", width=16), 9_843_272 + 33_264),
    ],
)
def test_parameters_are_the_articles(model, parameters):
    with torch.device("meta"):  # counted, not allocated
        assert parameter_count(model()) == parameters


def test_lenet_swaps_only_behind_convolutions():
    names = [name for name, _ in LeNet("frelu").named_children()]
    assert names == ["conv1", "act1", "conv2", "act2", "fc1", "fc2", "fc3"]
    assert LeNet("frelu")(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize("activation", ["relu", "mish", "frelu"])
def test_unet_gives_one_logit_per_class_and_pixel(activation):
    logits = UNet(5, activation, width=2)(torch.randn(2, 3, 64, 96))
    assert logits.shape == (2, 5, 64, 96)
    assert logits.min() < 0  # logits, no softmax


@pytest.mark.parametrize(
    ("height", "width", "says"),
    [
        (240, 320, "240 -> 224 or 256"),
        (224, 100, "100 -> 96 or 128"),
        (20, 64, "20 -> 32"),
    ],
)
def test_unet_names_the_nearest_sizes_that_work(height, width, says):
    with pytest.raises(ValueError, match=says):
        UNet(8, width=2)(torch.zeros(1, 3, height, width))


def test_unet_lets_every_pixel_pass_through_the_last_level():
    """A skip that is not concatenated would leave the first block without gradient of its own."""
    model = UNet(3, width=2)
    model(torch.randn(2, 3, 32, 32)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.down[0].parameters())


def test_arms_share_the_first_weights_of_every_layer_that_both_have():
    relu = initialise(LeNet("relu"), seed=3).state_dict()
    frelu = initialise(LeNet("frelu"), seed=3).state_dict()
    assert set(relu) < set(frelu)
    assert all(torch.equal(relu[name], frelu[name]) for name in relu)


def test_another_seed_draws_other_weights():
    first, again, second = (initialise(LeNet(), seed) for seed in (0, 0, 1))
    assert torch.equal(first.fc3.weight, again.fc3.weight)
    assert not torch.equal(first.conv1.weight, second.conv1.weight)


def test_initialising_leaves_the_global_generator_alone():
    model, before = LeNet(), torch.random.get_rng_state()
    initialise(model, 5)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_he_normal_has_variance_two_over_fan_in():
    conv = HeConv2d(32, 64, 3)
    assert conv.weight.var().item() == pytest.approx(2 / (32 * 9), rel=0.05)
    assert conv.weight.abs().max() <= 2 * (2 / (32 * 9)) ** 0.5 / 0.879
    assert conv.bias.abs().sum() == 0


def test_block_shapes_follow_the_picture_down_and_up():
    shapes = block_shapes(UNet(8, width=2), 64, 96)
    assert [channels for _, channels, _, _ in shapes] == [
        2 * times for times in (1, 2, 4, 8, 16, 16, 32, 32, 32, 16, 16, 8, 4, 2, 2)
    ] + [8]
    assert [height for _, _, height, _ in shapes] == [
        64,
        32,
        16,
        8,
        4,
        4,
        2,
        2,
        2,
        4,
        4,
        8,
        16,
        32,
        64,
        64,
    ]
