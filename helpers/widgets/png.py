"""From numbers to a picture in a few milliseconds: numpy, one shared palette, a PNG."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap, to_rgb
from numpy.typing import NDArray
from PIL import Image

from ..figures.condition import BRANCH_COLOURS, LIMIT, SIGNED
from ..figures.style import OKABE_ITO

Indices = NDArray[np.uint8]

# The palette's 256 places. The first one is transparent, so that the page's own light or dark
# background shows between the panels.
GAP, EDGE, FRAME, BRANCH_T, BRANCH_EQUAL, BRANCH_X = range(6)
MARK = 6  # a second frame colour, for pictures in which yellow is taken
FIRST = 8
HALF = 120  # steps on either side of zero, which has one of its own
ZERO = FIRST + HALF
LEVELS = 2 * HALF + 1


def signed_indices(values: NDArray[np.floating], limit: float = LIMIT) -> Indices:
    """Places in the palette of signed values, any shape: -limit and below is FIRST, 0 is ZERO."""
    steps = np.clip(values * (HALF / limit), -HALF, HALF)
    return (steps + (ZERO + 0.5)).astype(np.uint8)


def branch_indices(x: NDArray[np.floating], condition: NDArray[np.floating]) -> Indices:
    """Places in the palette of who wins: T(x), neither, or x."""
    return (BRANCH_EQUAL + np.sign(x - condition)).astype(np.uint8)


def share_indices(shares: NDArray[np.floating]) -> Indices:
    """Places in the palette of shares from 0 to 1."""
    return (np.clip(shares, 0, 1) * (LEVELS - 1) + (FIRST + 0.5)).astype(np.uint8)


def enlarged(indices: Indices, times: int) -> Indices:
    """Every pixel as a square of `times` x `times` pixels."""
    return indices.repeat(times, axis=0).repeat(times, axis=1)


def in_a_row(panels: list[Indices], gap: int) -> Indices:
    """The panels, of one height, side by side, with transparent gaps."""
    between = np.full((len(panels[0]), gap), GAP, np.uint8)
    return np.hstack([part for panel in panels for part in (between, panel)][1:])


def frame(
    indices: Indices, top: int, left: int, height: int, width: int, colour: int = FRAME
) -> None:
    """Draw a frame around a rectangle, into the picture: a line in `colour`, a black one around it.

    What lies outside the picture is left out; the rectangle itself stays as it is.
    """
    for distance, place in ((2, EDGE), (1, colour)):
        rows = (top - distance, top + height + distance - 1)
        columns = (left - distance, left + width + distance - 1)
        across = slice(max(columns[0], 0), max(columns[1] + 1, 0))
        down = slice(max(rows[0], 0), max(rows[1] + 1, 0))
        for row in rows:
            if 0 <= row < indices.shape[0]:
                indices[row, across] = place
        for column in columns:
            if 0 <= column < indices.shape[1]:
                indices[down, column] = place


def encode(indices: Indices, colours: bytes) -> bytes:
    """A palette PNG, quick rather than small: it goes to the page once and is replaced.

    Runs of equal pixels are all that is compressed, which takes a third of zlib's usual time.
    """
    picture, buffer = Image.fromarray(indices), io.BytesIO()
    picture.putpalette(colours)
    settings = {"compress_level": 1, "compress_type": 3}
    picture.save(buffer, "PNG", transparency=GAP, **settings)
    return buffer.getvalue()


def encode_colours(panels: list[NDArray[np.uint8]], gap: int) -> bytes:
    """Panels of colours (H, W, 3), of one height, in a row with transparent gaps, as a PNG."""
    height, width = len(panels[0]), sum(panel.shape[1] + gap for panel in panels) - gap
    row, left, buffer = np.zeros((height, width, 4), np.uint8), 0, io.BytesIO()
    for panel in panels:
        row[:, left : left + panel.shape[1], :3] = panel
        row[:, left : left + panel.shape[1], 3] = 255
        left += panel.shape[1] + gap
    Image.fromarray(row).save(buffer, "PNG", compress_level=1, compress_type=3)
    return buffer.getvalue()


def colours_of(indices: Indices, colours: bytes) -> NDArray[np.uint8]:
    """The picture's own colours, (H, W, 3), for a static figure; gaps are white."""
    palette = np.frombuffer(colours, np.uint8).reshape(256, 3).copy()
    palette[GAP] = 255
    return palette[indices]


@cache
def signed_palette() -> bytes:
    """x, T(x) and y of every widget: zero is black, positive goes to white, negative is blue."""
    return _palette(SIGNED)


@cache
def share_palette() -> bytes:
    """From none, black, over red to all, yellow."""
    return _palette(colormaps["inferno"])


def _palette(scale: Colormap) -> bytes:
    palette = np.zeros((256, 3))
    reserved = {
        FRAME: OKABE_ITO["yellow"],
        MARK: OKABE_ITO["sky"],
        BRANCH_T: BRANCH_COLOURS["T"],
        BRANCH_EQUAL: BRANCH_COLOURS["equal"],
        BRANCH_X: BRANCH_COLOURS["x"],
    }
    for place, colour in reserved.items():
        palette[place] = to_rgb(colour)
    palette[FIRST : FIRST + LEVELS] = scale.resampled(LEVELS)(np.arange(LEVELS))[:, :3]
    return (255 * palette).round().astype(np.uint8).tobytes()
