"""Small networks with the structures of other people's: what is swapped, left and named in each."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from helpers.swap import swap_activation
from helpers.swap.recognition import BOUNDED, GATE, UNSURE

IMAGE = torch.linspace(-1, 1, 2 * 3 * 16 * 16).view(2, 3, 16, 16)
ONE_PIXEL = "its map is 1x1: a window has no neighbours to see"
LAST = "its channels stand last: a window would look across them"


def conv(channels: int, filters: int, size: int = 3, **settings: Any) -> nn.Conv2d:
    return nn.Conv2d(channels, filters, size, padding=size // 2, **settings)


# --- other people's activations -------------------------------------------------------------------


class GELUActivation(nn.Module):
    """As in transformers: the function is an attribute."""

    def __init__(self, use_gelu_python: bool = False) -> None:
        super().__init__()
        self.act = nn.functional.gelu

    def forward(self, x):
        return self.act(x)


class Swish(nn.Module):
    """As in timm: works in place where it is told to."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, x):
        return x.mul_(x.sigmoid()) if self.inplace else x.mul(x.sigmoid())


class MemorySaving(torch.autograd.Function):
    """As in MONAI: the gradient is computed anew."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        gate = torch.sigmoid(x)
        return gradient * gate * (1 + x * (1 - gate))


class MemoryEfficientSwish(nn.Module):
    """As in MONAI."""

    def forward(self, x):
        return MemorySaving.apply(x)


class HSigmoid(nn.Module):
    """As in pytorchcv."""

    def forward(self, x):
        return F.relu6(x + 3.0, inplace=True) / 6.0


class HSwish(nn.Module):
    """As in pytorchcv."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, x):
        return x * F.relu6(x + 3.0, inplace=self.inplace) / 6.0


class PartSigmoid(nn.Module):
    """As in many MobileNetV3s: a gate that owns a ReLU6."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU6(inplace=True)

    def forward(self, x):
        return self.relu(x + 3) / 6


class PartSwish(nn.Module):
    """As in many MobileNetV3s: an activation that owns a gate that owns a ReLU6."""

    def __init__(self) -> None:
        super().__init__()
        self.sigmoid = PartSigmoid()

    def forward(self, x):
        return x * self.sigmoid(x)


class OwnFReLU(nn.Module):
    """As in YOLOv5."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv, self.bn = conv(channels, channels, groups=channels), nn.BatchNorm2d(channels)

    def forward(self, x):
        return torch.max(x, self.bn(self.conv(x)))


def fused_silu(x):
    return x * torch.sigmoid(x)


with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    SCRIPTED = torch.jit.script(fused_silu)


# --- other people's blocks ------------------------------------------------------------------------


class TransformerMLP(nn.Module):
    """As in ViT of transformers: patches, tokens, two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.fc1, self.act, self.fc2 = nn.Linear(8, 16), GELUActivation(), nn.Linear(16, 8)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        return x + self.fc2(self.act(self.fc1(x)))


class SqueezeExcite(nn.Module):
    """A gate per channel, in the classes that it is given."""

    def __init__(self, channels: int, act: nn.Module, gate: nn.Module) -> None:
        super().__init__()
        self.conv_reduce, self.act1 = conv(channels, 2, 1), act
        self.conv_expand, self.gate = conv(2, channels, 1), gate

    def forward(self, x):
        scale = x.mean((2, 3), keepdim=True)
        return x * self.gate(self.conv_expand(self.act1(self.conv_reduce(scale))))


class MBConv(nn.Module):
    """An inverted residual of EfficientNet or MobileNetV3."""

    def __init__(self, act: Callable[[], nn.Module], gate: nn.Module) -> None:
        super().__init__()
        self.conv_pw, self.bn1, self.act1 = conv(3, 8, 1), nn.BatchNorm2d(8), act()
        self.conv_dw, self.bn2, self.act2 = conv(8, 8, groups=8), nn.BatchNorm2d(8), act()
        self.se, self.conv_pwl = SqueezeExcite(8, act(), gate), conv(8, 3, 1)

    def forward(self, x):
        y = self.act1(self.bn1(self.conv_pw(x)))
        return x + self.conv_pwl(self.se(self.act2(self.bn2(self.conv_dw(y)))))


class ConvActivation(nn.Module):
    """YOLOv5's Conv: all of them share one activation, an attribute of the class."""

    default_act = nn.SiLU()

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.conv, self.bn = conv(channels, filters), nn.BatchNorm2d(filters)
        self.act = self.default_act

    def forward(self, x):
        return self.act(self.bn(self.conv(x)))


