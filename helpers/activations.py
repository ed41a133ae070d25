"""Activation functions: pointwise ones, and the funnel that looks at a pixel's neighbours."""

from __future__ import annotations

import difflib
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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

    Raises ValueError for channels < 1, an even window, an input that is not (N, C, H, W), or a
    wrong C.
    """

    def __init__(self, channels: int, kernel_size: int = 3) -> None:
        super().__init__()
        _check_channels(channels)
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(
                f"FReLU's window is {kernel_size} pixels wide, and an even window has no middle "
                "pixel: the output would change its size or move by half a pixel. "
                "Choose 1, 3, 5, 7, ..."
            )
        self.conv = nn.Conv2d(
            channels, channels, kernel_size, padding=kernel_size // 2, groups=channels, bias=False
        )
        self.bn = nn.BatchNorm2d(channels)

    def condition(self, x: Tensor) -> Tensor:
        """T(x), the funnel condition: what each pixel must beat to pass. Shape of `x`."""
        return self.bn(self.conv(x))

    def forward(self, x: Tensor) -> Tensor:
        """max(x, T(x)): each pixel against its neighbourhood. Shape of `x`."""
        self._check_input(x)
        return torch.maximum(x, self.condition(x).to(x.dtype))

    def _check_input(self, x: Tensor) -> None:
        channels = self.conv.in_channels
        if x.dim() != 4:
            raise ValueError(
                f"FReLU got an input of shape {tuple(x.shape)} and needs (N, C, H, W): after "
                "flattening there is no window left to look at. Use a pointwise activation there."
            )
        if x.shape[1] != channels:
            raise ValueError(
                f"FReLU({channels}) got {x.shape[1]} channels: its channel count must equal the "
                f"out_channels of the convolution before it. Write FReLU({x.shape[1]})."
            )


def _check_channels(channels: int | None) -> None:
    if not isinstance(channels, int) or channels < 1:
        raise ValueError(
            f"FReLU has one window per channel and got channels={channels!r}: "
            "give the out_channels of the convolution before it."
        )


_POINTWISE: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU,
    "elu": nn.ELU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "mish": Mish,
}

ACTIVATIONS: tuple[str, ...] = (*_POINTWISE, "frelu")
"""Every name that `make_activation` knows."""


def make_activation(name: str, channels: int | None = None) -> nn.Module:
    """The activation called `name`, one of ACTIVATIONS.

    channels: the out_channels of the convolution before it. FReLU needs it; PReLU takes one slope
    per channel when it is given and one for all when it is not; the others leave it alone.

    Raises ValueError for an unknown name (naming the nearest known one) and for FReLU without
    channels. Introduced in notebook 01.
    """
    if name == "frelu":
        return FReLU(channels)
    if name == "prelu":
        return nn.PReLU(channels or 1)
    if name not in _POINTWISE:
        near = difflib.get_close_matches(str(name).lower(), ACTIVATIONS, n=1, cutoff=0.4)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise ValueError(
            f"No activation is called '{name}'.{hint} Known: {', '.join(ACTIVATIONS)}."
        )
    return _POINTWISE[name]()
