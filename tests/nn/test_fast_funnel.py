"""The funnel's fast path computes what the six lines say, and stays away where it can't."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn
from torch.nn.utils import parametrizations

from helpers import FReLU, LeNet, initialise, make_activation
from helpers.nn import fast_funnel
from helpers.nn.fast_funnel import fast_path, folded

BOTH = pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])


def six_lines(funnel: FReLU, x: torch.Tensor) -> torch.Tensor:
    return torch.maximum(x, funnel.bn(funnel.conv(x)))


def everything(
    funnel: FReLU, x: torch.Tensor, weights: torch.Tensor, forward
) -> list[torch.Tensor]:
    """Output, all gradients and running statistics of one training step."""
    x = x.clone(memory_format=torch.preserve_format).requires_grad_()
    y = forward(x)
    asked = [x, funnel.conv.weight, funnel.bn.weight, funnel.bn.bias]
    grads = torch.autograd.grad(y, asked, weights)
    return [y.detach(), *grads, funnel.bn.running_mean, funnel.bn.running_var]


def pair(channels: int, window: int, dtype: torch.dtype) -> tuple[FReLU, FReLU]:
    funnel = FReLU(channels, window).to(dtype)
    with torch.no_grad():
        funnel.bn.weight.uniform_(-1.5, 1.5)
        funnel.bn.bias.normal_()
    return funnel, copy.deepcopy(funnel)


@BOTH
@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 3),
    channels=st.integers(1, 5),
    height=st.integers(2, 9),
    width=st.integers(1, 9),
    window=st.sampled_from([1, 3, 5]),
)
def test_in_float64_it_equals_the_six_lines(layout, n, channels, height, width, window):
    torch.manual_seed(n + 7 * channels + 31 * height)
    fast, plain = pair(channels, window, torch.float64)
    x = torch.randn(n, channels, height, width, dtype=torch.float64).to(memory_format=layout)
    assert fast_path(fast.conv, fast.bn, x) is fast_funnel._train_step
    weights = torch.randn_like(x)
    seen = everything(fast, x, weights, fast)
    expected = everything(plain, x, weights, lambda x: six_lines(plain, x))
    for ours, theirs in zip(seen, expected, strict=True):
        assert (ours - theirs).abs().max() <= 1e-9 * theirs.abs().max().clamp(min=1)
    assert fast.bn.num_batches_tracked == plain.bn.num_batches_tracked == 1


@BOTH
def test_in_float32_it_equals_the_six_lines_away_from_ties(layout):
    torch.manual_seed(0)
    fast, plain = pair(8, 3, torch.float32)
    x = torch.randn(4, 8, 40, 40).to(memory_format=layout)
    lead = (plain.bn(plain.conv(x)) - x).abs()
    fast.bn.load_state_dict(plain.bn.state_dict())
    weights = torch.randn_like(x) * (lead > 1e-5)
    seen = everything(fast, x, weights, fast)
    expected = everything(plain, x, weights, lambda x: six_lines(plain, x))
    for place, (ours, theirs) in enumerate(zip(seen, expected, strict=True)):
        bound = 1e-6 if place == 0 else 1e-5
        assert (ours - theirs).abs().max() <= bound * theirs.abs().max()


@pytest.mark.parametrize("window", [1, 3])
def test_gradients_are_those_of_finite_differences(window):
    torch.manual_seed(1)
    funnel, x = FReLU(2, window).double(), torch.randn(2, 2, 4, 3, dtype=torch.float64)

    def step(x, weight, gamma, beta):
        tensors = {"conv.weight": weight, "bn.weight": gamma, "bn.bias": beta}
        return torch.func.functional_call(funnel, tensors, (x,))

    inputs = [x, *(p.detach() for p in funnel.parameters())]
    assert torch.autograd.gradcheck(step, [tensor.requires_grad_() for tensor in inputs])


@pytest.mark.parametrize("loss", [torch.sum, lambda y: y.square().sum()])
@pytest.mark.parametrize("frozen", [(), ("conv.weight",), ("bn.weight", "bn.bias")])
def test_second_derivatives_are_those_of_the_six_lines(loss, frozen):
    torch.manual_seed(5)
    found = []
    for funnel in pair(2, 3, torch.float64):
        for name in frozen:
            funnel.get_parameter(name).requires_grad_(False)
        x = torch.linspace(-1, 1, 100, dtype=torch.float64).cos().view(2, 2, 5, 5).requires_grad_()
        y = six_lines(funnel, x) if found else funnel(x)
        (slope,) = torch.autograd.grad(loss(y), x, create_graph=True)
        slope.pow(3).sum().backward()
        learn = [p for p in funnel.parameters() if p.requires_grad]
        found.append([x.grad, *(p.grad for p in learn if p.grad is not None)])
    assert len(found[0]) == len(found[1])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_at_ties_the_gradient_goes_to_x():
    funnel = FReLU(1)
    nn.init.zeros_(funnel.bn.weight)
    x = torch.zeros(1, 1, 4, 4, requires_grad=True)
    funnel(x).sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))
    assert funnel.bn.bias.grad == 0


@BOTH
def test_folded_for_inference_it_equals_the_six_lines(layout):
    torch.manual_seed(2)
    funnel, _ = pair(6, 3, torch.float32)
    funnel(torch.randn(8, 6, 12, 12))
    funnel.eval()
    x = torch.randn(3, 6, 20, 20).to(memory_format=layout)
    with torch.no_grad():
        assert fast_path(funnel.conv, funnel.bn, x) is fast_funnel._inference
        assert torch.allclose(funnel(x), six_lines(funnel, x), atol=1e-6, rtol=1e-6)
        weight, bias = folded(funnel.conv, funnel.bn)
        condition = nn.functional.conv2d(x, weight, bias, padding=1, groups=6)
        assert torch.allclose(condition, funnel.condition(x), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_under_autocast_the_input_keeps_its_precision(dtype):
    torch.manual_seed(3)
    funnel, plain = pair(8, 3, torch.float32)
    x = torch.randn(2, 8, 16, 16)
    exact = six_lines(plain, x)
    with torch.autocast("cpu", torch.bfloat16):
        given = x.to(dtype).requires_grad_()
        y = funnel(given)
    y.float().sum().backward()
    assert y.dtype == given.grad.dtype == dtype
    assert funnel.conv.weight.grad.dtype == torch.float32
    assert torch.allclose(y.float(), exact, atol=0.1)


def test_a_step_needs_less_memory_than_the_six_lines():
    funnel, x = FReLU(16), torch.randn(2, 16, 32, 32, requires_grad=True)
    ours = kept_bytes(lambda: funnel(x))
    theirs = kept_bytes(lambda: six_lines(funnel, x))
    assert ours <= 0.75 * theirs


def kept_bytes(forward) -> int:
    """Bytes of the different tensors that autograd keeps for backward."""
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        y = forward()  # alive until the bytes are counted
    assert y.requires_grad
    return sum(kept.values())


def hooked(funnel: FReLU) -> FReLU:
    funnel.conv.register_forward_hook(lambda *_: None)
    return funnel


def with_bias(funnel: FReLU) -> FReLU:
    funnel.conv = nn.Conv2d(4, 4, 3, padding=1, groups=4)
    return funnel


def cumulative(funnel: FReLU) -> FReLU:
    funnel.bn.momentum = None
    return funnel


def untracked(funnel: FReLU) -> FReLU:
    funnel.bn = nn.BatchNorm2d(4, track_running_stats=False)
    return funnel


def plain_norm(funnel: FReLU) -> FReLU:
    funnel.bn = nn.BatchNorm2d(4, affine=False)
    return funnel


def spectral(funnel: FReLU) -> FReLU:
    parametrizations.spectral_norm(funnel.conv)
    return funnel


CHANGES = [hooked, with_bias, cumulative, untracked, plain_norm, spectral]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_somebody_changed_runs_as_it_is_written(change):
    torch.manual_seed(4)
    funnel, x = change(FReLU(4)), torch.randn(2, 4, 6, 6)
    assert fast_path(funnel.conv, funnel.bn, x) is None
    plain = copy.deepcopy(funnel)
    assert torch.equal(funnel(x), six_lines(plain, x))


def test_frozen_statistics_are_trained_through_as_they_are():
    funnel, x = FReLU(4), torch.randn(2, 4, 6, 6, requires_grad=True)
    funnel.bn.eval()
    before = funnel.bn.running_mean.clone()
    assert torch.equal(funnel(x), six_lines(funnel, x))
    assert torch.equal(funnel.bn.running_mean, before)


def test_one_value_per_channel_is_batchnorms_own_error():
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        FReLU(3)(torch.zeros(1, 3, 1, 1))


def test_exporters_see_the_six_lines():
    funnel, x = FReLU(4).eval(), torch.randn(1, 4, 6, 6)
    with torch.no_grad():
        exported = torch.export.export(funnel, (x,)).module()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old, and checks of shapes are frozen
            traced = torch.jit.trace(funnel, x)
        for other in (exported, traced):
            assert torch.allclose(other(x), funnel(x), atol=1e-6)


class SlowLeNet(LeNet):
    """The same network, its funnels written out in six lines."""

    def __init__(self, activation: str) -> None:
        super().__init__(activation)
        for name in ("act1", "act2"):
            funnel = getattr(self, name)
            funnel.forward = lambda x, funnel=funnel: six_lines(funnel, x)


def test_fifty_steps_of_training_agree():
    torch.manual_seed(5)
    images, labels = torch.randn(50, 4, 3, 32, 32), torch.randint(10, (50, 4))

    def losses(model: nn.Module) -> torch.Tensor:
        optimiser = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9)
        seen = []
        for x, y in zip(images, labels, strict=True):
            loss = nn.functional.cross_entropy(model(x), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            seen.append(loss.item())
        return torch.tensor(seen)

    fast, slow = (losses(initialise(net("frelu"), 0)) for net in (LeNet, SlowLeNet))
    assert (fast - slow).abs().max() < 1e-4


@pytest.mark.parametrize("name", ["sum_funnel", "max_pool_funnel", "frelu_1x3_3x1", "bn_frelu"])
def test_relatives_are_not_mistaken_for_the_funnel(name):
    torch.manual_seed(6)
    arm, x = make_activation(name, 4), torch.randn(2, 4, 8, 8)
    y = arm(x)
    if name == "sum_funnel":
        assert torch.allclose(y - x, copy.deepcopy(arm).condition(x), atol=1e-5)
    elif name == "bn_frelu":
        z = copy.deepcopy(arm.before)(x)
        assert (y >= z - 1e-5).all()
    else:
        assert torch.equal(y, torch.maximum(x, copy.deepcopy(arm).condition(x)))
