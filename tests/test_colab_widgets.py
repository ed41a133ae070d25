"""The second environment: what it lays over .venv, and that it is complete or absent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import colab_widgets


@pytest.fixture
def pip(monkeypatch):
    """pip's calls; it writes an ipywidgets of one line, or fails where `fails` is set."""
    calls: list[list[str]] = []

    def call(command, **_):
        calls.append(command)
        folder = Path(command[command.index("--target") + 1])
        (folder / "ipywidgets").mkdir(parents=True)
        (folder / "ipywidgets" / "__init__.py").write_text("__version__ = '7.7.1'\n")
        return subprocess.CompletedProcess(command, int(os.environ.get("FAILS", 0)))

    monkeypatch.setattr(colab_widgets.subprocess, "run", call)
    return calls


def test_it_is_made_once_without_what_the_packages_need(tmp_path, pip):
    folder = tmp_path / "build" / "ipywidgets-7.7.1"
    colab_widgets.install(folder)
    colab_widgets.install(folder)
    (command,) = pip
    assert command[:4] == [sys.executable, "-m", "pip", "install"]
    assert {"--no-deps", "ipywidgets==7.7.1", "ipython_genutils==0.2.0"} <= set(command)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_without_a_network_nothing_half_made_stays(tmp_path, pip, monkeypatch):
    monkeypatch.setenv("FAILS", "1")
    with pytest.raises(SystemExit, match="pip could not fetch ipywidgets"):
        colab_widgets.install(tmp_path / "widgets")
    assert not (tmp_path / "widgets").exists()
    monkeypatch.setenv("FAILS", "0")
    colab_widgets.install(tmp_path / "widgets")
    assert (tmp_path / "widgets" / "ipywidgets").exists()


def test_its_packages_come_before_those_of_venv(tmp_path, monkeypatch):
    for name in ("ipywidgets", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "ipywidgets" / "ipywidgets.py").write_text("__version__ = '7.7.1'\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "other"))
    environment = colab_widgets.over(tmp_path / "ipywidgets")
    assert environment["PYTHONPATH"].split(os.pathsep)[1:] == [str(tmp_path / "other")]
    assert colab_widgets.version_seen(environment) == "7.7.1"


def test_another_version_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(colab_widgets, "FOLDER", tmp_path)
    monkeypatch.setattr(colab_widgets, "version_seen", lambda _: "8.1.9")
    with pytest.raises(SystemExit, match=r"ipywidgets 8.1.9 was imported, not 7.7.1"):
        colab_widgets.main([])


@pytest.mark.parametrize("arguments", [[], ["tests/test_setup.py", "-x"], ["-x"]])
def test_the_widgets_tests_run_unless_others_are_named(arguments, tmp_path, monkeypatch):
    monkeypatch.setattr(colab_widgets, "FOLDER", tmp_path)
    monkeypatch.setattr(colab_widgets, "version_seen", lambda _: "7.7.1")
    run = []
    monkeypatch.setattr(colab_widgets.subprocess, "call", lambda command, **_: run.append(command))
    colab_widgets.main(arguments)
    ((_, tool, *rest),) = run
    assert tool.endswith("run_tests.py")
    named = [Path(path) for path in rest if path not in arguments]
    assert rest[len(named) :] == arguments
    assert bool(named) == (arguments[:1] != ["tests/test_setup.py"])
    assert {path.parent.name for path in named} <= {"widgets"}


def test_ci_makes_it():
    script = (colab_widgets.ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "\nmake colab\n" in script
