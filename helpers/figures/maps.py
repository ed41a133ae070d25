"""Label maps: their colours, maps beside photographs, beside each other, and cell by cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import distance_transform_cdt

from ..datasets.classes import CLASS_COLOURS, REGIONS, SURFACES
from .panels import (
    MIDDLE,
    WHITE_EDGE,
    ByName,
    Look,
    arm_label,
    draw_picture,
    legend_below,
    panel_row,
    styled,
)
from .style import OKABE_ITO, new_figure

HATCH = (0.25, 0.25, 0.25)  # unknown
UNKNOWN = Patch(facecolor="white", edgecolor=HATCH, hatch="////", label="unknown")


def class_colour(name: str) -> str:
    """A class's colour; raises ValueError for a class without one."""
    if name not in CLASS_COLOURS:
        raise ValueError(f"no colour for class '{name}': it must be one of {list(CLASS_COLOURS)}")
    return CLASS_COLOURS[name]


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
    palette = np.array([to_rgb(class_colour(name)) for name in classes] + [(1, 1, 1)])
    picture = palette[labels]
    picture[_stripes(labels < 0)] = HATCH
    return (picture * 255).round().astype(np.uint8)


def _stripes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Diagonal stripes inside the mask, in the pixels themselves, so that a thin border shows."""
    height, width = mask.shape
    period = max(4, width // 60)
    stripes = np.add.outer(np.arange(height), np.arange(width)) % period
    return mask & (stripes < max(1, 2 * period // 5))


def _draw(axes: Axes, array: ArrayLike, classes: Sequence[str]) -> None:
    """A label map (H, W) in its colours, or a photograph (H, W, 3), shrunk smoothly."""
    if np.ndim(array) == 2:
        draw_picture(axes, label_image(array, classes))
    else:
        draw_picture(axes, array, interpolation="antialiased")  # also a smaller PNG


def _map_grid(
    lines: Sequence[Sequence[ArrayLike]], classes: Sequence[str], height: float, title: str
) -> tuple[Figure, NDArray]:
    """A grid of photographs and label maps over a legend of the classes that occur."""
    shape: Look = {"figsize": (11, height), "squeeze": False}
    figure, grid = new_figure(len(lines), len(lines[0]), **shape)
    for axes, array in zip(grid.flat, chain(*lines), strict=True):
        _draw(axes, array, classes)
    maps = [np.unique(array) for array in chain(*lines) if np.ndim(array) == 2]
    present = np.unique(np.concatenate(maps))
    handles = [Patch(color=class_colour(classes[i]), label=classes[i]) for i in present if i >= 0]
    if present[0] < 0:
        handles.append(UNKNOWN)
    legend_below(figure, handles, handlelength=1.2, handletextpad=0.4, columnspacing=1.2)
    figure.suptitle(title)
    return figure, grid


# --- maps beside photographs ------------------------------------------------------------------


@styled()
def scene_with_labels(
    photo: ArrayLike, regions: ArrayLike, surfaces: ArrayLike, layers: ArrayLike, title: str = ""
) -> Figure:
    """A photograph and its three label maps, each region's name written on it.

    `photo` is (H, W, 3) uint8; the maps are (H, W) integers, unknown is -1. Layers number the
    pieces of one image: their colours mean nothing beyond "another piece".
    Introduced in notebook 04.
    """
    figure, axes = new_figure(2, 2, figsize=(9.5, 7.4))
    _draw(axes[0, 0], photo, REGIONS)
    axes[0, 0].set_title("photograph")
    for panel, labels, classes, name in (
        (axes[0, 1], np.asarray(regions), REGIONS, "regions"),
        (axes[1, 0], np.asarray(surfaces), SURFACES, "surfaces"),
    ):
        draw_picture(panel, label_image(labels, classes), f"{name}: {len(classes)} classes")
        _name_regions(panel, labels, classes)
    layers = np.asarray(layers)
    pieces = len(np.unique(layers[layers >= 0]))
    draw_picture(axes[1, 1], _layer_image(layers), f"layers: {pieces} pieces of this image")
    if min(map(np.min, (regions, surfaces, layers))) < 0:
        legend_below(figure, [UNKNOWN])
    figure.suptitle(title)
    return figure


def _name_regions(axes: Axes, labels: NDArray, classes: Sequence[str]) -> None:
    """Write each class's name where it is widest; unknown, and what is under 1 %, stays without."""
    width = labels.shape[1]
    for label in np.unique(labels):
        mask = labels == label
        if label >= 0 and mask.mean() > 0.01:
            y, x = _deepest_pixel(mask)
            x = np.clip(x, 0.18 * width, 0.82 * width)
            axes.text(x, y, classes[label], fontsize=10, path_effects=WHITE_EDGE, **MIDDLE)


