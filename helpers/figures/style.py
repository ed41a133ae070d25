"""What all figures share: colours and labels of activations, direct labels, alternative text."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from io import BytesIO
from typing import Any

from IPython.display import display
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from PIL import Image

from ..nn.activations import ACTIVATIONS

# Okabe and Ito's colour-blind-safe colours, and a grey.
OKABE_ITO = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "purple": "#CC79A7",
    "grey": "#7F7F7F",
}

COLOURS = {name: row.colour for name, row in ACTIVATIONS.items() if row.colour}
LINES = {name: row.line for name, row in ACTIVATIONS.items()}
LABELS = {name: row.label or name for name, row in ACTIVATIONS.items()}

RC: dict[Any, Any] = {  # matplotlib's type lists every key
    "figure.dpi": 90,
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 2,
    "legend.frameon": False,
}


def new_figure(rows: int = 1, columns: int = 1, **settings: Any) -> tuple[Figure, Any]:
    """A figure and its axes in the series' style; `settings` go to `plt.subplots`."""
    with plt.rc_context(RC):
        return plt.subplots(rows, columns, **settings)


def show(figure: Figure, alt: str) -> None:
    """Display a figure once, as a PNG with alternative text, and close it.

    alt: what a reader who can't see the figure needs to know; it is also what a plain terminal
    shows, and what tests compare. Raises ValueError when it is empty.
    Introduced in notebook 01.
    """
    if not alt.strip():
        raise ValueError("A figure needs alternative text: say in one sentence what it shows.")
    display(figure_output(png(figure), alt), raw=True)
    plt.close(figure)


def figure_output(picture: bytes, alt: str) -> dict[str, str]:
    """A PNG with its words, as every front end shows both: JupyterLab drops an image's metadata."""
    source = f"data:image/png;base64,{b64encode(picture).decode()}"
    html = f'<figure style="margin:0"><img alt="{escape(alt)}" src="{source}"></figure>'
    return {"text/html": html, "text/plain": alt}


def png(figure: Figure) -> bytes:
    """The figure as a PNG of at most 256 colours: a third of the bytes, for small notebooks.

    176 are chosen by how often they occur, for smooth photographs, and 80 by how far apart they
    are, so that a thin line keeps its colour beside them. Introduced in notebook 01.
    """
    drawn, stored = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png", bbox_inches="tight", facecolor="white")
    picture = Image.open(drawn).convert("RGB")
    colours: list[int] = []
    for count, method in ((176, Image.Quantize.MEDIANCUT), (80, Image.Quantize.MAXCOVERAGE)):
        colours += (picture.quantize(count, method).getpalette() or [])[: 3 * count]
    palette = Image.new("P", (1, 1))
    palette.putpalette([255 if level > 249 else level for level in colours])  # white paper
    small = picture.quantize(palette=palette, dither=Image.Dither.NONE)
    small.save(stored, format="png", optimize=True)
    return stored.getvalue()


def label_line(axes: Axes, x: float, y: float, text: str, colour: str) -> None:
    """Write a curve's name beside it, on a white edge, so that no legend is needed."""
    axes.annotate(
        text,
        (x, y),
        xytext=(4, 0),
        textcoords="offset points",
        color=colour,
        va="center",
        path_effects=[withStroke(linewidth=3, foreground="white")],
    )
