"""Upsampling and convolution in one step, for the U-Net on the CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .fast_funnel import is_bare

LEAST_PIXELS = 2048
"""Of a batch's output: with fewer, summing up the weights costs more than it saves."""


def convolve_enlarged(conv: nn.Conv2d, x: Tensor, skip: Tensor) -> Tensor:
    """conv(cat([x enlarged twice by repetition, skip])): (N, O, 2H, 2W) of x (N, C, H, W).

    A 3x3 window over repeated pixels sees 2x2 different ones, so a transposed convolution needs
    four multiplications where nine were. `conv` keeps the size and takes C + the channels of
    `skip`. Computed as it is written elsewhere than on the CPU, for other windows, where somebody
    hooked the convolution, and where few pixels meet many weights. A part of `UNet`, notebook 04.

    >>> conv = nn.Conv2d(3, 4, 3, padding=1)
    >>> convolve_enlarged(conv, torch.zeros(1, 2, 5, 5), torch.zeros(1, 1, 10, 10)).shape
    torch.Size([1, 4, 10, 10])
    """
    if not _pays(conv, x):
        enlarged = F.interpolate(x, scale_factor=2, mode="nearest")
        return conv(torch.cat([enlarged, skip], dim=1))
    weight = conv.weight.to(_computed_in(x))
    y = F.conv2d(skip, weight[:, x.shape[1] :], conv.bias, padding=1)
    return y + F.conv_transpose2d(x, _enlarging(weight[:, : x.shape[1]]), stride=2, padding=1)


def _pays(conv: nn.Conv2d, x: Tensor) -> bool:
    if x.device.type != "cpu" or torch.compiler.is_compiling() or not is_bare(conv, type(conv)):
        return False
    return conv.kernel_size == (3, 3) and 4 * x.numel() // x.shape[1] >= LEAST_PIXELS


def _computed_in(x: Tensor) -> torch.dtype:
    """Autocast would round the weights once for each of the two convolutions."""
    cpu = x.device.type
    return torch.get_autocast_dtype(cpu) if torch.is_autocast_enabled(cpu) else x.dtype


def _enlarging(weight: Tensor) -> Tensor:
    """The transposed convolution's weight, (C, O, 4, 4), of a window (O, C, 3, 3).

    A pixel and its copy lie under neighbouring weights of the window, whose sum they get.
    """
    outputs, channels = weight.shape[:2]
    sums = weight.new_tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
    by_place = weight.permute(0, 2, 3, 1).reshape(outputs, 9, channels)  # as channels_last has it
    enlarging = torch.kron(sums, sums) @ by_place
    return enlarging.view(outputs, 4, 4, channels).permute(3, 0, 1, 2)
