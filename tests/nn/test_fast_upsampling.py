"""The way up of the U-Net: quicker on the CPU, and the same to the last digits."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn
from torch.nn import functional as F

from helpers import UNet, initialise
from helpers.nn import fast_upsampling
from helpers.nn.fast_upsampling import convolve_enlarged


@pytest.fixture(autouse=True)
def _always(monkeypatch):
    monkeypatch.setattr(fast_upsampling, "LEAST_PIXELS", 0)


def as_written(conv: nn.Conv2d, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
    return conv(torch.cat([F.interpolate(x, scale_factor=2, mode="nearest"), skip], dim=1))


def both_ways(conv: nn.Conv2d, *inputs: torch.Tensor) -> list[list[torch.Tensor]]:
    """Output and all gradients, quick and as it is written."""
    results = []
    for way in (convolve_enlarged, as_written):
        given = [tensor.clone().requires_grad_() for tensor in inputs]
        y = way(conv, *given)
        weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
        grads = torch.autograd.grad(y, [*given, conv.weight, conv.bias], weights)
        results.append([y.detach(), *grads])
    return results


@given(
    below=st.integers(1, 4),
    beside=st.integers(1, 4),
    outputs=st.integers(1, 4),
    height=st.integers(1, 5),
    width=st.integers(1, 5),
)
@settings(max_examples=30, deadline=None)
def test_it_equals_enlarging_first(below, beside, outputs, height, width):
    torch.manual_seed(below + 5 * beside + 25 * outputs)
    conv = nn.Conv2d(below + beside, outputs, 3, padding=1).double()
    x = torch.randn(2, below, height, width, dtype=torch.float64)
    skip = torch.randn(2, beside, 2 * height, 2 * width, dtype=torch.float64)
    quick, written = both_ways(conv, x, skip)
    for ours, theirs in zip(quick, written, strict=True):
        assert (ours - theirs).abs().max() <= 1e-9 * theirs.abs().max().clamp(min=1)


def test_in_float32_it_equals_enlarging_first():
    torch.manual_seed(0)
    conv = nn.Conv2d(24, 8, 3, padding=1)
    for ours, theirs in zip(
        *both_ways(conv, torch.randn(2, 16, 12, 16), torch.randn(2, 8, 24, 32)), strict=True
    ):
        assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


def test_a_hooked_convolution_is_called():
    conv, seen = nn.Conv2d(3, 2, 3, padding=1), []
    conv.register_forward_hook(lambda *_: seen.append(1))
    convolve_enlarged(conv, torch.zeros(1, 2, 4, 4), torch.zeros(1, 1, 8, 8))
    assert seen == [1]


def test_another_window_is_convolved_as_it_is_written():
    conv = nn.Conv2d(3, 2, 5, padding=2)
    x, skip = torch.randn(2, 2, 4, 6), torch.randn(2, 1, 8, 12)
    assert torch.equal(convolve_enlarged(conv, x, skip), as_written(conv, x, skip))


def test_few_pixels_are_enlarged_as_it_is_written(monkeypatch):
    calls = []
    monkeypatch.setattr(F, "conv_transpose2d", lambda *a, **k: calls.append(a))
    monkeypatch.setattr(fast_upsampling, "LEAST_PIXELS", 65)
    conv, skip = nn.Conv2d(3, 2, 3, padding=1), torch.zeros(1, 1, 8, 8)
    assert convolve_enlarged(conv, torch.zeros(1, 2, 4, 4), skip).shape == (1, 2, 8, 8)
    assert not calls


@pytest.mark.parametrize("activation", ["relu", "frelu"])
def test_the_network_answers_as_it_is_written(activation):
    net = initialise(UNet(8, activation, width=4), 0).double()
    x = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    quick = net.eval()(x)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda *_: None)
    assert torch.allclose(quick, net(x), rtol=1e-9, atol=1e-9)