class DenseLayer(nn.Module):
    """DenseNet: normalisation and activation first, and all maps are passed on."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1, self.relu1, self.conv1 = (
            nn.BatchNorm2d(channels),
            nn.ReLU(True),
            conv(channels, 4),
        )

    def forward(self, x):
        return torch.cat([x, self.conv1(self.relu1(self.norm1(torch.cat([x], 1))))], 1)


class ResNetD(nn.Module):
    """ResNet-D: the shortcut pools before its convolution; one ReLU behind two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1, self.conv2, self.bn2 = (
            conv(3, 4, stride=2),
            nn.BatchNorm2d(4),
            conv(4, 4),
            nn.BatchNorm2d(4),
        )
        self.relu = nn.ReLU(inplace=True)
        self.downsample = nn.Sequential(nn.AvgPool2d(2), conv(3, 4, 1), nn.BatchNorm2d(4))

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += self.downsample(x)
        return self.relu(y)


class Inception(nn.Module):
    """Branches side by side, with ReLU as a function."""

    def __init__(self) -> None:
        super().__init__()
        self.branch1, self.branch3, self.act = conv(3, 4, 1), conv(3, 4), nn.LeakyReLU()
        self.last = conv(8, 4)

    def forward(self, x):
        branches = [F.relu(branch(x), inplace=True) for branch in (self.branch1, self.branch3)]
        return self.act(self.last(torch.cat(branches, 1)))


class ASPP(nn.Module):
    """DeepLab: dilated branches, and one that pools the whole image."""

    def __init__(self) -> None:
        super().__init__()
        dilated = nn.Conv2d(3, 4, 3, padding=2, dilation=2)
        pool = nn.AdaptiveAvgPool2d(1)
        self.convs = nn.ModuleList(
            [
                nn.Sequential(dilated, nn.BatchNorm2d(4), nn.ReLU()),
                nn.Sequential(pool, conv(3, 4, 1), nn.ReLU()),
            ]
        )
        self.project = nn.Sequential(conv(8, 4, 1), nn.ReLU(), nn.Dropout(0.5))

    def forward(self, x):
        maps = [branch(x) for branch in self.convs]
        maps[1] = F.interpolate(maps[1], x.shape[-2:], mode="bilinear")
        return self.project(torch.cat(maps, 1))


class FunctionalUNet(nn.Module):
    """A U-Net whose encoder calls functions."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.middle = conv(3, 4), conv(4, 4)
        self.up, self.head = nn.ConvTranspose2d(4, 4, 2, stride=2), conv(8, 4)
        self.act, self.out = nn.ELU(), nn.Sigmoid()

    def forward(self, x):
        down = F.relu(self.down(x))
        up = torch.relu(self.up(F.relu(self.middle(F.max_pool2d(down, 2)))))
        return self.out(self.act(self.head(torch.cat([down, up], 1))))


class ConvNeXtBlock(nn.Module):
    """A depthwise window, then linear layers on channels that stand last."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.dwconv, self.norm = conv(3, 4), conv(4, 4, 7, groups=4), nn.LayerNorm(4)
        self.pwconv1, self.act, self.pwconv2 = nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 4)

    def forward(self, x):
        x = self.stem(x)
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        return x + self.pwconv2(self.act(self.pwconv1(y))).permute(0, 3, 1, 2)


class GatedLinear(nn.Module):
    """A GLU as a function, one as a module, and one that is spelled out."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = conv(3, 8), conv(4, 8), conv(4, 8)
        self.glu, self.gate, self.act = nn.GLU(1), nn.Sigmoid(), nn.ReLU()

    def forward(self, x):
        x = self.glu(self.b(F.glu(self.a(x), 1)))
        x, gate = self.c(x).chunk(2, 1)
        return self.act(x * self.gate(gate))


class TwoInputs(nn.Module):
    """An image and a mask, by name; the mask is gated by nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.mask, self.act = conv(3, 4), conv(1, 4), nn.Mish()

    def forward(self, image, mask=None):
        return {"out": self.act(self.image(image)) + self.act(self.mask(mask))}


