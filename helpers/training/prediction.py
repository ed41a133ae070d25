"""From a network and images to logits, scores and a confusion matrix."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..evaluation.iou import confusion_matrix, mean_iou
from ..session import best_device, threads
from .recipes import Recipe

UNKNOWN = -1
"""The label of pixels that nobody named: no loss, no score."""


class Part(Protocol):
    """What a network is trained or scored on: uint8 images (N, 3, H, W) and their labels.

    Labels are (N,) for classification and (N, H, W) for segmentation, UNKNOWN where nobody knows.
    """

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Evaluation:
    """Mean loss, score (accuracy or mean IoU, 0..1) and confusion matrix of one part."""

    loss: float
    score: float
    matrix: Tensor


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
    batch size then changes the answer. Introduced in notebook 03.
    """
    device = device or best_device()
    model = (
        deepcopy(model).to(device).train(train_mode)
    )  # a copy: train mode moves running statistics
    with torch.inference_mode(), threads(recipe.threads if batch <= recipe.batch else None):
        parts = []
        for chosen in images.split(batch):
            ready = standardise(chosen.to(device).float() / 255, recipe)
            with _autocast(recipe, device):
                parts.append(model(ready).float().cpu())
    return torch.cat(parts)


def evaluate(
    model: nn.Module, part: Part, recipe: Recipe, device: torch.device | None = None
) -> Evaluation:
    """Loss, score and confusion matrix of a part at its own size. Introduced in notebook 03."""
    logits = predict(model, part.images, recipe, device, batch=max(recipe.batch, 16))
    labels = part.labels.long()
    loss = _loss(logits, labels, recipe).item()
    matrix = confusion_matrix(
        logits.argmax(1), labels, classes=logits.shape[1], ignore_index=UNKNOWN
    )
    score = (
        mean_iou(matrix) if labels.dim() == 3 else (matrix.diagonal().sum() / matrix.sum()).item()
    )
    return Evaluation(loss, float(score), matrix)


def standardise(images: Tensor, recipe: Recipe) -> Tensor:
    """Images in 0..1, (N, 3, H, W), in the recipe's channel order, with its mean and deviation."""
    if recipe.blue_first:
        images = images.flip(1)
    mean = images.new_tensor(recipe.mean).view(1, -1, 1, 1)
    deviation = images.new_tensor(recipe.deviation).view(1, -1, 1, 1)
    return ((images - mean) / deviation).contiguous(memory_format=_layout(images.device))


def _layout(device: torch.device) -> torch.memory_format:
    """What convolutions of the CPU and CUDA like best; on Apple's MPS the plain order."""
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


def precision(recipe: Recipe, device: torch.device) -> str:
    """What is computed in: "bfloat16 autocast" where asked for and gained from, else "float32"."""
    if not recipe.bf16:
        return "float32"
    if device.type == "cuda":
        gains = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # younger than torch 2.11
        gains = device.type == "cpu" and any(capabilities.get(unit) for unit in _BF16_UNITS)
    return "bfloat16 autocast" if gains else "float32"


_BF16_UNITS = ("avx512_bf16", "amx_bf16", "bf16")


def _loss(logits: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Mean cross-entropy without unknown labels; article B divides by their number all the same."""
    if labels.dim() == 1:
        return F.cross_entropy(logits.float(), labels)
    total = F.cross_entropy(logits.float(), labels, ignore_index=UNKNOWN, reduction="sum")
    count = labels.numel() if recipe.unknown_dilutes else (labels != UNKNOWN).sum().clamp(min=1)
    return total / count


def _autocast(recipe: Recipe, device: torch.device) -> AbstractContextManager:
    if precision(recipe, device) == "float32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)
