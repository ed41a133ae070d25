"""Label maps as pictures: scenes with their classes, predictions beside the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from ..datasets.classes import CLASS_COLOURS, REGIONS, SURFACES
from .style import LABELS, OKABE_ITO, RC, new_figure

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
