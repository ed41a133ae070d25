"""The room where label maps become pictures: scenes, splits, the U-Net's shape, and its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Patch, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from .style import COLOURS, LABELS, OKABE_ITO, RC, new_figure

# One colour per class through the whole series. Neighbours in an image differ in lightness too, so
# that the maps stay readable for colour-blind eyes and in a grey print (a test measures it).
CLASS_COLOURS = {
    "sky": OKABE_ITO["sky"],
    "tree": OKABE_ITO["green"],
    "road": "#4D4D4D",
    "grass": OKABE_ITO["yellow"],
    "water": OKABE_ITO["blue"],
    "building": OKABE_ITO["orange"],
    "mountain": OKABE_ITO["purple"],
    "foreground": OKABE_ITO["vermilion"],
    "horizontal": "#DDCC77",
    "vertical": "#882255",
}
REGIONS = tuple(CLASS_COLOURS)[:8]
SURFACES = ("sky", "horizontal", "vertical")

# Nine sources: neighbours in the sorted split far apart, the darkest for the rarest (source 4).
_ORDER = ("orange", "sky", "green", "yellow", "black", "blue", "purple", "grey", "vermilion")
_SOURCE_COLOURS = [OKABE_ITO[name] for name in _ORDER]
_HATCH, _FAINT = (0.55, 0.55, 0.55), "#BBBBBB"
_EDGE = (withStroke(linewidth=3, foreground="white"),)
_styled = plt.rc_context(RC)  # text takes its size when it is written, not when the figure is made


# --- label maps ------------------------------------------------------------------------------


def label_image(labels: ArrayLike, classes: Sequence[str] = REGIONS) -> NDArray[np.uint8]:
    """Labels (H, W) as a picture (H, W, 3) in the series' colours; unknown (-1) is hatched.

    Raises ValueError for labels outside -1 .. len(classes) - 1, or a class without a colour.

    Introduced in notebook 04.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or (labels.size and not -1 <= labels.min() <= labels.max() < len(classes)):
        raise ValueError(
            f"label_image draws one map (H, W) with labels -1 .. {len(classes) - 1}; this one has "
            f"shape {labels.shape}: pass one image's labels and the classes they belong to"
        )
    palette = np.array([to_rgb(_colour(name)) for name in classes] + [(1, 1, 1)])
    picture = palette[labels]
    picture[_hatched(labels < 0)] = _HATCH
    return (picture * 255).round().astype(np.uint8)


def _colour(name: str) -> str:
    if name not in CLASS_COLOURS:
        raise ValueError(f"no colour for class '{name}': it must be one of {list(CLASS_COLOURS)}")
    return CLASS_COLOURS[name]


