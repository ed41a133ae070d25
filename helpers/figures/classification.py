"""The room where a small classifier is looked at: its pictures, its answers and its funnels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from .condition import branch_rgb
from .style import COLOURS, LABELS, OKABE_ITO, RC, label_line, new_figure

# Zero is white; both ends are the series' colours and equally strong.
DIVERGING = LinearSegmentedColormap.from_list(
    "diverging", [OKABE_ITO["blue"], "#FFFFFF", OKABE_ITO["vermilion"]]
)
RIGHT, WRONG, FAINT = "#1A1A1A", OKABE_ITO["vermilion"], "#BBBBBB"
_styled = plt.rc_context(RC)  # text takes its size when it is written, not when the figure is made


def rgb(images: ArrayLike) -> NDArray[np.uint8]:
    """Pictures as matplotlib draws them: (..., 3, H, W) -> (..., H, W, 3).

    Introduced in notebook 03.
    """
    return np.moveaxis(np.asarray(images), -3, -1)


def _bare(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


# --- the data ----------------------------------------------------------------------------------


@_styled
def pictures_by_class(
    images: ArrayLike, labels: ArrayLike, classes: Sequence[str], title: str = "", each: int = 5
) -> Figure:
    """The first `each` pictures of every class, one column per class.

    images: (N, 3, H, W) uint8; labels: (N,). A class with fewer pictures has an empty place.
    Introduced in notebook 03.
    """
    pictures, labels = rgb(images), np.asarray(labels)
    figure, grid = new_figure(each, len(classes), figsize=(11, 1.13 * each + 0.5))
    for column, name in enumerate(classes):
        grid[0, column].set_title(name, fontsize=11)
        chosen = np.flatnonzero(labels == column)[:each]
        for axes in grid[:, column]:
            _bare(axes)
        for axes, index in zip(grid[:, column], chosen, strict=False):
            axes.imshow(pictures[index], interpolation="nearest")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    return figure


# --- training and its result -------------------------------------------------------------------


@_styled
def learning(
    losses: Mapping[str, Sequence[float]], scores: Mapping[str, Sequence[float]], title: str = ""
) -> Figure:
    """Loss (left) and accuracy (right) after 0, 1, 2, ... epochs, one line per activation.

    losses, scores: activation -> one value per epoch, the untrained network first; scores lie in
    0..1 and are drawn in %. Introduced in notebook 03.
    """
    figure, (left, right) = new_figure(1, 2, figsize=(11, 3.8))
    for axes, curves, scale in ((left, losses, 1), (right, scores, 100)):
        for name, values in curves.items():
            epochs, heights = np.arange(len(values)), scale * np.asarray(values)
            axes.plot(epochs, heights, "o-", color=COLOURS[name])
            label_line(axes, epochs[-1], heights[-1], f" {LABELS[name]}", COLOURS[name])
        axes.set(xlabel="epochs trained", ylim=(0, None))
        axes.set_xlim(-0.1, 1.16 * epochs[-1] + 0.05)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set_ylabel("mean loss on the test pictures")
    right.set_ylabel("accuracy on the test pictures (%)")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    return figure


def class_accuracy(
    scores: Mapping[str, ArrayLike], counts: ArrayLike, classes: Sequence[str], title: str = ""
) -> Figure:
    """Each class's accuracy with every activation, +-1 standard error; sorted by last minus first.

    scores: activation -> (C,) in 0..1; counts: (C,) test pictures of each class. Classes without a
    picture are left out. Introduced in notebook 03.
    """
    values = np.stack([np.asarray(score, dtype=float) for score in scores.values()])
    counts = np.asarray(counts, dtype=float)
    there = np.flatnonzero(counts > 0)
    order = there[np.argsort((values[-1] - values[0])[there], kind="stable")]
    values, counts = 100 * values[:, order], counts[order]
    errors = np.sqrt(values * (100 - values) / counts)
    return _class_dots(list(scores), values, errors, [classes[i] for i in order], title)


@_styled
def _class_dots(
    names: Sequence[str], values: NDArray, errors: NDArray, classes: Sequence[str], title: str
) -> Figure:
    """values, errors: (activations, C) in %, from the lowest row to the top one."""
    rows = np.arange(len(classes))
    figure, axes = new_figure(figsize=(10, 0.42 * len(classes) + 1.4))
    axes.hlines(rows, values.min(0), values.max(0), color=FAINT, linewidth=1.5, zorder=1)
    for name, dots, error, shift in zip(names, values, errors, _apart(len(names)), strict=True):
        dot = {"color": COLOURS[name], "markersize": 7, "clip_on": False, "zorder": 3}
        axes.errorbar(dots, rows + shift, xerr=error, fmt="o", **dot)
        above = {"xytext": (0, 9), "textcoords": "offset points", "ha": "center"}
        axes.annotate(LABELS[name], (dots[-1], rows[-1] + shift), color=COLOURS[name], **above)
    beside = {"transform": axes.get_yaxis_transform(), "va": "center"}
    for y, change in zip(rows, values[-1] - values[0], strict=True):
        axes.text(1.03, y, f"{change:+.1f}", **beside)
    axes.text(1.03, len(rows) - 0.2, "points", **beside)
    axes.set_yticks(rows, classes)
    axes.tick_params(axis="y", length=0)
    axes.set(xlim=(0, 100), ylim=(-0.6, len(rows) - 0.1), xlabel="accuracy within the class (%)")
    axes.set_title(title, loc="left", pad=14)
    return figure


def _apart(count: int) -> NDArray:
    """Shifts that keep the whiskers of one row from hiding each other."""
    return 0.16 * (np.arange(count) - (count - 1) / 2)


@_styled
def company(
    picture: ArrayLike,
    answers: Mapping[str, ArrayLike],
    alone: Mapping[str, ArrayLike],
    classes: Sequence[str],
    title: str = "",
) -> Figure:
    """What networks say of one picture in batch after batch, and in eval mode (ring).

    picture: (3, H, W) uint8; answers: activation -> probabilities (batches, C); alone: activation
    -> (C,). A bar holds the middle 90 % of the batches, the dash is their median.
    Introduced in notebook 03.
    """
    widths = {"width_ratios": [1.1, *[2.4] * len(answers)]}
    figure, (shown, *panels) = new_figure(
        1, 1 + len(answers), figsize=(11, 3.9), gridspec_kw=widths
    )
    shown.imshow(rgb(picture), interpolation="nearest")
    _bare(shown)
    rows = np.arange(len(classes))
    for axes, (name, probabilities) in zip(panels, answers.items(), strict=True):
        low, middle, high = 100 * np.quantile(np.asarray(probabilities), (0.05, 0.5, 0.95), axis=0)
        colour = COLOURS[name]
        axes.barh(rows, high - low, left=low, height=0.5, color=colour, alpha=0.45)
        axes.plot(middle, rows, "|", color=colour, markersize=13, markeredgewidth=2.5)
        axes.plot(100 * np.asarray(alone[name]), rows, "o", color="black", fillstyle="none")
        axes.set(xlim=(-3, 103), ylim=(len(rows) - 0.5, -0.5), xlabel="probability (%)")
        axes.set_yticks(rows, classes if axes is panels[0] else [])
        axes.tick_params(axis="y", length=0)
        axes.set_title(LABELS[name], color=colour)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    return figure


@_styled
def predictions(
    images: ArrayLike,
    labels: ArrayLike,
    probabilities: ArrayLike,
    classes: Sequence[str],
    title: str = "",
    columns: int = 6,
) -> Figure:
    """Pictures with the three most probable classes below: the truth black, others vermilion.

    images: (N, 3, H, W) uint8; labels: (N,); probabilities: (N, C). Introduced in notebook 03.
    """
    pictures, labels = rgb(images), np.asarray(labels)
    lines = -(-len(pictures) // columns)
    heights = {"height_ratios": [2.6, 1] * lines}
    size = (11, 2.75 * lines + 0.4)
    figure, grid = new_figure(2 * lines, columns, figsize=size, squeeze=False, gridspec_kw=heights)
    for axes in grid.flat:
        _bare(axes)
    for index, picture in enumerate(pictures):
        line, column = divmod(index, columns)
        above, below = grid[2 * line : 2 * line + 2, column]
        above.imshow(picture, interpolation="nearest")
        above.set_title(classes[labels[index]], fontsize=11)
        _three_best(below, np.asarray(probabilities)[index], int(labels[index]), classes)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    return figure


def _three_best(axes: Axes, probability: NDArray, truth: int, classes: Sequence[str]) -> None:
    best = np.argsort(-probability)[:3]
    for row, k in enumerate(best):
        colour = RIGHT if k == truth else WRONG
        axes.barh(row, probability[k], height=0.75, color=colour, alpha=0.25)
        axes.text(0.02, row, classes[k], va="center", fontsize=9, color=colour)
        axes.text(
            1, row, f"{probability[k]:.0%}", va="center", ha="right", fontsize=9, color=colour
        )
    axes.set(xlim=(0, 1), ylim=(len(best) - 0.5, -0.5))


# --- inside the funnels ------------------------------------------------------------------------


@_styled
def windows_before_after(
    before: Mapping[str, ArrayLike], after: Mapping[str, ArrayLike], title: str = ""
) -> Figure:
    """Every window of every funnel, untrained above trained, on one scale with zero in white.

    before, after: funnel -> (channels, k, k). Introduced in notebook 03.
    """
    pairs = {name: (np.asarray(before[name]), np.asarray(after[name])) for name in before}
    limit = max(np.abs(both).max() for both in pairs.values())
    columns = max(len(windows) for windows, _ in pairs.values())
    ratios = {"width_ratios": [2.4, *[1] * columns], "height_ratios": [1, 1, 0.2] * len(pairs)}
    size = (11, 1.4 * len(pairs) + 1)
    figure, grid = new_figure(3 * len(pairs), 1 + columns, figsize=size, gridspec_kw=ratios)
    for (name, both), lines in zip(pairs.items(), grid.reshape(-1, 3, 1 + columns), strict=True):
        for line, windows in zip(lines, (*both, ()), strict=True):  # the third is a gap
            _window_row(line[1:], windows, Normalize(-limit, limit))
        for line, when in zip(lines, (f"{name} before", "after", ""), strict=True):
            _row_name(line[0], when)
    _diverging_bar(figure, grid, limit)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    return figure


def _window_row(line: Sequence[Axes], windows: NDArray, scale: Normalize) -> None:
    for axes in line:
        _bare(axes)
    for axes, window in zip(line, windows, strict=False):
        axes.imshow(window, cmap=DIVERGING, norm=scale, interpolation="nearest")
        axes.spines[:].set(visible=True, color=FAINT)


def _row_name(axes: Axes, name: str) -> None:
    """Write a row's name into a cell of its own, so that it moves no picture."""
    _bare(axes)
    axes.text(1, 0.5, name, transform=axes.transAxes, ha="right", va="center")


