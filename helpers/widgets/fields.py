"""What the funnel lab looks at, and through which windows: inputs and presets as arrays."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import cache, lru_cache

import numpy as np
from matplotlib.cbook import get_sample_data
from numpy.typing import NDArray
from PIL import Image

from ..datasets import cifar10, stanford
from ..datasets.prepared import read_array
from ..session import data_directory
from . import records

Array = NDArray[np.floating]

SIDE = 128  # pixels of the largest input; every other side divides it
SMALL = 16  # the side of the drawn inputs
PAINTED = 8  # the side of the grid that the reader paints

# --- inputs: (side, side) float32 -------------------------------------------------------------


def impulse() -> Array:
    """One pixel of 2 on zeros."""
    x = np.zeros((SMALL, SMALL), np.float32)
    x[SMALL // 2, SMALL // 2] = 2
    return x


def line() -> Array:
    """A vertical line of 1, one pixel wide, on zeros."""
    x = np.zeros((SMALL, SMALL), np.float32)
    x[:, SMALL // 2] = 1
    return x


def edge() -> Array:
    """-1 on the left, 1 on the right."""
    x = np.ones((SMALL, SMALL), np.float32)
    x[:, : SMALL // 2] = -1
    return x


def corner() -> Array:
    """1 in the lower right quarter, -1 elsewhere."""
    x = -np.ones((SMALL, SMALL), np.float32)
    x[SMALL // 2 :, SMALL // 2 :] = 1
    return x


def checkerboard() -> Array:
    """Squares of 2x2 pixels, 1 and -1 in turn."""
    rows, columns = np.indices((SMALL, SMALL)) // 2
    return np.where((rows + columns) % 2 == 0, np.float32(1), np.float32(-1))


def noise() -> Array:
    """Independent normal numbers, always the same ones."""
    return np.random.default_rng(0).normal(size=(SIDE, SIDE)).astype(np.float32)


@cache
def photograph() -> Array:
    """The portrait that comes with matplotlib, as notebook 02 cuts it, standardised."""
    with get_sample_data("grace_hopper.jpg") as file:
        picture = Image.open(file).convert("L")
    square = picture.crop((0, 0, picture.width, picture.width))
    return standardised(square.resize((SIDE, SIDE)))


def colour_photograph(side: int) -> NDArray[np.uint8]:
    """The face of that portrait in colour, (side, side, 3)."""
    with get_sample_data("grace_hopper.jpg") as file:
        picture = Image.open(file).convert("RGB")
    return np.array(picture.crop((100, 30, 420, 350)).resize((side, side)))


@cache
def cifar_picture() -> Array:
    """The first test picture of CIFAR-10 in grey, standardised, 32x32; only from prepared data."""
    images = read_array(data_directory() / cifar10.PREPARED / "x_test.npy", mapped=True)
    return standardised(Image.fromarray(images[0].transpose(1, 2, 0)).convert("L"))


@cache
def stanford_picture() -> Array:
    """A scene of Stanford Background, cut square, in grey, standardised; only from prepared
    data.
    """
    folder = data_directory() / stanford.PREPARED / "images"
    count = json.loads((folder / "index.json").read_text())["bytes"][0]
    jpeg = read_array(folder / "jpegs.npy", mapped=True)[:count].tobytes()
    picture = Image.open(io.BytesIO(jpeg)).convert("L")
    side = min(picture.size)
    return standardised(picture.crop((0, 0, side, side)).resize((SIDE, SIDE)))


def standardised(picture: Image.Image) -> Array:
    """A grey picture as (H, W) float32 with mean 0 and standard deviation 1."""
    grey = np.asarray(picture, dtype=np.float32)
    return (grey - grey.mean()) / grey.std()


def standard_painting() -> tuple[int, ...]:
    """What the painted grid shows before anybody paints: a diagonal of 1, row after row."""
    return tuple(np.eye(PAINTED, dtype=int).ravel().tolist())


_DRAWN: dict[str, Callable[[], Array]] = {
    "impulse": impulse,
    "line": line,
    "edge": edge,
    "corner": corner,
    "checkerboard": checkerboard,
    "noise": noise,
    "photograph": photograph,
}
# With what has to be there for it: nothing is downloaded for a widget.
_PREPARED = {
    "cifar": (cifar_picture, cifar10.PREPARED / "x_test.npy"),
    "stanford": (stanford_picture, stanford.PREPARED / "images" / "index.json"),
}
LABELS = {
    "cifar": "CIFAR-10, a test picture",
    "stanford": "Stanford Background, a scene",
    "painted": "painted by you",
}


def inputs() -> dict[str, str]:
    """{name of an input: what the reader reads}; the data sets where they are prepared."""
    there = [name for name, (_, path) in _PREPARED.items() if (data_directory() / path).exists()]
    return {name: LABELS.get(name, name) for name in (*_DRAWN, *there, "painted")}


@lru_cache(maxsize=32)
def input_field(name: str, painted: tuple[int, ...] = ()) -> Array:
    """The input of that name, (side, side) float32, not to be written to."""
    if name == "painted":
        return np.array(painted, np.float32).reshape(PAINTED, PAINTED)
    return _PREPARED[name][0]() if name in _PREPARED else _DRAWN[name]()


def side_of(name: str) -> int:
    """The input's side in pixels."""
    return PAINTED if name == "painted" else len(input_field(name))


