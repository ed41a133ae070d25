"""How long a notebook takes to read: `python tools/minutes.py` prints core and whole minutes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from nbformat import NotebookNode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools import notebooks

WORDS_A_MINUTE = 130
MINUTES_A_LINE = 7 / 60  # of code
HEADING = re.compile(r"(#{2,3}) .*")
FURTHER = "· *further*"
"""How the heading of a section ends that a lesson may leave out, until the next such heading."""


def minutes(notebook: NotebookNode) -> tuple[float, float]:
    """Minutes to read the core, and the whole: words, lines of code, figures and predictions.

    130 words or 7 s a line, and a minute for each figure and for each prediction.
    """
    core = whole = 0.0
    further: int | None = None  # the level of the heading that began what is further
    for cell in notebook.cells:
        if heading := HEADING.match(cell.source):
            level = len(heading[1])
            if heading[0].endswith(FURTHER):
                further = level if further is None else min(level, further)
            elif further is not None and level <= further:
                further = None
        taken = _minutes_of(cell)
        whole += taken
        core += taken if further is None else 0
    return core, whole


def _minutes_of(cell: NotebookNode) -> float:
    if notebooks.is_bootstrap(cell):
        return 0.0
    if cell.cell_type == "code":
        lines = sum(bool(line.strip()) for line in cell.source.splitlines())
        figures = sum(map(notebooks.is_figure, cell.outputs))
        return MINUTES_A_LINE * lines + figures
    text = re.sub(r"\]\([^)]*\)", "]", cell.source)  # a link's address is not read
    return len(text.split()) / WORDS_A_MINUTE + text.count("**Predict.**")


def stated(notebook: NotebookNode) -> tuple[int, int]:
    """The minutes that the notebook's head names, core and whole."""
    found = re.search(r"about (\d+) minutes for the core, (\d+) with", notebook.cells[0].source)
    if found is None:
        raise ValueError("the head names no minutes: 'about N minutes for the core, M with ...'")
    return int(found[1]), int(found[2])


if __name__ == "__main__":
    for path in notebooks.stored_notebooks():
        core, whole = minutes(notebooks.read(path))
        print(f"{path.stem:28s}{core:5.0f} core{whole:5.0f} whole")