def _diverging_bar(figure: Figure, grid: NDArray, limit: float) -> None:
    scale = ScalarMappable(Normalize(-limit, limit), DIVERGING)
    place = {"location": "bottom", "aspect": 60, "shrink": 0.5, "pad": 0.03}
    bar = figure.colorbar(scale, ax=grid, label="weight", **place)
    bar.set_ticks([-limit, 0, limit], labels=[f"{-limit:.2f}", "0", f"{limit:.2f}"])


@_styled
def funnel_at_work(
    picture: ArrayLike, x: ArrayLike, condition: ArrayLike, title: str = ""
) -> Figure:
    """One picture's channels x, their conditions T(x), and who wins: vermilion is T(x), grey is x.

    picture: (3, H, W) uint8; x, condition: (C, h, w), drawn on one scale.
    Introduced in notebook 03.
    """
    x, condition = np.asarray(x), np.asarray(condition)
    limit = np.quantile(np.abs([x, condition]), 0.99)
    signed = {"cmap": DIVERGING, "norm": Normalize(-limit, limit), "interpolation": "nearest"}
    columns = 1 + len(x)
    figure, grid = new_figure(3, columns, figsize=(11, 11 / columns * 3 + 0.7))
    for axes, name in zip(grid[:, 0], ("", "T(x)", "who wins"), strict=True):
        _row_name(axes, name)
    grid[0, 0].imshow(rgb(picture), interpolation="nearest")
    grid[0, 1].set_ylabel("x", rotation=0, ha="right", va="center")
    for channel, (above, middle, below) in enumerate(grid[:, 1:].T):
        for axes in (above, middle, below):
            _bare(axes)
        above.imshow(x[channel], **signed)
        above.set_title(f"channel {channel + 1}", fontsize=11)
        middle.imshow(condition[channel], **signed)
        below.imshow(branch_rgb(x[channel], condition[channel]), interpolation="nearest")
        below.set_xlabel(f"T(x) wins {np.mean(condition[channel] > x[channel]):.0%}", fontsize=10)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    return figure


