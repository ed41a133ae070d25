"""Activation functions: pointwise ones, and the funnel that looks at a pixel's neighbours."""

from __future__ import annotations

import difflib
from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import fast_funnel


def naive_mish(x: Tensor) -> Tensor:
    """Mish as its formula reads, x * tanh(log(1 + exp(x))): NaN or x once exp(x) overflows.

    Shown in notebook 01 as what not to use. Same shape and dtype as `x`.
    """
    return x * torch.tanh(torch.log(1 + torch.exp(x)))


class Mish(nn.Module):
    """x * tanh(softplus(x)), elementwise, any shape (Misra, BMVC 2020, arXiv 1908.08681).

    torch's own kernel: right for every finite float32, its derivative too. Introduced in notebook
    01.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Mish of `x`, elementwise."""
        return F.mish(x)


class FReLU(nn.Module):
    """The funnel activation, max(x, T(x)): (N, C, H, W) -> (N, C, H, W).

    T, the funnel condition, is a depthwise convolution without bias (BatchNorm would cancel it),
    then BatchNorm (Ma, Zhang, Sun, ECCV 2020, arXiv 2007.11824). Introduced in notebook 02.

    channels: the out_channels of the convolution before it.
    kernel_size: the window's side in pixels, odd, so that a window has a middle.

    On a CPU, one step of autograd does the same in a third of the time (`fast_funnel`, notebook
    07); at exact ties it gives the gradient to x, where torch.maximum halves it.

    Raises ValueError for channels < 1, an even window, an input that is not (N, C, H, W), or a
    wrong C.
    """

    def __init__(self, channels: int, kernel_size: int = 3) -> None:
        super().__init__()
        _check_window(channels, kernel_size)
        self.conv = nn.Conv2d(
            channels, channels, kernel_size, padding=kernel_size // 2, groups=channels, bias=False
        )
        self.bn = nn.BatchNorm2d(channels)

    def condition(self, x: Tensor) -> Tensor:
        """T(x), the funnel condition: what each pixel must beat to pass. Shape of `x`."""
        return self.bn(self.conv(x))

    def forward(self, x: Tensor) -> Tensor:
        """max(x, T(x)): each pixel against its neighbourhood. Shape of `x`."""
        _check_input(self, x, self.conv.in_channels)
        match self._fast_path(x):
            case "train":
                return fast_funnel.train_step(self.conv, self.bn, x)
            case "infer":
                return fast_funnel.inference(self.conv, self.bn, x)
        return self.combine(x, self.condition(x).to(x.dtype))

    def combine(self, x: Tensor, condition: Tensor) -> Tensor:
        """The funnel's last step, the maximum. Shape of `x`."""
        return torch.maximum(x, condition)

    def _fast_path(self, x: Tensor) -> str | None:
        """Only for what is written above: a subclass may mean something else."""
        own = type(self).condition, type(self).combine
        if own != (FReLU.condition, FReLU.combine):
            return None
        return fast_funnel.fast_path(self.conv, self.bn, x)


class SumFunnel(FReLU):
    """x + T(x): the funnel with a sum in the maximum's place. Introduced in notebook 06."""

    def combine(self, x: Tensor, condition: Tensor) -> Tensor:
        """The sum. Shape of `x`."""
        return x + condition


