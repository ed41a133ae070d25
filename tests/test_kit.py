"""The archive for a day without a network; its wheels are tried in test_setup.py."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import zipfile

import pytest

from tools import kit


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone with one file, and prepared data; nothing is fetched."""
    git = ["git", "-c", "user.name=t", "-c", "user.email=t", "-C", str(tmp_path / "clone")]
    (tmp_path / "clone").mkdir()
    (tmp_path / "clone" / "Makefile").write_text("lab:\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True)
    (tmp_path / "data" / "prepared" / "stanford-v1").mkdir(parents=True)
    (tmp_path / "data" / "prepared" / "stanford-v1" / "images.npy").write_bytes(b"1")
    monkeypatch.setenv("FUNNEL_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(kit, "ROOT", tmp_path / "clone")
    monkeypatch.setattr(kit, "BUILD", tmp_path / "build")
    monkeypatch.setattr(kit, "download_wheels", lambda place, _: place.mkdir())
    return tmp_path / "clone"


def test_the_archive_holds_repository_wheels_and_data(clone, tmp_path, capsys):
    kit.main()
    names = zipfile.ZipFile(tmp_path / "build" / "funnel-series-kit.zip").namelist()
    assert "funnel-series/Makefile" in names
    assert "funnel-series/wheels/" in names
    assert "funnel-series/data/cache/prepared/stanford-v1/images.npy" in names
    assert "data: stanford-v1" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "build").iterdir()] == ["funnel-series-kit.zip"]


def test_a_kit_that_fails_leaves_the_one_that_was_there(clone, tmp_path, monkeypatch):
    monkeypatch.setattr(kit, "download_wheels", lambda *_: kit.run(["false"]))
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "funnel-series-kit.zip").write_text("whole")
    with pytest.raises(SystemExit, match="No archive: false"):
        kit.main()
    (left,) = (tmp_path / "build").iterdir()
    assert left.read_text() == "whole"


def test_outside_a_clone_it_says_so(clone):
    shutil.rmtree(clone / ".git")
    with pytest.raises(SystemExit, match="is no clone"):
        kit.main()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups")
def test_what_was_begun_ends_with_an_interrupted_kit():
    code = "from tools import kit; kit.run(['sh', '-c', 'sleep 600 & echo begun; wait'])"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    running = subprocess.Popen([sys.executable, "-c", code], cwd=kit.ROOT, **pipes)
    assert running.stdout.readline() == b"begun\n"
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=20)  # until the last process that could write has ended
