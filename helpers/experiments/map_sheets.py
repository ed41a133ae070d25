"""Many class maps as one palette PNG, and back: cells of 320 x 320 pixels, twelve in a row."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageColor

from ..datasets.classes import CLASS_COLOURS, REGIONS

CELL, COLUMNS = 320, 12
PADDING = 255


def as_sheet(maps: list[np.ndarray]) -> bytes:
    """The PNG of int8 maps (h, w), each in the upper left corner of its cell; padding is 255.

    A pixel's index is its class; the palette has the classes' colours, for whoever opens a sheet.
    Raises ValueError for a map that is larger than its cell.
    """
    sheet = np.full((-(-len(maps) // COLUMNS) * CELL, COLUMNS * CELL), PADDING, np.uint8)
    for number, one in enumerate(maps):
        height, width = one.shape
        if max(height, width) > CELL:
            raise ValueError(f"map {number} is {height}x{width}: a cell holds {CELL}x{CELL}.")
        top, left = (place * CELL for place in divmod(number, COLUMNS))
        sheet[top : top + height, left : left + width] = one
    image = Image.fromarray(sheet, "P")
    colours = np.full((256, 3), 255, np.uint8)
    colours[: len(REGIONS)] = [ImageColor.getrgb(CLASS_COLOURS[name]) for name in REGIONS]
    image.putpalette(colours.tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def from_sheet(content: bytes) -> list[np.ndarray]:
    """The int8 maps (h, w) of a sheet, each at its own size, in their order."""
    sheet = np.array(Image.open(io.BytesIO(content)))
    rows = sheet.reshape(-1, CELL, COLUMNS, CELL).swapaxes(1, 2).reshape(-1, CELL, CELL)
    return [_without_padding(cell) for cell in rows if cell[0, 0] != PADDING]


def _without_padding(cell: np.ndarray) -> np.ndarray:
    height, width = (int((line != PADDING).sum()) for line in (cell[:, 0], cell[0]))
    return cell[:height, :width].astype(np.int8)
