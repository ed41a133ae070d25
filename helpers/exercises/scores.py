"""Notebooks 04 and 05: the confusion matrix, IoU, one level of a U-Net, article B's metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .exercise import Exercise, Found, Mistake
from .funnel import filled, image

Maps = Sequence[np.ndarray]


def _maps(shape: tuple[int, int], classes: int, seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    draw = np.random.default_rng(seed)
    truth = draw.integers(-1, classes, shape)
    right = draw.random(shape) < 0.6
    prediction = np.where(right & (truth >= 0), truth, draw.integers(0, classes, shape))
    return truth, prediction, classes


# --- the confusion matrix ---------------------------------------------------------------------


def confusion_matrix(truth: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    """(C, C) counts, truth in rows; unknown pixels (-1) are left out."""
    known = truth >= 0
    pairs = classes * truth[known] + prediction[known]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def _one_hot(truth: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    ones = np.eye(classes, dtype=int)
    return confusion_matrix(ones[truth], ones[prediction], classes)


CONFUSION = Exercise(
    "confusion_matrix",
    "04",
    10,
    "medium",
    "Count how many pixels of each true class (row) got which name (column), as a (C, C) array. "
    "-1 in the truth is unknown.",
    "def my_confusion_matrix(truth, prediction, classes):\n    raise NotImplementedError",
    confusion_matrix,
    {
        "2x2 pixels, two classes, all known": (
            np.array([[0, 1], [1, 1]]),
            np.array([[0, 0], [1, 0]]),
            2,
        ),
        "5x6 pixels, three classes": _maps((5, 6), 3, 0),
        "9x7 pixels, eight classes": _maps((9, 7), 8, 1),
        "5x4 pixels, the last two classes absent": (*_maps((5, 4), 3, 2)[:2], 5),
    },
    lambda mine, case: {"answer": mine(*case)},
    [
        Mistake(
            "arguments swapped",
            lambda t, p, c: confusion_matrix(t, p, c).T,
            "Rows and columns are exchanged: the truth belongs into the rows.",
        ),
        Mistake(
            "unknown is counted",
            lambda t, p, c: confusion_matrix(np.where(t < 0, 0, t), p, c),
            "Unknown pixels count as class 0: leave out those with truth -1.",
        ),
        Mistake(
            "unknown is counted as the last class",
            lambda t, p, c: confusion_matrix(t % c, p, c),
            "Index -1 is the last row: leave out the pixels with truth -1.",
        ),
        Mistake(
            "one-hot taken for labels",
            _one_hot,
            "Count labels (argmax), not the zeros and ones of one-hot maps.",
        ),
        Mistake(
            "shares",
            lambda t, p, c: confusion_matrix(t, p, c) / max(1, (t >= 0).sum()),
            "Return counts: shares can't be added up over images.",
        ),
    ],
)


# --- IoU --------------------------------------------------------------------------------------


def iou_per_class(matrix: np.ndarray) -> np.ndarray:
    """Intersection over union of each class, NaN where a class is absent."""
    intersection = np.diag(matrix)
    union = matrix.sum(0) + matrix.sum(1) - intersection
    return np.where(union > 0, intersection / np.maximum(union, 1), np.nan)


MATRICES = {
    "two classes": np.array([[3, 1], [2, 4]]),
    "a pixel or two of each class": np.diag([1, 2, 3]),
    "an absent class": np.array([[5, 0, 2], [0, 0, 0], [1, 0, 2]]),
    "a class that is never predicted": np.array([[0, 3], [0, 5]]),
    "a class that is only predicted": np.array([[5, 1, 0], [0, 0, 0], [3, 2, 7]]),
}


def _dice(matrix: np.ndarray) -> np.ndarray:
    total = matrix.sum(0) + matrix.sum(1)
    return np.where(total > 0, 2 * np.diag(matrix) / np.maximum(total, 1), np.nan)


IOU = Exercise(
    "iou",
    "04",
    10,
    "medium",
    "From a confusion matrix (truth in rows), return IoU of each class, NaN for a class that "
    "neither truth nor prediction has.",
    "def my_iou(matrix):\n    raise NotImplementedError",
    iou_per_class,
    MATRICES,
    lambda mine, matrix: {"answer": mine(matrix)},
    [
        Mistake(
            "the intersection counts twice in the union",
            lambda m: np.where(
                (u := m.sum(0) + m.sum(1)) > 0, np.diag(m) / np.maximum(u, 1), np.nan
            ),
            "Row plus column holds the diagonal twice: subtract it once.",
        ),
        Mistake(
            "an absent class is 0",
            lambda m: np.nan_to_num(iou_per_class(m), nan=0.0),
            "Nothing was there and nothing was named: that is no failure. NaN leaves it out.",
        ),
        Mistake(
            "an absent class is 1",
            lambda m: np.nan_to_num(iou_per_class(m), nan=1.0),
            "Nothing was there to be found: that is no success. NaN leaves it out.",
        ),
        Mistake("Dice", _dice, "2 * intersection / (row + column) is Dice, another score."),
        Mistake(
            "recall",
            lambda m: np.diag(m) / m.sum(1),
            "Intersection over the true pixels is recall: false alarms are missing in the union.",
        ),
        Mistake(
            "precision",
            lambda m: np.where(
                (m.sum(0) + m.sum(1)) > 0, np.diag(m) / np.maximum(m.sum(0), 1), np.nan
            ),
            "Intersection over the predicted pixels is precision: misses are not in the union.",
        ),
    ],
)


# --- one level of a U-Net ---------------------------------------------------------------------


def up_level(x: Tensor, skip: Tensor, block: nn.Module) -> Tensor:
    """Double x by repetition, lay the skip's channels behind it, apply the block."""
    enlarged = F.interpolate(x, scale_factor=2, mode="nearest")
    return block(torch.cat([enlarged, skip], dim=1))


