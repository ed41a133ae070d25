"""In which order a network's maps lie in memory: one decision for training and prediction."""

from __future__ import annotations

import torch
from torch import nn

_LARGEST_BLOCK = 16
"""Of channels that oneDNN computes at once: 16 with AVX-512, 8 with AVX2."""


def memory_format_for(model: nn.Module, device: torch.device) -> torch.memory_format:
    """The memory format for the weights of `model` and the images (N, C, H, W) it is given.

    channels_last, which convolutions of the CPU and CUDA like best; torch.contiguous_format on
    Apple's MPS, and on the CPU for a network with a layer whose gradient would be wrong. Layers are
    found among the modules of `model`: a forward that calls F.conv2d itself, or that lays out its
    maps channels last by itself, is not seen through. Introduced in notebook 08.
    """
    # oneDNN, torch's library for the CPU, writes past its workspace in the weight gradient of a
    # strided 1x1 convolution of channels_last maps with fewer input channels than a block: the
    # gradient is wrong, the process dies or never ends (uxlfoundation/oneDNN issue 6035). The block
    # is the processor's; the largest is taken on all, so that a network has one format everywhere.
    faulty = device.type == "cpu" and any(map(_is_strided_narrow_1x1, model.modules()))
    return torch.contiguous_format if faulty or device.type == "mps" else torch.channels_last


def _is_strided_narrow_1x1(layer: nn.Module) -> bool:
    if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        return False
    # A transposed convolution's weight gradient is a convolution's with both ends exchanged.
    inputs = layer.in_channels if isinstance(layer, nn.Conv2d) else layer.out_channels
    narrow = inputs // layer.groups < _LARGEST_BLOCK
    return narrow and max(layer.stride) > 1 and tuple(layer.kernel_size) == (1, 1)
