"""The activations: right for every number, clear when they are misused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn

from helpers import (
    ACTIVATIONS,
    FReLU,
    LeNet,
    Mish,
    add_activation,
    initialise,
    make_activation,
    naive_mish,
    swap_activation,
)

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def mish_by_definition(x: np.ndarray) -> np.ndarray:
    """Mish in float64; log(1 + exp(x)) written so that exp never overflows."""
    return x * np.tanh(np.logaddexp(0, x))


def slope_by_definition(x: np.ndarray) -> np.ndarray:
    """Mish's derivative, tanh(s) + x sech(s)^2 sigmoid(x), with s = softplus(x), in float64."""
    s = np.logaddexp(0, x)
    share = 1 / np.cosh(np.minimum(s, 350)) ** 2
    return np.tanh(s) + x * share * np.exp(-np.logaddexp(0, -x))


@settings(max_examples=500)
@given(FLOATS)
def test_mish_and_its_slope_are_right_for_every_finite_float(value):
    x = torch.tensor([value], requires_grad=True)
    y = Mish()(x)
    y.backward()
    exact = np.float64(x.item())
    assert y.item() == pytest.approx(mish_by_definition(exact), rel=2e-6, abs=1e-6)
    assert x.grad.item() == pytest.approx(slope_by_definition(exact), rel=2e-6, abs=2e-6)


def test_mish_has_its_minimum_where_its_derivative_is_zero():
    x = torch.linspace(-3, 0, 300_001, dtype=torch.float64)
    y = Mish()(x)
    assert y.min().item() == pytest.approx(-0.30884, abs=5e-6)
    assert x[y.argmin()].item() == pytest.approx(-1.192431, abs=1e-5)


def test_naive_mish_overflows_where_mish_does_not():
    x = torch.tensor([89.0], requires_grad=True)
    naive_mish(x).backward()
    assert x.grad.isnan()
    assert Mish()(torch.tensor([89.0])).item() == 89.0


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_every_activation_keeps_the_shape_and_passes_gradient(name, layout):
    x = torch.randn(2, 4, 6, 5).to(memory_format=layout).requires_grad_()
    y = make_activation(name, 4)(x)
    y.sum().backward()
    assert y.shape == x.shape
    assert x.grad.abs().sum() > 0


@given(
    n=st.integers(1, 3),
    channels=st.integers(1, 5),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    window=st.sampled_from([1, 3, 5, 7]),
)
@settings(max_examples=60, deadline=None)
def test_frelu_is_the_maximum_of_x_and_a_depthwise_window(n, channels, height, width, window):
    torch.manual_seed(n + 10 * channels)
    frelu = FReLU(channels, window).eval()
    frelu.bn.running_mean.normal_()
    frelu.bn.running_var.uniform_(0.5, 2)
    x = torch.randn(n, channels, height, width)
    y = frelu(x)
    assert y.shape == x.shape
    assert (y >= x).all()
    assert torch.allclose(y, torch.maximum(x, condition_by_loops(frelu, x)), atol=1e-5)


def condition_by_loops(frelu: FReLU, x: torch.Tensor) -> torch.Tensor:
    """T(x) patch by patch: sum of w * patch, then BatchNorm's formula."""
    half = frelu.conv.kernel_size[0] // 2
    padded = nn.functional.pad(x, [half] * 4)
    patches = padded.unfold(2, 2 * half + 1, 1).unfold(3, 2 * half + 1, 1)
    total = (patches * frelu.conv.weight[:, 0][None, :, None, None]).sum((-1, -2))
    bn = frelu.bn
    scale = bn.weight / (bn.running_var + bn.eps).sqrt()
    return (total - bn.running_mean[:, None, None]) * scale[:, None, None] + bn.bias[:, None, None]


def test_frelu_with_gamma_zero_begins_as_relu():
    frelu = FReLU(3)
    nn.init.zeros_(frelu.bn.weight)
    x = torch.randn(4, 3, 8, 8)
    assert torch.equal(frelu(x), torch.relu(x))


