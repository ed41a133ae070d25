"""Grading a class of five notebooks, each run by itself."""

from __future__ import annotations

import sys

import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tools import grade, notebooks

IMPORTS = "import torch\nfrom torch import nn\nfrom helpers import exercises as check"
FRELU = """\
class MyFReLU(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1{groups}, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x):
        return {answer}

check.frelu(MyFReLU)"""
MAXIMUM = "torch.maximum(x, self.bn(self.conv(x)))"
RIGHT = FRELU.format(groups=", groups=channels", answer=MAXIMUM)
SIDE = "check.receptive_side(lambda layers, k: {})"
STUB = "def mine(layers, k):\n    raise NotImplementedError\n\ncheck.receptive_side(mine)"
CLASS = {
    "anna": [RIGHT, SIDE.format("1 + layers * (k + 1)")],
    "ben": [RIGHT, STUB],
    "cleo": [FRELU.format(groups="", answer=MAXIMUM), SIDE.format("1 + 2 * layers")],
    "dan": ["1 / 0", FRELU.format(groups=", groups=channels", answer="x + self.bn(self.conv(x))")],
    "eva": [RIGHT, "while True: pass"],
}


@pytest.fixture
def handed_in(tmp_path):
    for name, sources in CLASS.items():
        cells = [new_code_cell(source) for source in (IMPORTS, *sources)]
        notebooks.write(new_notebook(cells=cells), tmp_path / f"{name}.ipynb")
    return tmp_path


def test_a_class_of_five_is_graded(handed_in, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["grade", str(handed_in), "--seconds", "45"])
    grade.main()
    found = pd.read_csv(handed_in / "grades.csv", index_col="notebook").fillna("")
    assert list(found) == ["right", "frelu", "receptive_side", "stopped"]
    assert {name[:-6]: tuple(row) for name, *row in found.itertuples()} == {
        "anna": (2, "right", "right", ""),
        "ben": (1, "right", "not done yet", ""),
        "cleo": (0, "one convolution over all channels", "the funnels are left out", ""),
        "dan": (0, "a sum, not a maximum", "", ""),
        "eva": (1, "right", "", "after 45 s"),
    }
    assert "| anna.ipynb | 2 | right | right |" in (handed_in / "grades.md").read_text()
    assert "anna.ipynb: 2 answers" in capsys.readouterr().out


def test_answers_that_no_check_wrote_stop_nobody_elses(tmp_path):
    forged = "import os\nopen(os.environ['FUNNEL_GRADES'], 'a').write('no json\\n[1]\\n{}\\n')"
    cells = [new_code_cell(IMPORTS), new_code_cell(f"check.receptive_side(None)\n{forged}")]
    notebooks.write(new_notebook(cells=cells), tmp_path / "fay.ipynb")
    assert grade.grade(tmp_path / "fay.ipynb", 60, 16) == {
        "receptive_side": "not done yet",
        "stopped": "not stopped, but it wrote answers that are no check's",
    }


def test_a_folder_without_notebooks_is_named(tmp_path):
    with pytest.raises(ValueError, match="holds no notebooks"):
        grade.table(tmp_path, 1, 1)


def test_a_notebook_that_cannot_be_read_says_why(tmp_path):
    (tmp_path / "fay.ipynb").write_text("no notebook")
    assert "NotJSONError" in grade.grade(tmp_path / "fay.ipynb", 60, 16)["stopped"]
