"""The room where many runs are looked at: arms, differences with intervals, bands of curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from numpy.typing import ArrayLike

from .style import COLOURS, LABELS, OKABE_ITO, RC, label_line, new_figure

FAINT, INK = "#BBBBBB", "#1A1A1A"
_styled = plt.rc_context(RC)


def arm_colour(arm: str) -> str:
    """An activation's own colour through the whole series; black for what only a control has."""
    return COLOURS.get(arm, INK)


def arm_label(arm: str) -> str:
    """The name that a reader sees."""
    return LABELS.get(arm, arm)


# --- the arms as diagrams ---------------------------------------------------------------------


@dataclass(frozen=True)
class Wiring:
    """What follows a convolution: `before` in line, `branch` beside a bypass, joined by `join`.

    Without a bypass the branch is in line too. Introduced in notebook 06.
    """

    branch: tuple[str, ...]
    join: str
    bypass: bool = False
    before: tuple[str, ...] = ()
    convolution: str = "conv"


WIRINGS = {
    "relu": Wiring((), "ReLU"),
    "bn_relu": Wiring(("BN",), "ReLU"),
    "dw_bn_relu": Wiring(("3x3", "BN"), "ReLU"),
    "frelu": Wiring(("3x3", "BN"), "max", bypass=True),
    "frelu_1x1": Wiring(("1x1", "BN"), "max", bypass=True),
    "sum_funnel": Wiring(("3x3", "BN"), "+", bypass=True),
    "bn_frelu": Wiring(("3x3", "BN"), "max", bypass=True, before=("BN",)),
}
"""The arms of notebook 06's main table, drawn in its order."""

PART_WIRINGS = {
    "frelu_5x5": Wiring(("5x5", "BN"), "max", bypass=True),
    "frelu_1x3_3x1": Wiring(("1x3 +\n3x1", "BN"), "max", bypass=True),
    "max_pool_funnel": Wiring(("max\npool", "BN"), "max", bypass=True),
    "avg_pool_funnel": Wiring(("avg\npool", "BN"), "max", bypass=True),
    "frelu_no_bn": Wiring(("3x3",), "max", bypass=True),
    "frelu_gamma0": Wiring(("3x3", "BN\nfrom 0"), "max", bypass=True),
    "relu_wide": Wiring((), "ReLU", convolution="wide\nconv"),
}
"""Those that change the funnel's parts."""

_BOX, _STEP = 0.62, 1.0


@_styled
def arm_diagrams(wirings: Mapping[str, Wiring], columns: int = 2) -> Figure:
    """Each arm as boxes from left to right: what a pixel passes between two convolutions.

    Introduced in notebook 06.
    """
    rows = -(-len(wirings) // columns)
    figure, grid = new_figure(rows, columns, figsize=(11, 1.15 * rows))
    for axes, (arm, wiring) in zip(grid.flat, wirings.items(), strict=False):
        _draw_wiring(axes, arm, wiring)
    for axes in grid.flat:
        axes.set(xlim=(-0.4, 7.4), ylim=(-0.5, 1.6), xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    return figure


def _draw_wiring(axes: Axes, arm: str, wiring: Wiring) -> None:
    line = (wiring.convolution, *wiring.before, *wiring.branch, wiring.join)
    for place, name in enumerate(line):
        _draw_box(axes, place, name)
        if place:
            _arrow(axes, (place - 1 + _BOX / 2 + 0.03, 0), (place - _BOX / 2 - 0.03, 0), 0.0)
    _arrow(axes, (len(line) - 1 + _BOX / 2 + 0.03, 0), (len(line) - 0.45, 0), 0.0)
    if wiring.bypass:
        start = len(wiring.before)
        _arrow(axes, (start, 0.35), (len(line) - 1, 0.35), -0.28)
    axes.text(-0.35, 1.55, arm, color=arm_colour(arm), weight="bold", va="top")


def _draw_box(axes: Axes, place: int, name: str) -> None:
    face = {"ReLU": "#FFFFFF", "max": "#F9D9C2", "+": "#F9D9C2"}
    face |= {name: "#E8E8E8"} if "conv" in name else {name: "#CFE8F7"} if "BN" in name else {}
    corner = (place * _STEP - _BOX / 2, -0.3)
    style = "round,pad=0.02,rounding_size=0.12"
    box = FancyBboxPatch(corner, _BOX, 0.6, boxstyle=style, fc=face.get(name, "#D5EFE5"), ec=INK)
    axes.add_patch(box)
    axes.text(place * _STEP, 0, name, ha="center", va="center", fontsize=8 if "\n" in name else 10)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], bend: float) -> None:
    bow = f"arc3,rad={bend}"
    arrow = FancyArrowPatch(
        start, end, connectionstyle=bow, arrowstyle="-|>", mutation_scale=10, color=INK, lw=1.2
    )
    axes.add_patch(arrow)


