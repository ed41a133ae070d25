"""Figures of notebook 01: the pointwise activations, their slopes, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import PercentFormatter
from scipy.optimize import linear_sum_assignment

from ..nn.activations import ACTIVATIONS
from .condition import LIMIT, SIGNED
from .style import COLOURS, LABELS, LINES, OKABE_ITO, label_line, new_figure

FORMULAS = {name: row.formula for name, row in ACTIVATIONS.items() if row.formula}
FAMILIES = tuple(dict.fromkeys(ACTIVATIONS[name].family for name in FORMULAS))

DASHES = (0, (4, 2))
ACTIVITY = ListedColormap(["#FFFFFF", OKABE_ITO["sky"], "#000000"])


@dataclass(frozen=True)
class Curve:
    """An activation along a line: inputs `x`, values `y` and slopes, arrays of one length.

    Introduced in notebook 01.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    slope: np.ndarray


def families(curves: Sequence[Curve]) -> Figure:
    """All activations on one page: values above, slopes below, a column per family beside ReLU.

    Introduced in notebook 01.
    """
    figure, grid = new_figure(2, len(FAMILIES), figsize=(11, 7), sharex=True, sharey="row")
    for (values, slopes), family in zip(grid.T, FAMILIES, strict=True):
        members = [c for c in curves if c.name == "relu" or ACTIVATIONS[c.name].family == family]
        values.set_title(family)
        _named_lines(values, members, [curve.y for curve in members], 1)
        _named_lines(slopes, members, [with_gaps(curve.slope) for curve in members], 1.15)
        slopes.set_xlabel("input $x$")
    grid[0, 0].set(xlim=(-5, 3), ylim=(-1.7, 3), ylabel="value $f(x)$")
    grid[1, 0].set(ylim=(-0.5, 1.5), ylabel="slope $f\\,'(x)$")
    for axes in grid.flat:
        _cross(axes)
    return figure


def _named_lines(
    axes: Axes, curves: Sequence[Curve], heights: Sequence[np.ndarray], names_at: float
) -> None:
    """Draw curves over one x, and their names in a row at `names_at`, above what is below zero.

    A thin line leads from each name to its curve. The names' order is the one that puts each where
    its curve is far from the others.
    """
    x = curves[0].x
    places = np.linspace(x[0] + 0.6, -0.8, len(curves))
    lift = 0.2 * names_at if len(curves) > 4 else 0  # names in two rows where one is full
    below = [np.flatnonzero(np.abs(x - place) < 0.4) for place in places]
    apart = np.array([[np.abs(y - other) for other in heights] for y in heights])
    apart[np.eye(len(curves), dtype=bool)] = np.inf
    score = np.array([[np.log(gaps[part].max() + 1e-9) for part in below] for gaps in apart.min(1)])
    for number, place in zip(*linear_sum_assignment(score, maximize=True), strict=True):
        curve, y, part = curves[number], heights[number], below[place]
        point = part[apart[number].min(0)[part].argmax()]
        colour = COLOURS[curve.name]
        axes.plot(x, y, color=colour, linestyle=LINES[curve.name])
        axes.annotate(
            LABELS[curve.name],
            (x[point], y[point]),
            (places[place], names_at + lift * (place % 2)),
            color=colour,
            ha="center",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.8},
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )


def with_gaps(slope: np.ndarray) -> np.ndarray:
    """The slopes with a gap where they jump: at a kink there is no slope, hence nothing to draw."""
    jumps = np.abs(np.diff(slope, append=slope[-1])) > 0.2
    return np.where(jumps, np.nan, slope)


def _cross(axes: Axes) -> None:
    """Thin lines through zero, behind the curves."""
    axes.axhline(0, color="#BBBBBB", linewidth=0.8, zorder=0)
    axes.axvline(0, color="#BBBBBB", linewidth=0.8, zorder=0)


def one_by_one(curves: Sequence[Curve]) -> Figure:
    """Each activation by itself: its formula, its value (line) and its slope (dashes).

    Introduced in notebook 01.
    """
    rows = len(curves) // 4 + 1
    figure, grid = new_figure(rows, 4, figsize=(11, 3 * rows), sharex=True, sharey=True)
    for axes in grid.flat[len(curves) :]:
        axes.axis("off")
    for axes, curve in zip(grid.flat, curves, strict=False):
        colour = COLOURS[curve.name]
        axes.plot(curve.x, curve.y, color=colour)
        axes.plot(curve.x, with_gaps(curve.slope), color=colour, linestyle=DASHES, linewidth=1.3)
        title = f"{LABELS[curve.name]}\n{FORMULAS[curve.name]}"
        axes.set_title(title, color=colour, fontsize=10.5)
        _cross(axes)
    grid[0, 0].set(xlim=(-4, 3), ylim=(-1.5, 3))
    grid[-1, 0].set_xlabel("input $x$")
    _key(grid.flat[len(curves)])
    return figure


