"""The archive for a day without a network; its wheels are tried in test_setup.py."""

from __future__ import annotations

import subprocess
import zipfile

import pytest

from tools import kit


def test_the_archive_holds_repository_wheels_and_data(tmp_path, monkeypatch, capsys):
    git = ["git", "-c", "user.name=t", "-c", "user.email=t", "-C", str(tmp_path / "clone")]
    (tmp_path / "clone").mkdir()
    (tmp_path / "clone" / "Makefile").write_text("lab:\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True)
    (tmp_path / "data" / "prepared" / "stanford-v1").mkdir(parents=True)
    (tmp_path / "data" / "prepared" / "stanford-v1" / "images.npy").write_bytes(b"1")
    monkeypatch.setenv("FUNNEL_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(kit, "ROOT", tmp_path / "clone")
    monkeypatch.setattr(kit, "BUILD", tmp_path / "build" / "kit")
    monkeypatch.setattr(kit, "download_wheels", lambda place, _: place.mkdir())
    kit.main()
    names = zipfile.ZipFile(tmp_path / "build" / "funnel-series-kit.zip").namelist()
    assert "funnel-series/Makefile" in names
    assert "funnel-series/wheels/" in names
    assert "funnel-series/data/cache/prepared/stanford-v1/images.npy" in names
    assert "data: stanford-v1" in capsys.readouterr().out
    assert not (tmp_path / "build" / "kit").exists()


def test_outside_a_clone_it_stops(tmp_path, monkeypatch):
    monkeypatch.setattr(kit, "ROOT", tmp_path)
    with pytest.raises(subprocess.CalledProcessError):
        kit.copy_repository(tmp_path / "there")
