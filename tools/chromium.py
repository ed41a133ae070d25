"""Chromium for the browser tests: where it is, how to get it, and how CI does."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "google-chrome", "google-chrome-stable")
HOW = (
    "The browser tests need Chromium or Chrome. On Debian: sudo apt install chromium; elsewhere: "
    "python -m playwright install chromium, with the Python of .venv."
)


def find() -> str | None:
    """The path of a Chromium or Chrome that starts: the system's, else playwright's own."""
    found = [path for path in map(shutil.which, NAMES) if path and starts(path)]
    return next(iter(found or filter(starts, playwrights_own())), None)


def playwrights_own() -> list[str]:
    """Where playwright keeps the Chromium that it downloads; empty when it has none."""
    from playwright.sync_api import sync_playwright  # starts a process: only when it is asked for

    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    return [str(path)] if path.exists() else []


def starts(path: str) -> bool:
    """Whether the program runs: Ubuntu's package is a note that says where to find another."""
    if os.name == "nt":
        return True  # Windows' builds open a window when they are asked for their version
    try:
        command = [path, "--version"]
        return not subprocess.run(command, capture_output=True, timeout=60).returncode
    except (OSError, subprocess.TimeoutExpired):
        return False


def ways() -> list[list[list[str]]]:
    """What CI tries, best first; each way is a list of commands."""
    playwright = [sys.executable, "-m", "playwright", "install"]
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return [[[*playwright, "chromium"]]]
    own = [[*playwright, "--with-deps", "chromium"]]
    if not shutil.which("apt-get"):
        return [own]
    packages = ["apt-get", "install", "--yes", "--no-install-recommends", "chromium"]
    return [[["apt-get", "update"], packages], own]


def install() -> str:
    """The path of Chromium, fetched where it is missing; stops with one line when it can't be."""
    for way in ways():
        if path := find():
            return path
        for command in way:
            print("Fetching Chromium:", *command, flush=True)
            if subprocess.run(command, stdin=subprocess.DEVNULL).returncode:
                break
    return find() or sys.exit(f"Chromium could not be fetched; is there a network? {HOW}")


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--install", action="store_true", help="fetch it where it is missing")
    path = install() if parser.parse_args().install else find()
    print(path or sys.exit(HOW))


if __name__ == "__main__":
    main()