# --- runs and their differences ---------------------------------------------------------------


@_styled
def runs_by_arm(
    scores: Mapping[str, ArrayLike], intervals: Mapping[str, tuple[float, float]], title: str
) -> Figure:
    """Every run as a dot, one row per arm, and the interval of its mean as a bar.

    scores: arm -> (runs,) in %. intervals: arm -> (low, high) in %. Introduced in notebook 03.
    """
    figure, axes = new_figure(figsize=(10, 0.55 * len(scores) + 1.3))
    shift = np.random.default_rng(0)
    for row, (arm, values) in enumerate(scores.items()):
        values, colour = np.asarray(values, float), arm_colour(arm)
        heights = row + shift.uniform(-0.22, 0.22, len(values))
        axes.plot(values, heights, "o", ms=4, color=colour, alpha=0.35, mec="none")
        axes.plot(intervals[arm], [row, row], color=colour, lw=6, solid_capstyle="butt")
        axes.plot(values.mean(), row, "|", color="white", ms=8, mew=2)
    axes.set_yticks(range(len(scores)), [f"{arm_label(a)} ({len(v)})" for a, v in scores.items()])
    axes.set(xlabel="accuracy in %", ylim=(len(scores) - 0.5, -0.5), title=title)
    axes.grid(axis="x", color="#EEEEEE", lw=1)
    axes.set_axisbelow(True)
    return figure


@dataclass(frozen=True)
class Difference:
    """One comparison as it is drawn: words, mean and interval in points, and what they allow."""

    label: str
    mean: float
    low: float
    high: float
    words: str
    colour: str = INK


@_styled
def difference_axis(
    differences: Sequence[Difference], margin: float, unit: str, title: str
) -> Figure:
    """Paired differences with intervals on one axis; the band is what would not matter.

    Introduced in notebook 06.
    """
    figure, axes = new_figure(figsize=(11, 0.5 * len(differences) + 1.6))
    axes.axvspan(-margin, margin, color="#EEEEEE", lw=0)
    axes.axvline(0, color=FAINT, lw=1)
    for row, one in enumerate(differences):
        axes.plot([one.low, one.high], [row, row], color=one.colour, lw=3, solid_capstyle="butt")
        axes.plot(one.mean, row, "o", color=one.colour, ms=7)
    right = axes.get_yaxis_transform()
    for row, one in enumerate(differences):
        axes.text(1.01, row, one.words, transform=right, va="center", fontsize=10)
    axes.set_yticks(range(len(differences)), [one.label for one in differences])
    axes.set(ylim=(len(differences) - 0.4, -0.6), xlabel=f"difference in {unit}", title=title)
    axes.text(margin, -0.58, " a difference that matters", va="top", fontsize=9, color="#666666")
    return figure


@_styled
def pairs_of_runs(differences: ArrayLike, label: str, title: str) -> Figure:
    """How the differences of single pairs of runs are spread, those with the other sign in red.

    differences: every arm's run against every other's, in points. Introduced in notebook 03.
    """
    values = np.asarray(differences, float).ravel()
    edges = np.arange(np.floor(values.min()), np.ceil(values.max()) + 0.5, 0.5)
    figure, axes = new_figure(figsize=(9, 3.4))
    for part, colour in ((values[values > 0], "sky"), (values[values <= 0], "vermilion")):
        shares = np.full(len(part), 100 / len(values))
        axes.hist(part, edges, color=OKABE_ITO[colour], weights=shares)
    axes.axvline(0, color=INK, lw=1)
    axes.axvline(values.mean(), color=INK, lw=1, ls="--")
    axes.set(xlabel=label, ylabel="% of all pairs", title=title)
    return figure


@_styled
def class_scores(
    scores: Mapping[str, ArrayLike], classes: Sequence[str], apart: str, title: str
) -> Figure:
    """Each class's score by arm: every run a dot, the mean a bar; the class `apart` on grey ground.

    scores: arm -> (runs, classes) in %. Introduced in notebook 05.
    """
    figure, axes = new_figure(figsize=(11, 4.2))
    step = 0.8 / len(scores)
    for number, (arm, values) in enumerate(scores.items()):
        values, colour = np.asarray(values, float), arm_colour(arm)
        x = np.arange(len(classes)) + step * (number - (len(scores) - 1) / 2)
        axes.plot(np.tile(x, len(values)), values.ravel(), "o", ms=5, color=colour, alpha=0.5)
        axes.hlines(values.mean(0), x - 0.4 * step, x + 0.4 * step, color=colour, lw=2)
        axes.plot([], [], "o", color=colour, label=f"{arm_label(arm)}, {len(values)} runs")
    place = list(classes).index(apart)
    axes.axvspan(place - 0.5, place + 0.5, color="#EEEEEE", lw=0, zorder=0)
    axes.set_xticks(range(len(classes)), classes)
    axes.set(ylabel="IoU in %", title=title, ylim=(0, None), xlim=(-0.6, len(classes) - 0.4))
    figure.legend(loc="outside lower center", ncols=len(scores))
    return figure


