"""From a pointer's move to changed pixels: python -m tests.benchmarks.browser_latency.

The funnel lab on a page without a kernel, with every panel of the photograph, 128x128: 300 moves
over x, and 300 of a weight, which changes every array. Each is timed in the page, from the event to
the moment after the frame that shows it. Nothing fails: it prints.
"""

from __future__ import annotations

import os
import statistics
import sys

from playwright.sync_api import Locator, Page

from helpers.widgets import funnel
from tests.browser import lab as driver
from tests.browser.bare import bare_page
from tools import chromium

MOVES = 300
CLOCK = """() => {
  window.times = [];
  document.addEventListener("pointermove", () => {
    const begin = performance.now();
    requestAnimationFrame(() => setTimeout(() => times.push(performance.now() - begin)));
  }, true);
}"""


def moved(page: Page, target: Locator, width: float, height: float) -> list[float]:
    """The times of MOVES moves with the button down, over so many pixels of the target, in ms."""
    page.evaluate("times.length = 0")
    box = target.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    page.mouse.down()
    for move in range(MOVES):
        share = abs(1 - (move % 60) / 30)
        page.mouse.move(box["x"] + 3 + share * width, box["y"] + 3 + share * height)
    page.mouse.up()
    page.wait_for_timeout(100)
    return page.evaluate("times")


def main() -> None:
    """Measure, and say how busy the machine was."""
    path = chromium.find() or sys.exit(chromium.HOW)
    lab = funnel.FunnelLab
    with (
        driver.browser(path) as context,
        bare_page(context.browser, lab._esm, lab._css, funnel.page_traits()) as page,
    ):
        page.evaluate(CLOCK)
        x = page.get_by_role("slider", name="x: the pixel")
        parts = {
            "the pixel in x": (x, 200.0, 200.0),
            "a weight of 3x3": (page.get_by_label("weight, row 1, column 1"), 0.0, -200.0),
        }
        for name, (target, width, height) in parts.items():
            times = sorted(moved(page, target, width, height))
            late = times[round(0.95 * len(times)) - 1]
            middle = statistics.median(times)
            print(f"{name}: median {middle:.1f} ms, p95 {late:.1f} ms, {len(times)} frames")
    if hasattr(os, "getloadavg"):
        print(f"Load of the last minute: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
