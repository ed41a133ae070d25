"""Networks with swapped activations: where the funnels are, and what accuracy they gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from .panels import FAINT, MIDDLE, beside, left_title, styled
from .style import COLOURS, LABELS, OKABE_ITO, new_figure


@styled()
def placements(
    arms: Mapping[str, Sequence[str]],
    places: Sequence[str],
    scores: Mapping[str, ArrayLike],
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
        look = {"color": COLOURS[name], "linewidth": 0}
        axes.add_patch(Rectangle((place - 0.44, row - 0.28), 0.88, 0.56, **look))
        axes.text(place, row, LABELS[name], color="white", fontsize=9, **MIDDLE)


def _dots(axes: Axes, rows: NDArray, scores: NDArray) -> None:
    """One line per seed through all arms; the arms share their seeds, so the lines are paired."""
    axes.plot(scores, rows, "o-", color=OKABE_ITO["grey"], linewidth=0.8, markersize=6)
    for row, mean in zip(rows, scores.mean(1), strict=True):
        axes.plot([mean, mean], [row - 0.25, row + 0.25], color="black", linewidth=2.5)
        beside(axes, row, f"{mean:.1f}", x=1.05)
    beside(axes, rows.max() + 0.45, "mean", x=1.05)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("accuracy on the test pictures (%)")
