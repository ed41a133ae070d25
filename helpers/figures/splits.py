"""The data set's parts: how often each class occurs, and which sources are where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray

from .maps import _EDGE, _HATCH, _colour, _styled
from .style import OKABE_ITO, new_figure

# Nine sources: neighbours in the sorted split far apart, the darkest for the rarest (source 4).
_ORDER = ("orange", "sky", "green", "yellow", "black", "blue", "purple", "grey", "vermilion")
_SOURCE_COLOURS = [OKABE_ITO[name] for name in _ORDER]


# --- the data set ----------------------------------------------------------------------------


@_styled
def class_shares(shares: Mapping[str, float], title: str = "") -> Figure:
    """Bars of each class's share of all pixels (0 .. 1); "unknown", if it is there, hatched.

    Introduced in notebook 04.
    """
    figure, axes = new_figure(figsize=(8.5, 0.38 * len(shares) + 1))
    for row, (name, share) in enumerate(shares.items()):
        unknown = name == "unknown"
        axes.barh(
            row,
            100 * share,
            color="white" if unknown else _colour(name),
            edgecolor=_HATCH if unknown else _colour(name),
            hatch="////" if unknown else None,
        )
        axes.annotate(
            f"{share:.1%}", (100 * share, row), (4, 0), textcoords="offset points", va="center"
        )
    axes.set_yticks(range(len(shares)), list(shares))
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("share of all pixels (%)")
    axes.set_title(title, loc="left")
    return figure


@_styled
def sources_in_splits(
    counts: Mapping[str, ArrayLike],
    sources: Sequence[int],
    parts: Sequence[str] = ("train", "validation", "test"),
    title: str = "",
) -> Figure:
    """For each split, one bar per part: how many of its images come from which source.

    `counts` gives for each split's name an array (parts, sources) of images. A source that training
    never sees is hatched. Raises ValueError when an array has another shape.

    Introduced in notebook 04.
    """
    for name, table in counts.items():
        if np.shape(table) != (len(parts), len(sources)):
            raise ValueError(
                f"split '{name}' has shape {np.shape(table)}: "
                f"it must be (parts, sources) = {(len(parts), len(sources))}"
            )
    figure, axes = new_figure(
        len(counts), 1, figsize=(11, 2 * len(counts) + 0.9), squeeze=False, sharex=True
    )
    for panel, (name, table) in zip(axes[:, 0], counts.items(), strict=True):
        _draw_split(panel, np.asarray(table), sources)
        panel.set_yticks(range(len(parts)), parts)
        panel.set_title(name, loc="left")
    axes[-1, 0].set_xlabel("images; the number in a piece is its source")
    unseen = Patch(
        facecolor="white", edgecolor="black", hatch="///", label="never seen in training"
    )
    figure.legend(handles=[unseen], loc="outside upper right")
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def _draw_split(axes: Axes, table: NDArray, sources: Sequence[int]) -> None:
    for part, row in enumerate(table):
        left = 0
        for column in np.flatnonzero(row):
            images = row[column]
            unseen = table[0, column] == 0
            axes.barh(
                part,
                images,
                left=left,
                color=(*to_rgb(_SOURCE_COLOURS[column % len(_SOURCE_COLOURS)]), 0.6),
                edgecolor="black" if unseen else "white",
                hatch="///" if unseen else None,
                linewidth=0.8,
            )
            if images >= 0.01 * table.sum(1).max():
                axes.text(
                    left + images / 2,
                    part,
                    sources[column],
                    ha="center",
                    va="center",
                    fontweight="bold",
                    path_effects=_EDGE,
                )
            left += images
        axes.annotate(f"{left}", (left, part), (5, 0), textcoords="offset points", va="center")
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
