"""Takes the README's first picture: the funnel lab, as a browser shows it."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
FIGURE = ROOT / "notebooks" / "images" / "readme.png"
sys.path.insert(0, str(ROOT))  # the series is not installed, it is run where it lies

from helpers.widgets import funnel  # noqa: E402
from tests.browser import lab as driver  # noqa: E402
from tests.browser.bare import bare_page  # noqa: E402
from tools import chromium  # noqa: E402

HIDDEN = {"play", "learn", "state"}  # what a still picture can't show


def main() -> None:
    """Write the picture; stop with one line where there is no Chromium."""
    path = chromium.find() or sys.exit(chromium.HOW)
    traits = funnel.page_traits()
    traits["show"] = [section for section in traits["show"] if section not in HIDDEN]
    lab = funnel.FunnelLab
    size = {"width": 1100, "height": 900}
    with (
        driver.browser(path) as context,
        bare_page(context.browser, lab._esm, lab._css, traits, viewport=size) as page,
    ):
        taken = page.locator(".fs-lab").screenshot()
    picture = Image.open(io.BytesIO(taken)).convert("RGB").quantize(256)
    picture.save(FIGURE, "PNG", optimize=True)


if __name__ == "__main__":
    main()
