"""The cost of a funnel: time over bytes, what is kept for backward, and the price by level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from .panels import GREY, MIDDLE, Look, panel_row, text_right_of
from .style import COLOURS, LABELS, OKABE_ITO, label_line, new_figure

NAMES = {
    "relu": LABELS["relu"],
    "mish": LABELS["mish"],
    "copied": "FReLU, copied",
    "fast": "FReLU, fast",
}
_LINES: dict[str, Look] = {
    "relu": {"color": COLOURS["relu"], "marker": "o"},
    "mish": {"color": COLOURS["mish"], "marker": "s", "linestyle": "--"},
    "copied": {"color": COLOURS["frelu"], "marker": "X", "linestyle": ":"},
    "fast": {"color": COLOURS["frelu"], "marker": "D"},
}
_BLOCKS = {"x": "#9DC9E6", "y": "#BFD9A8", "conv(x)": "#F3C98B", "T(x)": "#EFA58A"}
_WORKS = {"training": "forward and backward", "inference": "inference"}


def times_in_copies(
    machines: Mapping[str, Sequence[Mapping[str, Any]]], floors: Mapping[str, Mapping[str, float]]
) -> Figure:
    """Time over the size of the tensor, in copies of that tensor: a row for each machine.

    machines: label -> records as `evaluation.timing.over_shapes` gives them; floors: work ->
    name -> the least number of copies. Introduced in notebook 07.
    """
    shape: Look = {"figsize": (11, 4.3 * len(machines)), "sharey": True, "sharex": True}
    figure, grid = new_figure(len(machines), 2, squeeze=False, **shape)
    for line, (label, records) in zip(grid, machines.items(), strict=True):
        for axes, (work, title) in zip(line, _WORKS.items(), strict=True):
            _draw_copies(axes, records, work, floors[work])
            axes.set_title(f"{label}: {title}")
        line[0].set_ylabel("time, in copies of the tensor")
    for axes in grid[-1]:
        axes.set_xlabel("size of the tensor, MB")
    return figure


def _draw_copies(
    axes: Axes, records: Sequence[Mapping[str, Any]], work: str, floors: Mapping[str, float]
) -> None:
    megabytes = np.array([record["megabytes"] for record in records])
    axes.set(xscale="log", yscale="log", xlim=(megabytes.min() / 1.3, megabytes.max() * 3.5))
    axes.set_xticks(megabytes, [f"{size:.2g}" for size in megabytes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda copies, _: f"{copies:g}"))
    for copies in set(floors.values()):
        axes.axhline(copies, color=OKABE_ITO["grey"], linewidth=1.2, linestyle=(0, (1, 2)))
        whose = ", ".join(LABELS[name] for name in floors if floors[name] == copies)
        text_right_of(axes, copies, f"floor: {whose}", x=1.01, fontsize=8.5, color=GREY)
    last = megabytes.argmax()
    ends = []
    for name, look in _LINES.items():
        times = np.array([record[work][name] / record[work]["copy"] for record in records])
        axes.plot(megabytes, times, markersize=5, **look)
        ends.append((times[last], name))
    _label_ends(axes, megabytes[last], ends)


def _label_ends(axes: Axes, x: float, ends: list[tuple[float, str]]) -> None:
    """Names beside the lines' ends, pushed upwards where two would overlap."""
    below = 0.0
    for y, name in sorted(ends):
        below = max(y, 1.35 * below)
        label_line(axes, x * 1.05, below, NAMES[name], _LINES[name]["color"])


def kept_tensors(kept: Mapping[str, Sequence[tuple[str, float]]], unit: float) -> Figure:
    """What is kept for backward, as blocks: a bar for each layer, a block for each tensor.

    kept: layer -> (name of the tensor, MB) of each; unit: MB of x. Blocks under a twentieth of x
    are drawn without their names. Introduced in notebook 07.
    """
    figure, axes = new_figure(figsize=(10, 0.75 * len(kept) + 1.1))
    for row, tensors in enumerate(kept.values()):
        left = 0.0
        for name, megabytes in tensors:
            width = megabytes / unit
            colour = _BLOCKS.get(name, OKABE_ITO["grey"])
            axes.barh(row, width, left=left, height=0.62, color=colour, edgecolor="white")
            if width > 0.05:
                axes.text(left + width / 2, row, name, **MIDDLE)
            left += width
    axes.set_yticks(range(len(kept)), list(kept))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.invert_yaxis()
    axes.set(xlabel="bytes kept for backward, in tensors of x's size", xlim=(0, None))
    return figure


def price_by_level(levels: Sequence[str], shares: Mapping[str, np.ndarray]) -> Figure:
    """How each price of a funnel is spread over the levels: a panel for each price.

    levels: names, from the first to the deepest; shares: price -> one number for each level, which
    sum to 1. Introduced in notebook 07.
    """
    figure, row = panel_row(shares, 3.2, sharey=True)
    for axes, price, share in row:
        bars = axes.barh(range(len(levels)), share, color=COLOURS["frelu"], height=0.7)
        axes.bar_label(bars, [f"{value:.0%}" for value in share], padding=3, fontsize=9)
        axes.set(title=price, xlim=(0, 1.25 * max(share)))
        axes.xaxis.set_major_locator(NullLocator())
        axes.spines["bottom"].set_visible(False)
    row[0][0].set_yticks(range(len(levels)), levels)
    row[0][0].invert_yaxis()
    return figure