class PoolFunnel(nn.Module):
    """max(x, T(x)), T a pooling that learns no weights, then BatchNorm: (N, C, H, W), same shape.

    pool: "max" or "avg", over a window of `kernel_size` pixels. BatchNorm stays, so that the window
    alone differs from FReLU's. Introduced in notebook 06.

    Raises ValueError for channels < 1, an even window, another pool, or an input that doesn't fit.
    """

    def __init__(self, channels: int, pool: str = "max", kernel_size: int = 3) -> None:
        super().__init__()
        _check_window(channels, kernel_size)
        if pool not in ("max", "avg"):
            raise ValueError(f"PoolFunnel knows the pools max and avg, not '{pool}'.")
        kind = nn.MaxPool2d if pool == "max" else nn.AvgPool2d
        self.pool = kind(kernel_size, stride=1, padding=kernel_size // 2)
        self.bn = nn.BatchNorm2d(channels)

    def condition(self, x: Tensor) -> Tensor:
        """T(x), the pooled neighbourhood, normalised. Shape of `x`."""
        return self.bn(self.pool(x))

    combine = FReLU.combine

    def forward(self, x: Tensor) -> Tensor:
        """max(x, T(x)). Shape of `x`."""
        _check_input(self, x, self.bn.num_features)
        return self.combine(x, self.condition(x))


class CrossFReLU(nn.Module):
    """max(x, T(x)), T the sum of a 1x3 and a 3x1 window, each with BatchNorm: (N, C, H, W).

    The light variant of the authors' own code. Introduced in notebook 02.

    Raises ValueError for channels < 1, or an input that doesn't fit.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        _check_window(channels, 3)
        self.conv = nn.Conv2d(
            channels, channels, (1, 3), padding=(0, 1), groups=channels, bias=False
        )
        self.bn = nn.BatchNorm2d(channels)
        self.conv_down = nn.Conv2d(
            channels, channels, (3, 1), padding=(1, 0), groups=channels, bias=False
        )
        self.bn_down = nn.BatchNorm2d(channels)

    def condition(self, x: Tensor) -> Tensor:
        """T(x), the row and the column of each pixel. Shape of `x`."""
        return self.bn(self.conv(x)) + self.bn_down(self.conv_down(x))

    def forward(self, x: Tensor) -> Tensor:
        """max(x, T(x)). Shape of `x`."""
        _check_input(self, x, self.bn.num_features)
        return torch.maximum(x, self.condition(x).to(x.dtype))


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


def _check_window(channels: int | None, kernel_size: int) -> None:
    if not isinstance(channels, int) or channels < 1:
        raise ValueError(
            f"FReLU has one window per channel and got channels={channels!r}: "
            "give the out_channels of the convolution before it."
        )
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(
            f"FReLU's window is {kernel_size} pixels wide, and an even window has no middle "
            "pixel: the output would change its size or move by half a pixel. "
            "Choose 1, 3, 5, 7, ..."
        )


_POINTWISE: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "mish": Mish,
}


def _batch_norm_then_relu(channels: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict(bn=nn.BatchNorm2d(channels), act=nn.ReLU()))


class _NormedFReLU(FReLU):
    """BatchNorm, then FReLU, under FReLU's own layer names: the first weights are the same."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.before = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.before(x))


def _depthwise_then_relu(channels: int) -> nn.Sequential:
    """FReLU's own condition as a layer before ReLU: as deep, but without the funnel."""
    funnel = FReLU(channels)
    return nn.Sequential(OrderedDict(conv=funnel.conv, bn=funnel.bn, act=nn.ReLU()))


def _without_batch_norm(channels: int) -> FReLU:
    """A bias takes the place of BatchNorm's beta: only the normalisation is gone."""
    funnel = FReLU(channels)
    size = funnel.conv.kernel_size
    funnel.conv = nn.Conv2d(channels, channels, size, padding=1, groups=channels)
    funnel.bn = nn.Identity()
    return funnel


class _GammaZero(nn.BatchNorm2d):
    """BatchNorm that begins with gamma = 0, so that T(x) = 0 and the funnel begins as ReLU."""

    def reset_parameters(self) -> None:
        super().reset_parameters()
        nn.init.zeros_(self.weight)


def _beginning_as_relu(channels: int) -> FReLU:
    funnel = FReLU(channels)
    funnel.bn = _GammaZero(channels)
    return funnel


_PER_CHANNEL: dict[str, Callable[[int], nn.Module]] = {
    "prelu": lambda channels: nn.PReLU(channels or 1),
    "frelu": FReLU,
    "frelu_1x1": lambda channels: FReLU(channels, 1),
    "frelu_5x5": lambda channels: FReLU(channels, 5),
    "frelu_1x3_3x1": CrossFReLU,
    "max_pool_funnel": lambda channels: PoolFunnel(channels, "max"),
    "avg_pool_funnel": lambda channels: PoolFunnel(channels, "avg"),
    "sum_funnel": SumFunnel,
    "bn_relu": _batch_norm_then_relu,
    "bn_frelu": _NormedFReLU,
    "dw_bn_relu": _depthwise_then_relu,
    "frelu_no_bn": _without_batch_norm,
    "frelu_gamma0": _beginning_as_relu,
}

ACTIVATIONS: tuple[str, ...] = (*_POINTWISE, *_PER_CHANNEL)
"""Every name of the series that `make_activation` knows: activations, and notebook 06's arms."""

_OWN: dict[str, Callable[[int | None], nn.Module]] = {}


def add_activation(name: str, make: Callable[[int | None], nn.Module]) -> None:
    """Let `make_activation`, and with it every network of the series, know an arm of your own.

    make: gets the channels of the convolution before it and returns a module that keeps the shape.
    Adding the same name again replaces it. It holds for this process only. Raises ValueError for a
    name of the series. Introduced in notebook 06.
    """
    if name in ACTIVATIONS:
        raise ValueError(f"'{name}' belongs to the series: choose a name of your own.")
    _OWN[name] = make


def make_activation(name: str, channels: int | None = None) -> nn.Module:
    """The activation called `name`, one of ACTIVATIONS or of those that `add_activation` added.

    channels: the out_channels of the convolution before it. Whatever has a window or a BatchNorm
    needs it; PReLU takes one slope per channel when it is given and one for all when it is not; the
    others leave it alone.

    Raises ValueError for an unknown name (naming the nearest known one) and for missing channels.
    Introduced in notebook 01; the arms in notebook 06.
    """
    if name in _POINTWISE:
        return _POINTWISE[name]()
    if name in _PER_CHANNEL:
        if name != "prelu":
            _check_window(channels, 3)
        return _PER_CHANNEL[name](channels)
    if name in _OWN:
        return _OWN[name](channels)
    known = (*ACTIVATIONS, *_OWN)
    near = difflib.get_close_matches(str(name).lower(), known, n=1, cutoff=0.4)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise ValueError(f"No activation is called '{name}'.{hint} Known: {', '.join(known)}.")