def _hatched(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Diagonal stripes inside the mask, painted into the pixels, so that a thin border shows."""
    height, width = mask.shape
    period = max(4, width // 40)
    stripes = np.add.outer(np.arange(height), np.arange(width)) % period
    return mask & (stripes < max(1, period // 3))


def _show_picture(axes: Axes, picture: NDArray, title: str = "", smooth: bool = False) -> None:
    """Photographs are shrunk smoothly, which also makes a smaller PNG; label maps never."""
    axes.imshow(picture, interpolation="antialiased" if smooth else "nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_title(title)


def _name_regions(axes: Axes, labels: NDArray, classes: Sequence[str]) -> None:
    """Write each class's name where it is widest; classes of less than 1 % stay without."""
    width = labels.shape[1]
    for label in np.unique(labels):
        mask = labels == label
        if mask.mean() > 0.01:
            y, x = _deepest_pixel(mask)
            name = "unknown" if label < 0 else classes[label]
            x = np.clip(x, 0.18 * width, 0.82 * width)
            axes.text(x, y, name, ha="center", va="center", fontsize=10, path_effects=_EDGE)


def _deepest_pixel(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """A pixel (y, x) farthest from the mask's edge, found by eroding until nothing is left."""
    inside = np.pad(mask, 1)
    while inside.any():
        last = inside
        core = inside[1:-1, 1:-1].copy()
        for neighbour in (inside[2:, 1:-1], inside[:-2, 1:-1], inside[1:-1, 2:], inside[1:-1, :-2]):
            core &= neighbour
        inside = np.pad(core, 1)
    y, x = np.argwhere(last)[last.sum() // 2] - 1
    return int(y), int(x)


def _legend_of_classes(figure: Figure, maps: Sequence[NDArray], classes: Sequence[str]) -> None:
    """One row below: the classes that occur in the maps, and unknown."""
    present = np.unique(np.concatenate([np.unique(labels) for labels in maps]))
    handles = [Patch(color=_colour(classes[i]), label=classes[i]) for i in present if i >= 0]
    if present[0] < 0:
        handles.append(Patch(facecolor="white", edgecolor=_HATCH, hatch="////", label="unknown"))
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=len(handles),
        handlelength=1.2,
        handletextpad=0.4,
        columnspacing=1.2,
    )


@_styled
def scene_with_labels(
    photo: ArrayLike, regions: ArrayLike, surfaces: ArrayLike, layers: ArrayLike, title: str = ""
) -> Figure:
    """A photograph and its three label maps, each region's name written on it.

    `photo` is (H, W, 3) uint8; the maps are (H, W) integers, unknown is -1. Layers number the
    pieces of one image: their colours mean nothing beyond "another piece".

    Introduced in notebook 04.
    """
    figure, axes = new_figure(2, 2, figsize=(9.5, 7.4))
    _show_picture(axes[0, 0], np.asarray(photo), "photograph", smooth=True)
    for panel, labels, classes, name in (
        (axes[0, 1], regions, REGIONS, f"regions: {len(REGIONS)} classes"),
        (axes[1, 0], surfaces, SURFACES, f"surfaces: {len(SURFACES)} classes"),
    ):
        labels = np.asarray(labels)
        _show_picture(panel, label_image(labels, classes), name)
        _name_regions(panel, labels, classes)
    layers = np.asarray(layers)
    pieces = len(np.unique(layers[layers >= 0]))
    _show_picture(axes[1, 1], _layer_image(layers), f"layers: {pieces} pieces of this image")
    figure.suptitle(title)
    return figure


def _layer_image(layers: NDArray) -> NDArray:
    """Pieces in shades that jump from number to number, with white borders; unknown hatched."""
    _, index = np.unique(layers, return_inverse=True)
    index = index.reshape(layers.shape)
    shade = (index * 0.618034) % 1  # the golden ratio keeps consecutive numbers apart
    picture = plt.get_cmap("cividis")(0.1 + 0.85 * shade)[..., :3]
    border = np.zeros(layers.shape, dtype=bool)
    border[:, 1:] |= layers[:, 1:] != layers[:, :-1]
    border[1:] |= layers[1:] != layers[:-1]
    picture[border | (layers < 0)] = 1
    picture[_hatched(layers < 0)] = _HATCH
    return picture


@_styled
def pictures_over_labels(
    pictures: Sequence[ArrayLike],
    labels: Sequence[ArrayLike],
    classes: Sequence[str] = REGIONS,
    title: str = "",
) -> Figure:
    """Pictures in a row, each above its label map: what augmentation does to both.

    Each picture is (H, W, 3), uint8 or 0..1, each map (H, W) integers. Introduced in notebook 04.
    """
    figure, axes = new_figure(2, len(pictures), figsize=(11, 4.1), squeeze=False)
    for column, (picture, one) in enumerate(zip(pictures, labels, strict=True)):
        _show_picture(axes[0, column], np.asarray(picture), smooth=True)
        _show_picture(axes[1, column], label_image(one, classes))
    _legend_of_classes(figure, [np.asarray(one) for one in labels], classes)
    figure.suptitle(title)
    return figure


@_styled
def predictions_beside_truth(
    photos: Sequence[ArrayLike],
    truths: Sequence[ArrayLike],
    predictions: Sequence[ArrayLike],
    classes: Sequence[str] = REGIONS,
    title: str = "",
) -> Figure:
    """Rows of photograph, truth, prediction and disagreement, over a legend of the classes.

    The last column has the prediction's colour where it is wrong; its share of right pixels is of
    the known ones. Each row's photo is (H, W, 3) uint8, its maps (H, W) integers, unknown is -1;
    sizes may differ from row to row. A row adds about 90 kB to a notebook. Raises ValueError when
    there is no row or a row's sizes differ.

    Introduced in notebook 04.
    """
    _check_rows(photos, truths, predictions)
    rows = len(photos)
    figure, axes = new_figure(rows, 4, figsize=(11, 2.15 * rows + 0.9), squeeze=False)
    for panels, photo, truth, prediction in zip(axes, photos, truths, predictions, strict=True):
        photo, truth, prediction = (np.asarray(array) for array in (photo, truth, prediction))
        right = (truth == prediction)[truth >= 0]
        share = f"{right.mean():.0%} of the known pixels right" if right.size else "all unknown"
        _show_picture(panels[0], photo, smooth=True)
        _show_picture(panels[1], label_image(truth, classes))
        _show_picture(panels[2], label_image(prediction, classes))
        _show_picture(panels[3], _disagreement(photo, truth, prediction, classes))
        panels[3].set_xlabel(share, fontsize=10)
    names = ("photograph", "truth", "prediction", "wrong, as predicted")
    for panel, name in zip(axes[0], names, strict=True):
        panel.set_title(name)
    maps = [np.asarray(labels) for labels in (*truths, *predictions)]
    _legend_of_classes(figure, maps, classes)
    figure.suptitle(title)
    return figure


@_styled
def maps_by_arm(
    photos: Sequence[ArrayLike],
    truths: Sequence[ArrayLike],
    maps: Mapping[str, Sequence[ArrayLike]],
    classes: Sequence[str] = REGIONS,
    title: str = "",
) -> Figure:
    """Scenes as columns: photograph, truth, and below each arm's map with its share of right
    pixels.

    maps: arm -> one map per scene. Shapes, unknown pixels and errors as in
    `predictions_beside_truth`. Introduced in notebook 04.
    """
    for predictions in maps.values():
        _check_rows(photos, truths, predictions)
    rows, columns = 2 + len(maps), len(photos)
    figure, grid = new_figure(rows, columns, figsize=(11, 1.5 * rows + 0.9), squeeze=False)
    for panel, photo, truth in zip(grid.T, photos, truths, strict=True):
        _show_picture(panel[0], np.asarray(photo), smooth=True)
        _show_picture(panel[1], label_image(truth, classes))
    for line, predictions in zip(grid[2:], maps.values(), strict=True):
        for panel, truth, prediction in zip(line, truths, predictions, strict=True):
            _show_picture(panel, label_image(prediction, classes))
            known = np.asarray(truth) >= 0
            right = (np.asarray(truth) == np.asarray(prediction))[known]
            panel.set_xlabel(f"{right.mean():.0%}" if right.size else "all unknown", fontsize=10)
    names = ("photograph", "truth", *(LABELS.get(arm, arm) for arm in maps))
    for panel, name in zip(grid[:, 0], names, strict=True):
        panel.set_ylabel(name)
    shown = [np.asarray(one) for one in (*truths, *(m for group in maps.values() for m in group))]
    _legend_of_classes(figure, shown, classes)
    figure.suptitle(title)
    return figure


def _check_rows(photos: Sequence, truths: Sequence, predictions: Sequence) -> None:
    if not len(photos) or not len(photos) == len(truths) == len(predictions):
        raise ValueError(
            f"{len(photos)} photos, {len(truths)} truths and {len(predictions)} predictions: "
            "pass the same number of each, and at least one"
        )
    for row, arrays in enumerate(zip(photos, truths, predictions, strict=True)):
        shapes = [np.shape(array)[:2] for array in arrays]
        if len(set(shapes)) > 1:
            raise ValueError(
                f"row {row}: photo, truth and prediction have sizes {shapes}: "
                "enlarge the prediction to the image's own size first"
            )


def _disagreement(
    photo: NDArray, truth: NDArray, prediction: NDArray, classes: Sequence[str]
) -> NDArray[np.uint8]:
    """The photograph faint and grey, wrong pixels as predicted, unknown ones hatched."""
    grey = 176 + 16 * (photo[..., :3].mean(-1).astype(int) // 52)  # five shades: a smaller PNG
    picture = np.repeat(grey[..., None], 3, axis=-1).astype(np.uint8)
    wrong, unknown = (truth != prediction) & (truth >= 0), truth < 0
    picture[wrong] = label_image(prediction, classes)[wrong]
    picture[unknown] = label_image(truth, classes)[unknown]
    return picture


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


# --- scores ----------------------------------------------------------------------------------


@_styled
def iou_by_hand(truth: ArrayLike, prediction: ArrayLike, title: str = "") -> Figure:
    """IoU of two small masks on a grid: truth, prediction, intersection and union, counted.

    Both are (H, W) booleans of one shape; else ValueError. Introduced in notebook 05.
    """
    truth, prediction = np.asarray(truth, dtype=bool), np.asarray(prediction, dtype=bool)
    if truth.shape != prediction.shape or truth.ndim != 2:
        raise ValueError(
            f"the truth has shape {truth.shape}, the prediction {prediction.shape}: "
            "pass two masks (H, W) of one class and one shape"
        )
    intersection, union = truth & prediction, truth | prediction
    figure, axes = new_figure(1, 4, figsize=(11, 3.5))
    for panel, mask, name, colour in (
        (axes[0], truth, "truth", OKABE_ITO["blue"]),
        (axes[1], prediction, "prediction", OKABE_ITO["orange"]),
        (axes[2], intersection, "intersection", OKABE_ITO["green"]),
        (axes[3], union, "union", OKABE_ITO["purple"]),
    ):
        _draw_counted(panel, mask, colour)
        panel.set_title(f"{name}: {mask.sum()}", fontweight="bold")
    part, whole = intersection.sum(), union.sum()
    value = f"{part} / {whole} = {part / whole:.3f}" if whole else "0 / 0: no such class, NaN"
    figure.supxlabel(f"IoU = intersection / union = {value}", fontsize=14)
    figure.suptitle(title)
    return figure


def _draw_counted(axes: Axes, mask: NDArray[np.bool_], colour: str) -> None:
    """A grid of cells; those in the mask coloured and counted from 1, in reading order."""
    height, width = mask.shape
    number = mask.cumsum().reshape(mask.shape)
    for y, x in np.ndindex(mask.shape):
        face = (*to_rgb(colour), 0.55) if mask[y, x] else "white"
        axes.add_patch(Rectangle((x, y), 1, 1, facecolor=face, edgecolor="#888888", linewidth=1))
        if mask[y, x]:
            axes.text(x + 0.5, y + 0.5, number[y, x], ha="center", va="center", fontsize=13)
    axes.set_xlim(-0.05, width + 0.05)
    axes.set_ylim(height + 0.05, -0.05)
    axes.set_aspect("equal")
    axes.axis("off")


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
def label_maps(
    maps: Mapping[str, ArrayLike], classes: Sequence[str] = REGIONS, title: str = ""
) -> Figure:
    """Label maps (h, w) side by side, each under its name, unknown hatched.

    Introduced in notebook 05.
    """
    height = 0.8 * 11 / len(maps) + 0.7
    figure, axes = new_figure(1, len(maps), figsize=(11, height), squeeze=False)
    for panel, (name, labels) in zip(axes[0], maps.items(), strict=True):
        _show_picture(panel, label_image(labels, classes), name)
    _legend_of_classes(figure, [np.asarray(labels) for labels in maps.values()], classes)
    figure.suptitle(title)
    return figure


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