def _level_case(below: int, beside: int, side: int) -> tuple[Tensor, Tensor, nn.Module]:
    block = filled(nn.Conv2d(below + beside, 3, 3, padding=1))
    return image(2, below, side, side + 1), -image(2, beside, 2 * side, 2 * side + 2), block


def _try_level(mine: Any, case: tuple[Tensor, Tensor, nn.Module]) -> Found:
    y = mine(*case)
    return {"answer": y, "it can learn": float(getattr(y, "requires_grad", False))}


def _swapped(x: Tensor, skip: Tensor, block: nn.Module) -> Tensor:
    return block(torch.cat([skip, F.interpolate(x, scale_factor=2, mode="nearest")], dim=1))


def _smooth(x: Tensor, skip: Tensor, block: nn.Module) -> Tensor:
    enlarged = F.interpolate(x, scale_factor=2, mode="bilinear")
    return block(torch.cat([enlarged, skip], dim=1))


LEVEL = Exercise(
    "unet_level",
    "04",
    10,
    "medium",
    "One step up in a U-Net: double the maps x by repetition, concatenate the skip's channels "
    "behind x's, and apply the block.",
    "def my_level(x, skip, block):\n    raise NotImplementedError",
    up_level,
    {"1 and 1 channels": _level_case(1, 1, 2), "4 and 2 channels": _level_case(4, 2, 3)},
    _try_level,
    [
        Mistake(
            "the skip is forgotten",
            lambda x, skip, block: block(F.interpolate(x, scale_factor=2, mode="nearest")),
            "The block comes last, on x's channels and the skip's: torch.cat([...], dim=1).",
        ),
        Mistake(
            "x is not enlarged",
            lambda x, skip, block: block(torch.cat([x, skip], dim=1)),
            "x has half the sides of the skip: torch.nn.functional.interpolate(x, scale_factor=2).",
        ),
        Mistake(
            "the order of the channels",
            _swapped,
            "The block's weights know x's channels as the first ones: [enlarged, skip].",
        ),
        Mistake("bilinear", _smooth, 'Repetition is asked: mode="nearest".'),
        Mistake(
            "the skip is added",
            lambda x, skip, block: block(F.interpolate(x, scale_factor=2, mode="nearest") + skip),
            "A U-Net concatenates: nothing of either map is mixed before the block.",
        ),
    ],
)


# --- a set of images --------------------------------------------------------------------------


def set_iou(truths: Maps, predictions: Maps, classes: int) -> float:
    """Mean IoU from one confusion matrix over all images; unknown and absent are left out."""
    pairs = zip(truths, predictions, strict=True)
    matrix = sum(confusion_matrix(t, p, classes) for t, p in pairs)
    return float(np.nanmean(iou_per_class(np.asarray(matrix))))


def article_iou(truths: Maps, predictions: Maps, classes: int) -> float:
    """Article B's: IoU per image, unknown as a false alarm; mean by class, -1 for none; mean."""
    rows = []
    for truth, prediction in zip(truths, predictions, strict=True):
        matrix = confusion_matrix(truth, prediction, classes)
        named = np.bincount(prediction.ravel(), minlength=classes)
        union = matrix.sum(1) + named - np.diag(matrix)
        rows.append(np.where(union > 0, np.diag(matrix) / np.maximum(union, 1), np.nan))
    return float(np.ma.masked_invalid(rows).mean(axis=0).filled(-1).mean())


