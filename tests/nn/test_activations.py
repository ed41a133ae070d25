"""The activations: right for every number, clear when they are misused."""

from __future__ import annotations

import copy
import math
import pickle
from decimal import Decimal, localcontext

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings, strategies as st
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


def exact_mish(x: Decimal) -> list[tuple[Decimal, Decimal]]:
    """Mish of `x` and its derivative, each with the size of the terms it sums.

    tanh(log(1 + exp(x))) written in e = exp(-|x|), which never overflows.
    """
    e = (-abs(x)).exp()
    power, rest = (1 + 2 * e, 2 * e * e) if x > 0 else (e * e + 2 * e, Decimal(2))
    tanh, to_one = power / (power + rest), rest / (power + rest)
    slope = x * to_one * (1 + tanh) * (1 if x > 0 else e) / (1 + e)
    return [(x * tanh, abs(x * tanh)), (tanh + slope, tanh + abs(slope))]


@pytest.mark.parametrize(
    ("dtype", "roundings"), [(torch.float32, 8), (torch.half, 0.51), (torch.bfloat16, 0.51)]
)
def test_mish_and_its_slope_are_right_for_every_exponent(dtype, roundings):
    kind, least = torch.finfo(dtype), torch.finfo(torch.float32).tiny
    exponents = range(round(math.log2(kind.tiny)), math.ceil(math.log2(kind.max)))
    parts = 1 + torch.rand(5, generator=torch.Generator().manual_seed(0)).double()
    values = [sign * part * 2.0**power for power in exponents for part in parts for sign in (1, -1)]
    x = torch.tensor(values).to(dtype).requires_grad_()
    y = Mish()(x)
    y.sum().backward()
    # exp(-88) and less is no normal number any more, and may come out as zero.
    floor = max(4 * least, kind.smallest_normal * kind.eps)
    with localcontext(prec=50):
        for number, *found in zip(x.tolist(), y.tolist(), x.grad.tolist(), strict=True):
            for ours, (exact, size) in zip(found, exact_mish(Decimal(number)), strict=True):
                bound = Decimal(roundings * kind.eps) * size + Decimal(floor)
                assert abs(Decimal(ours) - exact) <= bound


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


LAYOUTS = {
    "contiguous": lambda x: x,
    "channels_last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "transposed": lambda x: x.mT.contiguous().mT,
    "strided": lambda x: torch.stack([x, x], -1)[..., 0],
}


@given(
    n=st.integers(1, 3),
    channels=st.integers(1, 4),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    window=st.sampled_from([1, 3, 5, 7]),
    layout=st.sampled_from(sorted(LAYOUTS)),
)
@example(n=1, channels=2, height=1, width=1, window=3, layout="contiguous")
@settings(max_examples=25, deadline=None)
def test_frelu_and_its_gradient_are_those_of_a_loop(n, channels, height, width, window, layout):
    torch.manual_seed(n + 10 * channels)
    frelu = FReLU(channels, window).eval()
    frelu.bn.running_mean.normal_()
    frelu.bn.running_var.uniform_(0.5, 2)
    x = LAYOUTS[layout](torch.randn(n, channels, height, width)).requires_grad_()
    asked = [x, frelu.conv.weight, frelu.bn.weight, frelu.bn.bias]
    weights = torch.randn(x.shape)
    y = frelu(x)
    found = [y, *torch.autograd.grad((y * weights).sum(), asked)]
    for ours, exact in zip(found, frelu_by_loops(frelu, x, weights), strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), exact, rtol=1e-4, atol=1e-4)


def frelu_by_loops(frelu: FReLU, x: torch.Tensor, weights: torch.Tensor) -> list[np.ndarray]:
    """In eval mode, pixel by pixel in float64: the output, then the gradients of its weighted sum.

    Of x, the window, gamma and beta.
    """
    x, weights, window, gamma, beta, mean, variance = (
        tensor.detach().double().numpy()
        for tensor in (x, weights, frelu.conv.weight, frelu.bn.weight, frelu.bn.bias,
                       frelu.bn.running_mean, frelu.bn.running_var)
    )  # fmt: skip
    half, (*_, height, width) = window.shape[-1] // 2, x.shape
    y, to_x, to_window = np.empty_like(x), np.zeros_like(x), np.zeros_like(window)
    to_gamma, to_beta = np.zeros_like(gamma), np.zeros_like(beta)
    for n, c, i, j in np.ndindex(x.shape):
        seen = [(i + u, j + v, window[c, 0, u + half, v + half], u + half, v + half)
                for u in range(-half, half + 1) for v in range(-half, half + 1)
                if 0 <= i + u < height and 0 <= j + v < width]  # fmt: skip
        scale = 1 / np.sqrt(variance[c] + frelu.bn.eps)
        normed = (sum(x[n, c, k, m] * w for k, m, w, _, _ in seen) - mean[c]) * scale
        y[n, c, i, j] = max(x[n, c, i, j], gamma[c] * normed + beta[c])
        grad = weights[n, c, i, j]
        if gamma[c] * normed + beta[c] <= x[n, c, i, j]:
            to_x[n, c, i, j] += grad
            continue
        to_gamma[c] += grad * normed
        to_beta[c] += grad
        for k, m, w, u, v in seen:
            to_x[n, c, k, m] += grad * gamma[c] * scale * w
            to_window[c, 0, u, v] += grad * gamma[c] * scale * x[n, c, k, m]
    return [y, to_x, to_window, to_gamma, to_beta]


@pytest.mark.parametrize("how", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_a_copy_of_frelu_computes_the_same_and_learns_alone(how):
    frelu, x = FReLU(3), torch.randn(2, 3, 5, 4)
    other, before = how(frelu), frelu.conv.weight.clone()
    assert torch.equal(other(x), frelu(x))
    torch.nn.init.zeros_(other.conv.weight)
    assert torch.equal(frelu.conv.weight, before)


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
