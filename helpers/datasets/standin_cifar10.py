"""Stand-in data for CIFAR-10: generated pictures of ten kinds of shape and texture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy import sin

VERSION = 2  # raise it when the pictures change
SEED = 0
SIDE = 32  # pixels
BATCH = 2000  # pictures drawn at once: bounds the memory


def write(path: Path, train: int, test: int) -> None:
    """Write pictures as a `cifar10.npz` in Keras' layout; one seed, the same bytes."""
    arrays: dict[str, Any] = {}
    for part, count in (("train", train), ("test", test)):
        random = np.random.default_rng([SEED, part == "test"])
        labels = random.integers(0, len(CLASSES), count)
        batches = [draw(labels[i : i + BATCH], random) for i in range(0, count, BATCH)]
        arrays[f"x_{part}"] = np.concatenate(batches)
        arrays[f"y_{part}"] = labels.astype(np.uint8)
    np.savez(path, **arrays)


class _Frame:
    """Coordinates of each picture's own: shifted, turned and scaled; arrays (N, 32, 32).

    radius: of a shape, in pixels; a: a number of each picture's own in 0..1; noise: in 0..1.
    """

    def __init__(self, count: int, random: np.random.Generator) -> None:
        def uniform(low: float, high: float) -> np.ndarray:
            return random.uniform(low, high, (count, 1, 1))

        rows, columns = np.mgrid[0:SIDE, 0:SIDE] - (SIDE - 1) / 2
        x, y, turn = columns - uniform(-4, 4), rows - uniform(-4, 4), uniform(-0.35, 0.35)
        self.x, self.y = np.cos(turn) * x + sin(turn) * y, np.cos(turn) * y - sin(turn) * x
        self.distance = np.hypot(x, y)
        self.radius, self.a = uniform(6, 11), uniform(0, 1)
        self.noise = random.random((count, SIDE, SIDE))


def _cross(f: _Frame) -> np.ndarray:
    near, far = np.sort([abs(f.x), abs(f.y)], axis=0)
    return np.minimum(0.3 * f.radius - near, f.radius - far)


# Of each class the signed distance from the shape's edge, in about pixels; positive inside.
FORMS: dict[str, Callable[[_Frame], np.ndarray]] = {
    "disc": lambda f: f.radius - f.distance,
    "ring": lambda f: 1.5 + f.a - abs(f.distance - f.radius),
    "square": lambda f: 0.9 * f.radius - np.maximum(abs(f.x), abs(f.y)),
    "triangle": lambda f: 0.6 * f.radius - np.maximum(0.866 * abs(f.x) - 0.5 * f.y, f.y),
    "cross": _cross,
    "stripes": lambda f: 2 * sin(f.x * (0.7 + 0.5 * f.a)),
    "checks": lambda f: 3 * sin(f.x * (0.5 + 0.4 * f.a)) * sin(f.y * (0.5 + 0.4 * f.a)),
    "dots": lambda f: 3 * sin(f.x * (0.7 + 0.4 * f.a)) * sin(f.y * (0.7 + 0.4 * f.a)) - 1.5,
    "waves": lambda f: 2 * sin((f.y + 3 * sin(0.4 * f.x)) * (0.6 + 0.4 * f.a)),
    "speckle": lambda f: 9 * (0.2 + 0.3 * f.a - f.noise),
}
CLASSES = tuple(FORMS)


def draw(labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One picture for each label, (N, 32, 32, 3) uint8: a form on a ground, with noise."""
    count = len(labels)
    form = np.empty((count, SIDE, SIDE, 1))
    for kind, name in enumerate(CLASSES):
        chosen = labels == kind
        edge = FORMS[name](_Frame(chosen.sum(), random))
        form[chosen, ..., 0] = (edge + 0.5).clip(0, 1)
    hue = labels / 10 + random.normal(0, 0.055, count)  # hints at the class, no more
    front = _rgb(hue, random.uniform(0.5, 1, count), random.uniform(0.6, 1, count))
    greyish, dark = random.uniform(0, 0.3, count), random.uniform(0.1, 0.5, count)
    ground = _rgb(random.random(count), greyish, dark)
    pictures = ground + form * (front - ground)
    slope = random.normal(0, 0.1, (2, count, 1, 1, 1))  # light that falls from one side
    rows, columns = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j][..., None]
    pictures += slope[0] * rows + slope[1] * columns + random.normal(0, 0.08, pictures.shape)
    return (pictures.clip(0, 1) * 255).astype(np.uint8)


def _rgb(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Hue (in turns), saturation and value (0..1) as (N, 1, 1, 3) RGB in 0..1."""
    sector = (np.array([5, 3, 1]) + 6 * hue[:, None]) % 6
    depth = np.minimum(sector, 4 - sector).clip(0, 1)
    return (value[:, None] * (1 - saturation[:, None] * depth))[:, None, None]
