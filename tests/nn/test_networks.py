"""The articles' networks: layer by layer, to the last parameter."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from helpers import LeNet, UNet, block_shapes, initialise, parameter_count
from helpers.nn.networks import Block, HeConv2d, restoring_state


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (lambda: LeNet(), 62_006),
        (lambda: LeNet("mish"), 62_006),
        (lambda: LeNet("frelu"), 62_248),
        (lambda: LeNet("wide_conv"), 62_006 + 2 * (6 + 16) + (49 - 25) * (3 * 6 + 6 * 16)),
        (lambda: UNet(8), 39_353_480),
        (lambda: UNet(3), 39_353_155),
        (lambda: UNet(8, "frelu"), 39_353_480 + 66_528),
        (lambda: UNet(8, width=16), 9_843_272),
        (lambda: UNet(8, "frelu", width=16), 9_843_272 + 33_264),
        (lambda: Block(3, 8, "wide_conv"), 3 * 8 * 25 + 8 + 2 * 8 + 2 * 8),
    ],
)
def test_parameters_are_the_articles(model, parameters):
    with torch.device("meta"):  # counted, not allocated
        assert parameter_count(model()) == parameters


def test_lenet_swaps_only_behind_convolutions():
    names = [name for name, _ in LeNet("frelu").named_children()]
    assert names == ["conv1", "act1", "conv2", "act2", "fc1", "fc2", "fc3"]
    assert LeNet("frelu")(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def reach(part: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Which pixels of the input change the middle pixel of the output, (H, W)."""
    x = x.requires_grad_()
    y = part(x)
    y[..., y.shape[2] // 2, y.shape[3] // 2].sum().backward()
    return x.grad.abs().sum((0, 1)) > 0


@pytest.mark.parametrize(
    ("part", "side"),
    [
        (lambda arm: nn.Sequential(*list(LeNet(arm).children())[:2]), 7),
        (lambda arm: nn.Sequential(*list(LeNet(arm).children())[2:4]), 7),
        (lambda arm: Block(6, 8, arm), 5),
    ],
)
def test_a_wider_convolution_reaches_as_far_as_frelu(part, side):
    torch.manual_seed(0)
    channels = next(part("relu").parameters()).shape[1]
    x = torch.randn(8, channels, 20, 20)
    reached = {arm: reach(part(arm).eval(), x.clone()) for arm in ("wide_conv", "frelu", "relu")}
    assert torch.equal(reached["wide_conv"], reached["frelu"])
    assert reached["frelu"].sum() == side**2 > reached["relu"].sum()


@pytest.mark.parametrize("activation", ["relu", "mish", "frelu", "wide_conv"])
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
    channels, heights = ([shape[k] for shape in shapes] for k in (1, 2))
    assert channels == [2, 4, 8, 16, 32, 32, 64, 64, 64, 32, 32, 16, 8, 4, 4, 8]
    assert heights == [64, 32, 16, 8, 4, 4, 2, 2, 2, 4, 4, 8, 16, 32, 64, 64]


def test_block_shapes_leave_the_network_as_it_was():
    model = UNet(8, "frelu", width=2)
    before = deepcopy(model.state_dict())
    assert block_shapes(model, 32, 32)[8] == ("9", 64, 1, 1)  # too small for BatchNorm in training
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(layer._forward_hooks for layer in model.modules())


def test_undisturbed_restores_modes_hooks_and_generators_after_an_error():
    model = LeNet()
    model.act1.eval()
    hook, state = model.conv1.register_forward_hook(lambda *_: None), torch.get_rng_state()
    seen = []
    model.conv1.register_forward_pre_hook(
        lambda layer, _: seen.append((layer.training, torch.is_grad_enabled(), torch.rand(1)))
    )
    with pytest.raises(RuntimeError), restoring_state(model, [hook]):
        model(torch.zeros(1, 3, 8, 8))
    assert seen[0][:2] == (False, False)
    assert model.training
    assert model.conv1.training
    assert not model.act1.training
    assert not model.conv1._forward_hooks
    assert torch.equal(torch.get_rng_state(), state)


# --- second implementations, with copied weights ------------------------------------------------


def numbered(model):
    """The network's weights in the order in which it uses them, convolution before BatchNorm."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            yield module.weight.double(), module.bias.double()
        elif isinstance(module, nn.BatchNorm2d):
            scale = module.weight / (module.running_var + module.eps).sqrt()
            yield scale.double(), (module.bias - module.running_mean * scale).double()


def convolved(x, weight, bias):
    """A convolution as a matrix product of patches, the side kept."""
    windows = F.unfold(x, weight.shape[-1], padding=weight.shape[-1] // 2)
    return (weight.flatten(1) @ windows).unflatten(2, x.shape[2:]) + bias[:, None, None]


def pooled(x):
    return x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).amax((3, 5))


def test_lenet_computes_what_its_article_says():
    model, x = LeNet().eval(), torch.randn(2, 3, 32, 32)
    (w1, b1), (w2, b2), *full = numbered(model)
    y = pooled(convolved(x.double(), w1, b1)[..., 2:-2, 2:-2].clamp(min=0))
    y = pooled(convolved(y, w2, b2)[..., 2:-2, 2:-2].clamp(min=0)).flatten(1)
    for number, (weight, bias) in enumerate(full):
        y = y @ weight.T + bias
        y = y.clamp(min=0) if number < 2 else y
    torch.testing.assert_close(model(x).double(), y, rtol=1e-4, atol=1e-5)


def test_the_unet_computes_what_its_article_says():
    model, x = initialise(UNet(8, width=2), 0), torch.randn(2, 3, 64, 96)
    model(x)  # so that running statistics are not those of the start
    steps, y, skips = numbered(model.eval()), x.double(), []

    def block(y):
        (weight, bias), (scale, shift) = next(steps), next(steps)
        y = convolved(y, weight, bias)
        return (y * scale[:, None, None] + shift[:, None, None]).clamp(min=0)

    for blocks in (1, 1, 1, 1, 2):
        for _ in range(blocks):
            y = block(y)
        skips.append(y)
        y = pooled(y)
    for _ in range(3):
        y = block(y)
    for blocks in (2, 1, 1, 1, 0):
        y = torch.cat([y.repeat_interleave(2, 2).repeat_interleave(2, 3), skips.pop()], 1)
        for _ in range(blocks):
            y = block(y)
    y = convolved(convolved(y, *next(steps)), *next(steps))
    torch.testing.assert_close(model(x).double(), y, rtol=1e-4, atol=1e-4)
