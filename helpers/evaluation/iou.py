"""Scores of predictions: the confusion matrix, IoU from it, and article B's IoU."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

Labels = Tensor | np.ndarray
MOST_COUNTS = 1 << 29  # of a confusion matrix; 4 GB


def confusion_matrix(
    prediction: Labels, target: Labels, classes: int, ignore_index: int = -1
) -> Tensor:
    """Count which class was predicted for the pixels of each true class.

    `prediction` and `target` are integer labels of any one shape, such as (H, W) or (N, H, W).
    Pixels whose target is `ignore_index` are left out. Matrices of several maps add up.

    Returns (classes, classes) int64 counts in pixels: rows are the truth, columns the prediction.
    Raises ValueError for unequal shapes, labels that are not integers or lie outside the range, and
    for more classes than memory holds the square of.
    Introduced in notebook 05.

    >>> confusion_matrix(torch.tensor([0, 1, 1]), torch.tensor([0, 0, -1]), classes=2).tolist()
    [[1, 1], [0, 0]]
    """
    counts = _joint_counts(*_checked(prediction, target, classes, ignore_index), classes)
    return torch.from_numpy(counts[1:].copy())


def iou_per_class(matrix: Tensor) -> Tensor:
    """Intersection over union of each class: TP / (TP + FP + FN), from a confusion matrix.

    `matrix` is (C, C) with the truth in rows. Returns (C,) float64 between 0 and 1, and NaN for a
    class that neither the truth nor the prediction has (Everingham et al., IJCV 2010, section 4.3).
    Raises ValueError when the matrix is not square. Introduced in notebook 05.

    >>> iou_per_class(torch.tensor([[3, 1], [0, 4]])).tolist()
    [0.75, 0.8]
    """
    counts = _square(matrix)
    intersection = counts.diagonal()
    union = counts.sum(0) + counts.sum(1) - intersection
    return intersection / union


def mean_iou(matrix: Tensor) -> float:
    """Mean IoU over the classes that truth or prediction has; NaN, with a warning, if none has.

    Raises what `iou_per_class` raises. Introduced in notebook 05.

    >>> mean_iou(torch.tensor([[3, 0, 0], [1, 0, 0], [0, 0, 0]]))
    0.375
    """
    iou = iou_per_class(matrix)
    if iou.isnan().all():
        return _nothing("mean IoU")
    return iou.nanmean().item()


def pixel_accuracy(matrix: Tensor) -> float:
    """Share of known pixels whose class is right; NaN, with a warning, if no pixel is known.

    `matrix` is (C, C). Raises ValueError when it is not square. Introduced in notebook 05.

    >>> pixel_accuracy(torch.tensor([[3, 1], [0, 4]]))
    0.875
    """
    counts = _square(matrix)
    if not counts.sum():
        return _nothing("pixel accuracy")
    return (counts.trace() / counts.sum()).item()


@dataclass(frozen=True)
class PerImageIoU:
    """IoU of each image and class, and the article's averages of it.

    `per_image` is (N, C) float64, with NaN where a class was skipped.
    """

    per_image: Tensor

    @property
    def counted(self) -> Tensor:
        """(C,) int64: in how many images each class counted."""
        return (~self.per_image.isnan()).sum(0)

    @property
    def per_class(self) -> Tensor:
        """(C,) float64: mean over the images where the class counted; -1 where it never did."""
        return self.per_image.nanmean(0).nan_to_num(nan=-1.0)

    @property
    def mean(self) -> float:
        """The article's mean IoU: the plain mean of `per_class`, its -1 included."""
        return self.per_class.mean().item()


def per_image_iou(
    predictions: Sequence[Labels] | Labels, targets: Sequence[Labels] | Labels, classes: int
) -> PerImageIoU:
    """Article B's IoU, to the letter: of each image by itself, then averaged class by class.

    `predictions` and `targets` are N label maps, each pair of one shape (H, W); unknown is -1.
    The rules, each of which moves the score (notebook 05 measures by how much):

    - a class is skipped in an image only where neither truth nor prediction has it;
    - predicted where the truth has none, it scores 0 in that image;
    - unknown pixels count as false positives of whatever was predicted there;
    - a class that never counted enters the mean as -1.

    Raises ValueError for no image, unequal numbers or shapes, or labels outside the range.
    Introduced in notebook 05.

    >>> score = per_image_iou([np.array([[0, 0, 1]])], [np.array([[0, 0, -1]])], classes=3)
    >>> score.per_class.tolist(), score.mean
    ([1.0, 0.0, -1.0], 0.0)
    """
    if len(predictions) != len(targets) or not len(targets):
        raise ValueError(
            f"per_image_iou got {len(predictions)} predictions and {len(targets)} targets: "
            "pass one prediction for each target, and at least one"
        )
    if not isinstance(targets, Sequence) and targets.ndim == 2:
        raise ValueError(
            f"per_image_iou takes maps (H, W), one for each image, and got a single one, "
            f"{tuple(targets.shape)}: put it into a list"
        )
    if wrong := [tuple(np.shape(one)) for one in targets if np.ndim(one) != 2]:
        raise ValueError(
            f"per_image_iou takes maps (H, W), one for each image, and got one of shape {wrong[0]}"
        )
    rows = [
        _image_iou(prediction, target, classes, image)
        for image, (prediction, target) in enumerate(zip(predictions, targets, strict=True))
    ]
    return PerImageIoU(torch.from_numpy(np.stack(rows)))


