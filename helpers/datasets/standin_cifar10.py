"""Stand-in data for CIFAR-10: generated pictures of ten kinds of shape and texture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

VERSION = 1  # raise it when the pictures change
SEED = 0
SIDE = 32  # pixels
BATCH = 2000  # pictures drawn at once: bounds the memory
CLASSES = (
    "disc",
    "ring",
    "square",
    "triangle",
    "cross",
    "stripes",
    "checks",
    "dots",
    "waves",
    "speckle",
)
TYPICAL_HUE = np.arange(10) / 10  # of each class; a picture strays from it


def write(path: Path, train: int, test: int) -> None:
    """Write pictures as a `cifar10.npz` in Keras' layout; one seed, the same bytes."""
    arrays = {}
    for part, count in (("train", train), ("test", test)):
        random = np.random.default_rng([SEED, part == "test"])
        labels = random.integers(0, len(CLASSES), count)
        batches = [draw(labels[i : i + BATCH], random) for i in range(0, count, BATCH)]
        arrays[f"x_{part}"] = np.concatenate(batches)
        arrays[f"y_{part}"] = labels.astype(np.uint8)
    np.savez(path, **arrays)


def draw(labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One picture for each label, (N, 32, 32, 3) uint8: a form on a ground, with noise."""
    form = np.empty((len(labels), SIDE, SIDE))
    for kind, name in enumerate(CLASSES):
        chosen = labels == kind
        form[chosen] = _FORMS[name](_Place(chosen.sum(), random), random)
    front, ground = _colours(labels, random)
    pictures = ground + form[..., None] * (front - ground)
    pictures += _shade(len(labels), random)[..., None]
    pictures += random.normal(0, 0.08, (*form.shape, 3))
    return (pictures.clip(0, 1) * 255).astype(np.uint8)


def _colours(labels: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Colours of form and ground, (N, 1, 1, 3) each; the hue tells some of the class, not all."""
    count = len(labels)
    hue = TYPICAL_HUE[labels] + random.normal(0, 0.055, count)
    front = _rgb(hue, random.uniform(0.5, 1, count), random.uniform(0.6, 1, count))
    ground = _rgb(
        random.random(count), random.uniform(0, 0.3, count), random.uniform(0.1, 0.5, count)
    )
    return front, ground


def _rgb(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Hue (in turns), saturation and value (0..1) as (N, 1, 1, 3) RGB in 0..1."""
    sector = (np.array([5, 3, 1]) + 6 * hue[:, None]) % 6
    depth = np.minimum(sector, 4 - sector).clip(0, 1)
    return (value[:, None] * (1 - saturation[:, None] * depth))[:, None, None]


def _shade(count: int, random: np.random.Generator) -> np.ndarray:
    """Light that falls from one side, (N, 32, 32)."""
    slope = random.normal(0, 0.1, (2, count, 1, 1))
    rows, columns = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    return slope[0] * rows + slope[1] * columns


class _Place:
    """Coordinates of each picture's own: moved, turned and scaled; arrays (N, 32, 32)."""

    def __init__(self, count: int, random: np.random.Generator) -> None:
        rows, columns = np.mgrid[0:SIDE, 0:SIDE] - (SIDE - 1) / 2
        self.radius = random.uniform(6, 11, (count, 1, 1))
        x = columns - random.uniform(-4, 4, (count, 1, 1))
        y = rows - random.uniform(-4, 4, (count, 1, 1))
        turn = random.uniform(-0.35, 0.35, (count, 1, 1))
        self.x = np.cos(turn) * x + np.sin(turn) * y
        self.y = np.cos(turn) * y - np.sin(turn) * x
        self.distance = np.hypot(self.x, self.y)


def _soft(inside: np.ndarray) -> np.ndarray:
    """1 inside, 0 outside, from a signed distance in pixels: an edge without steps."""
    return (inside + 0.5).clip(0, 1)


def _disc(place: _Place, _: np.random.Generator) -> np.ndarray:
    return _soft(place.radius - place.distance)


def _ring(place: _Place, random: np.random.Generator) -> np.ndarray:
    width = random.uniform(1.5, 2.5, place.radius.shape)
    return _soft(width - abs(place.distance - place.radius))


def _square(place: _Place, _: np.random.Generator) -> np.ndarray:
    return _soft(0.9 * place.radius - np.maximum(abs(place.x), abs(place.y)))


def _triangle(place: _Place, _: np.random.Generator) -> np.ndarray:
    sides = 0.866 * abs(place.x) - 0.5 * place.y
    return _soft(0.6 * place.radius - np.maximum(sides, place.y))


def _cross(place: _Place, _: np.random.Generator) -> np.ndarray:
    near, far = np.sort([abs(place.x), abs(place.y)], axis=0)
    return _soft(np.minimum(0.3 * place.radius - near, place.radius - far))


def _stripes(place: _Place, random: np.random.Generator) -> np.ndarray:
    return _soft(2 * np.sin(place.x * random.uniform(0.7, 1.2, place.radius.shape)))


def _checks(place: _Place, random: np.random.Generator) -> np.ndarray:
    pace = random.uniform(0.5, 0.9, place.radius.shape)
    return _soft(3 * np.sin(place.x * pace) * np.sin(place.y * pace))


def _dots(place: _Place, random: np.random.Generator) -> np.ndarray:
    pace = random.uniform(0.7, 1.1, place.radius.shape)
    return _soft(3 * (np.sin(place.x * pace) * np.sin(place.y * pace) - 0.5))


def _waves(place: _Place, random: np.random.Generator) -> np.ndarray:
    bend = random.uniform(2, 4, place.radius.shape) * np.sin(place.x * 0.4)
    return _soft(2 * np.sin((place.y + bend) * random.uniform(0.6, 1, place.radius.shape)))


def _speckle(place: _Place, random: np.random.Generator) -> np.ndarray:
    return (random.random(place.x.shape) < random.uniform(0.2, 0.5, place.radius.shape)) * 1.0


_FORMS = {
    "disc": _disc,
    "ring": _ring,
    "square": _square,
    "triangle": _triangle,
    "cross": _cross,
    "stripes": _stripes,
    "checks": _checks,
    "dots": _dots,
    "waves": _waves,
    "speckle": _speckle,
}
