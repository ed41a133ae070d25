"""Static figures in the place of the widgets: chosen states side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.gridspec import SubplotSpec
from matplotlib.patches import Patch
from numpy.typing import NDArray

from .activations import FORMULAS, Curve, with_gaps
from .panels import FAINT, Look, draw_picture, frame, legend_below, styled
from .style import COLOURS, LABELS, LINES, new_figure

Picture = NDArray[np.uint8]


def panel_rows(
    rows: Mapping[str, Mapping[str, Picture]],
    notes: Mapping[str, Sequence[str]] | None = None,
    legend: Mapping[str, str] | None = None,
) -> Figure:
    """A row of pictures (H, W, 3) for each state, {state: {title: picture}}.

    notes: {state: words below each of its pictures}; legend: {name: colour}, below all.
    Introduced in notebook 02.
    """
    titles = list(next(iter(rows.values())))
    side = min(10.75 / len(titles), 2.6)
    tall = [max(p.shape[0] / p.shape[1] for p in pictures.values()) for pictures in rows.values()]
    size = (side * len(titles), sum(side * ratio + 0.25 for ratio in tall) + 0.5)
    shape: Look = {"figsize": size, "height_ratios": tall, "squeeze": False}
    figure, grid = new_figure(len(rows), len(titles), **shape)
    for line, (state, pictures) in zip(grid, rows.items(), strict=True):
        for place, (axes, title) in enumerate(zip(line, titles, strict=True)):
            draw_picture(axes, pictures[title])
            frame(axes)
            axes.set_xlabel(notes[state][place] if notes else "", fontsize=11)
        line[0].set_ylabel(state, fontsize=11)
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, fontsize=12)
    if legend:
        handles = [
            Patch(facecolor=colour, edgecolor="#888888", label=name)
            for name, colour in legend.items()
        ]
        legend_below(figure, handles, fontsize=10)
    return figure


# --- the activation explorer: curves, slopes, and outputs for a picture ------------------------


@dataclass(frozen=True)
class Explored:
    """An activation along a line, at one point, and on a picture.

    curve: its values and slopes along x; at: (x, value, slope); picture: its output for the picture
    in colours, (H, W, 3), of `signed_rgb`. Introduced in notebook 01.
    """

    curve: Curve
    at: tuple[float, float, float]
    picture: Picture


@dataclass(frozen=True)
class ExplorerAxes:
    """Where the explorer draws: values, slopes, and panels for pictures, 4 large or many small."""

    values: Axes
    slopes: Axes
    large: list[Axes]
    small: list[Axes]

    def panels(self, count: int) -> list[Axes]:
        """The axes for an input and the outputs of `count` functions."""
        return self.large if count < len(self.large) else self.small


def explorer_axes(figure: Figure | SubFigure) -> ExplorerAxes:
    """Empty axes for the explorer, on a figure of 12 x 4.4 inches. Introduced in notebook 01.

    At this size a step in x is as long as one in f(x), so that a slope looks like what it is.
    """
    place: Look = {"left": 0.04, "right": 0.995, "top": 0.92, "bottom": 0.11, "wspace": 0.18}
    with styled():
        grid = figure.add_gridspec(1, 3, width_ratios=[4.6, 4, 4.2], **place)
        values, slopes = (figure.add_subplot(grid[0, column]) for column in (0, 1))
        sides = (2, max(3, math.ceil(math.sqrt(1 + len(FORMULAS)))))
        large, small = (_picture_axes(figure, grid[0, 2], side) for side in sides)
    values.set(xlim=(-4, 4), ylim=(-2.75, 4.75), xlabel="input $x$", title="value $f(x)$")
    slopes.set(xlim=(-4, 4), ylim=(-0.7, 2.2), xlabel="input $x$", title="slope $f\\,'(x)$")
    for axes in (values, slopes):
        axes.axhline(0, color=FAINT, linewidth=0.8, zorder=0)
        axes.axvline(0, color=FAINT, linewidth=0.8, zorder=0)
    return ExplorerAxes(values, slopes, large, small)


def _picture_axes(figure: Figure | SubFigure, place: SubplotSpec, side: int) -> list[Axes]:
    cells = place.subgridspec(side, side, wspace=0.05, hspace=0.08 * side)
    panels = [figure.add_subplot(cells[cell]) for cell in np.ndindex(side, side)]
    for axes in panels:
        axes.set_axis_off()
        axes.set_aspect("equal")
    return panels


def explorer_input(axes: ExplorerAxes, picture: Picture, count: int) -> list[Artist]:
    """Draw the picture that goes into `count` functions. Introduced in notebook 01."""
    return _panel(axes.panels(count)[0], "x", picture, "black")


def explorer_function(axes: ExplorerAxes, each: Explored, place: int, count: int) -> list[Artist]:
    """Draw one function's curve, slope, name, and its output for the picture.

    It is number `place`, from 0, of `count`. Introduced in notebook 01.
    """
    curve, colour, label = each.curve, COLOURS[each.curve.name], LABELS[each.curve.name]
    style: Look = {"color": colour, "linestyle": LINES[curve.name]}
    name: Look = {"color": colour, "transform": axes.values.transAxes, "fontsize": 12}
    return [
        *axes.values.plot(curve.x, curve.y, **style),
        *axes.slopes.plot(curve.x, with_gaps(curve.slope), **style),
        axes.values.text(0.03, 0.92 - 0.08 * place, label, **name),
        *_panel(axes.panels(count)[1 + place], label, each.picture, colour),
    ]


def _panel(panel: Axes, name: str, picture: Picture, colour: str) -> list[Artist]:
    centred: Look = {"transform": panel.transAxes, "ha": "center", "va": "bottom", "fontsize": 11}
    return [
        panel.imshow(picture, interpolation="nearest"),
        panel.text(0.5, 1.01, name, color=colour, **centred),
    ]


def explorer_touch(axes: ExplorerAxes, functions: Sequence[Explored]) -> list[Artist]:
    """Draw where each curve is touched, its tangent, and its slope as a point of the other axes.

    Introduced in notebook 01.
    """
    drawn: list[Artist] = []
    for each in functions:
        (x, value, slope), colour = each.at, COLOURS[each.curve.name]
        ends = np.array([-1, 1]) * 1.2 / np.hypot(1, slope)
        drawn += axes.values.plot(x + ends, value + slope * ends, color="black", linewidth=1.2)
        for panel, y in ((axes.values, value), (axes.slopes, slope)):
            look: Look = {"color": colour, "markeredgecolor": "black", "markersize": 8}
            drawn += panel.plot(x, y, "o", clip_on=False, **look)
    for panel in (axes.values, axes.slopes):
        if functions:
            line: Look = {"color": "black", "linewidth": 0.8, "linestyle": ":"}
            drawn.append(panel.axvline(functions[0].at[0], **line))
    return drawn


def explorer(picture: Picture, states: Sequence[Sequence[Explored]]) -> Figure:
    """The explorer's picture, once per state, one below the other. Introduced in notebook 01."""
    figure = plt.figure(figsize=(12, 4.4 * len(states)))
    parts = figure.subfigures(len(states), squeeze=False)[:, 0]
    for part, functions in zip(parts, states, strict=True):
        axes = explorer_axes(part)
        explorer_input(axes, picture, len(functions))
        for place, each in enumerate(functions):
            explorer_function(axes, each, place, len(functions))
        explorer_touch(axes, functions)
    return figure
