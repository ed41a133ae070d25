"""What the funnel lab looks at, and through which windows: inputs and presets as arrays."""

from __future__ import annotations

import io
import json
from functools import cache, lru_cache
from typing import Any

import numpy as np
import torch
from matplotlib.cbook import get_sample_data
from numpy.typing import NDArray
from PIL import Image

from ..datasets import cifar10, stanford
from ..datasets.prepared import read_array
from ..nn.networks import LeNet
from ..session import data_directory

Array = NDArray[np.floating]

SIDE = 128  # pixels of the largest input; every other side divides it
SMALL = 16  # the side of the drawn inputs
PAINTED = 16  # the side of the grid that the reader paints
PAINTS = (-1, 0, 1, 2)  # what a cell of it can be

# --- inputs: (side, side) float32 -------------------------------------------------------------


def drawn() -> dict[str, Array]:
    """The inputs that need no file: patterns of SMALL x SMALL, and noise that is always the same.

    The impulse is one pixel of 2 and the line one column of 1, on zeros; the others are 1 and -1.
    """
    rows, columns = np.indices((SMALL, SMALL))
    low, right = rows >= SMALL // 2, columns >= SMALL // 2
    squares = (rows // 2 + columns // 2) % 2 == 0
    patterns = {
        "impulse": 2 * ((rows == SMALL // 2) & (columns == SMALL // 2)),
        "line": columns == SMALL // 2,
        "edge": np.where(right, 1, -1),
        "corner": np.where(low & right, 1, -1),
        "checkerboard": np.where(squares, 1, -1),
        "noise": np.random.default_rng(0).normal(size=(SIDE, SIDE)),
    }
    return {name: pattern.astype(np.float32) for name, pattern in patterns.items()}


@cache
def photograph() -> Array:
    """The portrait that comes with matplotlib, as notebook 02 cuts it, standardised."""
    picture = Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)).convert("L")
    square = picture.crop((0, 0, picture.width, picture.width))
    return standardised(square.resize((SIDE, SIDE)))


def colour_photograph(side: int) -> NDArray[np.uint8]:
    """The face of that portrait in colour, (side, side, 3)."""
    picture = Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)).convert("RGB")
    return np.array(picture.crop((100, 30, 420, 350)).resize((side, side)))


@cache
def cifar_picture() -> Array:
    """The first test picture of CIFAR-10 in grey, standardised, 32x32; only from prepared data."""
    images = read_array(data_directory() / cifar10.PREPARED / "x_test.npy", mapped=True)
    return standardised(Image.fromarray(images[0].transpose(1, 2, 0)).convert("L"))


@cache
def stanford_picture() -> Array:
    """A scene of Stanford Background, square, in grey, standardised; only from prepared data."""
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
    """What the painted grid shows at first: a diagonal of 1, row after row."""
    return tuple(np.eye(PAINTED, dtype=int).ravel().tolist())


# Each with the file that it is read from: nothing is downloaded for a widget.
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
    """{name of an input: its label}; pictures of data sets where these are prepared."""
    there = [name for name, (_, path) in _PREPARED.items() if (data_directory() / path).exists()]
    return {name: LABELS.get(name, name) for name in (*drawn(), "photograph", *there, "painted")}


@lru_cache(maxsize=32)
def input_field(name: str, painted: tuple[int, ...] = ()) -> Array:
    """The input of that name, (side, side) float32, not to be written to."""
    if name == "painted":
        return np.array(painted, np.float32).reshape(PAINTED, PAINTED)
    if name in _PREPARED:
        return _PREPARED[name][0]()
    return photograph() if name == "photograph" else drawn()[name]


def cursor_start(name: str) -> tuple[int, int]:
    """The pixel that is looked at when an input is chosen: left of the middle, at an edge's foot.

    In the photograph, on the outline of the neck, where it gets brighter to the right.
    """
    if name == "photograph":
        return 86, 48
    side = PAINTED if name == "painted" else len(input_field(name))
    return side // 2, side // 2 - 1


# --- windows: (height, width) -----------------------------------------------------------------

WINDOWS = {"1x1": (1, 1), "3x3": (3, 3), "5x5": (5, 5), "7x7": (7, 7), "1x3": (1, 3), "3x1": (3, 1)}


def standard_windows(shape: tuple[int, int]) -> dict[str, Array]:
    """The windows that every shape has, by name.

    Centre-surround is 1 in the middle, minus the mean of the pixels around it.
    """
    count = shape[0] * shape[1]
    identity, blur = np.zeros(shape), np.full(shape, 1 / count)
    identity[shape[0] // 2, shape[1] // 2] = 1
    right, down = _edge_right(*shape), _edge_right(*shape[::-1]).T
    return {
        "zero": np.zeros(shape),
        "identity": identity,
        "blur": blur,
        "edge right": right,
        "edge left": -right,
        "edge down": down,
        "edge up": -down,
        "sharpen": 2 * identity - blur,
        "centre-surround": identity - (1 - identity) / max(count - 1, 1),
        "random": np.random.default_rng(count).normal(scale=count**-0.5, size=shape),
    }


def _edge_right(height: int, width: int) -> Array:
    """Right minus left, smoothed downwards: Sobel's window, halved, where it is 3x3."""
    down = np.poly1d([1, 1]) ** (height - 1)
    across = np.arange(width) - width // 2
    total = max(np.abs(across).sum(), 1)
    return np.outer(down.coeffs / down.coeffs.sum(), across * 4 / total)


def recorded_funnels() -> LeNet | None:
    """The recorded LeNet with FReLU, None without a record; it takes no random numbers."""
    from ..experiments import recorded_lenet  # slow to import, and few widgets need it

    with torch.random.fork_rng(devices=[]):
        return recorded_lenet("frelu")


@cache
def learned_windows() -> dict[str, Array]:
    """{"learned 1.4": (3, 3)}: funnel and channel of the recorded LeNet; empty without a record."""
    net = recorded_funnels()
    if net is None:
        return {}
    funnels: list[Any] = [net.act1, net.act2]
    return {
        f"learned {place}.{channel}": window[0].detach().numpy()
        for place, funnel in enumerate(funnels, 1)
        for channel, window in enumerate(funnel.conv.weight, 1)
    }


def presets() -> list[str]:
    """The names of all windows that can be chosen."""
    return [*standard_windows((1, 1)), *learned_windows()]


@cache
def preset_weights(name: str, window: str) -> tuple[float, ...]:
    """The weights of a preset in that window, row after row, rounded to two digits."""
    shape = WINDOWS[window]
    weights = standard_windows(shape).get(name)
    if weights is None:
        weights = fitted(learned_windows()[name], shape)
    return tuple((weights.round(2) + 0.0).ravel().tolist())  # + 0.0: no minus in front of a zero


def fitted(weights: Array, shape: tuple[int, int]) -> Array:
    """The same middle in a window of another shape: cut off, or with zeros around it."""
    result = np.zeros(shape)
    common = [min(old, new) for old, new in zip(weights.shape, shape, strict=True)]
    here, there = _middle(shape, common), _middle(weights.shape, common)
    result[here] = weights[there]
    return result


def _middle(shape: tuple[int, ...], part: list[int]) -> tuple[slice, ...]:
    pairs = zip(shape, part, strict=True)
    return tuple(slice((side - size) // 2, (side + size) // 2) for side, size in pairs)
