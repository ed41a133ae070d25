"""From a key press to changed pixels in JupyterLab: python -m tests.benchmarks.browser_latency.

The funnel lab, beside what bounds it: a slider that only changes a label, the page's own floor, and
matplotlib's `interact` with a full replot of the same panels. Each press is timed in the page, from
the key's event to the frame after the new picture is decoded; the three take turns. Then a drag of
30 moves: the slowest of five, from letting go to the last changed frame. Nothing fails: it prints.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import JSHandle

from helpers import data_directory
from tests.browser import lab as driver
from tools import chromium

PRESSES, DRAGS, MOVES = 30, 5, 30
TARGET = 20, 300  # ms above the floor; ms after letting go

FLOOR = """
import ipywidgets

slider = ipywidgets.IntSlider(50, description="number")
label = ipywidgets.Label("50")
label.add_class("floor-label")
slider.observe(lambda change: setattr(label, "value", str(change["new"])), names="value")
box = ipywidgets.VBox([slider, label])
box.add_class("lab-floor")
box
"""
LAB = "from helpers.widgets import funnel_lab\nfunnel_lab()"
REPLOT = """
from dataclasses import replace

import matplotlib.pyplot as plt
from helpers.widgets import funnel

opening = funnel.opening()

def replot(times=1.0):
    state = replace(opening, scale=times)
    found = funnel.fields(state)
    pictures = (found.x, found.T, found.y, found.T > found.x, found.y - found.x.clip(0))
    figure, axes = plt.subplots(1, 5, figsize=(12, 3))
    for ax, picture in zip(axes, pictures):
        ax.imshow(picture, cmap="gray")
        ax.axis("off")
    plt.show()

shown = ipywidgets.interactive(replot, times=(-3.0, 3.0, 0.05))
shown.add_class("lab-replot")
shown
"""

# What is moved, and the part of it whose change is awaited.
WATCHED = {
    "a label (the floor)": (".lab-floor", "number", ".floor-label"),
    "funnel lab": (".lab-funnel", "times", "img"),
    "interact, full replot": (".lab-replot", "times", ".widget-output"),
}


@dataclass
class Part:
    """What is moved and awaited, and what was measured, in ms."""

    widget: driver.Widget
    label: str
    clock: JSHandle
    presses: list[float] = field(default_factory=list)
    drags: list[tuple[float, int]] = field(default_factory=list)

    def row(self, floor: float) -> str:
        """A line of the table; the first two presses only warm up."""
        times = sorted(self.presses[2:])
        middle, late = statistics.median(times), times[round(0.95 * len(times)) - 1]
        worst, frames = max(self.drags)
        return f"{middle:6.0f} {late:6.0f} {middle - floor:+7.0f} {worst:8.0f} {frames:7}"


def part_of(notebook: driver.Notebook, selector: str, label: str, awaited: str) -> Part:
    """The widget with a clock on the part of it whose change is awaited."""
    widget = notebook.widget(selector)
    element = widget.root.locator(awaited).first
    return Part(widget, label, element.evaluate_handle("element => funnel.clock(element)"))


def shown_after(part: Part, event: str) -> list[float]:
    """The moments, in ms after the event, at which changed frames were shown."""
    part.widget.state()
    return part.clock.evaluate("(times, event) => times.shown.map((t) => t - times[event])", event)


def press(part: Part, key: str) -> float:
    """One key press; ms to the first changed frame after it."""
    part.clock.evaluate("times => times.shown.splice(0)")
    part.widget.press(part.widget.handle(part.label), key)
    driver.until(lambda: part.clock.evaluate("times => times.shown.length"), "changed pixels")
    return shown_after(part, "pressed")[0]


def drag(part: Part, share: float) -> tuple[float, int]:
    """One drag; ms from letting go to the last changed frame, and the number of frames."""
    part.clock.evaluate("times => times.shown.splice(0)")
    part.widget.drag(part.label, share, MOVES)
    moments = shown_after(part, "released")
    return max([0.0, *moments]), len(moments)


def measure(notebook: driver.Notebook) -> None:
    """Time the three in turns, and print."""
    parts = {name: part_of(notebook, *watched) for name, watched in WATCHED.items()}
    for turn in range(PRESSES + 2):
        for part in parts.values():
            part.presses.append(press(part, "ArrowRight" if turn % 2 else "ArrowLeft"))
    for turn in range(DRAGS):
        for part in parts.values():
            part.drags.append(drag(part, turn % 2))
    floor = statistics.median(parts["a label (the floor)"].presses[2:])
    print(f"{'':22} {'median':>6} {'p95':>6} {'-floor':>7} {'settled':>8} {'frames':>7}")
    for name, part in parts.items():
        print(f"{name:22} {part.row(floor)}")


def main() -> None:
    """Measure, and say how busy the machine was."""
    path = chromium.find() or sys.exit(chromium.HOW)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home,
        driver.server(Path(home), "class", data_directory()) as address,
        driver.browser(path) as context,
    ):
        lab = driver.Lab(Path(home), address, context)
        with lab.opened(lab.write("latency", [FLOOR, LAB, REPLOT]), 1280, 2000) as notebook:
            print(
                f"ms, {PRESSES} presses, the slowest of {DRAGS} drags of {MOVES} moves; targets: "
                f"floor + {TARGET[0]}, settled within {TARGET[1]}"
            )
            measure(notebook)
    if hasattr(os, "getloadavg"):
        print(f"Load of the last minute: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
