"""Runs: their curves, their scores by arm and by class, and differences with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from .panels import (
    FAINT,
    INK,
    ByName,
    Look,
    arm_colour,
    arm_label,
    left_title,
    note,
    panel_row,
    row_chart,
    styled,
    text_right_of,
)
from .style import OKABE_ITO, label_line, new_figure

# --- curves -----------------------------------------------------------------------------------


@styled()
def learning(
    losses: Mapping[str, Sequence[float]], scores: Mapping[str, Sequence[float]], title: str = ""
) -> Figure:
    """Loss (left) and accuracy (right) after 0, 1, 2, ... epochs, one line per activation.

    losses, scores: activation -> one value per epoch, the untrained network first; scores lie in
    0..1 and are drawn in %. Introduced in notebook 03.
    """
    figure, (left, right) = new_figure(1, 2, figsize=(11, 3.8))
    for axes, curves, scale in ((left, losses, 1), (right, scores, 100)):
        for name, values in curves.items():
            epochs, heights = np.arange(len(values)), scale * np.asarray(values)
            axes.plot(epochs, heights, "o-", color=arm_colour(name))
            label_line(axes, epochs[-1], heights[-1], f" {arm_label(name)}", arm_colour(name))
        axes.set(xlabel="epochs trained", ylim=(0, None), xlim=(-0.1, 1.16 * epochs[-1] + 0.05))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set_ylabel("mean loss on the test pictures")
    right.set_ylabel("accuracy on the test pictures (%)")
    left_title(figure, title)
    return figure


@styled()
def training_curves(
    train_loss: Sequence[float],
    validation_loss: Sequence[float],
    validation_iou: Sequence[float],
    best_epoch: int | None = None,
    arm: str = "",
    title: str = "",
) -> Figure:
    """Loss (left, logarithmic) and validation mean IoU (right, %) per epoch, the kept one marked.

    Training is dashed, validation solid, both in the arm's colour. Mean IoU comes in 0..1;
    `best_epoch` counts from 1. Introduced in notebook 04.
    """
    figure, (left, right) = new_figure(1, 2, figsize=(11, 3.6))
    colour = arm_colour(arm)
    _plot_epochs(left, train_loss, colour, "--")
    _plot_epochs(left, validation_loss, colour, "-")
    _plot_epochs(right, 100 * np.asarray(validation_iou), colour, "-")
    if len(train_loss) and len(validation_loss):
        above = 1 if validation_loss[-1] > train_loss[-1] else -1  # the higher curve's name
        _name_end(left, "training", train_loss, colour, -above)
        _name_end(left, "validation", validation_loss, colour, above)
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
    epochs = np.arange(1, np.size(values) + 1)
    marker = "." if len(epochs) < 20 else None
    axes.plot(epochs, values, line, color=colour, marker=marker)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.02)


def _name_end(axes: Axes, name: str, values: Sequence[float], colour: str, side: int) -> None:
    """The name above (side 1) or below (-1) the curve's end."""
    look: Look = {"ha": "right", "va": "bottom" if side > 0 else "top", "color": colour}
    note(axes, name, (len(values), values[-1]), (0, 9 * side), **look)


def _mark_epoch(axes: Axes, epoch: int, value: float) -> None:
    axes.plot(epoch, value, "o", color="black", zorder=4)
    line: Look = {"arrowstyle": "-", "color": "black", "linewidth": 1}
    place: Look = {"textcoords": "axes fraction", "ha": "right", "va": "baseline"}
    text = f"kept: epoch {epoch}, {value:.1f} %"
    note(axes, text, (epoch, value), (0.98, 0.06), arrowprops=line, **place)


