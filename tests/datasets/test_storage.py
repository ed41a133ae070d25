"""Directories that are complete or not there."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.datasets import DataError, prepared as storage, stanford_release
from helpers.datasets.cifar10 import read_npz
from helpers.files import display_path, write_atomically
from helpers.session import repository


def write(text):
    return lambda place: (place / "file").write_text(text)


def test_it_writes_once(tmp_path):
    directory = tmp_path / "a" / "b"
    assert storage.complete(directory, write("first")) == directory
    storage.complete(directory, write("second"))
    assert (directory / "file").read_text() == "first"
    assert [path.name for path in directory.parent.iterdir()] == ["b"]


def test_an_error_leaves_nothing(tmp_path):
    def fail(place):
        (place / "half").write_text("x")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        storage.complete(tmp_path / "b", fail)
    assert list(tmp_path.iterdir()) == []


def test_of_two_the_first_to_finish_wins(tmp_path):
    def slow(place):
        storage.complete(tmp_path / "b", write("the other"))
        (place / "file").write_text("mine")

    storage.complete(tmp_path / "b", slow)
    assert (tmp_path / "b" / "file").read_text() == "the other"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_what_is_damaged_and_cannot_be_prepared_again_stays(tmp_path, capsys):
    def fail(_):
        raise DataError("the archive is gone")

    directory = storage.complete(tmp_path / "b", write("first"))
    (directory / "file").write_text("frist")
    with pytest.raises(DataError, match="the archive is gone"):
        storage.complete(directory, fail)
    assert (directory / "file").read_text() == "frist"
    assert storage.complete(directory, write("second")) == directory
    assert (directory / "file").read_text() == "second"
    assert capsys.readouterr().out.count("file is damaged. It is prepared again.") == 2


@pytest.mark.parametrize("content", ["", "[1]", '{"file": "x"}', '{"file": 1}'])
def test_damaged_checksums_are_damage(tmp_path, content):
    directory = storage.complete(tmp_path / "b", write("first"))
    (directory / storage.CHECKSUMS).write_text(content)
    storage.complete(directory, write("second"))
    assert (directory / "file").read_text() == "second"


def test_what_was_prepared_before_there_were_checksums_is_read(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "index.json").write_text("[1]")
    assert storage.read_json(storage.complete(tmp_path / "b", write("x")) / "index.json") == [1]
    (tmp_path / "b" / "index.json").write_text("[1")
    with pytest.raises(DataError, match=r"index\.json is damaged .* Delete .*b and load again"):
        storage.read_json(tmp_path / "b" / "index.json")


def test_a_failed_rename_is_an_error(tmp_path, monkeypatch):
    def fail(*_):
        raise PermissionError("not yours")

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(PermissionError, match="not yours"):
        storage.complete(tmp_path / "b", write("x"))


@pytest.mark.parametrize("kind", [OSError, RuntimeError])
def test_numpys_and_torchs_words_for_a_full_disk_are_said_plainly(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))

    def save(path):
        with write_atomically(path) as part:
            part.write_bytes(b"half")
            raise kind("11 requested and 7 written")

    with pytest.raises(OSError, match=r"the disk is full \(0.0 MB.*run\.pt") as caught:
        save(tmp_path / "run.pt")
    assert isinstance(caught.value.__cause__, kind)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_that_names_what_was_written(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", fail)
    with pytest.raises(OSError, match=r"the disk is full .* MB are free.*FUNNEL_DATA.*images"):
        storage.prepared_array(tmp_path / "images" / "x.npy", lambda: np.zeros(3))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_too_small_is_said_before_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2_000_000))
    monkeypatch.setattr(np, "save", lambda *_: pytest.fail("it was written"))
    with pytest.raises(OSError, match=r"full \(4.0 MB are needed, 2.0 MB are free\).*x\.npy"):
        storage.prepared_array(tmp_path / "images" / "x.npy", lambda: np.zeros(500_000))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "read", [storage.read_array, storage.read_json, read_npz, stanford_release.check]
)
def test_a_file_of_another_user_is_not_called_damaged(tmp_path, monkeypatch, read):
    """Mode 0600; the tests may run as root, who reads everything."""

    def refuse(path, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    (tmp_path / "x").write_bytes(b"")
    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(np.lib.format, "open_memmap", refuse)
    with pytest.raises(PermissionError, match=r"Permission denied.*x"):
        read(tmp_path / "x")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that takes nothing")
def test_a_folder_that_cannot_be_made_is_named():
    with pytest.raises(OSError, match="/proc/funnel") as caught:
        storage.complete(Path("/proc/funnel/prepared"), write("x"))
    assert caught.value.__notes__ == ["/proc/funnel/prepared was not written."]


CHILD = """
    import sys, time
    from pathlib import Path
    from helpers.datasets.prepared import complete

    def write(place):
        (place / "half").write_text("x")
        print("begun", flush=True)
        time.sleep(60)

    complete(Path(sys.argv[1]), write)
"""


def test_a_kill_leaves_nothing_that_is_read_and_it_is_swept(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(CHILD), str(tmp_path / "b")]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert running.stdout.readline() == "begun\n"
    running.kill()
    running.communicate()
    [left] = tmp_path.iterdir()
    assert left.name != "b"
    storage.complete(tmp_path / "b", write("whole"))
    assert (tmp_path / "b" / "file").read_text() == "whole"
    assert left.exists()  # it might be another process's
    os.utime(left, (time.time() - 2 * storage.STALE,) * 2)
    storage.complete(tmp_path / "c", write("whole"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "c"]


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", b"not an array"])
@pytest.mark.parametrize("mapped", [True, False])
def test_a_damaged_array_says_what_to_delete(tmp_path, content, mapped):
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.npy is damaged .* Delete .* and load again"):
        storage.read_array(tmp_path / "x.npy", mapped)


def test_a_mapped_array_may_be_written_without_harm(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(3))
    storage.read_array(tmp_path / "x.npy", mapped=True)[0] = 7
    assert np.load(tmp_path / "x.npy").tolist() == [0, 1, 2]


def test_paths_are_shown_without_the_machines_part(tmp_path, monkeypatch):
    assert display_path(repository() / "data" / "cache") == "data/cache"
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert display_path(tmp_path / "data" / "x") == "~/data/x"
    assert display_path(tmp_path.parent) == str(tmp_path.parent)
