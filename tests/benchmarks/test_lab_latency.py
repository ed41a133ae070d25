"""The funnel lab in the kernel: from a value's change to the new picture, against a full replot.

The picture is new when it is handed over to be sent: a window's fields follow after it.
"""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from matplotlib import pyplot as plt

from helpers.figures.condition import LIMIT, SIGNED, branch_rgb
from helpers.widgets import funnel
from helpers.widgets.shell import Lab
from tests.widgets.states import move

MOVES = 200
ASKED = {"median": (5, 50), "p95": (8, 95)}  # ms, and of which percentile
each_input = pytest.mark.parametrize("given", ["photograph", "noise"])


class Mover:
    """Random moves of one control after the other, the same for every caller; the input stays."""

    def __init__(self, lab: Lab) -> None:
        self.names = [name for name in lab.controls if name not in ("input", "painted")]
        self.lab, self.random, self.seconds = lab, np.random.default_rng(0), []
        lab.image.observe(self._shown, names="value")

    def __call__(self) -> None:
        drawn = self.lab.draws
        while self.lab.draws == drawn:  # a move that changed nothing is no move
            self.began = time.perf_counter()
            move(self.lab, self.names[self.random.integers(len(self.names))], self.random)

    def _shown(self, _: object) -> None:
        self.seconds.append(time.perf_counter() - self.began)


def replot(lab: Lab) -> bytes:
    """The same panels as a reader's `interact` draws them: a new figure, rendered whole."""
    found = funnel.fields(funnel.State(**lab.state))
    pictures = (found.x, found.T, found.y, None, found.y - np.maximum(found.x, 0))
    figure, axes = plt.subplots(1, len(pictures), figsize=(12, 2.8))
    for ax, values, title in zip(axes, pictures, funnel.PANELS, strict=True):
        if values is None:
            ax.imshow(branch_rgb(found.x, found.T))
        else:
            ax.imshow(values, cmap=SIGNED, vmin=-LIMIT, vmax=LIMIT)
        ax.set_title(title)
        ax.axis("off")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    plt.close(figure)
    return buffer.getvalue()


@each_input
@pytest.mark.parametrize("measure", ASKED)
def test_random_moves(benchmark, note, given, measure):
    limit, percentile = ASKED[measure]
    mover = Mover(funnel.build(given))
    benchmark.pedantic(mover, rounds=MOVES, warmup_rounds=5)
    measured = 1000 * float(np.percentile(mover.seconds[-MOVES:], percentile))
    work = f"funnel lab, {given}, 128x128: {measure} of {MOVES} random moves"
    note(work=work, ours_ms=measured, at_most_ms=limit)


@each_input
def test_a_move_against_a_full_replot(compare, given):
    lab, other = funnel.build(given), funnel.build(given)
    compare(
        Mover(lab),
        lambda: replot(other),
        work=f"funnel lab, {given}, 128x128: a random move",
        against="a full replot of the same panels",
    )
