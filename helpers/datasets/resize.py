"""Pictures and label maps at another size, with one idea of where a pixel's centre is."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from operator import index

import numpy as np
from PIL import Image

from .prepared import DataError

MOST_PIXELS = 1 << 24  # of one picture of a release; the real ones have 320x240


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """The size as two ints. Raises ValueError unless it is (height, width), whole and above 0."""
    try:
        height, width = (index(side) for side in size)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        raise ValueError(
            f"size is {size!r}: give (height, width) in whole pixels, such as (128, 160)."
        )
    return height, width


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Give errors of a picture's file its name."""
    try:
        yield
    except (OSError, Image.DecompressionBombError) as error:
        raise DataError(f"{name} can't be read: {error}") from error


def picture_size(jpeg: bytes, name: str) -> tuple[int, int]:
    """(height, width) of a picture. Raises DataError naming a file that can't be read."""
    with _naming(name):
        width, height = Image.open(io.BytesIO(jpeg)).size
    if width * height > MOST_PIXELS:
        raise DataError(
            f"{name} has {width}x{height} pixels; no picture of the release is so large"
        )
    return height, width


def resize_picture(jpeg: bytes, size: tuple[int, int], name: str) -> np.ndarray:
    """A picture at `size` (h, w) as (3, h, w) uint8 RGB, bilinear and without aliasing.

    Raises DataError naming a file that can't be read.
    """
    with _naming(name):
        picture = Image.open(io.BytesIO(jpeg)).convert("RGB")
    resized = picture.resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(resized).transpose(2, 0, 1)


def resize_nearest(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A label map (h, w) at another size: each pixel takes the label under its centre."""
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new)
        for new, old in zip(size, labels.shape, strict=True)
    )
    return labels[rows[:, None], columns]


def resize_bilinear(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A label map as article B resized it: bilinearly, as if classes were quantities.

    A pixel whose value then equals no class becomes -1: borders between classes, mostly. Some
    borders become a class that is not there (half-way from 0 to 4 is 2). The weights are rounded
    to float32 as OpenCV's `resize` rounds them; then all sums are exact in float64, and an even
    area keeps its class.
    """
    result = labels.astype(np.float64)
    for axis, new in enumerate(size):
        low, high, weight = _neighbours(labels.shape[axis], new)
        weight = np.expand_dims(weight, 1 - axis)
        result = result.take(low, axis) * (1 - weight) + result.take(high, axis) * weight
    return np.where(result == np.rint(result), result, -1).astype(labels.dtype)


def _neighbours(old: int, new: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each new pixel its two neighbours among the old ones, and the weight of the second."""
    place = ((np.arange(new) + 0.5) * (old / new) - 0.5).astype(np.float32)
    place = place.clip(0, old - 1)
    low = np.floor(place).astype(int)
    return low, np.minimum(low + 1, old - 1), (place - low.astype(np.float32)).astype(np.float64)
