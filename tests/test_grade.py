"""Grading a class of five notebooks, each run by itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from unittest.mock import Mock

import nbformat
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
    monkeypatch.setattr(sys, "argv", ["grade", str(handed_in), "--seconds", "30"])
    grade.main()
    found = pd.read_csv(handed_in / "grades.csv", index_col="notebook").fillna("")
    assert list(found) == ["right", "frelu", "receptive_side", "stopped"]
    assert {name[:-6]: tuple(row) for name, *row in found.itertuples()} == {
        "anna": (2, "right", "right", ""),
        "ben": (1, "right", "not done yet", ""),
        "cleo": (0, "one convolution over all channels", "the funnels are left out", ""),
        "dan": (0, "a sum, not a maximum", "", ""),
        "eva": (1, "right", "", "after 30 s"),
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


# --- hand-ins that break things, by accident or not -----------------------------------------------

PLACE = "import os\nplace = os.environ['FUNNEL_GRADES']\n"
FORGED = '{"exercise": "frelu", "mistake": "\\u001b[2J"}'
ELSE = "not stopped, but where its answers should be is something else"
NO_CHECK = "not stopped, but it wrote answers that are no check's"
BREAKING = {  # file name: (source, how the name is shown, what stopped it)
    b"folder": (f"{PLACE}os.mkdir(place)", "folder", ELSE),
    b"endless": (f"{PLACE}open(place, 'w').truncate(10**12)", "endless", ELSE),
    b"pipe": (f"{PLACE}os.mkfifo(place)", "pipe", ELSE),
    b"deep": (f"{PLACE}open(place, 'w').write('[' * 100_000)", "deep", NO_CHECK),
    b"word": (f"{PLACE}open(place, 'w').write({FORGED!r})", "word", NO_CHECK),
    b"utf\xff8": ("1 / 0", "utf\\udcff8", ""),
    b"\x1b[31mred": ("import os; os.system('printf \"\\033[2J\" >&2')", "\\x1b[31mred", ""),
    b"comm": ("import comm\ncomm.create_comm(target_name='jupyter.widget', data={})", "comm", ""),
    b"=1+1": ("import os; os.kill(os.getppid(), 9)", "'=1+1", "killed by signal 9"),
}


def hand_in(path, *sources, **metadata):
    notebook = new_notebook(cells=list(map(new_code_cell, sources)), metadata=metadata)
    path.write_text(nbformat.writes(notebook), "utf-8")
    return path


def test_no_hand_in_stops_the_others(tmp_path, monkeypatch, capfd):
    for name, (source, *_) in BREAKING.items():
        hand_in(tmp_path / f"{os.fsdecode(name)}.ipynb", source)
    hand_in(tmp_path / "zoe.ipynb", IMPORTS, SIDE.format("1 + layers * (k + 1)"))
    monkeypatch.setattr(sys, "argv", ["grade", str(tmp_path), "--seconds", "45"])
    grade.main()
    found = pd.read_csv(tmp_path / "grades.csv", index_col="notebook").fillna("")
    expected = {f"{shown}.ipynb": stopped for _, shown, stopped in BREAKING.values()}
    assert found["stopped"].to_dict() == expected | {"zoe.ipynb": ""}
    assert found["right"].sum() == found["right"]["zoe.ipynb"] == 1
    shown = capfd.readouterr()
    assert "\x1b" not in shown.out + shown.err
    assert "folder.ipynb: 0 answers" in shown.out


def test_what_nobody_foresaw_in_one_hand_in_is_said(tmp_path, monkeypatch):
    hand_in(tmp_path / "a.ipynb")
    monkeypatch.setattr(grade, "grade", Mock(side_effect=OSError("disk full")))
    assert dict(grade.table(tmp_path, 1, 1)["stopped"]) == {
        "a.ipynb": "not graded: OSError: disk full"
    }


def test_the_kernel_is_the_one_that_grades(tmp_path):
    named = {"name": "conda-env-x-py", "display_name": "Python [conda env:x]"}
    away = hand_in(tmp_path / "a.ipynb", IMPORTS, STUB, kernelspec=named)
    assert grade.grade(away, 60, 16) == {"receptive_side": "not done yet"}


def test_a_hand_in_finds_the_series_and_leaves_nothing(tmp_path):
    first = notebooks.bootstrap_source("01_activation_functions")
    writes = f"""\
from pathlib import Path
Path("mine.txt").touch()
(root / "helpers" / "mine.py").touch()
Path({str(tmp_path)!r}, "root").write_text(str(root))"""
    own = hand_in(tmp_path / "a.ipynb", first, writes, IMPORTS, STUB)
    assert grade.grade(own, 60, 16) == {"receptive_side": "not done yet"}
    root = Path((tmp_path / "root").read_text())
    assert root != grade.ROOT
    assert not root.exists()


@pytest.mark.parametrize(("last", "seconds"), [("", 120), ("while True: pass", 20)])
def test_what_a_hand_in_started_ends_with_it(tmp_path, last, seconds):
    starts = f"""\
import pathlib, subprocess
for kind in ({{"env": {{}}}}, {{"start_new_session": True}}):
    one = subprocess.Popen(["/bin/sleep", "600"], **kind)
    pathlib.Path({str(tmp_path)!r}, str(one.pid)).touch()"""
    grade.grade(hand_in(tmp_path / "a.ipynb", starts, last), seconds, 16)
    started = [int(path.name) for path in tmp_path.iterdir() if path.name.isdigit()]
    assert len(started) == 2
    assert not list(filter(is_running, started))


def is_running(pid):
    try:
        return "(sleep) Z" not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
