"""From a trained network to maps of classes at each image's own size, by both protocols."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..evaluation.iou import confusion_matrix
from .prediction import UNKNOWN, check_images, predict
from .recipes import Recipe


class OwnSizes(Protocol):
    """Scenes with images (N, 3, H, W) at the training size and labels (h, w) at their own."""

    @property
    def images(self) -> Tensor:
        """(N, 3, H, W), uint8."""

    @property
    def full_labels(self) -> list[np.ndarray]:
        """One (h, w) for each image."""


def class_maps(
    model: nn.Module, scenes: OwnSizes, recipe: Recipe, enlarge: str = "bilinear"
) -> list[np.ndarray]:
    """One map of classes, (h, w), for each scene, at the scene's own size: int8 up to 128 classes.

    enlarge: "bilinear" enlarges the logits (the fair protocol); "lanczos4" enlarges the softmax by
    OpenCV's filter of that name (article B's). One batch of logits is held at a time. Raises
    ValueError for another word, and for images that are not uint8 (N, 3, H, W). Introduced in
    notebook 04.
    """
    if enlarge not in _ENLARGE:
        raise ValueError(f"enlarge is '{enlarge}'; choose bilinear or lanczos4.")
    check_images(scenes.images)
    logits = (
        one
        for images in scenes.images.split(recipe.batch)
        for one in predict(model, images, recipe, batch=recipe.batch)
    )
    sizes = [labels.shape for labels in scenes.full_labels]
    return [
        _ENLARGE[enlarge](one, size).argmax(0).to(_kind_for(len(one))).numpy()
        for one, size in zip(logits, sizes, strict=True)
    ]


def _kind_for(classes: int) -> torch.dtype:
    return torch.int8 if classes <= 128 else torch.int16


def set_matrix(maps: list[np.ndarray], truths: list[np.ndarray], classes: int) -> Tensor:
    """One confusion matrix, (classes, classes), of maps of any sizes. Introduced in notebook 05.

    >>> set_matrix([np.array([[0, 1]]), np.array([[1]])], [np.array([[0, 0]]), np.array([[1]])], 2)
    tensor([[1, 1],
            [0, 1]])
    """
    matrix = torch.zeros(classes, classes, dtype=torch.int64)
    for seen, truth in zip(maps, truths, strict=True):
        matrix += confusion_matrix(seen, truth, classes, ignore_index=UNKNOWN)
    return matrix


def _bilinear(logits: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(logits[None], size=size, mode="bilinear", align_corners=False)[0]


def _lanczos4(logits: Tensor, size: tuple[int, int]) -> Tensor:
    height, width = logits.shape[-2:]
    share = logits.softmax(0)
    return _lanczos4_matrix(height, size[0]) @ share @ _lanczos4_matrix(width, size[1]).T


def _lanczos4_matrix(inputs: int, outputs: int) -> Tensor:
    """(outputs, inputs): a row has eight taps of sinc(d) sinc(d / 4), which sum to 1.

    At the edges the outermost pixel is repeated, as OpenCV does.
    """
    centre = (torch.arange(outputs) + 0.5) * inputs / outputs - 0.5
    taps = centre.floor().long()[:, None] + torch.arange(-3, 5)
    distance = centre[:, None] - taps
    weight = torch.sinc(distance) * torch.sinc(distance / 4)
    weight = weight / weight.sum(1, keepdim=True)
    matrix = torch.zeros(outputs, inputs)
    return matrix.scatter_add_(1, taps.clamp(0, inputs - 1), weight)


_ENLARGE = {"bilinear": _bilinear, "lanczos4": _lanczos4}
