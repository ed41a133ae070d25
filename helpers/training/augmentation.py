"""What may change in a training picture without changing what it shows: whole batches at once."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

LEAST_CROP = 1 / 1.6
"""The smallest part of a side that a random crop keeps."""

BRIGHTNESS = 0.2
"""The largest change of brightness, up or down, as a share."""


def augment(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Flip, crop and enlarge again, brighten or darken each image of a batch in a way of its own.

    images: (N, 3, H, W) float in 0..1. labels: (N, H, W), which take part in flip and crop by
    nearest neighbour, or (N,), which stay. Same shapes out. Introduced in notebook 04.
    """
    count = len(images)
    draw = torch.rand(5, count, generator=generator).to(images.device)
    size = LEAST_CROP + (1 - LEAST_CROP) * draw[0]
    mirror = torch.where(draw[1] < 0.5, -1.0, 1.0)
    left, top = (2 * draw[2] - 1) * (1 - size), (2 * draw[3] - 1) * (1 - size)
    nothing = torch.zeros_like(size)
    rows = [torch.stack([size * mirror, nothing, left], 1), torch.stack([nothing, size, top], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    seen = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    seen = seen * (1 + BRIGHTNESS * (2 * draw[4] - 1)).view(-1, 1, 1, 1)
    if labels.dim() == 3:
        labels = _sample_nearest(labels, grid)
    return seen.clamp(0, 1), labels


def _sample_nearest(labels: Tensor, grid: Tensor) -> Tensor:
    as_image = labels.unsqueeze(1).float()  # small whole numbers: exact in float32
    picked = F.grid_sample(
        as_image, grid, mode="nearest", padding_mode="border", align_corners=False
    )
    return picked.squeeze(1).long()