def _deepest_pixel(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """A pixel (y, x) farthest from the mask's edge, the picture's border included."""
    depth = distance_transform_cdt(np.pad(mask, 1), "taxicab")
    deepest = np.argwhere(depth == depth.max()) - 1
    y, x = deepest[len(deepest) // 2]
    return int(y), int(x)


def _layer_image(layers: NDArray) -> NDArray:
    """Pieces in shades that jump from number to number, with white borders; unknown hatched."""
    index = np.unique(layers, return_inverse=True)[1].reshape(layers.shape)
    shade = (index * 0.618034) % 1  # the golden ratio keeps consecutive numbers apart
    picture = colormaps["cividis"](0.1 + 0.85 * shade)[..., :3]
    border = np.zeros(layers.shape, dtype=bool)
    border[:, 1:] |= layers[:, 1:] != layers[:, :-1]
    border[1:] |= layers[1:] != layers[:-1]
    picture[border | (layers < 0)] = 1
    picture[_stripes(layers < 0)] = HATCH
    return picture


@styled()
def pictures_over_labels(
    pictures: Sequence[ArrayLike],
    labels: Sequence[ArrayLike],
    classes: Sequence[str] = REGIONS,
    title: str = "",
) -> Figure:
    """Pictures in a row, each above its label map: what augmentation does to both.

    Each picture is (H, W, 3), uint8 or 0..1, each map (H, W) integers. Introduced in notebook 04.
    """
    return _map_grid([pictures, labels], classes, 4.1, title)[0]


@styled()
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
    there is no row or a row's sizes differ. Introduced in notebook 04.
    """
    _check_rows(photos, truths, predictions)
    lines = [[*line, line[-1]] for line in zip(photos, truths, predictions, strict=True)]
    figure, grid = _map_grid(lines, classes, 2.15 * len(lines) + 0.9, title)
    for axes, line in zip(grid[:, 3], lines, strict=True):
        photo, truth, prediction = map(np.asarray, line[:3])
        axes.images[0].set_data(_disagreement(photo, truth, prediction, classes))
        words = " of the known pixels right"
        axes.set_xlabel(_share_right(truth, prediction, words), fontsize=10)
    names = ("photograph", "truth", "prediction", "wrong, as predicted")
    for axes, name in zip(grid[0], names, strict=True):
        axes.set_title(name)
    return figure


@styled()
def maps_by_arm(
    photos: Sequence[ArrayLike],
    truths: Sequence[ArrayLike],
    maps: Mapping[str, Sequence[ArrayLike]],
    classes: Sequence[str] = REGIONS,
    title: str = "",
) -> Figure:
    """Scenes as columns: photograph, truth, and each arm's map with its share of right pixels.

    maps: arm -> one map per scene. Shapes, unknown pixels and errors as in
    `predictions_beside_truth`. Introduced in notebook 04.
    """
    for predictions in maps.values():
        _check_rows(photos, truths, predictions)
    lines = [photos, truths, *maps.values()]
    figure, grid = _map_grid(lines, classes, 1.5 * len(lines) + 0.9, title)
    for row, predictions in zip(grid[2:], maps.values(), strict=True):
        for axes, truth, prediction in zip(row, truths, predictions, strict=True):
            axes.set_xlabel(_share_right(truth, prediction), fontsize=10)
    for axes, name in zip(grid[:, 0], ("photograph", "truth", *maps), strict=True):
        axes.set_ylabel(arm_label(name))
    return figure


def _share_right(truth: ArrayLike, prediction: ArrayLike, words: str = "") -> str:
    known = np.asarray(truth) >= 0
    right = (np.asarray(truth) == np.asarray(prediction))[known]
    return f"{right.mean():.0%}{words}" if right.size else "all unknown"


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


# --- maps beside each other, and cell by cell -------------------------------------------------


@styled()
def label_maps(maps: ByName, classes: Sequence[str] = REGIONS, title: str = "") -> Figure:
    """Label maps (h, w) side by side, each under its name, unknown hatched.

    Introduced in notebook 05.
    """
    figure, grid = _map_grid([list(maps.values())], classes, 0.8 * 11 / len(maps) + 0.7, title)
    for axes, name in zip(grid[0], maps, strict=True):
        axes.set_title(name)
    return figure


@styled()
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
    masks = {
        "truth": (truth, "blue"),
        "prediction": (prediction, "orange"),
        "intersection": (truth & prediction, "green"),
        "union": (truth | prediction, "purple"),
    }
    figure, row = panel_row(masks, 3.5)
    for panel, name, (mask, colour) in row:
        _draw_counted(panel, mask, OKABE_ITO[colour])
        panel.set_title(f"{name}: {mask.sum()}", fontweight="bold")
    part, union = (truth & prediction).sum(), (truth | prediction).sum()
    value = f"{part} / {union}"
    value += f" = {part / union:.3f}" if union else ": no such class, NaN"
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
            axes.text(x + 0.5, y + 0.5, str(number[y, x]), fontsize=13, **MIDDLE)
    axes.set(xlim=(-0.05, width + 0.05), ylim=(height + 0.05, -0.05), aspect="equal")
    axes.axis("off")
