"""Networks as diagrams: the U-Net, what follows a convolution in each arm, and swapped places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from numpy.typing import NDArray

from .panels import (
    FAINT,
    GREY,
    INK,
    MIDDLE,
    ByName,
    Look,
    arm_colour,
    arm_label,
    arrow,
    bare,
    left_title,
    styled,
    text_right_of,
)
from .style import OKABE_ITO, new_figure

Step = tuple[str, int, int, int]  # a name, channels, height, width


@styled()
def unet_shapes(steps: Sequence[Step], plain: int = 0, title: str = "") -> Figure:
    """The U-Net as a U: a box for each step (name, channels, height, width), in order of flow.

    A box's row is its resolution and its breadth grows with the channels. Grey arrows are the skip
    connections: from the last step down to the first step up of the same resolution. The last
    `plain` steps have no activation and are white.
    Introduced in notebook 04.
    """
    _, channels, heights, _ = zip(*steps, strict=True)
    level = [round(np.log2(heights[0] / height)) for height in heights]
    half = [0.14 + 0.045 * np.log2(count) for count in channels]  # of each box's breadth
    x = np.cumsum([0, *(a + b + 0.32 for a, b in pairwise(half))])
    figure, axes = new_figure(figsize=(11, 0.8 * max(level) + 1.7))
    for step in range(len(steps)):
        bare_step = step >= len(steps) - plain
        _unet_box(axes, x[step], -level[step], half[step], steps[step], bare_step)
    flow = [(*pair, {"color": "black", "zorder": 3}) for pair in pairwise(range(len(steps)))]
    skip: Look = {"color": FAINT, "linestyle": "--", "zorder": 0}
    for a, b, look in (*flow, *((*pair, skip) for pair in _skips(level))):
        ends = (x[a] + half[a], -level[a]), (x[b] - half[b], -level[b])
        arrow(axes, *ends, shrinkA=1, shrinkB=1, **look)
    for depth in sorted(set(level)):
        _, _, height, width = steps[level.index(depth)]
        axes.text(-0.5, -depth, f"{height}x{width}", ha="right", va="center", color=GREY)
    low = -max(level) + 0.25
    axes.text(0.2, low, "down: max-pooling\nhalves the sides", va="center", color=GREY)
    words = "up: repetition doubles them;\nthe skip (dashed) is concatenated"
    words += "\nwhite: no activation" if plain else ""
    axes.text(x[-1] + 0.5, low, words, ha="right", va="center", color=GREY)
    axes.set(xlim=(-1.3, x[-1] + 0.6), ylim=(-max(level) - 0.65, 0.45))
    axes.axis("off")
    axes.set_title(title, loc="left")
    return figure


def _unet_box(axes: Axes, x: float, y: float, half: float, step: Step, plain: bool) -> None:
    name, channels, _, _ = step
    face = "white" if plain else OKABE_ITO["sky"]
    box = Rectangle((x - half, y - 0.26), 2 * half, 0.52, facecolor=face, edgecolor="black")
    axes.add_patch(box)
    axes.text(x, y, str(channels), **MIDDLE)
    axes.text(x, y - 0.29, name, ha="center", va="top", fontsize=9)


def _skips(level: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of steps that a skip connection joins: last on the way down, first on the way up."""
    bottom = level.index(max(level))
    down, up = level[:bottom], level[bottom:]
    return [
        (bottom - 1 - down[::-1].index(depth), bottom + up.index(depth))
        for depth in sorted(set(down) & set(up))
    ]


@dataclass(frozen=True)
class Wiring:
    """What follows a convolution: `before` in line, `branch` beside a bypass, joined by `join`.

    Without a bypass the branch is in line too. Introduced in notebook 06.
    """

    branch: tuple[str, ...]
    join: str
    bypass: bool = False
    before: tuple[str, ...] = ()
    convolution: str = "conv"


WIRINGS = {
    "relu": Wiring((), "ReLU"),
    "bn_relu": Wiring(("BN",), "ReLU"),
    "dw_bn_relu": Wiring(("3x3", "BN"), "ReLU"),
    "frelu": Wiring(("3x3", "BN"), "max", bypass=True),
    "frelu_1x1": Wiring(("1x1", "BN"), "max", bypass=True),
    "sum_funnel": Wiring(("3x3", "BN"), "+", bypass=True),
    "bn_frelu": Wiring(("3x3", "BN"), "max", bypass=True, before=("BN",)),
}
"""The arms of notebook 06's main table, drawn in its order."""

PART_WIRINGS = {
    "frelu_5x5": Wiring(("5x5", "BN"), "max", bypass=True),
    "frelu_1x3_3x1": Wiring(("1x3 +\n3x1", "BN"), "max", bypass=True),
    "max_pool_funnel": Wiring(("max\npool", "BN"), "max", bypass=True),
    "avg_pool_funnel": Wiring(("avg\npool", "BN"), "max", bypass=True),
    "frelu_no_bn": Wiring(("3x3",), "max", bypass=True),
    "frelu_gamma0": Wiring(("3x3", "BN\nfrom 0"), "max", bypass=True),
    "relu_wide": Wiring((), "ReLU", convolution="wide\nconv"),
}
"""Those that change the funnel's parts."""