def _key(axes: Axes) -> None:
    """Say in an empty panel what line and dashes mean."""
    for height, style, width, text in (
        (2.0, "-", 2, "value $f(x)$"),
        (1.3, DASHES, 1.3, "slope $f\\,'(x)$"),
    ):
        axes.plot([-3.6, -2.0], [height] * 2, color="black", linestyle=style, linewidth=width)
        axes.text(-1.7, height, text, va="center")
    notes = (
        "$\\sigma(x)=1/(1+e^{-x})$",
        "$\\Phi(x)$: share of a standard\nnormal distribution below $x$",
        "$a$: learnt, begins at 0.25",
    )
    axes.text(-3.6, 0.8, "\n".join(notes), va="top", linespacing=1.6)


def bracket(curve: Curve, steps: np.ndarray) -> Figure:
    """Bisection towards a minimum: `steps` (n, 2), left and right end of each bracket.

    Introduced in notebook 01.
    """
    figure, (values, slopes) = new_figure(1, 2, figsize=(11, 3.8), sharex=True)
    colour = COLOURS[curve.name]
    for axes, y, name in ((values, curve.y, "value"), (slopes, curve.slope, "slope")):
        axes.plot(curve.x, y, color=colour)
        axes.axvline(steps[-1].mean(), color="black", linewidth=0.8, linestyle=":")
        axes.set(title=f"{LABELS[curve.name]}: {name}", xlabel="input $x$")
    slopes.axhline(0, color="#BBBBBB", linewidth=0.8, zorder=0)
    bottom, top = values.get_ylim()
    heights = top + (top - bottom) * np.linspace(0.8, 0.05, len(steps))
    for height, ends in zip(heights, steps, strict=True):
        values.plot(ends, [height] * 2, color="black", marker="|", linewidth=1)
    label_line(values, steps[0, 1], heights[0], "first bracket", "black")
    label_line(values, steps[-1, 1], heights[-1], f"after {len(steps) - 1} halvings", "black")
    slopes.annotate("downhill", (curve.x[0], 0), (0, 4), textcoords="offset points")
    slopes.annotate("uphill", (curve.x[-1], 0), (0, 4), textcoords="offset points", ha="right")
    return figure


def overflow(x: np.ndarray, slopes: dict[str, np.ndarray], limit: float) -> Figure:
    """The slope of two ways to write Mish where exp(x) overflows; `limit` is that x.

    slopes: label -> one slope per x; a grey field stands for NaN. Introduced in notebook 01.
    """
    figure, grid = new_figure(1, len(slopes), figsize=(11, 2.4), sharex=True, sharey=True)
    for axes, (label, slope) in zip(grid, slopes.items(), strict=True):
        lost = np.isnan(slope)
        axes.plot(x, slope, color=COLOURS["mish"])
        axes.fill_between(x, 0, 1.3, where=lost, color="#DDDDDD", linewidth=0)
        if lost.any():
            axes.text(x[lost].mean(), 0.6, "NaN", ha="center", va="center", fontsize=16)
        axes.axvline(limit, color="black", linewidth=0.8, linestyle=":")
        axes.set(title=label, xlabel="input $x$, float32", xlim=(x[0], x[-1]), ylim=(0, 1.3))
    grid[0].set_ylabel("slope")
    return figure


