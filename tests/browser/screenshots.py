"""Pictures of every widget in JupyterLab, to look at: python -m tests.browser.screenshots FOLDER.

Wide as a laptop's screen and as a projector's, in the light and the dark theme, with the data that
is there.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from helpers import data_directory
from tests.browser import lab as driver
from tests.browser.cases import CASES, Case
from tools import chromium

SCREENS = {"laptop": (1280, 900), "projector": (1920, 1080)}
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


def shoot(lab: driver.Lab, case: Case, screen: str, folder: Path) -> None:
    """One widget on one screen, in both themes: the page, and the widget whole."""
    width, height = SCREENS[screen]
    with lab.opened(lab.write(case.name, [case.cell]), width, height) as notebook:
        widget = notebook.widget(case.selector)
        for word, theme in THEMES.items():
            notebook.theme(theme)
            widget.state()
            notebook.page.set_viewport_size({"width": width, "height": height})
            widget.root.evaluate("root => root.scrollIntoView()")
            notebook.page.screenshot(path=folder / f"{case.name}-{screen}-{word}.png")
            notebook.page.set_viewport_size({"width": width, "height": 2000})
            widget.root.screenshot(path=folder / f"{case.name}-{screen}-{word}-whole.png")


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help="of widgets; all when none is given")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    path = chromium.find() or sys.exit(chromium.HOW)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home,
        driver.server(Path(home), "class", data_directory()) as address,
        driver.browser(path) as context,
    ):
        lab = driver.Lab(Path(home), address, context)
        for case in CASES:
            for screen in SCREENS if case.name in (arguments.names or [case.name]) else ():
                shoot(lab, case, screen, arguments.folder)
                print(f"{case.name}, {screen}", flush=True)


if __name__ == "__main__":
    main()