_BOX = 0.62  # a box's breadth; boxes are 1 apart


@styled()
def arm_diagrams(wirings: Mapping[str, Wiring], columns: int = 2) -> Figure:
    """Each arm as boxes from left to right: what a pixel passes between two convolutions.

    Introduced in notebook 06.
    """
    rows = -(-len(wirings) // columns)
    figure, grid = new_figure(rows, columns, figsize=(11, 1.15 * rows))
    for axes, (arm, wiring) in zip(grid.flat, wirings.items(), strict=False):
        _draw_wiring(axes, wiring)
        axes.text(-0.35, 1.55, arm, color=arm_colour(arm), weight="bold", va="top")
    for axes in grid.flat:
        axes.set(xlim=(-0.4, 7.4), ylim=(-0.5, 1.6))
        bare(axes)
    return figure


def _draw_wiring(axes: Axes, wiring: Wiring) -> None:
    line = (wiring.convolution, *wiring.before, *wiring.branch, wiring.join)
    look: Look = {"size": 10, "color": INK, "lw": 1.2}
    edge = _BOX / 2 + 0.03
    for place, name in enumerate(line):
        _draw_box(axes, place, name)
        end = place + 1 - edge if place + 1 < len(line) else place + 0.55
        arrow(axes, (place + edge, 0), (end, 0), **look)
    if wiring.bypass:
        arrow(axes, (len(wiring.before), 0.35), (len(line) - 1, 0.35), bend=-0.28, **look)


def _draw_box(axes: Axes, place: int, name: str) -> None:
    joins = {"ReLU": "#FFFFFF", "max": "#F9D9C2", "+": "#F9D9C2"}
    part = "#E8E8E8" if "conv" in name else "#CFE8F7" if "BN" in name else "#D5EFE5"
    style = "round,pad=0.02,rounding_size=0.12"
    look: Look = {"boxstyle": style, "fc": joins.get(name, part), "ec": INK}
    axes.add_patch(FancyBboxPatch((place - _BOX / 2, -0.3), _BOX, 0.6, **look))
    axes.text(place, 0, name, fontsize=8 if "\n" in name else 10, **MIDDLE)


@styled()
def placements(
    arms: Mapping[str, Sequence[str]],
    places: Sequence[str],
    scores: ByName,
    title: str = "",
) -> Figure:
    """Left, which activation stands where; right, the accuracy of each run.

    arms: label -> the activation in each place, in order of flow. places: what is written below
    each. scores: label -> (seeds,) in 0..1, drawn in %: a dot per run, a line from seed to seed, a
    dash for the mean. Introduced in notebook 08.
    """
    size = (11, 0.75 * len(arms) + 1.3)
    figure, (left, right) = new_figure(1, 2, figsize=size, sharey=True, width_ratios=(3, 2))
    rows = np.arange(len(arms))[::-1]
    for row, activations in zip(rows, arms.values(), strict=True):
        _squares(left, row, activations)
    left.set(xlim=(-0.5, len(places) - 0.5), ylim=(-0.6, len(arms) - 0.4))
    left.set_xticks(range(len(places)), places)
    left.set_yticks(rows, arms)
    left.tick_params(length=0)
    left.spines[:].set_visible(False)
    left.set_xlabel("map that reaches the activation: channels, rows x columns")
    _dots(right, rows, 100 * np.array([np.asarray(scores[arm]) for arm in arms]))
    left_title(figure, title)
    return figure


def _squares(axes: Axes, row: float, activations: Sequence[str]) -> None:
    """A coloured box with its activation's name for each place of one network."""
    axes.hlines(row, 0, len(activations) - 1, color=FAINT, linewidth=1.5, zorder=0)
    for place, name in enumerate(activations):
        look: Look = {"color": arm_colour(name), "linewidth": 0}
        axes.add_patch(Rectangle((place - 0.44, row - 0.28), 0.88, 0.56, **look))
        axes.text(place, row, arm_label(name), color="white", fontsize=9, **MIDDLE)


def _dots(axes: Axes, rows: NDArray, scores: NDArray) -> None:
    """One line per seed through all arms; the arms share their seeds, so the lines are paired."""
    axes.plot(scores, rows, "o-", color=OKABE_ITO["grey"], linewidth=0.8, markersize=6)
    for row, mean in zip(rows, scores.mean(1), strict=True):
        axes.plot([mean, mean], [row - 0.25, row + 0.25], color="black", linewidth=2.5)
        text_right_of(axes, row, f"{mean:.1f}", x=1.05)
    text_right_of(axes, rows.max() + 0.45, "mean", x=1.05)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("accuracy on the test pictures (%)")
