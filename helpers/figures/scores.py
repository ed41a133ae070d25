"""Scores: the confusion matrix, IoU by class and by image, one score by several rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import ArrayLike

from .maps import REGIONS, class_colour
from .panels import (
    FAINT,
    MIDDLE,
    ByName,
    Look,
    Point,
    arrow,
    note,
    row_chart,
    styled,
)
from .style import COLOURS, LABELS, new_figure


@styled()
def confusion_heatmap(matrix: ArrayLike, classes: Sequence[str], title: str = "") -> Figure:
    """Of 100 pixels (or pictures) of the row's class, how many got the column's name.

    `matrix` is (C, C) counts with the truth in rows; a class without truth has an empty row.
    Raises ValueError when the shape does not fit the classes. Introduced in notebook 03.
    """
    counts = np.asarray(matrix, dtype=float)
    size = len(classes)
    if counts.shape != (size, size):
        raise ValueError(f"{size} classes need a ({size}, {size}) matrix; this is {counts.shape}")
    total = counts.sum(1, keepdims=True)
    share = np.divide(100 * counts, total, out=np.full_like(counts, np.nan), where=total > 0)
    figure, axes = new_figure(figsize=(0.64 * size + 2.2, 0.5 * size + 1.9))
    axes.imshow(share, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for (y, x), value in np.ndenumerate(share):
        if value >= 0.5:
            axes.text(x, y, f"{value:.0f}", color="white" if value > 65 else "black", **MIDDLE)
    for y in np.flatnonzero(total == 0):
        axes.text((size - 1) / 2, y, "none in the truth", color="#777777", **MIDDLE)
    axes.set_yticks(range(size), classes)
    axes.set_xticks(range(size), classes, rotation=40, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(ylabel="truth", xlabel="prediction (% of the truth's row)")
    axes.set_title(title, loc="left")
    return figure


@styled()
def scored_in_ways(scores: Mapping[str, float], title: str = "") -> Figure:
    """The same predictions scored in N ways: a dot each, and how far it is from the first.

    `scores` lie in 0 .. 1 and are drawn in %; the first is the one that the others are compared
    with. Introduced in notebook 05.
    """
    values = [100 * value for value in scores.values()]
    first = values[0]
    xlabel = "score (%); in brackets: points away from the first"
    figure, axes = row_chart(list(scores), (10, 0.5, 1.1), xlabel, title)
    axes.axvline(first, color="black", linestyle=":", linewidth=1)
    for row, value in enumerate(values):
        change = _rounded(value - first)
        axes.plot([first, value], [row, row], color=FAINT, linewidth=3)
        axes.plot(value, row, "o", color="black", markersize=9)
        text = f"{value:.1f}  ({change:+.1f})" if row else f"{value:.1f}"
        note(axes, text, (max(value, first), row), (9, 0))
    axes.set_xlim(min(0, *values), 1.18 * max(*values, 1))
    return figure


def _rounded(change: float) -> float:
    return round(change, 1) + 0.0  # never "-0.0"


@styled()
def split_by_metric(
    table: ArrayLike, splits: Sequence[str], metrics: Sequence[str], title: str = ""
) -> Figure:
    """Four numbers as a picture: two splits (rows) x two metrics (columns), and what each changes.

    `table` is (2, 2) scores in 0 .. 1, drawn in %; else ValueError. Introduced in notebook 05.
    """
    table = 100 * np.asarray(table, dtype=float)
    if table.shape != (2, 2):
        raise ValueError(f"split_by_metric draws 2 splits x 2 metrics; this table is {table.shape}")
    figure, axes = new_figure(figsize=(8.2, 4.4))
    for (row, column), value in np.ndenumerate(table):
        shade = colormaps["Blues"](0.1 + 0.45 * np.clip(value, 0, 100) / 100)
        axes.add_patch(Rectangle((1.6 * column, 1.6 * row), 1, 1, facecolor=shade))
        axes.text(1.6 * column + 0.5, 1.6 * row + 0.5, f"{value:.1f} %", fontsize=20, **MIDDLE)
    for side, middle in enumerate((0.5, 2.1)):
        across, down = table[side, 1] - table[side, 0], table[1, side] - table[0, side]
        arrow(axes, (1.02, middle), (1.58, middle), size=14, color="#777777")
        arrow(axes, (middle, 1.02), (middle, 1.58), size=14, color="#777777")
        _write_change(axes, (1.3, middle), (0, 5), across, ha="center", va="bottom")
        _write_change(axes, (middle, 1.3), (6, 0), down)
        axes.text(-0.08, middle, splits[side], ha="right", va="center", fontsize=12)
        axes.text(middle, -0.08, metrics[side], ha="center", va="bottom", fontsize=12)
    axes.set(xlim=(-0.85, 2.62), ylim=(2.62, -0.35), title=title)
    axes.axis("off")
    return figure


def _write_change(axes: Axes, at: Point, offset: Point, change: float, **look: str) -> None:
    note(axes, f"{_rounded(change):+.1f}", at, offset, fontsize=12, fontweight="bold", **look)


@styled()
def iou_bars(scores: ByName, classes: Sequence[str] = REGIONS, title: str = "") -> Figure:
    """IoU of each class by one or more rules, and their means: one group of bars per class.

    `scores` gives for each rule (C,) values in 0 .. 1, drawn in %. NaN is an absent class, left out
    of the mean; the article's -1 for a class that never occurs is said in words and averaged.
    Raises ValueError when a rule has another number of classes. Introduced in notebook 05.
    """
    for name, found in scores.items():
        if np.shape(found) != (len(classes),):
            raise ValueError(
                f"'{name}' has shape {np.shape(found)}: pass one IoU per class, ({len(classes)},)"
            )
    thick = 0.8 / len(scores)
    colours = [*map(class_colour, classes), "black"]
    size = (9, 0.2 + 0.24 * len(scores), 1)
    figure, axes = row_chart([*classes, "mean"], size, "IoU (%)", title)
    axes.set_xlim(0, 108)
    axes.get_yticklabels()[-1].set_fontweight("bold")
    for series, found in enumerate(scores.values()):
        values = 100 * np.asarray(found, dtype=float)
        mean = np.nanmean(values) if (~np.isnan(values)).any() else np.nan
        for row, (value, colour) in enumerate(zip((*values, mean), colours, strict=True)):
            y = row + (series + 0.5) * thick - 0.4
            _iou_bar(axes, y, value, thick, (*to_rgb(colour), 0.25 if series else 1.0))
    if len(scores) > 1:
        handles = [
            Patch(facecolor=(0, 0, 0, 0.25 if series else 1), edgecolor="black", label=name)
            for series, name in enumerate(scores)
        ]
        figure.legend(handles=handles, loc="outside upper right", ncols=len(scores))
    return figure


def _iou_bar(axes: Axes, y: float, value: float, thick: float, face: tuple[float, ...]) -> None:
    """One bar with its number, or the words that stand for it."""
    if np.isnan(value):
        axes.text(1, y, "absent", va="center", fontsize=9, color="#777777")
    elif value == -100:
        words = "never occurs, and counts as -100"
        axes.text(1, y, words, va="center", fontsize=9)
    else:
        axes.barh(y, value, height=0.9 * thick, color=face, edgecolor=face[:3])
        note(axes, f"{value:.1f}", (max(value, 0), y), (4, 0), fontsize=9)


@styled()
def iou_by_image(table: ArrayLike, classes: Sequence[str] = REGIONS, title: str = "") -> Figure:
    """A column for each image, a row for each class, the IoU as colour; absent classes stay white.

    `table` is (N, C) IoU in 0 .. 1, drawn in %, with NaN where neither truth nor prediction has the
    class. Images are sorted by the mean of their column. On the right: how many images each class
    is in. Raises ValueError when the shape does not fit the classes. Introduced in notebook 05.
    """
    table = 100 * np.asarray(table, dtype=float)
    if table.ndim != 2 or table.shape[1] != len(classes):
        raise ValueError(
            f"{len(classes)} classes need a (N, {len(classes)}) table; this is {table.shape}"
        )
    filled = ~np.isnan(table)
    means = np.where(filled, table, 0).sum(1) / filled.sum(1).clip(min=1)
    figure, axes = new_figure(figsize=(11, 0.36 * len(classes) + 1.4))
    picture = np.ma.masked_invalid(table[np.argsort(-means, kind="stable")].T)
    scale: Look = {"cmap": "cividis", "vmin": 0, "vmax": 100}
    drawn = axes.imshow(picture, aspect="auto", interpolation="nearest", **scale)
    axes.hlines(np.arange(1, len(classes)) - 0.5, -0.5, len(table) - 0.5, "white", linewidth=2)
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for row, count in enumerate(filled.sum(0)):
        text = f"{count} image{'' if count == 1 else 's'}"
        note(axes, text, (1, row), (6, 0), xycoords=("axes fraction", "data"))
    axes.set_xlabel(f"{len(table)} images, from the best mean to the worst; white: no such class")
    bar = figure.colorbar(drawn, pad=0.07, aspect=14, label="IoU (%)")
    bar.outline.set_visible(False)
    axes.set_title(title, loc="left")
    return figure


@styled()
def beside_article(
    article: Mapping[str, tuple[float, float]], measured: Mapping[str, float], title: str = ""
) -> Figure:
    """An article's mean and maximum for each activation, above scores measured here.

    `article` holds (mean, maximum) and `measured` one score each, in 0 .. 1, drawn in %. The
    mean is the dot, the bar ends at the maximum. Introduced in notebook 05.
    """
    names = [*(f"article, {LABELS[name]}" for name in article), *measured]
    figure, axes = row_chart(names, (10, 0.45, 1.2), "mean IoU (%)", title)
    for row, (name, pair) in enumerate(article.items()):
        (mean, most), colour = 100 * np.asarray(pair), COLOURS[name]
        axes.plot([mean, most], [row, row], color=colour, linewidth=5, alpha=0.5)
        axes.plot(mean, row, "o", color=colour, markersize=9)
        note(axes, f"{mean:.1f}, at most {most:.1f}", (most, row), (9, 0), color=colour)
    here = 100 * np.array(list(measured.values()))
    for row, value in enumerate(here, len(article)):
        axes.plot(value, row, "D", color="black", markersize=8)
        note(axes, f"{value:.1f}", (value, row), (9, 0))
    axes.axhline(len(article) - 0.5, color=FAINT, linewidth=1)
    highest = max(*(100 * most for _, most in article.values()), *here)
    axes.set_xlim(min(0, *here), 1.2 * highest)
    return figure
