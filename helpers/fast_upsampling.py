"""The U-Net's way up on the CPU: a convolution of an enlarged map that nobody enlarges."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .fast_funnel import is_bare


def convolve_enlarged(conv: nn.Conv2d, x: Tensor, skip: Tensor) -> Tensor:
    """conv(cat([x enlarged twice by repetition, skip])): (N, O, 2H, 2W) of x (N, C, H, W).

    A 3x3 window over repeated pixels sees 2x2 different ones, so a transposed convolution needs
    four multiplications where nine were. `conv` is 3x3 with padding 1 and takes C + the channels of
    `skip`. Elsewhere than on the CPU, and where somebody hooked the convolution, it is done as it
    is written. Introduced in notebook 07.
    """
    if x.device.type != "cpu" or torch.compiler.is_compiling() or not is_bare(conv, type(conv)):
        enlarged = F.interpolate(x, scale_factor=2, mode="nearest")
        return conv(torch.cat([enlarged, skip], dim=1))
    below, beside = conv.weight.split([x.shape[1], skip.shape[1]], dim=1)
    layout = {"memory_format": torch.channels_last}
    y = F.conv2d(skip, beside.contiguous(**layout), conv.bias, padding=1)
    return y + F.conv_transpose2d(x, _enlarging(below).contiguous(**layout), stride=2, padding=1)


def _enlarging(weight: Tensor) -> Tensor:
    """The transposed convolution's weight, (C, O, 4, 4), of a window (O, C, 3, 3).

    A pixel and its copy lie under neighbouring weights of the window, whose sum they get.
    """
    sums = weight.new_tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
    with torch.autocast(weight.device.type, enabled=False):  # sums are made in full precision
        return torch.einsum("pr,qs,ocrs->copq", sums, sums, weight)
