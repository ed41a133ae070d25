"""Downloads against a real server that does what networks do."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.datasets import download as module
from helpers.datasets.download import DownloadError, Limits, Remote, download
from helpers.datasets.prepared import CutOffError, DataError
from tests.download_server import CUT, DownloadServer

CONTENT = b"\x1f\x8b" + np.random.default_rng(0).bytes(500_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
NAME = "file.tar.gz"
QUICK = Limits(answer=1.0, least_answer=0.5, stall=0.7)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("FUNNEL_MIRROR", raising=False)


@pytest.fixture(scope="module")
def _server():
    with DownloadServer(CONTENT) as server:
        yield server


@pytest.fixture
def server(_server):
    _server.requests.clear()
    return _server


def remote(*addresses, md5=MD5, contents=None):
    return Remote(NAME, addresses, md5, contents)


def visible(directory):
    """The names in a folder but that of the lock."""
    return [path.name for path in directory.iterdir() if path.name != f".{NAME}.lock"]


def failure(file, directory, limits=QUICK, within=4.0):
    """The message of a download that must fail, in bounded time and without leaving the file."""
    begin = time.monotonic()
    with pytest.raises(DownloadError) as caught:
        download(file, directory, limits)
    assert time.monotonic() - begin < within
    assert not (directory / NAME).exists()
    assert set(visible(directory)) <= {f"{NAME}.part"}
    message = str(caught.value)
    assert NAME in message
    assert all(address in message for address in file.addresses)
    assert "by hand" in message
    assert "FUNNEL_MIRROR" in message
    return message


def part_size(directory):
    return (directory / f"{NAME}.part").stat().st_size


@pytest.mark.parametrize("way", ["plain", "ranges", "redirect", "packed"])
def test_a_good_server_gives_the_file(server, tmp_path, way):
    path = download(remote(server.address(way)), tmp_path / "new", QUICK)
    assert path == tmp_path / "new" / NAME
    assert path.read_bytes() == CONTENT
    assert visible(path.parent) == [NAME]


def test_a_transfer_shows_a_bar(server, tmp_path, capsys):
    download(remote(server.address("plain")), tmp_path, QUICK)
    assert f"{NAME}: 100%" in capsys.readouterr().err


def test_a_cut_transfer_is_resumed_at_once(server, tmp_path):
    path = download(remote(server.address("cut-ranges")), tmp_path, QUICK)
    assert path.read_bytes() == CONTENT
    starts = [asked for _, asked in server.requests]
    assert starts[0] is None
    assert len(starts) > 3
    assert all(asked.startswith("bytes=") for asked in starts[1:])


def test_without_ranges_the_good_part_is_kept(server, tmp_path):
    message = failure(remote(server.address("cut")), tmp_path)
    assert "the transfer was cut off" in message
    assert "goes on there" in message
    kept = (tmp_path / f"{NAME}.part").read_bytes()
    assert CONTENT.startswith(kept)
    assert len(kept) > CUT / 2
    assert len(server.requests) <= 3  # it does not go round and round


def test_a_later_call_resumes_where_the_first_was_cut(server, tmp_path):
    failure(remote(server.address("cut")), tmp_path)
    kept = part_size(tmp_path)
    server.requests.clear()
    path = download(remote(server.address("ranges")), tmp_path, QUICK)
    assert path.read_bytes() == CONTENT
    assert server.requests == [("ranges", f"bytes={kept}-")]


def test_a_server_without_ranges_restarts(server, tmp_path):
    failure(remote(server.address("cut")), tmp_path)
    assert download(remote(server.address("plain")), tmp_path, QUICK).read_bytes() == CONTENT


def test_a_worse_transfer_does_not_shorten_what_is_kept(server, tmp_path):
    failure(remote(server.address("cut")), tmp_path)
    kept = part_size(tmp_path)
    failure(remote(server.address("cut-early")), tmp_path)
    assert part_size(tmp_path) == kept


@pytest.mark.parametrize(
    ("way", "complaint"),
    [
        ("slow", "no answer within 1 s"),
        ("drip-head", "no answer within 1 s"),
        ("garbage", "no archive: it begins with b'<html>"),
        ("not-found", "answered 404 (Not Found)"),
        ("unavailable", "answered 503 (Service Unavailable)"),
        ("loop", "TooManyRedirects"),
        ("drip", "less than 64 kB in 0.7 s"),
        ("stall", "less than 64 kB in 0.7 s"),
    ],
)
def test_each_fault_has_its_message_and_harms_no_part(server, tmp_path, way, complaint):
    good = CONTENT[:200_000]
    (tmp_path / f"{NAME}.part").write_bytes(good)
    patient = (Limits(answer=20.0, stall=0.7), 20.0) if way == "loop" else ()  # thirty answers
    message = failure(remote(server.address(way)), tmp_path, *patient)
    assert complaint in message
    assert "0.2 MB are kept" in message
    assert (tmp_path / f"{NAME}.part").read_bytes() == good


def test_a_stalled_transfer_keeps_what_came(server, tmp_path):
    failure(remote(server.address("stall")), tmp_path)
    assert part_size(tmp_path) >= CUT / 2


def test_corrupt_content_is_deleted(server, tmp_path):
    message = failure(remote(server.address("garbage-packed")), tmp_path)
    assert "its md5 is" in message
    assert "it was deleted" in message
    assert visible(tmp_path) == []


def test_a_part_of_another_file_is_replaced(server, tmp_path):
    (tmp_path / f"{NAME}.part").write_bytes(b"\x1f\x8b" + b"?" * 100_000)
    path = download(remote(server.address("ranges")), tmp_path, QUICK)
    assert path.read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == ["bytes=100002-", None]


@pytest.mark.parametrize("more", [b"", b"too much"])
def test_a_part_that_is_already_all_of_it(server, tmp_path, more):
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT + more)
    assert download(remote(server.address("ranges")), tmp_path, QUICK).read_bytes() == CONTENT


@pytest.mark.parametrize("way", ["other-range", "odd-range"])
def test_a_senseless_range_is_refused(server, tmp_path, way):
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT[:1000])
    assert "makes no sense" in failure(remote(server.address(way)), tmp_path)
    assert part_size(tmp_path) == 1000


def test_contents_decide_where_no_checksum_can(server, tmp_path):
    seen = []
    path = download(remote(server.address("plain"), md5=None, contents=seen.append), tmp_path)
    assert path.exists()
    assert [checked.name for checked in seen] == [f"{NAME}.part"]


def test_wrong_contents_are_deleted(server, tmp_path):
    def refuse(path):
        raise DataError("no such pictures")

    message = failure(remote(server.address("plain"), md5=None, contents=refuse), tmp_path)
    assert "no such pictures" in message
    assert visible(tmp_path) == []


def test_an_early_end_that_only_the_contents_tell_is_kept(server, tmp_path):
    def check(path):
        if path.stat().st_size < len(CONTENT):
            raise CutOffError("it ends in the middle")

    message = failure(remote(server.address("cut-silently"), md5=None, contents=check), tmp_path)
    assert "ends too early" in message
    assert part_size(tmp_path) == CUT


def test_a_host_that_refuses(tmp_path):
    message = failure(remote("http://127.0.0.1:9/file.tar.gz"), tmp_path)
    assert "refused the connection" in message


def test_a_host_that_nobody_knows(tmp_path):
    message = failure(remote("http://nowhere.invalid/file.tar.gz"), tmp_path)
    assert "its host is not known" in message or "no answer within" in message


def test_a_silent_name_server_costs_no_more_than_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: time.sleep(3))
    assert "no answer within 1 s" in failure(remote("http://somewhere.test/x"), tmp_path)


def test_all_addresses_share_the_time(server, tmp_path):
    slow = [server.address("slow", f"{i}") for i in range(2)]
    message = failure(remote(*slow), tmp_path, within=2)
    assert message.count("no answer within 0.5 s") == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_reported(server, tmp_path):
    (tmp_path / f"{NAME}.part").symlink_to("/dev/full")
    message = failure(remote(server.address("plain")), tmp_path)
    assert f"{NAME}.part'" in message
    assert "the disk is full (0.5 MB are needed, " in message


def test_a_disk_too_small_for_a_download_is_said_before_it_begins(server, tmp_path, monkeypatch):
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT[:200_000])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000))
    message = failure(remote(server.address("ranges")), tmp_path)
    assert "the disk is full (0.3 MB are needed, 0.1 MB are free): make room" in message
    assert part_size(tmp_path) == 200_000


@pytest.mark.parametrize("separator", [",", " ", ", ", "\n"])
def test_mirrors_follow_the_official_address(server, tmp_path, monkeypatch, separator):
    bases = [server.address("not-found", ""), server.address("ranges", "").rstrip("/")]
    monkeypatch.setenv("FUNNEL_MIRROR", separator.join(bases))
    path = download(remote(server.address("unavailable")), tmp_path, QUICK)
    assert path.read_bytes() == CONTENT
    assert [way for way, _ in server.requests] == ["unavailable", "not-found", "ranges"]


def test_a_mirror_goes_on_where_the_official_address_stopped(server, tmp_path, monkeypatch):
    monkeypatch.setenv("FUNNEL_MIRROR", server.address("ranges", ""))
    download(remote(server.address("cut")), tmp_path, QUICK)
    way, asked = server.requests[-1]
    assert way == "ranges"
    assert asked is not None


def test_an_address_of_another_kind_is_named(tmp_path):
    assert "gopher" in failure(remote("gopher://127.0.0.1/file.tar.gz"), tmp_path)


CHILD = """
    import sys
    from pathlib import Path
    from helpers.datasets.download import Limits, Remote, download
    remote = Remote("file.tar.gz", (sys.argv[1],), sys.argv[3])
    download(remote, Path(sys.argv[2]), Limits(answer=5, stall=20))
"""


def child(address, directory):
    command = [sys.executable, "-c", textwrap.dedent(CHILD), address, str(directory), MD5]
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    part = directory / f"{NAME}.part"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and not (part.exists() and part.stat().st_size):
        time.sleep(0.05)
    return running


def test_a_killed_download_leaves_a_good_part_and_no_file(server, tmp_path):
    running = child(server.address("stall"), tmp_path)
    try:
        message = failure(remote(server.address("ranges")), tmp_path)
        assert "another process is downloading it" in message
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait()
    assert visible(tmp_path) == [f"{NAME}.part"]
    assert CONTENT.startswith((tmp_path / f"{NAME}.part").read_bytes())
    assert download(remote(server.address("ranges")), tmp_path, QUICK).read_bytes() == CONTENT


def test_the_default_limits_answer_within_ten_seconds():
    limits = Limits()
    assert limits.answer <= 10
    assert 4 * limits.least_answer <= 10


def test_gzip_is_what_both_archives_begin_with():
    from helpers.datasets import cifar10, stanford

    assert module.GZIP == b"\x1f\x8b"
    assert all(data.RELEASE.archive.name.endswith(".gz") for data in (cifar10, stanford))