def test_frelu_under_bfloat16_autocast_stays_near_float32():
    torch.manual_seed(0)
    frelu, x = FReLU(8), torch.randn(2, 8, 16, 16)
    exact = frelu(x)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = frelu(x.bfloat16())
    assert rounded.dtype == torch.bfloat16
    assert torch.allclose(rounded.float(), exact, atol=0.06)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_frelu_on_a_gpu_equals_the_cpu():
    frelu, x = FReLU(8).eval(), torch.randn(2, 8, 16, 16)
    assert torch.allclose(frelu(x), frelu.cuda()(x.cuda()).cpu(), atol=1e-5)


def test_frelu_has_nine_weights_and_two_of_batchnorm_per_channel():
    assert sum(p.numel() for p in FReLU(16).parameters()) == 16 * (9 + 2)


def test_an_arm_of_ones_own_is_known_everywhere():
    add_activation("my_leak", lambda channels: nn.LeakyReLU(0.3))
    assert LeNet("my_leak").act1.negative_slope == 0.3
    add_activation("my_leak", lambda channels: nn.LeakyReLU(0.4))
    assert make_activation("my_leak").negative_slope == 0.4
    assert len(swap_activation(LeNet(), "my_leak", torch.zeros(1, 3, 32, 32)).swapped) == 2
    add_activation("my_funnel", FReLU)
    assert len(swap_activation(LeNet(), "my_funnel", torch.zeros(1, 3, 32, 32)).swapped) == 2
    with pytest.raises(ValueError, match="belongs to the series"):
        add_activation("relu", lambda channels: nn.Identity())


@pytest.mark.parametrize("name", [None, 3, "", "../x", "two words", "-x", "a\n"])
def test_an_arm_needs_a_name_that_can_name_files(name):
    with pytest.raises(ValueError, match="can't be called"):
        add_activation(name, lambda channels: nn.Identity())
    assert name not in ACTIVATIONS


def test_every_arm_differs_from_frelu_where_its_name_says():
    def kinds(name: str) -> list[str]:
        return [type(layer).__name__ for layer in make_activation(name, 4).modules()]

    assert kinds("bn_relu")[1:] == ["BatchNorm2d", "ReLU"]
    assert kinds("dw_bn_relu")[1:] == ["Conv2d", "BatchNorm2d", "ReLU"]
    assert sorted(kinds("bn_frelu")[1:]) == ["BatchNorm2d", "BatchNorm2d", "Conv2d"]
    assert kinds("frelu_no_bn") == ["FReLU", "Conv2d", "Identity"]
    assert make_activation("frelu_1x1", 4).conv.kernel_size == (1, 1)
    assert make_activation("frelu_5x5", 4).conv.kernel_size == (5, 5)
    gamma = initialise(make_activation("frelu_gamma0", 4), 0).bn.weight
    assert gamma.abs().sum() == 0


def test_arms_of_equal_depth_share_the_first_window():
    arms = [initialise(LeNet(arm), 3) for arm in ("frelu", "dw_bn_relu", "sum_funnel", "bn_frelu")]
    for arm in arms[1:]:
        assert torch.equal(arm.act2.conv.weight, arms[0].act2.conv.weight)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: FReLU(3, 4), "even window"),
        (lambda: FReLU(3, 0), "window is 0"),
        (lambda: FReLU(3, (1, 3)), r"window is \(1, 3\) pixels wide and must be square"),
        (lambda: FReLU(True), "channels=True: give the out_channels"),
        (lambda: FReLU(0), "out_channels of the convolution before"),
        (lambda: FReLU(3)(torch.zeros(2, 3)), "after flattening there is no window left"),
        (lambda: FReLU(3)(torch.zeros(2, 5, 4, 4)), r"Write FReLU\(5\)"),
        (lambda: make_activation("frelu"), "out_channels of the convolution before"),
        (lambda: make_activation("mich"), "Did you mean 'mish'"),
        (lambda: make_activation("FRELU", 3), "Did you mean 'frelu'"),
        (lambda: make_activation("zzz"), "Known: relu"),
    ],
)
def test_misuse_says_what_was_wrong_and_what_to_do(call, says):
    with pytest.raises(ValueError, match=says):
        call()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("made", [torch.jit.script, torch.fx.symbolic_trace])
def test_scripted_and_traced_it_computes_the_same(made, training):
    layer, x = FReLU(3).train(training), torch.randn(2, 3, 8, 8)
    other = made(layer)
    assert torch.allclose(other(x), layer(x), atol=1e-5)