def _pixel_accuracy(truths: Maps, predictions: Maps, classes: int) -> float:
    right = sum((t == p).sum() for t, p in zip(truths, predictions, strict=True))
    return float(right / sum((t >= 0).sum() for t in truths))


def _image_means(absent: float) -> Callable[[Maps, Maps, int], float]:
    def mean(truths: Maps, predictions: Maps, classes: int) -> float:
        pairs = zip(truths, predictions, strict=True)
        rows = [iou_per_class(confusion_matrix(t, p, classes)) for t, p in pairs]
        return float(np.nanmean(np.nan_to_num(rows, nan=absent)))

    return mean


def _mean_of_means(truths: Maps, predictions: Maps, classes: int) -> float:
    pairs = zip(truths, predictions, strict=True)
    return float(np.mean([set_iou([t], [p], classes) for t, p in pairs]))


def _by_class(
    truths: Maps, predictions: Maps, classes: int, *, unknown: bool, never: float
) -> float:
    """Article B's mean with or without unknown pixels, and what a class that never occurs gets."""
    rows = []
    for truth, prediction in zip(truths, predictions, strict=True):
        matrix = confusion_matrix(truth, prediction, classes)
        named = np.bincount(prediction.ravel(), minlength=classes) if unknown else matrix.sum(0)
        union = matrix.sum(1) + named - np.diag(matrix)
        rows.append(np.where(union > 0, np.diag(matrix) / np.maximum(union, 1), np.nan))
    return float(np.nanmean(np.ma.masked_invalid(rows).mean(axis=0).filled(never)))


def _of_true_classes(truths: Maps, predictions: Maps, classes: int) -> float:
    pairs = zip(truths, predictions, strict=True)
    matrix = np.asarray(sum(confusion_matrix(t, p, classes) for t, p in pairs))
    return float(np.mean(iou_per_class(matrix)[matrix.sum(1) > 0]))


def _article_of_true_classes(truths: Maps, predictions: Maps, classes: int) -> float:
    rows = []
    for truth, prediction in zip(truths, predictions, strict=True):
        matrix = confusion_matrix(truth, prediction, classes)
        union = matrix.sum(1) + np.bincount(prediction.ravel(), minlength=classes) - np.diag(matrix)
        there = matrix.sum(1) > 0
        rows.append(np.where(there, np.diag(matrix) / np.maximum(union, 1), np.nan))
    return float(np.ma.masked_invalid(rows).mean(axis=0).filled(-1).mean())


def _many(count: int, classes: int, there: int) -> tuple[Maps, Maps, int]:
    """Images in which the first `there` classes occur alone."""
    made = [_maps((3 + seed, 4), there, seed) for seed in range(count)]
    return [t for t, _, _ in made], [p for _, p, _ in made], classes


def _half_empty(classes: int) -> tuple[Maps, Maps, int]:
    (t, p, _), (t2, p2, _) = _maps((4, 4), 2, 5), _maps((6, 5), classes, 6)
    return [t, t2], [p, p2], classes


ONE, TWO = np.array([[0, 0, 0, 1]]), np.array([[2, 2, 1, 0]])
FALSE_ALARM, MISS = np.array([[0, 2, 0, 1]]), np.array([[2, 1, 1, 0]])

SETS = {
    "three pixels": ([np.array([[0, 1, 1]])], [np.array([[0, 1, 1]])], 2),
    "one image, a class that is only predicted": ([ONE], [FALSE_ALARM], 3),
    "one image, a class that is missed": ([ONE], [np.zeros_like(ONE)], 2),
    "two images, in one of them a class is only predicted": ([ONE, TWO], [FALSE_ALARM, MISS], 3),
    "one image, two classes": _many(1, 2, 2),
    "two images, one with two classes of four": _half_empty(4),
    "four images, a class that never occurs": _many(4, 4, 3),
}


def _try_set(mine: Any, case: tuple[Maps, Maps, int]) -> Found:
    return {"answer": mine(*case)}


