"""Training as curves: losses and scores over steps, epochs and learning rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from .panels import FAINT, INK, arm_colour, arm_label, left_title, note, panel_row, styled
from .style import COLOURS, LABELS, OKABE_ITO, label_line, new_figure


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
            axes.plot(epochs, heights, "o-", color=COLOURS[name])
            label_line(axes, epochs[-1], heights[-1], f" {LABELS[name]}", COLOURS[name])
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
    title: str = "",
) -> Figure:
    """Loss (left, logarithmic) and validation mean IoU (right, %) per epoch, the kept one marked.

    Mean IoU comes in 0..1; `best_epoch` counts from 1. Introduced in notebook 04.
    """
    figure, (left, right) = new_figure(1, 2, figsize=(11, 3.6))
    _plot_epochs(left, train_loss, "blue", "-")
    _plot_epochs(left, validation_loss, "vermilion", "--")
    _plot_epochs(right, 100 * np.asarray(validation_iou), "vermilion", "--")
    if len(train_loss) and len(validation_loss):
        above = 1 if validation_loss[-1] > train_loss[-1] else -1  # the higher curve's name
        _name_end(left, "training", train_loss, "blue", -above)
        _name_end(left, "validation", validation_loss, "vermilion", above)
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


def _plot_epochs(axes: Axes, values: Sequence[float], colour: str, line: str) -> None:
    marker = "." if len(values) < 20 else None
    epochs = np.arange(1, len(values) + 1)
    axes.plot(epochs, values, line, color=OKABE_ITO[colour], marker=marker)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.02)


def _name_end(axes: Axes, name: str, values: Sequence[float], colour: str, side: int) -> None:
    """The name above (side 1) or below (-1) the curve's end."""
    look = {"ha": "right", "va": "bottom" if side > 0 else "top", "color": OKABE_ITO[colour]}
    note(axes, name, (len(values), values[-1]), (0, 9 * side), **look)


def _mark_epoch(axes: Axes, epoch: int, value: float) -> None:
    axes.plot(epoch, value, "o", color="black", zorder=4)
    line = {"arrowstyle": "-", "color": "black", "linewidth": 1}
    place = {"textcoords": "axes fraction", "ha": "right", "va": "baseline", "arrowprops": line}
    note(axes, f"kept: epoch {epoch}, {value:.1f} %", (epoch, value), (0.98, 0.06), **place)


@styled()
def loss_over_band(
    recorded: Mapping[str, ArrayLike], own: Mapping[str, ArrayLike], window: int, title: str
) -> Figure:
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
def score_by_rate(rates: Sequence[float], scores: Mapping[str, ArrayLike], title: str) -> Figure:
    """Accuracy over the learning rate: every run a dot, a line through the means.

    scores: activation -> (rates, runs) in %. Introduced in notebook 03.
    """
    figure, axes = new_figure(figsize=(9, 3.8))
    for name, found in scores.items():
        values, colour = np.asarray(found, float), arm_colour(name)
        axes.plot(rates, values.mean(1), color=colour)
        x = np.repeat(rates, values.shape[1])
        axes.plot(x, values.ravel(), "o", color=colour, ms=4, alpha=0.5)
        label_line(axes, rates[-1], values[-1].mean(), arm_label(name), colour)
    axes.set(xscale="log", xlabel="learning rate", ylabel="accuracy in %", title=title)
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
    axes.minorticks_off()
    return figure


@styled()
def score_over_epochs(curves: Mapping[str, ArrayLike], label: str, title: str) -> Figure:
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
def losses_by_setting(losses: Mapping[str, Mapping[str, ArrayLike]], title: str) -> Figure:
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
