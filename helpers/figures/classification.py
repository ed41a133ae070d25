"""A small classifier: its pictures, its predictions, and what happens inside its funnels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from .condition import SIGNED, branch_rgb
from .panels import (
    FAINT,
    GREY,
    INK,
    ByName,
    Look,
    bare,
    draw_picture,
    frame,
    left_title,
    panel_row,
    styled,
    text_right_of,
)
from .style import COLOURS, LABELS, new_figure

RIGHT, WRONG = INK, GREY


def rgb(images: ArrayLike) -> NDArray[np.uint8]:
    """Pictures as matplotlib draws them: (..., 3, H, W) -> (..., H, W, 3).

    Introduced in notebook 03.
    """
    return np.moveaxis(np.asarray(images), -3, -1)


# --- pictures and predictions -----------------------------------------------------------------


@styled()
def pictures_by_class(
    images: ArrayLike, labels: ArrayLike, classes: Sequence[str], title: str = "", each: int = 5
) -> Figure:
    """The first `each` pictures of every class, one column per class.

    images: (N, 3, H, W) uint8; labels: (N,). A class with fewer pictures has an empty place.
    Introduced in notebook 03.
    """
    pictures, labels = rgb(images), np.asarray(labels)
    figure, grid = new_figure(each, len(classes), figsize=(11, 1.13 * each + 0.5))
    for axes in grid.flat:
        bare(axes)
    for column, name in enumerate(classes):
        for axes, picture in zip(grid[:, column], pictures[labels == column], strict=False):
            draw_picture(axes, picture)
        grid[0, column].set_title(name, fontsize=11)
    left_title(figure, title)
    return figure


@styled()
def predictions(
    images: ArrayLike,
    labels: ArrayLike,
    probabilities: ArrayLike,
    classes: Sequence[str],
    title: str = "",
    columns: int = 6,
) -> Figure:
    """Pictures with the three most probable classes below: the truth black, others grey.

    images: (N, 3, H, W) uint8; labels: (N,); probabilities: (N, C). Introduced in notebook 03.
    """
    pictures = rgb(images)
    lines = -(-len(pictures) // columns)
    shape: Look = {"figsize": (11, 2.75 * lines + 0.4), "height_ratios": [2.6, 1] * lines}
    figure, grid = new_figure(2 * lines, columns, squeeze=False, **shape)
    for axes in grid.flat:
        bare(axes)
    places = zip(grid[::2].flat, grid[1::2].flat, strict=True)
    found = zip(pictures, np.asarray(labels), np.asarray(probabilities), strict=True)
    for (above, below), (picture, label, probability) in zip(places, found, strict=False):
        draw_picture(above, picture)
        above.set_title(classes[label], fontsize=11)
        _three_best(below, probability, label, classes)
    left_title(figure, title)
    return figure


def _three_best(axes: Axes, probability: NDArray, truth: int, classes: Sequence[str]) -> None:
    best = np.argsort(-probability)[:3]
    for row, k in enumerate(best):
        colour = RIGHT if k == truth else WRONG
        text: Look = {"va": "center", "fontsize": 9, "color": colour}
        axes.barh(row, probability[k], height=0.75, color=colour, alpha=0.25)
        axes.text(0.02, row, classes[k], **text)
        axes.text(1, row, f"{probability[k]:.0%}", ha="right", **text)
    axes.set(xlim=(0, 1), ylim=(len(best) - 0.5, -0.5))


@styled()
def predictions_by_batch(
    picture: ArrayLike,
    batches: ByName,
    in_eval: ByName,
    classes: Sequence[str],
    title: str = "",
) -> Figure:
    """What networks predict for one picture in batch after batch, and in eval mode (ring).

    picture: (3, H, W) uint8; batches: activation -> probabilities (batches, C); in_eval: activation
    -> (C,). A bar holds the middle 90 % of the batches, the dash is their median.
    Introduced in notebook 03.
    """
    shape: Look = {"figsize": (11, 3.9), "width_ratios": [1.1, *[2.4] * len(batches)]}
    figure, (first, *panels) = new_figure(1, 1 + len(batches), **shape)
    draw_picture(first, rgb(picture))
    rows = np.arange(len(classes))
    for axes, (name, probabilities) in zip(panels, batches.items(), strict=True):
        low, middle, high = 100 * np.quantile(np.asarray(probabilities), (0.05, 0.5, 0.95), axis=0)
        colour = COLOURS[name]
        axes.barh(rows, high - low, left=low, height=0.5, color=colour, alpha=0.45)
        axes.plot(middle, rows, "|", color=colour, markersize=13, markeredgewidth=2.5)
        axes.plot(100 * np.asarray(in_eval[name]), rows, "o", color="black", fillstyle="none")
        axes.set(xlim=(-3, 103), ylim=(len(rows) - 0.5, -0.5), xlabel="probability (%)")
        axes.set_yticks(rows, classes if axes is panels[0] else [])
        axes.tick_params(axis="y", length=0)
        axes.set_title(LABELS[name], color=colour)
    left_title(figure, title)
    return figure


@styled()
def class_accuracy(
    scores: ByName, counts: ArrayLike, classes: Sequence[str], title: str = ""
) -> Figure:
    """Each class's accuracy with every activation, +-1 standard error; sorted by last minus first.

    scores: activation -> (C,) in 0..1; counts: (C,) test pictures of each class. Classes without a
    picture are left out. Introduced in notebook 03.
    """
    values, counts = np.array([*map(np.asarray, scores.values())], float), np.asarray(counts)
    order = np.argsort(values[-1] - values[0], kind="stable")
    order = order[counts[order] > 0]
    values, rows = 100 * values[:, order], np.arange(len(order))
    errors = np.sqrt(values * (100 - values) / counts[order])
    figure, axes = new_figure(figsize=(10, 0.42 * len(rows) + 1.4))
    axes.hlines(rows, values.min(0), values.max(0), color=FAINT, linewidth=1.5, zorder=1)
    shifts = 0.16 * (np.arange(len(scores)) - (len(scores) - 1) / 2)  # whiskers hide no other
    for name, dots, error, shift in zip(scores, values, errors, shifts, strict=True):
        look: Look = {"color": COLOURS[name], "markersize": 7, "clip_on": False, "zorder": 3}
        axes.errorbar(dots, rows + shift, xerr=error, fmt="o", **look)
        above: Look = {"xytext": (0, 9), "textcoords": "offset points", "ha": "center"}
        axes.annotate(LABELS[name], (dots[-1], rows[-1] + shift), color=COLOURS[name], **above)
    for row, change in enumerate(values[-1] - values[0]):
        text_right_of(axes, row, f"{change:+.1f}")
    text_right_of(axes, len(rows) - 0.2, "points")
    axes.set_yticks(rows, np.asarray(classes)[order])
    axes.tick_params(axis="y", length=0)
    axes.set(xlim=(0, 100), ylim=(-0.6, len(rows) - 0.1), xlabel="accuracy within the class (%)")
    axes.set_title(title, loc="left", pad=14)
    return figure


# --- inside the funnels ------------------------------------------------------------------------


@styled()
def windows_before_after(before: ByName, after: ByName, title: str = "") -> Figure:
    """Every window of every funnel, untrained above trained, on one scale with zero in white.

    before, after: funnel -> (channels, k, k). Introduced in notebook 03.
    """
    pairs = {name: (np.asarray(before[name]), np.asarray(after[name])) for name in before}
    limit = max(np.abs(both).max() for both in pairs.values())
    columns = max(len(windows) for windows, _ in pairs.values())
    shape: Look = {"figsize": (11, 1.4 * len(pairs) + 1), "width_ratios": [2.4, *[1] * columns]}
    heights = [1, 1, 0.2] * len(pairs)
    figure, grid = new_figure(len(heights), 1 + columns, height_ratios=heights, **shape)
    for axes in grid.flat:
        bare(axes)
    for place, (name, both) in enumerate(pairs.items()):  # each third line is a gap
        names = (f"{name} before", "after")
        for line, windows, when in zip(grid[3 * place :][:2], both, names, strict=True):
            _row_name(line[0], when)
            for axes, window in zip(line[1:], windows, strict=False):
                draw_picture(axes, window, cmap=SIGNED, norm=Normalize(-limit, limit))
                frame(axes)
    _signed_bar(figure, grid, limit)
    left_title(figure, title)
    return figure


def _row_name(axes: Axes, name: str) -> None:
    """Write a row's name into a cell of its own, so that it moves no picture."""
    bare(axes)
    axes.text(1, 0.5, name, transform=axes.transAxes, ha="right", va="center")


