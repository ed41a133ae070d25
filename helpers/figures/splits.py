"""The data set's parts: how often each class occurs, and which sources are where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from .maps import HATCH, class_colour
from .panels import MIDDLE, WHITE_EDGE, ByName, Look, note, row_chart, styled
from .style import OKABE_ITO, new_figure

# Nine sources: neighbours in the sorted split far apart, the darkest for the rarest (source 4).
_ORDER = ("orange", "sky", "green", "yellow", "black", "blue", "purple", "grey", "vermilion")
_SOURCE_COLOURS = [(*to_rgb(OKABE_ITO[name]), 0.6) for name in _ORDER]


@styled()
def class_shares(shares: Mapping[str, float], title: str = "") -> Figure:
    """Bars of each class's share of all pixels (0 .. 1); "unknown", if it is there, hatched.

    Introduced in notebook 04.
    """
    figure, axes = row_chart(list(shares), (8.5, 0.38, 1), "share of all pixels (%)", title)
    for row, (name, share) in enumerate(shares.items()):
        if name == "unknown":
            axes.barh(row, 100 * share, color="white", edgecolor=HATCH, hatch="////")
        else:
            axes.barh(row, 100 * share, color=class_colour(name), edgecolor=class_colour(name))
        note(axes, f"{share:.1%}", (100 * share, row), (4, 0))
    return figure


@styled()
def sources_in_splits(
    counts: ByName,
    sources: Sequence[int],
    parts: Sequence[str] = ("train", "validation", "test"),
    title: str = "",
) -> Figure:
    """For each split, one bar per part: how many of its images come from which source.

    `counts` gives for each split's name an array (parts, sources) of images. A source that training
    never sees is hatched. Raises ValueError when an array has another shape.
    Introduced in notebook 04.
    """
    shape = (len(parts), len(sources))
    for name, table in counts.items():
        if np.shape(table) != shape:
            found = f"split '{name}' has shape {np.shape(table)}"
            raise ValueError(f"{found}: it must be (parts, sources) = {shape}")
    size = (11, 2 * len(counts) + 0.9)
    figure, axes = new_figure(len(counts), 1, figsize=size, squeeze=False, sharex=True)
    for panel, (name, table) in zip(axes[:, 0], counts.items(), strict=True):
        _draw_split(panel, np.asarray(table), sources)
        panel.set_yticks(range(len(parts)), parts)
        panel.tick_params(axis="y", length=0)
        panel.invert_yaxis()
        panel.set_title(name, loc="left")
    axes[-1, 0].set_xlabel("images; the number in a piece is its source")
    unseen = Patch(fc="white", ec="black", hatch="///", label="never seen in training")
    figure.legend(handles=[unseen], loc="outside upper right")
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def _draw_split(axes: Axes, table: NDArray, sources: Sequence[int]) -> None:
    seen: Look = {"edgecolor": "white", "linewidth": 0.8}
    unseen: Look = seen | {"edgecolor": "black", "hatch": "///"}
    for part, row in enumerate(table):
        left = 0
        for column in np.flatnonzero(row):
            images, look = row[column], seen if table[0, column] else unseen
            colour = _SOURCE_COLOURS[int(column) % len(_SOURCE_COLOURS)]
            axes.barh(part, images, left=left, color=colour, **look)
            if images >= 0.01 * table.sum(1).max():
                bold: Look = {"fontweight": "bold", "path_effects": WHITE_EDGE}
                axes.text(left + images / 2, part, str(sources[int(column)]), **bold, **MIDDLE)
            left += images
        note(axes, f"{left}", (left, part), (5, 0))