class TanhLeNet(nn.Module):
    """LeNet-5 of 1998: tanh behind every layer, and at the output."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(conv(3, 4), nn.Tanh(), nn.AvgPool2d(2), conv(4, 4), nn.Tanh())
        self.fc1, self.act, self.fc2, self.out = (
            nn.Linear(256, 8),
            nn.Tanh(),
            nn.Linear(8, 2),
            nn.Tanh(),
        )

    def forward(self, x):
        return self.out(self.fc2(self.act(self.fc1(self.features(x).flatten(1)))))


class TanhResNet(nn.Module):
    """A shortcut reads what a layer reads: whether that is a gate can't be seen."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.act, self.last = conv(3, 4), conv(4, 4), nn.Tanh(), nn.ReLU()

    def forward(self, x):
        x = self.act(self.a(x))
        return self.last(x + self.b(x))


class Recurrent(nn.Module):
    """A state that only layers read, again and again: without a bound it could grow."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.tanh, self.head, self.act = conv(7, 4), nn.Tanh(), conv(4, 4), nn.ReLU()

    def forward(self, x):
        state = torch.zeros_like(x[:, :1]).expand(-1, 4, -1, -1)
        for _ in range(2):
            state = self.tanh(self.cell(torch.cat([x, state], 1)))
        return self.act(self.head(state))


class ConvGRU(nn.Module):
    """Gates by sigmoid, a candidate by tanh: none is an activation behind a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.gates, self.candidate, self.stem = conv(8, 8), conv(8, 4), conv(3, 4)
        self.act, self.sigmoid, self.tanh = nn.ReLU(), nn.Sigmoid(), nn.Tanh()

    def forward(self, x):
        x = self.act(self.stem(x))
        state = torch.zeros_like(x)
        for _ in range(2):
            reset, update = self.sigmoid(self.gates(torch.cat([x, state], 1))).chunk(2, 1)
            new = self.tanh(self.candidate(torch.cat([x, reset * state], 1)))
            state = (1 - update) * state + update * new
        return state


class SpatialAttention(nn.Module):
    """CBAM: a gate per pixel, of the mean and the largest channel."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.act, self.conv, self.sigmoid = (
            conv(3, 4),
            nn.ReLU(),
            conv(2, 1, 7),
            nn.Sigmoid(),
        )

    def forward(self, x):
        x = self.act(self.stem(x))
        both = torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]], 1)
        return self.sigmoid(self.conv(both)) * x


class FusedHead(nn.Module):
    """A scripted function in the middle of a forward."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.act = conv(3, 4), conv(4, 4), nn.ReLU6()

    def forward(self, x):
        return self.act(self.b(SCRIPTED(self.a(x))))


# --- the suite ------------------------------------------------------------------------------------


@dataclass
class Case:
    """A network, and what a swap must say of it. fx: torch.fx's refusal, "" where it has none."""

    make: Callable[[], nn.Module]
    swapped: str
    left: dict[str, str] = field(default_factory=dict)
    functions: dict[tuple[str, str], int] = field(default_factory=dict)
    example: Any = None
    fx: str = ""