@styled()
def loss_over_band(recorded: ByName, own: ByName, window: int, title: str) -> Figure:
    """The reader's own curves over the recorded runs' band, from least to largest run.

    recorded: activation -> (runs, windows); own: activation -> (windows,), or nothing. window:
    steps per point. Introduced in notebook 03.
    """
    figure, row = panel_row(recorded, 3.4, title, sharey=True)
    for axes, name, values in row:
        runs, colour = np.atleast_2d(np.asarray(values, float)), arm_colour(name)
        steps = window * (np.arange(runs.shape[1]) + 0.5)
        axes.fill_between(steps, runs.min(0), runs.max(0), color=colour, alpha=0.25, lw=0)
        axes.plot(steps, runs.mean(0), color=colour, lw=1.2)
        if name in own:
            curve = np.asarray(own[name], float)
            axes.plot(window * (np.arange(len(curve)) + 0.5), curve, "o-", color=INK, ms=4, lw=1.2)
        axes.set(title=f"{arm_label(name)}, {len(runs)} runs", xlabel=f"step (means of {window:,})")
    row[0][0].set_ylabel("training loss")
    return figure


@styled()
def score_by_rate(rates: Sequence[float], scores: ByName, title: str) -> Figure:
    """Accuracy over the learning rate: every run a dot, beside its arm's; a line through the means.

    scores: activation -> (rates, runs) in %. Introduced in notebook 03.
    """
    figure, axes = new_figure(figsize=(9, 3.8))
    for number, (name, found) in enumerate(scores.items()):
        values, colour = np.asarray(found, float), arm_colour(name)
        axes.plot(rates, values.mean(1), color=colour)
        aside = 1.05 ** (number - (len(scores) - 1) / 2)  # so that no dot hides another arm's
        x = np.repeat(aside * np.asarray(rates), values.shape[1])
        axes.plot(x, values.ravel(), "o", color=colour, ms=4, alpha=0.5)
        label_line(axes, 1.15 * rates[-1], values[-1].mean(), arm_label(name), colour)
    axes.set(xscale="log", xlabel="learning rate", ylabel="accuracy in %", title=title)
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
    axes.minorticks_off()
    return figure


@styled()
def score_over_epochs(curves: ByName, label: str, title: str) -> Figure:
    """A score of the validation part over epochs, a panel per arm: all runs, their mean thick.

    The other arms' means are faint. curves: arm -> (runs, epochs) in %. Introduced in notebook 04.
    """
    runs = {arm: np.asarray(values, float) for arm, values in curves.items()}
    figure, row = panel_row(runs, 3.4, title, sharey=True)
    for axes, arm, values in row:
        epochs = np.arange(1, values.shape[1] + 1)
        for other, found in runs.items():
            colour = arm_colour(arm) if other == arm else FAINT
            axes.plot(epochs, found.mean(0), color=colour, lw=1.8)
        axes.plot(epochs, values.T, color=arm_colour(arm), lw=0.8, alpha=0.6)
        axes.set(title=f"{arm_label(arm)}, {len(values)} runs", xlabel="epoch")
    row[0][0].set_ylabel(label)
    return figure


@styled()
def losses_by_setting(losses: Mapping[str, ByName], title: str) -> Figure:
    """Training (dashed) and validation loss (solid) over epochs, means over runs, by setting.

    losses: setting -> arm -> (2, runs, epochs), training before validation. The axis ends above the
    largest training loss: spikes of validation leave it. Introduced in notebook 04.
    """
    figure, row = panel_row(losses, 3.8, title, sharey=True)
    top = 0.0
    for axes, setting, by_arm in row:
        for arm, parts in by_arm.items():
            training, validation = np.asarray(parts, float).mean(axis=1)
            epochs, colour = np.arange(1, len(training) + 1), arm_colour(arm)
            axes.plot(epochs, training, "--", color=colour, label=f"{arm_label(arm)}, training")
            axes.plot(epochs, validation, color=colour, label=f"{arm_label(arm)}, validation")
            top = max(top, 1.05 * training.max())
        axes.set(title=setting, xlabel="epoch")
    left = row[0][0]
    left.set(ylabel="loss", ylim=(0, top or None))
    columns = max(map(len, losses.values()))
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=columns)
    return figure