def _signed_bar(figure: Figure, grid: NDArray, limit: float) -> None:
    scale = ScalarMappable(Normalize(-limit, limit), SIGNED)
    place: Look = {"location": "bottom", "aspect": 60, "shrink": 0.5, "pad": 0.03}
    bar = figure.colorbar(scale, ax=grid, label="weight", **place)
    bar.set_ticks([-limit, 0, limit], labels=[f"{-limit:.2f}", "0", f"{limit:.2f}"])


@styled()
def funnel_at_work(
    picture: ArrayLike, x: ArrayLike, condition: ArrayLike, title: str = ""
) -> Figure:
    """One picture's channels x, their conditions T(x), and who wins: vermilion is T(x), grey is x.

    picture: (3, H, W) uint8; x, condition: (C, h, w), drawn on one scale.
    Introduced in notebook 03.
    """
    x, condition = np.asarray(x), np.asarray(condition)
    limit = np.quantile(np.abs([x, condition]), 0.99)
    signed: Look = {"cmap": SIGNED, "norm": Normalize(-limit, limit)}
    columns = 1 + len(x)
    figure, grid = new_figure(3, columns, figsize=(11, 11 / columns * 3 + 0.7))
    draw_picture(grid[0, 0], rgb(picture))
    for axes, name in zip(grid[1:, 0], ("T(x)", "who wins"), strict=True):
        _row_name(axes, name)
    for channel, (above, middle, below) in enumerate(grid[:, 1:].T):
        draw_picture(above, x[channel], **signed)
        above.set_title(f"channel {channel + 1}", fontsize=11)
        draw_picture(middle, condition[channel], **signed)
        draw_picture(below, branch_rgb(x[channel], condition[channel]))
        below.set_xlabel(f"T(x) wins {np.mean(condition[channel] > x[channel]):.0%}", fontsize=10)
    grid[0, 1].set_ylabel("x", rotation=0, ha="right", va="center")
    left_title(figure, title)
    return figure


@styled()
def winning_shares(funnel: ByName, zero: ByName, title: str = "") -> Figure:
    """In how many of 100 pixels T(x) beats x (dots), and in how many 0 would (dashes), by channel.

    funnel, zero: name -> (channels,) in 0..1. Introduced in notebook 03.
    """
    widths = [len(np.asarray(share)) + 2 for share in funnel.values()]
    figure, row = panel_row(funnel, 3.6, title, sharey=True, width_ratios=widths)
    for axes, name, share in row:
        wins, negative = 100 * np.asarray(share), 100 * np.asarray(zero[name])
        channel = np.arange(1, len(wins) + 1)
        axes.vlines(channel, wins, negative, color=FAINT, linewidth=1.5, zorder=1)
        dash: Look = {"markersize": 13, "markeredgewidth": 2.5, "clip_on": False}
        axes.plot(channel, negative, "_", color=COLOURS["relu"], **dash)
        axes.plot(channel, wins, "o", color=COLOURS["frelu"], markersize=8, clip_on=False)
        axes.set(title=name, xlabel="channel", ylim=(0, 100), xlim=(0.3, len(wins) + 0.7))
        axes.set_xticks(channel)
    row[0][0].set_ylabel("pixels (%)")
    return figure
