"""Activations: pointwise functions, the funnel, its relatives, and one table of them all."""

from __future__ import annotations

import difflib
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Proxy
from torch.nn import functional as F

from . import fast_funnel


def naive_mish(x: Tensor) -> Tensor:
    """Mish as its formula reads, x * tanh(log(1 + exp(x))): its slope is NaN once exp(x) overflows.

    Same shape and dtype as `x`. Introduced in notebook 01 as what not to use.

    >>> naive_mish(torch.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.3034,  0.0000,  0.8651])
    """
    return x * torch.tanh(torch.log(1 + torch.exp(x)))


class Mish(nn.Module):
    """x * tanh(softplus(x)), elementwise, any shape (Misra, BMVC 2020, arXiv 1908.08681).

    Right for every finite float32, its derivative too. Introduced in notebook 01.

    >>> Mish()(torch.tensor([-1.0, 0.0, 100.0]))
    tensor([ -0.3034,   0.0000, 100.0000])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Mish of `x`, elementwise."""
        return F.mish(x)


class FReLU(nn.Module):
    """The funnel activation, max(x, T(x)): (N, C, H, W) -> (N, C, H, W).

    T, the funnel condition, is a depthwise convolution without bias (BatchNorm would cancel it),
    then BatchNorm (Ma, Zhang, Sun, ECCV 2020, arXiv 2007.11824). On a CPU it is computed by
    `fast_funnel`, which at exact ties gives the gradient to x, where torch.maximum halves it.

    channels: the out_channels of the convolution before it. kernel_size: the window's side in
    pixels, odd.

    Raises ValueError for channels < 1, an even window, an input that is not (N, C, H, W), or a
    wrong C. Introduced in notebook 02.

    >>> x = torch.zeros(2, 16, 10, 10)
    >>> FReLU(16)(x).shape
    torch.Size([2, 16, 10, 10])
    """

    def __init__(self, channels: int, kernel_size: int = 3) -> None:
        super().__init__()
        _check_window(channels, kernel_size)
        self.conv = _depthwise(channels, kernel_size, kernel_size)
        self.bn = nn.BatchNorm2d(channels)

    def condition(self, x: Tensor) -> Tensor:
        """T(x), the funnel condition: what each pixel must beat to pass. Shape of `x`."""
        return self.bn(self.conv(x))

    def forward(self, x: Tensor) -> Tensor:
        """max(x, T(x)): each pixel against its neighbourhood. Shape of `x`."""
        # Scripted or traced by fx, the six lines stand alone; the script's compiler needs two ifs.
        if not torch.jit.is_scripting():  # noqa: SIM102
            if not isinstance(x, Proxy):
                _check_input(self, x, self.conv.in_channels)
                fast = self._fast_path(x)
                if fast is not None:
                    return fast(self.conv, self.bn, x)
        return self.combine(x, self.condition(x).to(x.dtype))

    def combine(self, x: Tensor, condition: Tensor) -> Tensor:
        """The funnel's last step, the maximum. Shape of `x`."""
        return torch.maximum(x, condition)

    def _fast_path(self, x: Tensor) -> fast_funnel.Path | None:
        """None in subclasses that compute something else."""
        own = type(self).condition, type(self).combine
        if own != (FReLU.condition, FReLU.combine):
            return None
        return fast_funnel.fast_path(self.conv, self.bn, x)


class SumFunnel(FReLU):
    """x + T(x): the funnel with a sum in the maximum's place. Introduced in notebook 06.

    >>> funnel, x = SumFunnel(1).eval(), torch.randn(1, 1, 4, 4)
    >>> torch.equal(funnel(x), x + funnel.condition(x))
    True
    """

    def combine(self, x: Tensor, condition: Tensor) -> Tensor:
        """The sum. Shape of `x`."""
        return x + condition