# --- scores and differences -------------------------------------------------------------------


@styled()
def runs_by_arm(scores: ByName, intervals: Mapping[str, tuple[float, float]], title: str) -> Figure:
    """Every run as a dot, one row per arm, and the interval of its mean as a bar.

    scores: arm -> (runs,) in %. intervals: arm -> (low, high) in %. Introduced in notebook 03.
    """
    runs = {arm: np.asarray(values, float) for arm, values in scores.items()}
    names = [f"{arm_label(arm)} ({len(values)})" for arm, values in runs.items()]
    figure, axes = row_chart(names, (10, 0.55, 1.3), "accuracy in %", title)
    shift = np.random.default_rng(0)
    for row, (arm, values) in enumerate(runs.items()):
        heights, colour = row + shift.uniform(-0.22, 0.22, len(values)), arm_colour(arm)
        axes.plot(values, heights, "o", ms=4, color=colour, alpha=0.35, mec="none")
        axes.plot(intervals[arm], [row, row], color=colour, lw=6, solid_capstyle="butt")
        axes.plot(values.mean(), row, "|", color="white", ms=8, mew=2)
    axes.grid(axis="x", color="#EEEEEE", lw=1)
    axes.set_axisbelow(True)
    return figure


@dataclass(frozen=True)
class Difference:
    """One comparison as it is drawn: mean, 95 % and 90 % intervals in points, and words."""

    label: str
    mean: float
    low: float
    high: float
    low_90: float
    high_90: float
    words: str


@styled()
def difference_axis(
    differences: Sequence[Difference], margin: float, unit: str, title: str
) -> Figure:
    """Paired differences on one axis: thin bars are 95 % intervals, thick ones 90 %.

    The band is what is smaller than the margin.
    Introduced in notebook 06.
    """
    labels, xlabel = [one.label for one in differences], f"difference in {unit}"
    figure, axes = row_chart(labels, (11, 0.5, 1.6), xlabel, title)
    axes.axvspan(-margin, margin, color="#EEEEEE", lw=0)
    axes.plot([0, 0], [-0.3, len(labels)], color=FAINT, lw=1, scaley=False)
    for row, one in enumerate(differences):
        axes.plot([one.low, one.high], [row, row], color=INK, lw=1.5, solid_capstyle="butt")
        axes.plot([one.low_90, one.high_90], [row, row], color=INK, lw=4, solid_capstyle="butt")
        axes.plot(one.mean, row, "o", color=INK, ms=7)
        words = one.words.replace(", borderline", ",\nborderline")
        text_right_of(axes, row, words, x=1.01, fontsize=10)
    axes.text(0, -0.58, "too small to matter", ha="center", va="top", fontsize=9, color="#666666")
    return figure


@styled()
def pairs_of_runs(differences: ArrayLike, label: str, title: str) -> Figure:
    """How the differences of single pairs of runs are spread, those with the other sign in black.

    differences: every arm's run against every other's, in points. Introduced in notebook 03.
    """
    values = np.asarray(differences, float).ravel()
    edges = np.arange(np.floor(values.min()), np.ceil(values.max()) + 0.5, 0.5)
    figure, axes = new_figure(figsize=(9, 3.4))
    for part, colour in ((values[values > 0], "sky"), (values[values <= 0], "black")):
        shares = np.full(len(part), 100 / len(values))
        axes.hist(part, edges, color=OKABE_ITO[colour], weights=shares)
    axes.axvline(0, color=INK, lw=1)
    axes.axvline(values.mean(), color=INK, lw=1, ls="--")
    axes.set(xlabel=label, ylabel="% of all pairs", title=title)
    return figure


@styled()
def class_scores(scores: ByName, classes: Sequence[str], apart: str, title: str) -> Figure:
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
