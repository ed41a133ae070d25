"""Many runs at once: scores by arm and by class, and differences with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from .panels import FAINT, INK, arm_colour, arm_label, beside, styled
from .style import OKABE_ITO, new_figure


@styled()
def runs_by_arm(
    scores: Mapping[str, ArrayLike], intervals: Mapping[str, tuple[float, float]], title: str
) -> Figure:
    """Every run as a dot, one row per arm, and the interval of its mean as a bar.

    scores: arm -> (runs,) in %. intervals: arm -> (low, high) in %. Introduced in notebook 03.
    """
    figure, axes = new_figure(figsize=(10, 0.55 * len(scores) + 1.3))
    shift = np.random.default_rng(0)
    runs = {arm: np.asarray(values, float) for arm, values in scores.items()}
    for row, (arm, values) in enumerate(runs.items()):
        heights, colour = row + shift.uniform(-0.22, 0.22, len(values)), arm_colour(arm)
        axes.plot(values, heights, "o", ms=4, color=colour, alpha=0.35, mec="none")
        axes.plot(intervals[arm], [row, row], color=colour, lw=6, solid_capstyle="butt")
        axes.plot(values.mean(), row, "|", color="white", ms=8, mew=2)
    axes.set_yticks(range(len(runs)), [f"{arm_label(a)} ({len(v)})" for a, v in runs.items()])
    axes.set(xlabel="accuracy in %", ylim=(len(runs) - 0.5, -0.5), title=title)
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


@styled()
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
        axes.plot([one.low, one.high], [row, row], color=INK, lw=3, solid_capstyle="butt")
        axes.plot(one.mean, row, "o", color=INK, ms=7)
        beside(axes, row, one.words, x=1.01, fontsize=10)
    axes.set_yticks(range(len(differences)), [one.label for one in differences])
    axes.set(ylim=(len(differences) - 0.4, -0.6), xlabel=f"difference in {unit}", title=title)
    axes.text(margin, -0.58, " a difference that matters", va="top", fontsize=9, color="#666666")
    return figure


@styled()
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


@styled()
def class_scores(
    scores: Mapping[str, ArrayLike], classes: Sequence[str], apart: str, title: str
) -> Figure:
    """Each class's score by arm: every run a dot, the mean a bar; the class `apart` on grey ground.

    scores: arm -> (runs, classes) in %. Introduced in notebook 05.
    """
    figure, axes = new_figure(figsize=(11, 4.2))
    step = 0.8 / len(scores)
    for number, (arm, found) in enumerate(scores.items()):
        values, colour = np.asarray(found, float), arm_colour(arm)
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
