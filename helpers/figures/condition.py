"""Figures of the funnel: answers on one signed scale, branch maps, one pixel's sum, reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from .style import COLOURS, OKABE_ITO, label_line, new_figure

Array = NDArray[np.floating]

# Zero is black, positive goes to white as in a photograph, negative is blue.
SIGNED = LinearSegmentedColormap.from_list(
    "signed", ["#B5E0FF", OKABE_ITO["blue"], "#000000", "#9A9A9A", "#FFFFFF"], N=47
)  # 47 steps: zero has one of its own, and a stored photograph stays small
LIMIT = 2.0  # one signed scale, -2 to 2, for every picture of notebook 02

BRANCH_COLOURS = {"x": "#BFC8CE", "T": COLOURS["frelu"], "equal": "#FFFFFF"}


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
    return {
        "x": float(np.mean(x > condition)),
        "T": float(np.mean(x < condition)),
        "equal": float(np.mean(x == condition)),
    }


def what_a_pixel_must_beat() -> Figure:
    """Three sketches: what ReLU, PReLU and FReLU compare a pixel with.

    Introduced in notebook 02.
    """
    figure, axes = new_figure(1, 3, figsize=(10, 3.5))
    sketches = {
        "ReLU\nmax(x, 0)": (0, "the same for every pixel: 0"),
        "PReLU\nmax(x, p x)": (1, "the pixel itself, times p"),
        "FReLU\nmax(x, T(x))": (3, "a window around the pixel"),
    }
    for ax, (title, (side, text)) in zip(axes, sketches.items(), strict=True):
        _sketch_grid(ax, side)
        ax.set_title(title, fontsize=13)
        ax.set_xlabel(text, fontsize=11)
    return figure


def _sketch_grid(ax: Axes, side: int) -> None:
    cells = 5
    for row in range(cells):
        for column in range(cells):
            inside = max(abs(row - 2), abs(column - 2)) <= (side - 1) / 2
            colour = "#F6C7A6" if inside else "#F2F2F2"
            ax.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, edgecolor="#BBBBBB"))
    middle = {"edgecolor": OKABE_ITO["black"], "linewidth": 3, "fill": False, "zorder": 3}
    ax.add_patch(Rectangle((2, 2), 1, 1, **middle))
    ax.text(2.5, 2.5, "x", ha="center", va="center", fontsize=15, fontweight="bold")
    ax.set(xlim=(-0.1, 5.1), ylim=(5.1, -0.1), aspect="equal")
    _bare(ax)


def answers(rows: Mapping[str, Mapping[str, Array]], limit: float = LIMIT) -> Figure:
    """A grid of pictures on one signed scale: inputs downwards, what became of them across.

    rows: {input: {column: (H, W)}}, the same columns in every row. Introduced in notebook 02.
    """
    columns = list(next(iter(rows.values())))
    figure, axes = new_figure(
        len(rows), len(columns), figsize=(2.15 * len(columns), 2.1 * len(rows) + 0.6), squeeze=False
    )
    for line, (name, pictures) in zip(axes, rows.items(), strict=True):
        for ax, column in zip(line, columns, strict=True):
            signed_picture(ax, pictures[column], limit)
        line[0].set_ylabel(name, fontsize=12)
    for ax, column in zip(axes[0], columns, strict=True):
        ax.set_title(column, fontsize=12)
    _signed_bar(figure, axes, limit)
    return figure


def signed_picture(ax: Axes, values: Array, limit: float = LIMIT) -> None:
    """Draw (H, W) signed values without ticks. Introduced in notebook 02."""
    smooth = "nearest" if max(values.shape) <= 64 else "auto"  # small pictures show their pixels
    scale = {"cmap": SIGNED, "vmin": -limit, "vmax": limit}
    ax.imshow(values, interpolation=smooth, interpolation_stage="data", **scale)
    _bare(ax)


def _branch_picture(ax: Axes, x: Array, condition: Array) -> None:
    ax.imshow(branch_rgb(x, condition), interpolation="nearest")
    _bare(ax)
    for spine in ax.spines.values():  # a map of ties is white: the frame shows that it is there
        spine.set(visible=True, color="#BBBBBB")


def _signed_bar(figure: Figure, axes: NDArray[np.object_], limit: float) -> None:
    scale = ScalarMappable(Normalize(-limit, limit), SIGNED)
    bar = figure.colorbar(scale, ax=axes, location="bottom", aspect=60, shrink=0.6, pad=0.02)
    bar.set_ticks([-limit, 0, limit], labels=[f"{-limit:g} or less", "0", f"{limit:g} or more"])


def branch_map(x: Array, condition: Array, limit: float = LIMIT) -> Figure:
    """x, T(x), their branch map with its shares, and the maximum, all (H, W).

    Introduced in notebook 02.
    """
    figure, axes = new_figure(1, 4, figsize=(10.4, 3))
    pictures = {"x": x, "T(x)": condition, "y = max(x, T(x))": np.maximum(x, condition)}
    for ax, (title, picture) in zip(axes[[0, 1, 3]], pictures.items(), strict=True):
        signed_picture(ax, picture, limit)
        ax.set_title(title, fontsize=12)
    _branch_picture(axes[2], x, condition)
    axes[2].set_title("who wins?", fontsize=12)
    shares = branch_shares(x, condition)
    axes[2].set_xlabel(
        f"T(x) wins {shares['T']:.0%} (vermilion)\nx wins {shares['x']:.0%} (grey)", fontsize=11
    )
    return figure


def pixel_arithmetic(
    x: Array, window: Array, pixels: Sequence[tuple[int, int]], limit: float = LIMIT
) -> Figure:
    """max(x, sum of window * patch) at each (row, column), with its numbers: one line per pixel.

    x: (H, W); window: (k, k), k odd. Raises ValueError for a pixel whose window leaves x.
    Introduced in notebook 02.
    """
    shape = {"figsize": (11, 2.2 * len(pixels)), "squeeze": False}
    figure, axes = new_figure(len(pixels), 5, **shape)
    for line, (row, column) in zip(axes, pixels, strict=True):
        patch = _patch(x, row, column, len(window))
        signed_picture(line[0], x, limit)
        _mark(line[0], row, column, len(window))
        line[0].set_ylabel(f"row {row}, column {column}", fontsize=11)
        _number_grid(line[1], patch, limit, ring=True)
        _number_grid(line[2], window, limit)
        _number_grid(line[3], window * patch, limit)
        _verdict(line[4], float(x[row, column]), float((window * patch).sum()))
        for ax, sign in zip(line[1:4], ("\u2192", "\u00d7", "="), strict=True):
            place = {"transform": ax.transAxes, "ha": "center", "va": "center"}
            ax.text(-0.09, 0.5, sign, fontsize=16, **place)
    for ax, title in zip(axes[0], ("where", "patch of x", "window", "products"), strict=False):
        ax.set_title(title, fontsize=12)
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
    for reach, width in ((side / 2, 1), (max(ax.get_xlim()) / 14, 2)):
        ax.add_patch(
            Rectangle(
                (column - reach, row - reach),
                2 * reach,
                2 * reach,
                fill=False,
                edgecolor=OKABE_ITO["yellow"],
                linewidth=width,
            )
        )


def _number_grid(ax: Axes, values: Array, limit: float, ring: bool = False) -> None:
    signed_picture(ax, values, limit)
    colours = signed_rgb(values, limit)
    size = 11 if max(values.shape) <= 3 else 8
    for (row, column), value in np.ndenumerate(values):
        light = colours[row, column] @ (0.299, 0.587, 0.114) > 120
        ink = "black" if light else "white"
        text = f"{value:.2f}".replace("-0.00", "0.00")
        ax.text(column, row, text, ha="center", va="center", fontsize=size, color=ink)
    if ring:
        middle = (values.shape[1] // 2 - 0.5, values.shape[0] // 2 - 0.5)
        frame = {"edgecolor": OKABE_ITO["yellow"], "linewidth": 3, "fill": False, "zorder": 3}
        ax.add_patch(Rectangle(middle, 1, 1, **frame))
    for spine in ax.spines.values():
        spine.set_visible(True)


def _verdict(ax: Axes, x: float, condition: float) -> None:
    ax.axis("off")
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.set_box_aspect(1)  # as high as the grids beside it
    winner = "T(x)" if condition > x else "x"
    ink = COLOURS["frelu"] if winner == "T(x)" else "#5A666D"
    lines = (
        (f"T(x) = sum = {condition:.2f}", 13, "black"),
        (f"x = {x:.2f}", 13, "black"),
        (f"y = max({x:.2f}, {condition:.2f})", 12, "black"),
        (f"   = {max(x, condition):.2f}", 16, ink),
        (f"{winner} wins", 12, ink),
    )
    for height, (text, size, colour) in zip((0.86, 0.66, 0.46, 0.25, 0.06), lines, strict=True):
        ax.text(-0.05, height, text, fontsize=size, color=colour)


def compare_windows(
    x: Array, windows: Mapping[str, Array], conditions: Mapping[str, Array], limit: float = LIMIT
) -> Figure:
    """One column per window: its numbers, y = max(x, T(x)), and the branch map with its share.

    x: (H, W); windows: {name: (k, k)}; conditions: {name: (H, W)}, the same names.
    Introduced in notebook 02.
    """
    count = len(windows)
    shape = {"figsize": (2.3 * count, 6.3), "height_ratios": [0.62, 1, 1], "squeeze": False}
    figure, axes = new_figure(3, count, **shape)
    for (top, middle, bottom), (name, window) in zip(axes.T, windows.items(), strict=True):
        condition = conditions[name]
        _number_grid(top, window, 1)
        signed_picture(middle, np.maximum(x, condition), limit)
        _branch_picture(bottom, x, condition)
        top.set_title(name, fontsize=12)
        bottom.set_xlabel(_shares_text(branch_shares(x, condition)), fontsize=11)
    for ax, text in zip(axes[:, 0], ("window", "y = max(x, T(x))", "who wins?"), strict=True):
        ax.set_ylabel(text, fontsize=12)
    figure.align_ylabels()
    return figure


def _shares_text(shares: Mapping[str, float]) -> str:
    if shares["equal"] > 0.5:
        return f"a tie in {shares['equal']:.0%} (white)"
    return f"T(x) wins {shares['T']:.0%}"


def reach(values: Array) -> tuple[int, float]:
    """How far a map of gradient magnitudes reaches from its middle pixel.

    values: (S, S), S odd. Returns the side of the smallest centred square that holds every pixel
    above zero, and the root of the mean squared distance from the middle, weighted by `values`;
    both in pixels. Introduced in notebook 02.
    """
    offsets = np.arange(len(values)) - len(values) // 2
    rows, columns = np.nonzero(values)
    farthest = max(np.abs(offsets[rows]).max(), np.abs(offsets[columns]).max())
    squared = offsets[:, None] ** 2 + offsets**2
    return 2 * int(farthest) + 1, float(np.sqrt(np.average(squared, weights=values)))


def reach_maps(maps: Mapping[str, Array]) -> Figure:
    """How strongly each input pixel moves the middle output pixel, with side and spread by `reach`.

    maps: {net: (S, S)}, gradient magnitudes, S odd and the same for all. Introduced in notebook 02.
    """
    figure, axes = new_figure(1, len(maps), figsize=(3.6 * len(maps), 4.3), squeeze=False)
    for ax, (name, values) in zip(axes[0], maps.items(), strict=True):
        # The square root lets the weak rim be seen beside the strong middle.
        ax.imshow(np.sqrt(values / values.max()), cmap=colormaps["inferno"], vmin=0, vmax=1)
        side, spread = reach(values)
        middle, lines = len(values) // 2, {"fill": False, "linewidth": 1.8}
        corner = (middle - side / 2, middle - side / 2)
        ax.add_patch(Rectangle(corner, side, side, edgecolor="white", linestyle="--", **lines))
        ax.add_patch(Circle((middle, middle), spread, edgecolor=OKABE_ITO["sky"], **lines))
        ax.set_title(name, fontsize=12)
        ax.set_xlabel(f"side {side} (square), spread {spread:.2f} (circle)", fontsize=11)
        _bare(ax)
    return figure


def reach_growth(
    depths: Sequence[int], reaches: Mapping[str, Sequence[tuple[int, float]]]
) -> Figure:
    """Side (left) and spread (right) of the receptive field against depth, in pixels.

    reaches: {arm: [what `reach` gives, per depth]}. Introduced in notebook 02.
    """
    figure, axes = new_figure(1, 2, figsize=(11, 3.9))
    inks = (COLOURS["relu"], COLOURS["frelu"], OKABE_ITO["black"])
    styles = (("o", "-"), ("s", "-"), ("^", ":"))
    for (arm, pairs), ink, (marker, dash) in zip(reaches.items(), inks, styles, strict=False):
        for part, ax in enumerate(axes):
            ax.plot(depths, [p[part] for p in pairs], dash, marker=marker, color=ink, label=arm)
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
    """Standard deviation of the window's sum and of T(x) over the window's initial scale, both log.

    Introduced in notebook 02.
    """
    figure, ax = new_figure(1, 1, figsize=(7.5, 4))
    ax.loglog(scales, before, marker="o", color=OKABE_ITO["grey"])
    ax.loglog(scales, after, marker="s", color=COLOURS["frelu"])
    beside = 1.3 * scales[-1]
    label_line(ax, beside, before[-1], "before BatchNorm:\nthe window's sum", OKABE_ITO["grey"])
    label_line(ax, beside, after[-1], "after BatchNorm: T(x)", COLOURS["frelu"])
    ax.set(xlabel="standard deviation of the window's first weights", ylabel="standard deviation")
    ax.set_xlim(scales[0] / 2, scales[-1] * 300)
    ax.set_xticks(list(scales))
    ax.margins(y=0.1)
    ax.grid(color="#E5E5E5", linewidth=0.8)
    return figure


def _bare(ax: Axes) -> None:
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)
