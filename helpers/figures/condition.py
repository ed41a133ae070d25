"""The funnel condition: signed pictures, branch maps, one pixel's arithmetic, receptive fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from .panels import FAINT, MIDDLE, Look, bare, draw_picture, frame
from .style import COLOURS, OKABE_ITO, label_line, new_figure

Array = NDArray[np.floating]

# Zero is black, positive goes to white as in a photograph, negative is blue.
SIGNED = LinearSegmentedColormap.from_list(
    "signed", ["#B5E0FF", OKABE_ITO["blue"], "#000000", "#9A9A9A", "#FFFFFF"], N=47
)  # 47 steps: zero has one of its own, and a stored photograph stays small
LIMIT = 2.0  # one signed scale, -2 to 2, for every picture of notebook 02

BRANCH_COLOURS = {"x": "#BFC8CE", "T": COLOURS["frelu"], "equal": "#FFFFFF"}
WINNERS = dict(zip(("x wins", "T(x) wins", "tie"), BRANCH_COLOURS.values(), strict=True))


# --- colours and shares -----------------------------------------------------------------------


def signed_rgb(values: Array, limit: float = LIMIT) -> NDArray[np.uint8]:
    """Colours of signed values: (H, W) -> (H, W, 3), zero always black.

    limit: the value that is drawn white; -limit is the lightest blue. Introduced in notebook 02.
    """
    return (255 * SIGNED(Normalize(-limit, limit)(values))[..., :3]).round().astype(np.uint8)


def branch_rgb(x: Array, condition: Array) -> NDArray[np.uint8]:
    """The branch map's colours: grey where x wins, vermilion where T(x) wins, white where they tie.

    x and condition: (H, W). Returns (H, W, 3). Introduced in notebook 02.
    """
    palette = 255 * np.array([to_rgb(BRANCH_COLOURS[name]) for name in ("T", "equal", "x")])
    return palette.round().astype(np.uint8)[1 + np.sign(x - condition).astype(int)]


def branch_shares(x: Array, condition: Array) -> dict[str, float]:
    """The share of pixels that each branch wins, {"x", "T", "equal"}: 1 in sum.

    Introduced in notebook 02.
    """
    wins = {"x": x > condition, "T": x < condition, "equal": x == condition}
    return {name: float(np.mean(pixels)) for name, pixels in wins.items()}


def reach(values: Array) -> tuple[int, float]:
    """How far a map of gradient magnitudes reaches from its middle pixel.

    values: (S, S), S odd. Returns the side of the smallest centred square that holds every pixel
    above zero, and the root of the mean squared distance from the middle, weighted by `values`;
    both in pixels. Introduced in notebook 02.
    """
    offsets = np.arange(len(values)) - len(values) // 2
    farthest = np.abs(offsets[np.concatenate(np.nonzero(values))]).max()
    squared = offsets[:, None] ** 2 + offsets**2
    return 2 * int(farthest) + 1, float(np.sqrt(np.average(squared, weights=values)))


# --- signed pictures and branch maps ----------------------------------------------------------


def what_a_pixel_must_beat() -> Figure:
    """Three sketches: what ReLU, PReLU and FReLU compare a pixel with.

    Introduced in notebook 02.
    """
    figure, axes = new_figure(1, 3, figsize=(10, 3.5))
    for ax, title, side, text in zip(
        axes,
        ("ReLU\nmax(x, 0)", "PReLU\nmax(x, p x)", "FReLU\nmax(x, T(x))"),
        (0, 1, 3),
        ("the same for every pixel: 0", "the pixel itself, times p", "a window around the pixel"),
        strict=True,
    ):
        _sketch_grid(ax, side)
        ax.set_title(title, fontsize=13)
        ax.set_xlabel(text, fontsize=11)
    return figure


def _sketch_grid(ax: Axes, side: int) -> None:
    for row, column in np.ndindex(5, 5):
        inside = max(abs(row - 2), abs(column - 2)) <= (side - 1) / 2
        colour = "#F6C7A6" if inside else "#F2F2F2"
        ax.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, edgecolor=FAINT))
    ax.add_patch(Rectangle((2, 2), 1, 1, fill=False, edgecolor="black", linewidth=3, zorder=3))
    ax.text(2.5, 2.5, "x", fontsize=15, fontweight="bold", **MIDDLE)
    ax.set(xlim=(-0.1, 5.1), ylim=(5.1, -0.1), aspect="equal")
    bare(ax)


def signed_pictures(rows: Mapping[str, Mapping[str, Array]], limit: float = LIMIT) -> Figure:
    """A grid of pictures on one signed scale: inputs downwards, what became of them across.

    rows: {input: {column: (H, W)}}, the same columns in every row. Introduced in notebook 02.
    """
    columns = list(next(iter(rows.values())))
    size = (2.15 * len(columns), 2.1 * len(rows) + 0.6)
    figure, axes = new_figure(len(rows), len(columns), figsize=size, squeeze=False)
    for line, (name, pictures) in zip(axes, rows.items(), strict=True):
        for ax, column in zip(line, columns, strict=True):
            signed_picture(ax, pictures[column], limit)
        line[0].set_ylabel(name, fontsize=12)
    _set_titles(axes[0], columns)
    scale = ScalarMappable(Normalize(-limit, limit), SIGNED)
    bar = figure.colorbar(scale, ax=axes, location="bottom", aspect=60, shrink=0.6, pad=0.02)
    bar.set_ticks([-limit, 0, limit], labels=[f"{-limit:g} or less", "0", f"{limit:g} or more"])
    return figure


def signed_picture(ax: Axes, values: Array, limit: float = LIMIT) -> None:
    """Draw (H, W) signed values without ticks. Introduced in notebook 02."""
    smooth = "nearest" if max(values.shape) <= 64 else "auto"  # small pictures show their pixels
    scale: Look = {"cmap": SIGNED, "vmin": -limit, "vmax": limit, "interpolation_stage": "data"}
    draw_picture(ax, values, interpolation=smooth, **scale)


def _branch_picture(ax: Axes, x: Array, condition: Array) -> None:
    draw_picture(ax, branch_rgb(x, condition))
    frame(ax)  # a map of ties is white


def _set_titles(line: Sequence[Axes], titles: Sequence[str]) -> None:
    for ax, title in zip(line, titles, strict=False):
        ax.set_title(title, fontsize=12)


def branch_map(x: Array, condition: Array, limit: float = LIMIT) -> Figure:
    """x, T(x), their branch map with its shares, and the maximum, all (H, W).

    Introduced in notebook 02.
    """
    figure, axes = new_figure(1, 4, figsize=(10.4, 3))
    pictures = (x, condition, np.maximum(x, condition))
    for ax, picture in zip(axes[[0, 1, 3]], pictures, strict=True):
        signed_picture(ax, picture, limit)
    _branch_picture(axes[2], x, condition)
    _set_titles(axes, ("x", "T(x)", "who wins?", "y = max(x, T(x))"))
    shares = branch_shares(x, condition)
    words = f"T(x) wins {shares['T']:.0%} (vermilion)\nx wins {shares['x']:.0%} (grey)"
    axes[2].set_xlabel(words, fontsize=11)
    return figure


def compare_windows(
    x: Array, windows: Mapping[str, Array], conditions: Mapping[str, Array], limit: float = LIMIT
) -> Figure:
    """One column per window: its numbers, y = max(x, T(x)), and the branch map with its share.

    x: (H, W); windows: {name: (k, k)}; conditions: {name: (H, W)}, the same names.
    Introduced in notebook 02.
    """
    shape: Look = {"figsize": (2.75 * len(windows), 8.2), "height_ratios": [1, 1, 1]}
    figure, axes = new_figure(3, len(windows), squeeze=False, **shape)
    for (top, middle, bottom), (name, window) in zip(axes.T, windows.items(), strict=True):
        condition = conditions[name]
        _number_grid(top, window, 1)
        signed_picture(middle, np.maximum(x, condition), limit)
        _branch_picture(bottom, x, condition)
        shares = branch_shares(x, condition)
        tie = f"a tie in {shares['equal']:.0%} (white)"
        words = tie if shares["equal"] > 0.5 else f"T(x) wins {shares['T']:.0%}"
        bottom.set_xlabel(words, fontsize=11)
    _set_titles(axes[0], list(windows))
    for ax, text in zip(axes[:, 0], ("window", "y = max(x, T(x))", "who wins?"), strict=True):
        ax.set_ylabel(text, fontsize=12)
    figure.align_ylabels()
    return figure


# --- one pixel's arithmetic -------------------------------------------------------------------


def pixel_arithmetic(
    x: Array, window: Array, pixels: Sequence[tuple[int, int]], limit: float = LIMIT
) -> Figure:
    """max(x, sum of window * patch) at each (row, column), with its numbers: one line per pixel.

    x: (H, W); window: (k, k), k odd. Raises ValueError for a pixel whose window leaves x.
    Introduced in notebook 02.
    """
    size = (11, 2.2 * len(pixels))
    figure, axes = new_figure(len(pixels), 5, figsize=size, squeeze=False)
    for line, (row, column) in zip(axes, pixels, strict=True):
        patch = _patch(x, row, column, len(window))
        signed_picture(line[0], x, limit)
        _mark(line[0], row, column, len(window))
        line[0].set_ylabel(f"row {row}, column {column}", fontsize=11)
        for ax, values, sign in zip(
            line[1:4], (patch, window, window * patch), ("\u2192", "\u00d7", "="), strict=True
        ):
            _number_grid(ax, values, limit)
            ax.text(-0.09, 0.5, sign, fontsize=16, transform=ax.transAxes, **MIDDLE)
        _outline(line[1], len(window) // 2, len(window) // 2, 0.5, 3)
        _write_sum(line[4], float(x[row, column]), float((window * patch).sum()))
    _set_titles(axes[0], ("where", "patch of x", "window", "products"))
    return figure


def _patch(x: Array, row: int, column: int, side: int) -> Array:
    half = side // 2
    height, width = x.shape
    if not (half <= row < height - half and half <= column < width - half):
        raise ValueError(
            f"The {side}x{side} window around row {row}, column {column} leaves the picture of "
            f"{height}x{width} pixels. Choose rows {half} to {height - half - 1} and columns "
            f"{half} to {width - half - 1}."
        )
    return x[row - half : row + half + 1, column - half : column + half + 1]


def _mark(ax: Axes, row: int, column: int, side: int) -> None:
    """A frame around the window, and a wide one around that, to be found in a large picture."""
    _outline(ax, row, column, side / 2, 1)
    _outline(ax, row, column, max(ax.get_xlim()) / 14, 2)


def _outline(ax: Axes, row: float, column: float, half: float, width: float) -> None:
    look: Look = {"fill": False, "edgecolor": OKABE_ITO["yellow"], "linewidth": width, "zorder": 3}
    ax.add_patch(Rectangle((column - half, row - half), 2 * half, 2 * half, **look))


def _number_grid(ax: Axes, values: Array, limit: float) -> None:
    signed_picture(ax, values, limit)
    ax.spines[:].set_visible(True)
    light = signed_rgb(values, limit) @ (0.299, 0.587, 0.114) > 120
    size = 11 if max(values.shape) <= 3 else 10
    for (row, column), value in np.ndenumerate(values):
        text = f"{value:.2f}".replace("-0.00", "0.00")
        ink = "black" if light[row, column] else "white"
        ax.text(column, row, text, fontsize=size, color=ink, **MIDDLE)


def _write_sum(ax: Axes, x: float, condition: float) -> None:
    """T(x), x and their maximum in words."""
    ax.axis("off")
    ax.set(xlim=(0, 1), ylim=(0, 1), box_aspect=1)  # as high as the grids beside it
    winner, ink = ("T(x)", COLOURS["frelu"]) if condition > x else ("x", "#5A666D")
    for height, size, colour, text in (
        (0.86, 13, "black", f"T(x) = sum = {condition:.2f}"),
        (0.66, 13, "black", f"x = {x:.2f}"),
        (0.46, 12, "black", f"y = max({x:.2f}, {condition:.2f})"),
        (0.25, 16, ink, f"   = {max(x, condition):.2f}"),
        (0.06, 12, ink, f"{winner} wins"),
    ):
        ax.text(-0.05, height, text, fontsize=size, color=colour)


# --- stacked windows, and the first weights ---------------------------------------------------


def reach_maps(maps: Mapping[str, Array]) -> Figure:
    """How strongly each input pixel moves the middle output pixel, with side and spread by `reach`.

    maps: {net: (S, S)}, gradient magnitudes, S odd and the same for all. Introduced in notebook 02.
    """
    figure, axes = new_figure(1, len(maps), figsize=(3.6 * len(maps), 4.3), squeeze=False)
    for ax, values in zip(axes[0], maps.values(), strict=True):
        # The square root lets the weak rim be seen beside the strong middle.
        draw_picture(ax, np.sqrt(values / values.max()), cmap="inferno", vmin=0, vmax=1)
        side, spread = reach(values)
        lines: Look = {"fill": False, "linewidth": 1.8}
        middle = len(values) // 2
        corner = (middle - side / 2, middle - side / 2)
        ax.add_patch(Rectangle(corner, side, side, edgecolor="white", linestyle="--", **lines))
        ax.add_patch(Circle((middle, middle), spread, edgecolor=OKABE_ITO["sky"], **lines))
        ax.set_xlabel(f"side {side} (square), spread {spread:.2f} (circle)", fontsize=11)
    _set_titles(axes[0], list(maps))
    return figure


def reach_growth(
    depths: Sequence[int], reaches: Mapping[str, Sequence[tuple[int, float]]]
) -> Figure:
    """Side (left) and spread (right) of the receptive field against depth, in pixels.

    reaches: {arm: [what `reach` gives, per depth]}. Introduced in notebook 02.
    """
    figure, axes = new_figure(1, 2, figsize=(11, 3.9))
    inks, styles = (COLOURS["relu"], COLOURS["frelu"], "black"), ("o-", "s-", "^:")
    for (arm, pairs), ink, style in zip(reaches.items(), inks, styles, strict=False):
        for ax, values in zip(axes, zip(*pairs, strict=True), strict=True):
            ax.plot(depths, values, style, color=ink, label=arm)
    axes[0].set(title="side: reached at all", ylabel="pixels")
    axes[1].set(title="spread: typical distance from the middle", ylabel="pixels")
    for ax in axes:
        ax.set(xlabel="dense 3x3 convolutions in the stack", xticks=list(depths), ylim=(0, None))
        ax.grid(axis="y", color="#DDDDDD", linewidth=0.8)
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].legend(loc="upper left", fontsize=11, frameon=False)
    return figure


def start_of_condition(
    scales: Sequence[float], before: Sequence[float], after: Sequence[float]
) -> Figure:
    """Std of the window's sum and of T(x) over the window's initial scale, both logarithmic.

    Introduced in notebook 02.
    """
    figure, ax = new_figure(1, 1, figsize=(7.5, 4))
    for values, marker, colour, name in (
        (before, "o", OKABE_ITO["grey"], "before BatchNorm:\nthe window's sum"),
        (after, "s", COLOURS["frelu"], "after BatchNorm: T(x)"),
    ):
        ax.loglog(scales, values, marker=marker, color=colour)
        label_line(ax, 1.3 * scales[-1], values[-1], name, colour)
    ax.set(xlabel="standard deviation of the window's first weights", ylabel="standard deviation")
    ax.set_xlim(scales[0] / 2, scales[-1] * 300)
    ax.set_xticks(list(scales))
    ax.margins(y=0.1)
    ax.grid(color="#E5E5E5", linewidth=0.8)
    return figure
