"""The room where label maps become pictures: scenes, splits, the U-Net's shape, and its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Patch, Rectangle
from numpy.typing import ArrayLike

from .maps import _FAINT, REGIONS, _colour, _styled
from .style import COLOURS, LABELS, OKABE_ITO, new_figure


@_styled
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
    for y, x in np.ndindex(share.shape):
        if share[y, x] >= 0.5:
            colour = "white" if share[y, x] > 65 else "black"
            axes.text(x, y, f"{share[y, x]:.0f}", ha="center", va="center", color=colour)
    for y in np.flatnonzero(total == 0):
        axes.text((size - 1) / 2, y, "none in the truth", ha="center", va="center", color="#777777")
    axes.set_yticks(range(size), classes)
    axes.set_xticks(range(size), classes, rotation=40, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_ylabel("truth")
    axes.set_xlabel("prediction (% of the truth's row)")
    axes.set_title(title, loc="left")
    return figure


@_styled
def scored_in_ways(scores: Mapping[str, float], title: str = "") -> Figure:
    """The same predictions scored in N ways: a dot each, and how far it is from the first.

    `scores` lie in 0 .. 1 and are drawn in %; the first is the one that the others are compared
    with. Introduced in notebook 05.
    """
    names, values = list(scores), [100 * value for value in scores.values()]
    figure, axes = new_figure(figsize=(10, 0.5 * len(names) + 1.1))
    axes.axvline(values[0], color="black", linestyle=":", linewidth=1)
    for row, value in enumerate(values):
        change = round(value - values[0], 1) + 0.0  # never "-0.0"
        colour = "black" if row == 0 else OKABE_ITO["vermilion" if change < 0 else "blue"]
        axes.plot([values[0], value], [row, row], color=colour, linewidth=3, alpha=0.5)
        axes.plot(value, row, "o", color=colour, markersize=9)
        text = f"{value:.1f}" if row == 0 else f"{value:.1f}  ({change:+.1f})"
        axes.annotate(
            text,
            (max(value, values[0]) if row else value, row),
            (9, 0),
            textcoords="offset points",
            va="center",
            color=colour,
        )
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(min(0, *values), 1.18 * max(*values, 1))
    axes.set_xlabel("score (%); in brackets: points away from the first")
    axes.set_title(title, loc="left")
    return figure


@_styled
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
    for row, column in np.ndindex(2, 2):
        value = table[row, column]
        shade = plt.get_cmap("Blues")(0.1 + 0.45 * np.clip(value, 0, 100) / 100)
        axes.add_patch(Rectangle((1.6 * column, 1.6 * row), 1, 1, facecolor=shade))
        centre = (1.6 * column + 0.5, 1.6 * row + 0.5)
        axes.text(*centre, f"{value:.1f} %", ha="center", va="center", fontsize=20)
    for side in (0, 1):
        middle = 1.6 * side + 0.5
        _difference(axes, (1.02, middle), (1.58, middle), table[side, 1] - table[side, 0])
        _difference(axes, (middle, 1.02), (middle, 1.58), table[1, side] - table[0, side])
        axes.text(-0.08, middle, splits[side], ha="right", va="center", fontsize=12)
        axes.text(middle, -0.08, metrics[side], ha="center", va="bottom", fontsize=12)
    axes.set_xlim(-0.85, 2.62)
    axes.set_ylim(2.62, -0.35)
    axes.axis("off")
    axes.set_title(title)
    return figure


def _difference(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], change: float
) -> None:
    """An arrow from tile to tile with its points of change."""
    change = round(change, 1) + 0.0  # never "-0.0"
    axes.add_patch(
        FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=14, color="#777777")
    )
    colour = OKABE_ITO["vermilion" if change < 0 else "blue"]
    flat = start[1] == end[1]
    axes.annotate(
        f"{change:+.1f}",
        ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2),
        (0, 5) if flat else (6, 0),
        textcoords="offset points",
        ha="center" if flat else "left",
        va="bottom" if flat else "center",
        color=colour,
        fontsize=12,
        fontweight="bold",
    )


@_styled
def iou_bars(
    scores: Mapping[str, ArrayLike], classes: Sequence[str] = REGIONS, title: str = ""
) -> Figure:
    """IoU of each class by one or more rules, and their means: one group of bars per class.

    `scores` gives for each rule (C,) values in 0 .. 1, drawn in %. NaN is an absent class, left out
    of the mean; the article's -1 for a class that never occurs is said in words and averaged.
    Raises ValueError when a rule has another number of classes. Introduced in notebook 05.
    """
    for name, values in scores.items():
        if np.shape(values) != (len(classes),):
            raise ValueError(
                f"'{name}' has shape {np.shape(values)}: pass one IoU per class, ({len(classes)},)"
            )
    thick = 0.8 / len(scores)
    figure, axes = new_figure(figsize=(9, (0.2 + 0.24 * len(scores)) * (len(classes) + 1) + 1))
    for series, values in enumerate(scores.values()):
        values = 100 * np.asarray(values, dtype=float)
        values = np.append(values, np.nanmean(values) if (~np.isnan(values)).any() else np.nan)
        for row, value in enumerate(values):
            y = row + (series + 0.5) * thick - 0.4
            colour = "black" if row == len(classes) else _colour(classes[row])
            _iou_bar(axes, y, value, thick, colour, solid=series == 0)
    if len(scores) > 1:
        faces = ["black", *[(0, 0, 0, 0.25)] * (len(scores) - 1)]
        handles = [
            Patch(facecolor=face, edgecolor="black", label=name)
            for face, name in zip(faces, scores, strict=True)
        ]
        figure.legend(handles=handles, loc="outside upper right", ncols=len(scores))
    axes.set_yticks(range(len(classes) + 1), [*classes, "mean"])
    axes.get_yticklabels()[-1].set_fontweight("bold")
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 108)
    axes.set_xlabel("IoU (%)")
    axes.set_title(title, loc="left")
    return figure


def _iou_bar(axes: Axes, y: float, value: float, thick: float, colour: str, solid: bool) -> None:
    """One bar with its number; the first rule's is solid, another's pale with an edge."""
    if np.isnan(value):
        axes.text(1, y, "absent", va="center", fontsize=9, color="#777777")
        return
    if value == -100:
        words = "never occurs, and counts as -100"
        axes.text(1, y, words, va="center", fontsize=9, color=OKABE_ITO["vermilion"])
        return
    face = (*to_rgb(colour), 1.0 if solid else 0.25)
    axes.barh(y, value, height=0.9 * thick, color=face, edgecolor=colour)
    axes.annotate(
        f"{value:.1f}",
        (max(value, 0), y),
        (4, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
    )


@_styled
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
    drawn = axes.imshow(
        picture, cmap="cividis", vmin=0, vmax=100, aspect="auto", interpolation="nearest"
    )
    axes.hlines(np.arange(1, len(classes)) - 0.5, -0.5, len(table) - 0.5, "white", linewidth=2)
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for row, count in enumerate(filled.sum(0)):
        axes.annotate(
            f"{count} image{'' if count == 1 else 's'}",
            (1, row),
            (6, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
        )
    axes.set_xlabel(f"{len(table)} images, from the best mean to the worst; white: no such class")
    bar = figure.colorbar(drawn, pad=0.07, aspect=14)
    bar.outline.set_visible(False)
    bar.set_label("IoU (%)")
    axes.set_title(title, loc="left")
    return figure


@_styled
def beside_article(
    article: Mapping[str, tuple[float, float]], measured: Mapping[str, float], title: str = ""
) -> Figure:
    """An article's mean and maximum for each activation, above scores measured here.

    `article` holds (mean, maximum) and `measured` one score each, in 0 .. 1, drawn in %. The
    mean is the dot, the bar ends at the maximum. Introduced in notebook 05.
    """
    names = [f"article, {LABELS[name]}" for name in article]
    figure, axes = new_figure(figsize=(10, 0.45 * (len(article) + len(measured)) + 1.2))
    for row, (name, (mean, most)) in enumerate(article.items()):
        axes.plot([100 * mean, 100 * most], [row, row], color=COLOURS[name], linewidth=5, alpha=0.5)
        axes.plot(100 * mean, row, "o", color=COLOURS[name], markersize=9)
        text = f"{100 * mean:.1f}, at most {100 * most:.1f}"
        axes.annotate(
            text,
            (100 * most, row),
            (9, 0),
            textcoords="offset points",
            va="center",
            color=COLOURS[name],
        )
    for row, value in enumerate(measured.values(), len(article)):
        axes.plot(100 * value, row, "D", color="black", markersize=8)
        axes.annotate(
            f"{100 * value:.1f}",
            (100 * value, row),
            (9, 0),
            textcoords="offset points",
            va="center",
        )
    axes.axhline(len(article) - 0.5, color=_FAINT, linewidth=1)
    axes.set_yticks(range(len(names) + len(measured)), [*names, *measured])
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    highest = max(*(most for _, most in article.values()), *measured.values())
    axes.set_xlim(min(0, 100 * min(measured.values())), 120 * highest)
    axes.set_xlabel("mean IoU (%)")
    axes.set_title(title, loc="left")
    return figure