# --- curves -----------------------------------------------------------------------------------


@_styled
def loss_over_band(
    recorded: Mapping[str, ArrayLike],
    own: Mapping[str, ArrayLike],
    window: int,
    title: str,
) -> Figure:
    """The reader's own curves over the recorded runs' band, from least to largest run.

    recorded: activation -> (runs, windows); own: activation -> (windows,), or nothing. window:
    steps per point. Introduced in notebook 03.
    """
    figure, grid = new_figure(1, len(recorded), figsize=(11, 3.4), sharey=True, squeeze=False)
    for axes, (name, runs) in zip(grid[0], recorded.items(), strict=True):
        runs, colour = np.atleast_2d(np.asarray(runs, float)), arm_colour(name)
        steps = window * (np.arange(runs.shape[1]) + 0.5)
        axes.fill_between(steps, runs.min(0), runs.max(0), color=colour, alpha=0.25, lw=0)
        axes.plot(steps, runs.mean(0), color=colour, lw=1.2)
        if name in own:
            curve = np.asarray(own[name], float)
            axes.plot(window * (np.arange(len(curve)) + 0.5), curve, "o-", color=INK, ms=4, lw=1.2)
        axes.set(title=f"{arm_label(name)}, {len(runs)} runs", xlabel=f"step (means of {window:,})")
    grid[0, 0].set_ylabel("training loss")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    return figure


@_styled
def score_by_rate(rates: Sequence[float], scores: Mapping[str, ArrayLike], title: str) -> Figure:
    """Accuracy over the learning rate: every run a dot, a line through the means.

    scores: activation -> (rates, runs) in %. Introduced in notebook 03.
    """
    figure, axes = new_figure(figsize=(9, 3.8))
    for name, values in scores.items():
        values, colour = np.asarray(values, float), arm_colour(name)
        axes.plot(rates, values.mean(1), color=colour)
        axes.plot(
            np.repeat(rates, values.shape[1]), values.ravel(), "o", color=colour, ms=4, alpha=0.5
        )
        label_line(axes, rates[-1], values[-1].mean(), arm_label(name), colour)
    axes.set(xscale="log", xlabel="learning rate", ylabel="accuracy in %", title=title)
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
    axes.minorticks_off()
    return figure


@_styled
def score_over_epochs(curves: Mapping[str, ArrayLike], label: str, title: str) -> Figure:
    """A score of the validation part over epochs, a panel per arm: every run a line, the mean
    thick, the other arms' means faint.

    curves: arm -> (runs, epochs) in %. Introduced in notebook 04.
    """
    figure, grid = new_figure(1, len(curves), figsize=(11, 3.4), sharey=True, squeeze=False)
    means = {arm: np.asarray(runs, float).mean(0) for arm, runs in curves.items()}
    for axes, (arm, runs) in zip(grid[0], curves.items(), strict=True):
        epochs = np.arange(1, np.shape(runs)[1] + 1)
        for other, mean in means.items():
            axes.plot(epochs, mean, color=arm_colour(arm) if other == arm else FAINT, lw=1.8)
        axes.plot(epochs, np.asarray(runs, float).T, color=arm_colour(arm), lw=0.8, alpha=0.6)
        axes.set(title=f"{arm_label(arm)}, {len(runs)} runs", xlabel="epoch")
    grid[0, 0].set_ylabel(label)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    return figure


@_styled
def losses_by_setting(losses: Mapping[str, Mapping[str, ArrayLike]], title: str) -> Figure:
    """Training loss (dashed) and validation loss (solid) over epochs, means over runs; a panel per
    setting. The axis ends above the largest training loss: spikes of validation leave it.

    losses: setting -> arm -> (2, runs, epochs), training before validation. Introduced in
    notebook 04.
    """
    figure, grid = new_figure(1, len(losses), figsize=(11, 3.8), sharey=True, squeeze=False)
    top = 0.0
    for axes, (setting, by_arm) in zip(grid[0], losses.items(), strict=True):
        for arm, parts in by_arm.items():
            training, validation = np.asarray(parts, float).mean(axis=1)
            epochs, colour = np.arange(1, len(training) + 1), arm_colour(arm)
            axes.plot(epochs, training, "--", color=colour, label=f"{arm_label(arm)}, training")
            axes.plot(epochs, validation, color=colour, label=f"{arm_label(arm)}, validation")
            top = max(top, 1.05 * training.max())
        axes.set(title=setting, xlabel="epoch")
    grid[0, 0].set(ylabel="loss", ylim=(0, top or None))
    names, columns = grid[0, 0].get_legend_handles_labels(), max(map(len, losses.values()))
    figure.legend(*names, loc="outside lower center", ncols=columns)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    return figure