class PoolFunnel(nn.Module):
    """max(x, T(x)), T a pooling that learns no weights, then BatchNorm: (N, C, H, W), same shape.

    pool: "max" or "avg", over a window of `kernel_size` pixels. BatchNorm stays, so that the window
    alone differs from FReLU's.

    Raises ValueError for channels < 1, an even window, another pool, or an input that doesn't fit.
    Introduced in notebook 06.

    >>> PoolFunnel(1, "max").pool(torch.tensor([[[[0.0, 1.0, 0.0, 0.0]]]]))
    tensor([[[[1., 1., 1., 0.]]]])
    """

    def __init__(self, channels: int, pool: str = "max", kernel_size: int = 3) -> None:
        super().__init__()
        _check_window(channels, kernel_size)
        if pool not in ("max", "avg"):
            raise ValueError(f"PoolFunnel takes the pools max and avg, not '{pool}'.")
        kind = nn.MaxPool2d if pool == "max" else nn.AvgPool2d
        self.pool = kind(kernel_size, stride=1, padding=kernel_size // 2)
        self.bn = nn.BatchNorm2d(channels)

    def condition(self, x: Tensor) -> Tensor:
        """T(x), the pooled neighbourhood, normalised. Shape of `x`."""
        return self.bn(self.pool(x))

    def combine(self, x: Tensor, condition: Tensor) -> Tensor:
        """max(x, T(x)), for T(x) that is given, as the funnel lab does. Shape of both."""
        return torch.maximum(x, condition)

    def forward(self, x: Tensor) -> Tensor:
        """max(x, T(x)). Shape of `x`."""
        _check_input(self, x, self.bn.num_features)
        return torch.maximum(x, self.condition(x).to(x.dtype))


class CrossFReLU(nn.Module):
    """max(x, T(x)), T the sum of a 1x3 and a 3x1 window, each with BatchNorm: (N, C, H, W).

    The light variant of the authors' own code. Raises ValueError for channels < 1, or an input that
    doesn't fit. Introduced in notebook 02.

    >>> sum(p.numel() for p in CrossFReLU(16).parameters())  # FReLU(16) has 176
    160
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        _check_window(channels, 3)
        self.conv = _depthwise(channels, 1, 3)
        self.bn = nn.BatchNorm2d(channels)
        self.conv_down = _depthwise(channels, 3, 1)
        self.bn_down = nn.BatchNorm2d(channels)

    def condition(self, x: Tensor) -> Tensor:
        """T(x), the row and the column of each pixel. Shape of `x`."""
        return self.bn(self.conv(x)) + self.bn_down(self.conv_down(x))

    forward = PoolFunnel.forward


def _depthwise(channels: int, height: int, width: int, bias: bool = False) -> nn.Conv2d:
    """One window per channel, padded so that the output keeps the input's size."""
    size, padding = (height, width), (height // 2, width // 2)
    return nn.Conv2d(channels, channels, size, padding=padding, groups=channels, bias=bias)


def _check_input(layer: nn.Module, x: Tensor, channels: int) -> None:
    name = type(layer).__name__
    if x.dim() != 4:
        raise ValueError(
            f"{name} got an input of shape {tuple(x.shape)} and needs (N, C, H, W): after "
            "flattening there is no window left to look at. Use a pointwise activation there."
        )
    if x.shape[1] != channels:
        raise ValueError(
            f"{name}({channels}) got {x.shape[1]} channels: its channel count must equal the "
            f"out_channels of the convolution before it. Write {name}({x.shape[1]})."
        )


def _check_window(channels: int | None, kernel_size: int = 3) -> None:
    if type(channels) is not int or channels < 1:
        raise ValueError(
            f"FReLU has one window per channel and got channels={channels!r}: "
            "give the out_channels of the convolution before it."
        )
    if type(kernel_size) is not int or kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(
            f"FReLU's window is {kernel_size!r} pixels wide and must be square and odd: an even "
            "window has no middle pixel, and the output would change its size or move by half a "
            "pixel. Choose 1, 3, 5, 7, ..."
        )


# --- the arms of notebook 06 --------------------------------------------------------------------


class _NormedFReLU(FReLU):
    """BatchNorm, then FReLU, under FReLU's own layer names: the first weights are the same."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.before = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.before(x))


class _GammaZero(nn.BatchNorm2d):
    """BatchNorm that begins with gamma = 0, so that T(x) = 0 and the funnel begins as ReLU."""

    def reset_parameters(self) -> None:
        super().reset_parameters()
        nn.init.zeros_(self.weight)


def _frelu_with(channels: int, **layers: nn.Module) -> FReLU:
    """FReLU with other layers in the place of its own."""
    funnel = FReLU(channels)
    for name, layer in layers.items():
        setattr(funnel, name, layer)
    return funnel


def _relu_after(**layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(layers, act=nn.ReLU()))


# --- the table ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Activation:
    """A row of ACTIVATIONS: how an activation is made, and how figures show it.

    make: gets the channels of the convolution before it, or None unless `needs_channels`, and
    returns a module that keeps the shape. label: its name in figures, "" for the row's own.
    colour: one of Okabe and Ito's, for the whole series; "" is drawn in black. line: matplotlib's
    line style. formula: for matplotlib's mathtext, which needs no MathJax. family: the panel of
    notebook 01 that shows it.

    A function of one number has all of these and is then drawn in every figure of notebook 01.

    >>> ACTIVATIONS["gelu"].label, ACTIVATIONS["gelu"].colour
    ('GELU', '#CC79A7')
    """

    make: Callable[[Any], nn.Module]
    label: str = ""
    colour: str = ""
    line: str | tuple[int, tuple[int, ...]] = "-"
    formula: str = ""
    family: str = ""
    needs_channels: bool = field(default=True, kw_only=True)


def _pointwise(make: Callable[[], nn.Module], *look: Any) -> Activation:
    return Activation(lambda _: make(), *look, needs_channels=False)


_BENT, _SMOOTH = "cut, tilted or bent below zero", "smooth, with a dip"

ACTIVATIONS: dict[str, Activation] = {
    "relu": _pointwise(nn.ReLU, "ReLU", "#0072B2", "-", r"$\max(0,\,x)$", _BENT),
    "leaky_relu": _pointwise(
        nn.LeakyReLU, "Leaky ReLU", "#7F7F7F", (0, (3, 1, 1, 1)), r"$\max(0.01\,x,\,x)$", _BENT
    ),
    "prelu": Activation(
        lambda channels: nn.PReLU(channels or 1),
        *("PReLU", "#56B4E9", (0, (5, 1)), r"$\max(0,x)+a\,\min(0,x)$", _BENT),
        needs_channels=False,
    ),
    "elu": _pointwise(nn.ELU, "ELU", "#000000", (0, (1, 1)), r"$x$ if $x>0$, else $e^x-1$", _BENT),
    "silu": _pointwise(nn.SiLU, "SiLU", "#009E73", "-.", r"$x\cdot\sigma(x)$", _SMOOTH),
    "gelu": _pointwise(nn.GELU, "GELU", "#CC79A7", ":", r"$x\cdot\Phi(x)$", _SMOOTH),
    "mish": _pointwise(Mish, "Mish", "#E69F00", "--", r"$x\cdot\tanh(\log(1+e^x))$", _SMOOTH),
    "frelu": Activation(FReLU, "FReLU", "#D55E00"),
    "frelu_1x1": Activation(lambda channels: FReLU(channels, 1)),
    "frelu_5x5": Activation(lambda channels: FReLU(channels, 5)),
    "frelu_1x3_3x1": Activation(CrossFReLU),
    "max_pool_funnel": Activation(lambda channels: PoolFunnel(channels, "max")),
    "avg_pool_funnel": Activation(lambda channels: PoolFunnel(channels, "avg")),
    "sum_funnel": Activation(SumFunnel),
    "bn_relu": Activation(lambda channels: _relu_after(bn=nn.BatchNorm2d(channels))),
    "bn_frelu": Activation(_NormedFReLU),
    "dw_bn_relu": Activation(  # as deep as FReLU: its condition as a layer before ReLU
        lambda channels: _relu_after(conv=_depthwise(channels, 3, 3), bn=nn.BatchNorm2d(channels))
    ),
    # LeNet and the U-Net make the convolution before it two pixels wider: FReLU's reach.
    "wide_conv": Activation(lambda channels: _relu_after(bn=nn.BatchNorm2d(channels))),
    "frelu_no_bn": Activation(  # a bias takes the place of BatchNorm's beta
        lambda channels: _frelu_with(
            channels, conv=_depthwise(channels, 3, 3, bias=True), bn=nn.Identity()
        )
    ),
    "frelu_gamma0": Activation(lambda channels: _frelu_with(channels, bn=_GammaZero(channels))),
}
"""Every activation and arm of the series by name, and what `add_activation` added."""

SERIES = frozenset(ACTIVATIONS)


def add_activation(name: str, make: Callable[[int | None], nn.Module]) -> None:
    """Add an arm of your own to ACTIVATIONS, for every network of the series and this process.

    make: gets the channels of the convolution before it and returns a module that keeps the shape.
    name: letters, digits, "_" and "-", since it also names files and records. Adding the same name
    again replaces it. Raises ValueError for another kind of name, and for one of the series.
    Introduced in notebook 06.

    >>> add_activation("halved_slope", lambda channels: nn.LeakyReLU(0.5))
    >>> make_activation("halved_slope")
    LeakyReLU(negative_slope=0.5)
    """
    if not (isinstance(name, str) and re.fullmatch(r"\w[\w-]*", name)):
        raise ValueError(f"An activation can't be called {name!r}: use letters, digits, _ and -.")
    if name in SERIES:
        raise ValueError(f"'{name}' belongs to the series: choose a name of your own.")
    ACTIVATIONS[name] = Activation(make, needs_channels=False)


def make_activation(name: str, channels: int | None = None) -> nn.Module:
    """The activation called `name` in ACTIVATIONS.

    channels: the out_channels of the convolution before it. Whatever has a window or a BatchNorm
    needs it; PReLU takes one slope per channel when it is given and one for all when it is not; the
    others leave it alone.

    Raises ValueError for an unknown name (naming the nearest known one) and for missing channels.
    Introduced in notebook 01; the arms in notebook 06.

    >>> make_activation("relu"), make_activation("frelu_5x5", 16).conv.weight.shape
    (ReLU(), torch.Size([16, 1, 5, 5]))
    """
    if name not in ACTIVATIONS:
        near = difflib.get_close_matches(str(name).lower(), ACTIVATIONS, n=1, cutoff=0.4)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise ValueError(
            f"No activation is called '{name}'.{hint} Known: {', '.join(ACTIVATIONS)}."
        )
    if ACTIVATIONS[name].needs_channels:
        _check_window(channels)
    return ACTIVATIONS[name].make(channels)