SET_IOU = Exercise(
    "set_iou",
    "05",
    10,
    "medium",
    "Score a whole test set: lists of truths and predictions, one number. One confusion matrix for "
    "all images; unknown pixels and absent classes are left out.",
    "def my_set_iou(truths, predictions, classes):\n    raise NotImplementedError",
    set_iou,
    SETS,
    _try_set,
    [
        Mistake(
            "a mean over images",
            _mean_of_means,
            "You average over images: add up the matrices first, then compute IoU once.",
        ),
        Mistake(
            "a mean over images, absent as 0",
            _image_means(0.0),
            "Two things: one matrix for the set, and absent classes left out.",
        ),
        Mistake(
            "a mean over images, absent as 1",
            _image_means(1.0),
            "Two things: one matrix for the set, and absent classes left out.",
        ),
        Mistake(
            "unknown is counted",
            lambda t, p, c: set_iou([np.where(one < 0, 0, one) for one in t], p, c),
            "Unknown pixels count as class 0: leave them out.",
        ),
        Mistake(
            "unknown counts as wrong",
            lambda t, p, c: (
                set_iou([np.where(one < 0, c, one) for one in t], p, c + 1) * (c + 1) / c
            ),
            "Unknown pixels stand in the union: leave them out before you count.",
        ),
        Mistake(
            "only classes of the truth",
            _of_true_classes,
            "A class that is predicted where none is scores 0: it is not absent.",
        ),
        Mistake(
            "pixel accuracy",
            _pixel_accuracy,
            "That is the share of right pixels: IoU asks class by class.",
        ),
    ],
)

ARTICLE_IOU = Exercise(
    "article_iou",
    "05",
    15,
    "hard",
    "Article B's metric, to the letter: IoU of each image and class, where predicted unknown "
    "pixels stay in the union; mean over the images whose truth or prediction has the class; -1 "
    "for a class that none has; mean over the classes.",
    "def my_article_iou(truths, predictions, classes):\n    raise NotImplementedError",
    article_iou,
    SETS,
    _try_set,
    [
        Mistake(
            "one matrix for the set",
            set_iou,
            "That is the fair score: the article's is computed image by image.",
        ),
        Mistake(
            "unknown is left out",
            lambda t, p, c: _by_class(t, p, c, unknown=False, never=-1),
            "What was predicted on unknown pixels stays in the union here.",
        ),
        Mistake(
            "a class that never occurs is left out",
            lambda t, p, c: _by_class(t, p, c, unknown=True, never=np.nan),
            "A class that no image has enters the article's mean as -1.",
        ),
        Mistake(
            "only classes of the truth",
            _article_of_true_classes,
            "Predicted where the truth has none, a class scores 0 in that image: it counts.",
        ),
        Mistake(
            "a mean over images first",
            _mean_of_means,
            "First over the images, class by class; then over the classes.",
        ),
    ],
)


# --- labels at another size -------------------------------------------------------------------


def resize_labels(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Each new pixel takes the label under its centre."""
    rows = (2 * np.arange(height) + 1) * labels.shape[0] // (2 * height)
    columns = (2 * np.arange(width) + 1) * labels.shape[1] // (2 * width)
    return labels[rows[:, None], columns]


def _corners(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    rows = np.arange(height) * labels.shape[0] // height
    return labels[rows[:, None], np.arange(width) * labels.shape[1] // width]


def _averaged(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    tensor = torch.from_numpy(labels).float()[None, None]
    return F.interpolate(tensor, (height, width), mode="bilinear")[0, 0].round().numpy()


RESIZE = Exercise(
    "resize_labels",
    "05",
    10,
    "medium",
    "Bring a label map (H, W) to another size, (height, width), by nearest neighbour: each new "
    "pixel takes the label under its centre.",
    "def my_resize_labels(labels, height, width):\n    raise NotImplementedError",
    resize_labels,
    {
        "2x2 to 4x6": (np.array([[0, 5], [7, 2]]), 4, 6),
        "6x9 to 2x3": (np.arange(54).reshape(6, 9) % 8, 2, 3),
        "5x7 to 3x10": (np.arange(35).reshape(5, 7) % 6, 3, 10),
        "4x3 to 2x6, with unknown pixels": (np.arange(12).reshape(4, 3) % 5 - 1, 2, 6),
    },
    lambda mine, case: {"answer": mine(*case)},
    [
        Mistake(
            "labels are averaged",
            _averaged,
            "Half-way between class 0 and class 4 is class 2: labels must not be averaged.",
        ),
        Mistake(
            "the corner, not the centre",
            _corners,
            "You take the label under the pixel's corner: the map moves by half a pixel.",
        ),
        Mistake(
            "unknown became 255",
            lambda labels, height, width: resize_labels(labels.astype(np.uint8), height, width),
            "A byte has no -1: keep the labels' own type.",
        ),
        Mistake(
            "height and width exchanged",
            lambda labels, height, width: resize_labels(labels, width, height),
            "Arrays are (height, width): rows first.",
        ),
    ],
)
