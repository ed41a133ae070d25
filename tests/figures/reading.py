"""What a figure holds: its texts, its pictures, its dots."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text


def texts(figure: Figure) -> list[str]:
    """Everything written in a figure, once it is drawn."""
    figure.canvas.draw()
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def images(figure: Figure) -> list:
    """All pictures of a figure, axes by axes."""
    return [image for axes in figure.axes for image in axes.get_images()]


def dots(axes: Axes, colour: str) -> np.ndarray:
    """The points of the markers of one colour, (n, 2)."""
    lines = [line for line in axes.lines if line.get_marker() == "o" and line.get_color() == colour]
    return np.concatenate([line.get_xydata() for line in lines])
