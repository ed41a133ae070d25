"""The U-Net as a drawing, and its training as curves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from .maps import _FAINT, _styled
from .style import OKABE_ITO, new_figure

# --- the network and its training ------------------------------------------------------------


@_styled
def unet_shapes(steps: Sequence[tuple[str, int, int, int]], title: str = "") -> Figure:
    """The U-Net as a U: a box for each step (name, channels, height, width), in order of flow.

    A box's row is its resolution and its breadth grows with the channels. Grey arrows are the skip
    connections: from the last step down to the first step up of the same resolution.

    Introduced in notebook 04.
    """
    names, channels, heights, widths = zip(*steps, strict=True)
    level = [round(np.log2(heights[0] / height)) for height in heights]
    breadth = [0.28 + 0.09 * np.log2(count) for count in channels]
    x = np.cumsum([0, *(a / 2 + b / 2 + 0.32 for a, b in pairwise(breadth))])
    figure, axes = new_figure(figsize=(11, 0.8 * max(level) + 1.7))
    for step in range(len(steps)):
        corner = (x[step] - breadth[step] / 2, -level[step] - 0.26)
        axes.add_patch(Rectangle(corner, breadth[step], 0.52, color=OKABE_ITO["sky"], ec="black"))
        axes.text(x[step], -level[step], channels[step], ha="center", va="center")
        axes.text(x[step], -level[step] - 0.29, names[step], ha="center", va="top", fontsize=9)
    for a in range(len(steps) - 1):
        _arrow(axes, (x[a], -level[a]), (x[a + 1], -level[a + 1]), breadth[a], breadth[a + 1])
    for a, b in _skips(level):
        _arrow(axes, (x[a], -level[a]), (x[b], -level[b]), breadth[a], breadth[b], skip=True)
    for depth in sorted(set(level)):
        first = level.index(depth)
        size = f"{heights[first]}x{widths[first]}"
        axes.text(-0.5, -depth, size, ha="right", va="center", color="#555555")
    low = -max(level) + 0.25
    axes.text(0.2, low, "down: max-pooling\nhalves the sides", va="center", color="#555555")
    words = "up: repetition doubles them;\nthe skip (dashed) is concatenated"
    axes.text(x[-1] + 0.5, low, words, ha="right", va="center", color="#555555")
    axes.set_xlim(-1.3, x[-1] + 0.6)
    axes.set_ylim(-max(level) - 0.65, 0.45)
    axes.axis("off")
    axes.set_title(title, loc="left")
    return figure


def _skips(level: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of steps that a skip connection joins: last on the way down, first on the way up."""
    bottom = level.index(max(level))
    down, up = level[:bottom], level[bottom:]
    return [
        (bottom - 1 - down[::-1].index(depth), bottom + up.index(depth))
        for depth in sorted(set(down) & set(up))
    ]


def _arrow(
    axes: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    start_breadth: float,
    end_breadth: float,
    skip: bool = False,
) -> None:
    start = (start[0] + start_breadth / 2, start[1])
    end = (end[0] - end_breadth / 2, end[1])
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=11,
            shrinkA=1,
            shrinkB=1,
            color=_FAINT if skip else "black",
            linestyle="--" if skip else "-",
            zorder=0 if skip else 3,
        )
    )


@_styled
def training_curves(
    train_loss: Sequence[float],
    validation_loss: Sequence[float],
    validation_iou: Sequence[float],
    best_epoch: int | None = None,
    title: str = "",
) -> Figure:
    """Loss (left, logarithmic) and validation mean IoU (right, %) per epoch, the kept one marked.

    Mean IoU comes in 0..1; `best_epoch` counts from 1. Introduced in notebook 04.
    """
    figure, (left, right) = new_figure(1, 2, figsize=(11, 3.6))
    _plot_epochs(left, train_loss, OKABE_ITO["blue"], "-")
    _plot_epochs(left, validation_loss, OKABE_ITO["vermilion"], "--")
    _plot_epochs(right, 100 * np.asarray(validation_iou), OKABE_ITO["vermilion"], "--")
    if len(train_loss) and len(validation_loss):
        _name_losses(left, train_loss, validation_loss)
    left.set_title("loss: mean cross-entropy of a pixel", loc="left")
    right.set_title("validation mean IoU (%)", loc="left")
    left.set_yscale("log")
    left.margins(y=0.15)  # room for the names
    left.yaxis.set_major_formatter("{x:g}")
    left.grid(axis="y", color="#DDDDDD")
    right.set_ylim(bottom=0)
    if best_epoch is not None and len(validation_iou):
        _mark_epoch(right, best_epoch, 100 * validation_iou[best_epoch - 1])
    figure.suptitle(title)
    return figure


def _plot_epochs(axes: Axes, values: ArrayLike, colour: str, line: str) -> None:
    epochs = np.arange(1, len(values) + 1)
    axes.plot(epochs, values, line, color=colour, marker="." if len(values) < 20 else None)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.02)


def _name_losses(axes: Axes, train: Sequence[float], validation: Sequence[float]) -> None:
    """The names beside the curves' ends: the higher one's above it, the other's below."""
    above = 1 if validation[-1] > train[-1] else -1
    for name, values, colour, side in (
        ("training", train, "blue", -above),
        ("validation", validation, "vermilion", above),
    ):
        axes.annotate(
            name,
            (len(values), values[-1]),
            (0, 9 * side),
            textcoords="offset points",
            ha="right",
            va="bottom" if side > 0 else "top",
            color=OKABE_ITO[colour],
        )


def _mark_epoch(axes: Axes, epoch: int, value: float) -> None:
    axes.plot(epoch, value, "o", color="black", zorder=4)
    axes.annotate(
        f"kept: epoch {epoch}, {value:.1f} %",
        (epoch, value),
        (0.98, 0.06),
        textcoords="axes fraction",
        ha="right",
        arrowprops={"arrowstyle": "-", "color": "black", "linewidth": 1},
    )
