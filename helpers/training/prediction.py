"""From a network and images to logits, scores and a confusion matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..evaluation.iou import confusion_matrix, mean_iou, pixel_accuracy
from ..nn.memory_format import memory_format_for
from ..session import best_device, gains_from_bf16, threads
from .recipes import Recipe

INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
UNKNOWN = -1
"""The label of pixels and images without a class: no loss, no score."""


class Part(Protocol):
    """What a network is trained or scored on: uint8 images (N, 3, H, W) and their labels.

    Labels are integers, (N,) for classification and (N, H, W) for segmentation, or UNKNOWN.
    """

    @property
    def images(self) -> Tensor:
        """(N, 3, H, W), uint8."""

    @property
    def labels(self) -> Tensor:
        """(N,) or (N, H, W), integers."""


@dataclass(frozen=True)
class Evaluation:
    """Mean loss, score (accuracy or mean IoU, 0..1) and confusion matrix of one part."""

    loss: float
    score: float
    matrix: Tensor


def check_images(images: Tensor) -> None:
    """Raise ValueError unless `images` is a uint8 tensor (N, 3, H, W) with at least one image."""
    kind = images.dtype if isinstance(images, Tensor) else type(images)
    shape = tuple(getattr(images, "shape", ()))
    if kind != torch.uint8 or len(shape) != 4 or shape[1] != 3 or not shape[0]:
        raise ValueError(
            f"the images are {kind} of shape {shape}: pass a uint8 tensor (N, 3, H, W); the recipe "
            "divides by 255 and standardises"
        )


def check_part(part: Part) -> None:
    """Raise ValueError unless images and labels are what `Part` says and fit each other."""
    check_images(part.images)
    labels, (count, _, height, width) = part.labels, part.images.shape
    kind = labels.dtype if isinstance(labels, Tensor) else type(labels)
    if kind not in INTEGERS:
        raise ValueError(
            f"the labels hold {kind}: pass a tensor of integer labels "
            "(class numbers; maps resized by nearest neighbour)"
        )
    if tuple(labels.shape) not in ((count,), (count, height, width)):
        raise ValueError(
            f"labels of shape {tuple(labels.shape)} do not fit images of shape "
            f"{tuple(part.images.shape)}: pass one label, or one map (H, W), for each image"
        )


def check_classes(labels: Tensor, logits: Tensor) -> None:
    """Raise ValueError unless a network that answers `logits` can learn all of `labels`."""
    if logits.dim() != labels.dim() + 1:
        raise ValueError(
            f"the network answers {tuple(logits.shape)} for one image, and the labels are "
            f"{tuple(labels.shape)}: a classifier learns (N,), a segmentation network (N, H, W)"
        )
    classes, least, most = logits.shape[1], int(labels.min()), int(labels.max())
    if least < UNKNOWN or most >= classes:
        raise ValueError(
            f"the labels hold {least if least < UNKNOWN else most}, and the network has classes "
            f"0 .. {classes - 1}: set what has no class to {UNKNOWN}, or give it more classes"
        )


@contextmanager
def naming_lone_image() -> Iterator[None]:
    """Say what to do where BatchNorm finds one value a channel: a batch of one small image."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ValueError(
            "BatchNorm can't take a mean and variance of a batch of one image (the last batch has "
            "what is left over): choose another batch size, or leave one image out"
        ) from error


def predict(
    model: nn.Module,
    images: Tensor,
    recipe: Recipe,
    device: torch.device | None = None,
    batch: int = 64,
    train_mode: bool = False,
) -> Tensor:
    """Logits, float32 on the CPU, of uint8 images (N, 3, H, W). The network is left as it was.

    train_mode: BatchNorm takes its mean and variance from each batch, as article A had it; the
    batch size then changes the logits. Raises ValueError for other images. Introduced in
    notebook 03.
    """
    check_images(images)
    with _logits_of(model, recipe, device or best_device(), batch, train_mode) as logits_of:
        parts = [logits_of(chosen).cpu() for chosen in images.split(batch)]
    return torch.cat(parts)


def evaluate(
    model: nn.Module, part: Part, recipe: Recipe, device: torch.device | None = None
) -> Evaluation:
    """Loss, score and confusion matrix of a part at its own size. Introduced in notebook 03.

    Loss and score are NaN, with a warning, where no label is known. Raises ValueError for images
    or labels other than `Part` says.
    """
    check_part(part)
    batch = max(recipe.batch, 16)
    pairs = zip(part.images.split(batch), part.labels.split(batch), strict=True)
    matrix, total, count = torch.zeros(1, dtype=torch.int64), 0.0, 0
    with _logits_of(model, recipe, device or best_device(), batch) as logits_of:
        for images, labels in pairs:
            logits = logits_of(images)
            labels = labels.long().to(logits.device)
            matrix = matrix + confusion_matrix(logits.argmax(1), labels, logits.shape[1], UNKNOWN)
            loss, size = summed_loss(logits, labels, recipe)
            total, count = total + loss.item(), count + int(size)
    score = mean_iou(matrix) if part.labels.dim() == 3 else pixel_accuracy(matrix)
    return Evaluation(total / count if matrix.sum() else float("nan"), score, matrix)


@contextmanager
def _logits_of(
    model: nn.Module, recipe: Recipe, device: torch.device, batch: int, train_mode: bool = False
) -> Iterator[Callable[[Tensor], Tensor]]:
    """A function from uint8 images to float32 logits on the device, without gradients."""
    model = deepcopy(model).to(device).train(train_mode)  # train mode moves running statistics
    memory_format = memory_format_for(model, device)

    def logits_of(images: Tensor) -> Tensor:
        ready = standardise(images.to(device).float() / 255, recipe)
        with autocast(recipe, device), naming_lone_image():
            return model(ready.contiguous(memory_format=memory_format)).float()

    with torch.inference_mode(), threads(recipe.threads if batch <= recipe.batch else None):
        yield logits_of


def summed_loss(logits: Tensor, labels: Tensor, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Cross-entropy summed over known labels, and the count that makes it a mean.

    The count is that of the known labels; by article B's recipe, of all.
    """
    total = F.cross_entropy(logits.float(), labels, ignore_index=UNKNOWN, reduction="sum")
    known = labels != UNKNOWN
    return total, torch.tensor(known.numel()) if recipe.unknown_dilutes else known.sum()


def standardise(images: Tensor, recipe: Recipe) -> Tensor:
    """Images in 0..1, (N, 3, H, W), in the recipe's channel order, minus its mean, over its std."""
    if recipe.blue_first:
        images = images.flip(1)
    mean = images.new_tensor(recipe.mean).view(1, -1, 1, 1)
    std = images.new_tensor(recipe.deviation).view(1, -1, 1, 1)
    return (images - mean) / std


def precision(recipe: Recipe, device: torch.device) -> str:
    """The number format: "bfloat16 autocast", "float32" or "float32, TF32 convolutions".

    bfloat16 is used where the recipe has it and the device computes it faster. In TF32, torch's
    default on GPUs since Ampere, a convolution's factors have 11 significant bits instead of 24.
    """
    if recipe.bf16 and gains_from_bf16(device):
        return "bfloat16 autocast"
    tf32 = device.type == "cuda" and torch.backends.cudnn.allow_tf32
    has_units = tf32 and torch.cuda.get_device_capability(device) >= (8, 0)
    return "float32, TF32 convolutions" if has_units else "float32"


def autocast(recipe: Recipe, device: torch.device) -> AbstractContextManager:
    """The context in which the recipe's forward pass runs on the device."""
    if precision(recipe, device) == "bfloat16 autocast":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()