def _image_iou(prediction: Labels, target: Labels, classes: int, image: int) -> np.ndarray:
    """IoU of each class in one image, (C,) float64; unknown pixels stay in the union."""
    try:
        counts = _joint_counts(*_checked(prediction, target, classes, -1), classes)
    except ValueError as error:
        raise ValueError(f"image {image}: {error}") from error
    intersection = counts[1:].diagonal()
    union = counts[1:].sum(1) + counts.sum(0) - intersection
    return np.divide(intersection, union, out=np.full(classes, np.nan), where=union > 0)


def _joint_counts(prediction: np.ndarray, target: np.ndarray, classes: int) -> np.ndarray:
    """Count each pair of target and prediction: (C + 1, C) int64, row 0 for unknown (-1)."""
    bins = (classes + 1) * classes
    if bins > MOST_COUNTS:
        raise ValueError(f"{classes} classes make a matrix of {bins * 8 / 1e9:.0f} GB: count fewer")
    kind: Any = np.uint8 if bins <= 256 else np.int64
    codes = target.astype(kind)  # as uint8, -1 is 255, and adding 1 makes it 0
    codes += 1
    codes *= kind(classes)
    codes += prediction.astype(kind, copy=False)
    return _count(codes.reshape(-1), bins).reshape(classes + 1, classes)


def _count(codes: np.ndarray, bins: int) -> np.ndarray:
    """How often each of 0 .. bins - 1 occurs: (bins,) int64.

    Neighbouring pixels mostly agree: runs of equal codes are counted, each by its length.
    """
    if not codes.size:
        return np.zeros(bins, np.int64)
    ends = np.append(np.flatnonzero(codes[1:] != codes[:-1]), codes.size - 1)
    return np.bincount(codes[ends], np.diff(ends, prepend=-1), bins).astype(np.int64)


def _checked(
    prediction: Labels, target: Labels, classes: int, ignore_index: int
) -> tuple[np.ndarray, np.ndarray]:
    """Both label maps as arrays, known to fit each other and the classes; unknown becomes -1."""
    if not isinstance(classes, Integral) or classes < 1:
        raise ValueError(f"classes is {classes!r}: give how many there are, a whole number")
    prediction, target = _integers(prediction, "prediction"), _integers(target, "target")
    if prediction.shape != target.shape:
        raise ValueError(
            f"the prediction has shape {prediction.shape}, the target {target.shape}: "
            "enlarge the logits to the target's size before argmax"
        )
    _check_not_one_hot(target, classes)
    if ignore_index == -1:
        _check_range(target, "target", -1, classes)
    else:
        known = target != ignore_index
        _check_range(target[known], "target", 0, classes)
        target = np.where(known, target.astype(np.int64), -1)  # uint8 has no -1
    _check_range(prediction, "prediction", 0, classes)
    return prediction, target


def _check_not_one_hot(target: np.ndarray, classes: int) -> None:
    """Raise ValueError for zeros and ones that stand for classes along one axis."""
    axes = [axis for axis, size in enumerate(target.shape) if size == classes]
    few = target.size < 30 * classes  # so few labels may look like it by chance
    if classes < 2 or target.ndim < 2 or not axes or few or target.max() > 1:
        return
    if any((target.sum(axis) == 1).all() for axis in axes):
        raise ValueError("the target is one-hot: pass labels, its argmax over the classes")


def _integers(labels: Labels, name: str) -> np.ndarray:
    array = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if array.dtype.kind not in "iub":
        raise ValueError(
            f"the {name} holds {array.dtype}: pass integer labels "
            "(argmax of the logits; labels resized by nearest neighbour)"
        )
    return array


_REMEDY = {
    "target": "set what has no class to ignore_index, or pass the right number of classes",
    "prediction": "take argmax over the channels; to leave a pixel out, mark it in the target",
}


def _check_range(labels: np.ndarray, name: str, least: int, classes: int) -> None:
    if labels.size and not least <= labels.min() <= labels.max() < classes:
        wrong = labels.min() if labels.min() < least else labels.max()
        raise ValueError(
            f"the {name} has label {wrong}, outside 0 .. {classes - 1} for {classes} classes: "
            f"{_REMEDY[name]}"
        )


def _square(matrix: Tensor) -> Tensor:
    """The counts as float64, exact up to 2**53 pixels."""
    counts = torch.as_tensor(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(
            f"a confusion matrix is square, (C, C); this one has shape {tuple(counts.shape)}: "
            "make it with confusion_matrix(prediction, target, classes)"
        )
    return counts.to(torch.float64)


def _nothing(name: str) -> float:
    """NaN, with a warning where the caller's caller stands."""
    warnings.warn(
        f"the {name} is a mean over nothing: the confusion matrix is empty "
        "(are all targets unknown?)",
        RuntimeWarning,
        stacklevel=3,
    )
    return float("nan")