SE = {"se.act1": ONE_PIXEL}
CASES = {
    "transformers GELUActivation": Case(
        TransformerMLP, "", {"act": "its input is (N, 16, 16), not (N, C, H, W): no window"}
    ),
    "timm SiLU in place, sigmoid gate": Case(
        lambda: MBConv(lambda: Swish(inplace=True), nn.Sigmoid()),
        "act1 act2",
        SE | {"se.gate": GATE},
    ),
    "MONAI memory-efficient Swish": Case(
        lambda: nn.Sequential(
            conv(3, 4), MemoryEfficientSwish(), conv(4, 4), MemoryEfficientSwish()
        ),
        "1 3",
    ),
    "pytorchcv HSwish, HSigmoid gate": Case(
        lambda: MBConv(HSwish, HSigmoid()), "act1 act2", SE | {"se.gate": UNSURE}
    ),
    "MobileNetV3 with gates made of ReLU6": Case(
        lambda: MBConv(PartSwish, PartSigmoid()), "act1 act2", SE | {"se.gate": UNSURE}
    ),
    "YOLOv5 Conv, one activation for all": Case(
        lambda: nn.Sequential(ConvActivation(3, 4), ConvActivation(4, 5)), "0.act 1.act"
    ),
    "YOLOv5 FReLU": Case(
        lambda: nn.Sequential(conv(3, 4), OwnFReLU(4), conv(4, 4), nn.SiLU()),
        "3",
        functions={("1", "maximum of two maps (an expression)"): 1},
    ),
    "DenseNet": Case(
        lambda: nn.Sequential(DenseLayer(3), DenseLayer(7), nn.BatchNorm2d(11), nn.ReLU(True)),
        "0.relu1 1.relu1 3",
    ),
    "ResNet-D": Case(ResNetD, "relu.0 relu.1"),
    "Inception": Case(Inception, "act", functions={("", "relu"): 2}),
    "DeepLab ASPP": Case(ASPP, "convs.0.2 project.1", {"convs.1.2": ONE_PIXEL}),
    "functional U-Net": Case(FunctionalUNet, "act", {"out": GATE}, {("", "relu"): 3}),
    "ConvNeXt": Case(ConvNeXtBlock, "", {"act": LAST}),
    "GLU": Case(GatedLinear, "act", {"gate": GATE}, {("", "glu"): 1, ("glu", "glu"): 1}),
    "two inputs": Case(TwoInputs, "act.0 act.1", example={"image": IMAGE, "mask": IMAGE[:, :1]}),
    "LeNet-5": Case(
        TanhLeNet,
        "features.1 features.4",
        {"act": "its input is (N, 8), not (N, C, H, W): no window", "out": GATE},
    ),
    "tanh in a ResNet": Case(TanhResNet, "last", {"act": BOUNDED}),
    "recurrent tanh": Case(Recurrent, "act", {"tanh": BOUNDED}),
    "ConvGRU": Case(ConvGRU, "act", {"sigmoid": GATE, "tanh": GATE}),
    "CBAM": Case(SpatialAttention, "act", {"sigmoid": GATE}),
    "scripted function": Case(
        FusedHead,
        "act",
        functions={("", "silu (an expression)"): 1},
        fx="Proxy",
    ),
}


def answers(model: nn.Module, example: Any) -> torch.Tensor:
    output = model(**example) if isinstance(example, dict) else model(example)
    return output["out"] if isinstance(output, dict) else output


@pytest.mark.parametrize("name", CASES)
def test_a_foreign_network_is_swapped_as_far_as_it_goes(name):
    case = CASES[name]
    example = IMAGE if case.example is None else case.example
    model = case.make()
    shape = answers(model, example).shape
    report = swap_activation(model, "frelu", example)
    assert [row.name for row in report.swapped] == case.swapped.split()
    assert {row.name: row.reason for row in report.left} == case.left
    assert report.functions == case.functions

    output = answers(model, example)
    assert output.shape == shape
    output.square().sum().backward()
    for row in report.swapped:
        for parameter in model.get_submodule(row.name).parameters():
            assert parameter.grad.abs().sum() > 0

    _check_copies(case, model.eval(), example)


def _check_copies(case: Case, model: nn.Module, example: Any) -> None:
    """A copy, a network that loads the state, and a graph answer as the network does."""
    expected, again = answers(model, example), case.make().eval()
    swap_activation(again, "frelu", example)
    again.load_state_dict(model.state_dict())
    for twin in (again, deepcopy(model)):
        assert torch.equal(answers(twin, example), expected)
    if case.fx:
        with pytest.raises(Exception, match=case.fx):
            torch.fx.symbolic_trace(model)
        return
    graph = torch.fx.symbolic_trace(model)
    torch.testing.assert_close(answers(graph, example), expected)
    assert not swap_activation(model, "frelu", example).swapped


def test_gates_are_safe_from_pointwise_activations_too():
    for gate in (nn.Sigmoid(), nn.Hardsigmoid(), HSigmoid(), PartSigmoid()):
        model = MBConv(PartSwish, gate)
        report = swap_activation(model, "mish", IMAGE)
        assert [row.name for row in report.swapped] == ["act1", "act2", "se.act1"]
        assert model.se.gate is gate


def test_an_activation_that_owns_one_in_place_is_traced_without():
    class Owner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act = nn.ReLU(inplace=True)

        def forward(self, x):
            return self.act(x)

    class Reread(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.owner = conv(3, 4), Owner()

        def forward(self, x):
            x = self.a(x)
            return self.owner(x) + x

    (row,) = swap_activation(Reread(), "frelu", IMAGE).left
    assert row.reason.startswith("works in place for a later layer")
