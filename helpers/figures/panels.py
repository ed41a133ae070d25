"""What several figures share: titles, panels of pictures, arrows, notes, legends, names of arms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike

from .style import COLOURS, LABELS, RC, new_figure

Point = tuple[float, float]
ByName = Mapping[str, ArrayLike]
Look = dict[str, Any]  # keywords for matplotlib

FAINT, INK, GREY = "#BBBBBB", "#1A1A1A", "#555555"
WHITE_EDGE = [withStroke(linewidth=3, foreground="white")]
MIDDLE: Look = {"ha": "center", "va": "center"}


@contextmanager
def styled() -> Iterator[None]:
    """The series' style for a whole function: text takes its size when it is written."""
    with plt.rc_context(RC):
        yield


def arm_colour(arm: str) -> str:
    """An activation's own colour through the whole series; black for what only a control has."""
    return COLOURS.get(arm, INK)


def arm_label(arm: str) -> str:
    """The name that a reader sees."""
    return LABELS.get(arm, arm)


def panel_row(
    items: Mapping[str, Any], height: float, title: str = "", **settings: Any
) -> tuple[Figure, list[tuple[Axes, str, Any]]]:
    """A figure of 11 inches, and (axes, name, value) for each item, from left to right."""
    settings = {"figsize": (11, height), "squeeze": False} | settings
    figure, grid = new_figure(1, len(items), **settings)
    left_title(figure, title)
    return figure, [(axes, *item) for axes, item in zip(grid[0], items.items(), strict=True)]


def left_title(figure: Figure, title: str) -> None:
    """The figure's title, flush left."""
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)


def bare(axes: Axes) -> None:
    """No ticks and no frame; labels stay."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def draw_picture(axes: Axes, picture: ArrayLike, title: str = "", **look: Any) -> None:
    """A picture (H, W[, 3]) without ticks, each pixel a square; `look` goes to `imshow`."""
    axes.imshow(picture, **({"interpolation": "nearest"} | look))
    bare(axes)
    if title:
        axes.set_title(title)


def frame(axes: Axes) -> None:
    """A faint frame around a panel, whose picture may be white at its rim."""
    axes.spines[:].set(visible=True, color=FAINT)


def note(axes: Axes, text: str, at: Point, offset: Point, **look: Any) -> None:
    """Write a text `offset` points away from a place in data coordinates."""
    look = {"textcoords": "offset points", "va": "center"} | look
    axes.annotate(text, at, offset, **look)


def text_right_of(axes: Axes, row: float, text: str, x: float = 1.03, **look: Any) -> None:
    """Write a text right of the axes (x > 1, as a share of their width), at the height of a row."""
    axes.text(x, row, text, transform=axes.get_yaxis_transform(), va="center", **look)


def row_chart(
    names: Sequence[str], size: tuple[float, float, float], xlabel: str, title: str
) -> tuple[Figure, Axes]:
    """A figure with a named row for each of 0, 1, 2 ..., the first on top.

    size: its width, and its height by row and besides, in inches.
    """
    width, by_row, besides = size
    figure, axes = new_figure(figsize=(width, by_row * len(names) + besides))
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel=xlabel, ylim=(len(names) - 0.4, -0.6))
    axes.set_title(title, loc="left")
    return figure, axes


def arrow(
    axes: Axes, start: Point, end: Point, size: float = 11, bend: float = 0, **look: Any
) -> None:
    """An arrow in data coordinates with a head of `size` points, bowed to one side by `bend`."""
    shape: Look = {"arrowstyle": "-|>", "connectionstyle": f"arc3,rad={bend}"}
    axes.add_patch(FancyArrowPatch(start, end, mutation_scale=size, **shape, **look))


def legend_below(figure: Figure, handles: Sequence[Artist], **look: Any) -> None:
    """One row below all panels."""
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), **look)