def photographs(picture: np.ndarray, outputs: dict[str, np.ndarray]) -> Figure:
    """A standardised picture and each activation's output for it, on notebook 02's signed scale.

    picture: (H, W); outputs: name -> (H, W). Below each one stands the histogram of its values, on
    the same scale. Introduced in notebook 01.
    """
    panels = {"the photograph": picture} | {LABELS[name]: y for name, y in outputs.items()}
    rows = -(-len(panels) // 4)
    heights = {"height_ratios": [5, 1] * rows}
    figure, grid = new_figure(2 * rows, 4, figsize=(11, 3.6 * rows), gridspec_kw=heights)
    for axes in grid.flat:
        axes.axis("off")
    colours = ["black", *(COLOURS[name] for name in outputs)]
    for place, (title, values) in enumerate(panels.items()):
        row, column = divmod(place, 4)
        above, below = grid[2 * row, column], grid[2 * row + 1, column]
        image = above.imshow(values, cmap=SIGNED, vmin=-LIMIT, vmax=LIMIT)
        above.set_title(title, color=colours[place])
        _histogram(below, values, picture, colours[place])
    bar = figure.colorbar(image, ax=grid, shrink=0.7)
    bar.set_label("value, in standard deviations of the photograph")
    return figure


def _histogram(axes: Axes, values: np.ndarray, picture: np.ndarray, colour: str) -> None:
    """A small histogram without a scale of counts."""
    axes.axis("on")
    ends = (picture.min(), picture.max())
    axes.hist(values.ravel(), bins=np.linspace(*ends, 60).tolist(), color=colour)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set(yticks=[], xticks=[-1, 0, 1, 2], xlim=ends)
    axes.spines["left"].set_visible(False)
    axes.tick_params(labelsize=8, length=2)


def gradient_depth(experiments: dict[str, dict[str, np.ndarray]]) -> Figure:
    """The gradient's norm on its way back, as a share of the last layer's; a panel per experiment.

    experiments: title -> name -> norms (seeds, layers), first layer first. A line is the geometric
    mean over the seeds, its band goes from the least to the largest. Introduced in notebook 01.
    """
    figure, grid = new_figure(1, len(experiments), figsize=(11, 5), sharey=True, squeeze=False)
    for axes, (title, norms) in zip(grid.flat, experiments.items(), strict=True):
        axes.set(title=title, xlabel="layers passed, from the last to the first", yscale="log")
        axes.axhline(1, color="#BBBBBB", linewidth=0.8, zorder=0)
        back = {name: values[:, ::-1] / values[:, -1:] for name, values in norms.items()}
        for name, values in back.items():
            passed = np.arange(values.shape[1])
            _band(axes, passed, values, np.exp(np.log(values).mean(0)), name)
        axes.set(xlim=(0, passed[-1]), xticks=[*passed[::5], passed[-1]])
    grid[0, 0].set_ylabel("norm of the gradient")
    for axes in grid.flat:
        _name_ends(axes)
    return figure


def _band(axes: Axes, x: np.ndarray, values: np.ndarray, middle: np.ndarray, name: str) -> None:
    """A line in the activation's colour, and a band from the least to the largest of its seeds."""
    colour = COLOURS[name]
    axes.plot(x, middle, color=colour, linestyle=LINES[name], label=LABELS[name])
    axes.fill_between(x, values.min(0), values.max(0), color=colour, alpha=0.15, linewidth=0)


def _name_ends(axes: Axes, apart: float = 0.05) -> None:
    """Write each line's name beside its right end, moved up or down where names would collide.

    apart: the least distance of two names, as a share of the axes' height.
    """
    to_share = axes.transScale + axes.transLimits
    lines = [line for line in axes.get_lines() if not str(line.get_label()).startswith("_")]
    ends = [to_share.transform(np.asarray(line.get_xydata())[-1])[1] for line in lines]
    for line, end, height in zip(lines, ends, _spread(ends, apart), strict=True):
        axes.annotate(
            str(line.get_label()),
            (1, end),
            (1.06, height),
            xycoords="axes fraction",
            color=line.get_color(),
            va="center",
            arrowprops={"arrowstyle": "-", "color": line.get_color(), "linewidth": 0.8},
        )


def _spread(heights: Sequence[float], apart: float) -> np.ndarray:
    """The heights, moved as little as possible (least squares) until all are `apart` or further.

    Less an equal step each, that is isotonic regression: neighbours that collide share their mean.
    """
    order = np.argsort(heights, kind="stable")
    steps = apart * np.arange(len(order))
    groups: list[list[float]] = []
    for wanted in np.asarray(heights)[order] - steps:
        groups.append([wanted])
        while len(groups) > 1 and np.mean(groups[-2]) > np.mean(groups[-1]):
            last = groups.pop()
            groups[-1] += last
    spread = np.empty(len(order))
    spread[order] = np.concatenate([[np.mean(group)] * len(group) for group in groups]) + steps
    return spread


def activity(layers: dict[str, np.ndarray]) -> Figure:
    """Which unit is active for which sample; a unit that is active for none is black.

    layers: title -> bool (samples, units). Units are sorted by how often they are active.
    Introduced in notebook 01.
    """
    figure, grid = new_figure(1, len(layers), figsize=(11, 3.6), sharey=True, squeeze=False)
    for axes, (title, active) in zip(grid.flat, layers.items(), strict=True):
        rows = active.T[np.argsort(-active.mean(0), kind="stable")].astype(int)
        rows[~rows.any(1)] = 2
        axes.imshow(rows, cmap=ACTIVITY, vmin=0, vmax=2, aspect="auto", interpolation="nearest")
        dead = (rows == 2).all(1).sum()
        axes.set(title=f"{title}: {dead} of {len(rows)} units dead", xlabel="sample")
    grid[0, 0].set_ylabel("unit")
    return figure


def dead_units(rates: Sequence[float], shares: dict[str, np.ndarray]) -> Figure:
    """The share of dead units after training, by learning rate.

    shares: name -> (seeds, rates), from 0 to 1. A line is the mean over the seeds, its band goes
    from the least to the largest. Introduced in notebook 01.
    """
    figure, axes = new_figure(figsize=(8.5, 4.5))
    for name, values in shares.items():
        _band(axes, np.asarray(rates), values, values.mean(0), name)
    axes.set(xscale="log", xlabel="learning rate", ylabel="dead units", ylim=(-0.01, None))
    axes.set_xlim(min(rates), max(rates))
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates], minor=False)
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    _name_ends(axes)
    return figure
