"""The minutes of a notebook: words, lines, figures and predictions, the core apart."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers.figures.style import figure_output
from tools import notebooks
from tools.minutes import minutes, stated


def test_words_lines_figures_and_predictions_count():
    picture = new_output("display_data", data=figure_output(b"", "words"))
    cells = [
        new_markdown_cell(" ".join(["word"] * 129 + ["**Predict.**"])),
        new_code_cell("a = 1\n\n" * 30, outputs=[picture]),
    ]
    assert minutes(new_notebook(cells=cells)) == pytest.approx((6.5, 6.5))


def test_what_is_further_ends_at_the_next_heading_of_its_level():
    words = " ".join(["word"] * 128)
    cells = [
        new_markdown_cell(f"## 1. First · *core*\n{words}"),
        new_markdown_cell(f"### A side way · *further*\n{words}"),
        new_markdown_cell("## 2. Second · *further*"),
        new_markdown_cell(f"### Its part\n{words}"),
        new_markdown_cell(f"## 3. Third · *core*\n{words}"),
    ]
    core, whole = minutes(new_notebook(cells=cells))
    assert (round(core), round(whole)) == (2, 4)


def test_the_address_of_a_link_and_the_bootstrap_are_not_read():
    bootstrap = new_code_cell("a = 1\n" * 60, metadata={"tags": ["bootstrap"]})
    link = new_markdown_cell("[word](https://a.b/a%20b c d)")
    assert minutes(new_notebook(cells=[bootstrap, link]))[1] == pytest.approx(1 / 130)


def test_a_head_without_minutes_is_named():
    with pytest.raises(ValueError, match="the head names no minutes"):
        stated(new_notebook(cells=[new_markdown_cell("# Title")]))


def test_it_runs_from_any_folder(tmp_path):
    command = [sys.executable, notebooks.ROOT / "tools" / "minutes.py"]
    elsewhere = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": ""}}
    said = subprocess.check_output(command, text=True, **elsewhere)
    assert len(said.splitlines()) == len(notebooks.stored_notebooks())