@_styled
def winning_shares(
    funnel: Mapping[str, ArrayLike], zero: Mapping[str, ArrayLike], title: str = ""
) -> Figure:
    """In how many of 100 pixels T(x) beats x (dots), and in how many 0 would (dashes), by channel.

    funnel, zero: name -> (channels,) in 0..1. Introduced in notebook 03.
    """
    widths = {"width_ratios": [len(np.asarray(share)) + 2 for share in funnel.values()]}
    figure, panels = new_figure(
        1, len(funnel), figsize=(11, 3.6), sharey=True, squeeze=False, gridspec_kw=widths
    )
    for axes, (name, share) in zip(panels[0], funnel.items(), strict=True):
        wins, negative = 100 * np.asarray(share), 100 * np.asarray(zero[name])
        channel = np.arange(1, len(wins) + 1)
        axes.vlines(channel, wins, negative, color=FAINT, linewidth=1.5, zorder=1)
        dash = {"markersize": 13, "markeredgewidth": 2.5, "clip_on": False}
        axes.plot(channel, negative, "_", color=COLOURS["relu"], **dash)
        axes.plot(channel, wins, "o", color=COLOURS["frelu"], markersize=8, clip_on=False)
        axes.set(title=name, xlabel="channel", ylim=(0, 100), xlim=(0.3, len(wins) + 0.7))
        axes.set_xticks(channel)
    panels[0, 0].set_ylabel("pixels (%)")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    return figure
