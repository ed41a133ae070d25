"""A library's own activation classes: recognised by what they do, or reported."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from helpers.nn.activations import FReLU
from helpers.swap import swap_activation
from helpers.swap.recognition import UNSURE, reason_to_keep

SMALL = torch.linspace(-1, 1, 2 * 3 * 16 * 16).view(2, 3, 16, 16)


def module(name: str, function) -> nn.Module:
    """An object of a class of its own that calls `function` in its forward."""
    return type(name, (nn.Module,), {"forward": lambda self, x: function(x)})()


class InPlace(nn.Module):
    """As timm's GELU and Swish: the argument `inplace` is optional."""

    def __init__(self, inplace: bool = True) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, x):
        return x.mul_(x.sigmoid()) if self.inplace else x * x.sigmoid()


ACTIVATIONS = {
    "GELUActivation": F.gelu,
    "GELUTanh": lambda x: F.gelu(x, approximate="tanh"),
    "QuickGELU": lambda x: x * torch.sigmoid(1.702 * x),
    "SiLUActivation": lambda x: x * torch.sigmoid(x),
    "MONAIMish": lambda x: x * F.softplus(x).tanh(),
    "HSwish": lambda x: x * F.relu6(x + 3) / 6,
    "ReLUSquared": lambda x: F.relu(x).square(),
    "Clamp": lambda x: x.clamp(min=0),
    "ELUs": lambda x: F.elu(x, 1.5),
}
UNCERTAIN = {
    "HardSigmoid": lambda x: F.relu6(x + 3) / 6,
    "ReLU1": lambda x: x.clamp(0, 1),
    "Absolute": torch.abs,
    "Exponential": torch.exp,
}
NONE = {
    "DropPath": lambda x: x,
    "Scale": lambda x: 3 * x + 1,
    "Normalise": lambda x: x / x.abs().amax(),
    "ChannelSoftmax": lambda x: x.softmax(1),
    "Blur": lambda x: F.avg_pool2d(x, 3, 1, 1),
    "Shift": lambda x: F.relu(x.roll(1, -1)),
    "Noise": lambda x: F.relu(x + torch.rand_like(x)),
    "Mask": lambda x: x > 0,
    "Waves": lambda x: torch.exp(1j * x),
    "Two": lambda x: (x, x),
    "Pool": lambda x: F.max_pool2d(x, 2),
    "Tokens": lambda x: x.permute(0, 2, 1).relu(),
    "GLU": lambda x: F.glu(torch.cat([x, x], 1), 1).sum(1),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_what_acts_as_an_activation_is_replaced(name):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), module(name, ACTIVATIONS[name]))
    report = swap_activation(model, "frelu", SMALL)
    assert [(row.name, row.before) for row in report.swapped] == [("1", name)]
    assert isinstance(model[1], FReLU)
    assert not report.functions


@pytest.mark.parametrize("name", UNCERTAIN)
def test_what_is_not_sure_is_reported_and_can_be_named(name):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), module(name, UNCERTAIN[name]))
    report = swap_activation(model, "frelu", SMALL)
    assert [(row.name, row.activation, row.reason) for row in report.left] == [("1", name, UNSURE)]
    assert not report.swapped
    assert len(swap_activation(model, "frelu", SMALL, also=[type(model[1])]).swapped) == 1
    assert isinstance(model[1], FReLU)


@pytest.mark.parametrize(
    "softer", [nn.Softplus(), nn.Softsign(), nn.LogSigmoid(), nn.Threshold(0.1, 20.0)]
)
def test_torchs_rarer_ones_are_never_silent(softer):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), softer)
    assert str(swap_activation(model, "mish", SMALL)).endswith(f"{type(softer).__name__}: 1")
    assert len(swap_activation(model, "mish", SMALL, also=type(softer)).swapped) == 1


@pytest.mark.parametrize("name", NONE)
def test_what_mixes_pixels_or_bends_nothing_is_none(name):
    assert reason_to_keep(module(name, NONE[name])) is None


def test_a_network_on_another_device_by_default_is_probed_too():
    with torch.device("meta"):
        assert reason_to_keep(module("SiLUActivation", F.silu)) == ""


def test_the_probe_leaves_no_trace():
    seen = []
    odd = module("Recorder", lambda x: seen.append(1) or x.relu())
    state = torch.get_rng_state()
    assert reason_to_keep(module("Noise", torch.rand_like)) is None
    assert reason_to_keep(odd) == ""
    assert torch.equal(torch.get_rng_state(), state)
    assert odd.training


def test_a_class_that_works_in_place_is_traced_without():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), InPlace(), nn.Conv2d(4, 4, 1), InPlace())
    rows = swap_activation(model, "frelu", SMALL).swapped
    assert [row.behind for row in rows] == ["0", "2"]


class Learned(nn.Module):
    """An activation with a parameter: it must be named."""

    def __init__(self) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x * torch.sigmoid(self.beta * x)


def test_a_named_class_may_have_parameters():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), Learned())
    assert not swap_activation(model, "frelu", SMALL).swapped
    assert len(swap_activation(model, "frelu", SMALL, also=[Learned]).swapped) == 1


def test_a_named_class_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="also: Sequential has no module of class Learned"):
        swap_activation(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), example=SMALL, also=[Learned])