# --- windows: (height, width) -----------------------------------------------------------------

WINDOWS = {"1x1": (1, 1), "3x3": (3, 3), "5x5": (5, 5), "7x7": (7, 7), "1x3": (1, 3), "3x1": (3, 1)}
LARGEST_WEIGHT = 9.0


def _zero(shape: tuple[int, int]) -> Array:
    return np.zeros(shape)


def _identity(shape: tuple[int, int]) -> Array:
    window = np.zeros(shape)
    window[shape[0] // 2, shape[1] // 2] = 1
    return window


def _blur(shape: tuple[int, int]) -> Array:
    return np.full(shape, 1 / (shape[0] * shape[1]))


def _edge_right(shape: tuple[int, int]) -> Array:
    """Right minus left, smoothed downwards: Sobel's window, halved, where it is 3x3."""
    height, width = shape
    down = np.poly1d([1, 1]) ** (height - 1)
    across = np.arange(width) - width // 2
    total = max(np.abs(across).sum(), 1)
    return np.outer(down.coeffs / down.coeffs.sum(), across * 4 / total)


def _edge_down(shape: tuple[int, int]) -> Array:
    return _edge_right(shape[::-1]).T


def _sharpen(shape: tuple[int, int]) -> Array:
    return 2 * _identity(shape) - _blur(shape)


def _centre_surround(shape: tuple[int, int]) -> Array:
    """1 in the middle, minus the mean of the pixels around it."""
    middle, around = _identity(shape), shape[0] * shape[1] - 1
    return middle - (1 - middle) / max(around, 1)


def _random(shape: tuple[int, int]) -> Array:
    count = shape[0] * shape[1]
    return np.random.default_rng(count).normal(scale=count**-0.5, size=shape)


PRESETS: dict[str, Callable[[tuple[int, int]], Array]] = {
    "zero": _zero,
    "identity": _identity,
    "blur": _blur,
    "edge right": _edge_right,
    "edge left": lambda shape: -_edge_right(shape),
    "edge down": _edge_down,
    "edge up": lambda shape: -_edge_down(shape),
    "sharpen": _sharpen,
    "centre-surround": _centre_surround,
    "random": _random,
}
BY_HAND = "by hand"


@cache
def learned_windows() -> dict[str, Array]:
    """{"learned 1.4": (3, 3)}: funnel and channel of the recorded LeNet; empty without a record."""
    net = records.lenet("frelu")
    if net is None:
        return {}
    funnels = {1: net.act1, 2: net.act2}
    return {
        f"learned {place}.{channel + 1}": window[0].detach().numpy()
        for place, funnel in funnels.items()
        for channel, window in enumerate(funnel.conv.weight)
    }


def presets() -> list[str]:
    """The names of all windows that can be chosen."""
    return [*PRESETS, *learned_windows()]


@cache
def preset_weights(name: str, window: str) -> tuple[float, ...]:
    """The weights of a preset in that window, row after row, rounded to two digits."""
    shape = WINDOWS[window]
    known = PRESETS.get(name)
    weights = known(shape) if known else fitted(learned_windows()[name], shape)
    return tuple((weights.round(2) + 0.0).ravel().tolist())  # + 0.0: no minus in front of a zero


def fitted(weights: Array, shape: tuple[int, int]) -> Array:
    """The same middle in a window of another shape: cut off, or with zeros around it."""
    result = np.zeros(shape)
    common = [min(old, new) for old, new in zip(weights.shape, shape, strict=True)]
    here, there = (_middle(array.shape, common) for array in (result, weights))
    result[here] = weights[there]
    return result


def _middle(shape: tuple[int, ...], part: list[int]) -> tuple[slice, ...]:
    starts = [(whole - size) // 2 for whole, size in zip(shape, part, strict=True)]
    return tuple(slice(start, start + size) for start, size in zip(starts, part, strict=True))
