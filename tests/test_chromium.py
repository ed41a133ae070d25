"""Finding Chromium and fetching it, with programs of two lines in its place."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tools import chromium

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the programs are shell scripts")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder that is the whole PATH; playwright has no browser of its own."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(chromium, "playwrights_own", list)
    return tmp_path


def program(place: Path, name: str, code: int = 0) -> str:
    """An executable that ends with `code`."""
    file = place / name
    file.write_text(f"#!/bin/sh\nexit {code}\n")
    file.chmod(0o755)
    return str(file)


def test_the_systems_chromium_comes_before_chrome(place):
    assert chromium.find() is None
    chrome = program(place, "google-chrome")
    assert chromium.find() == chrome
    own = program(place, "chromium")
    assert chromium.find() == own


def test_a_program_that_only_says_where_chromium_is_does_not_count(place):
    program(place, "chromium", code=1)
    assert chromium.find() is None


def test_playwrights_own_is_taken_last(place, monkeypatch):
    own = program(place, "own")
    monkeypatch.setattr(chromium, "playwrights_own", lambda: [own])
    assert chromium.find() == own


def test_playwright_knows_where_its_own_would_be(tmp_path, monkeypatch):
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    assert chromium.playwrights_own() == []


def test_what_is_there_is_not_fetched(place, monkeypatch):
    there = program(place, "chromium")
    monkeypatch.setattr(chromium, "ways", lambda: [[["no-such-program"]]])
    assert chromium.install() == there


def test_root_asks_debian_first_then_playwright(place, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    program(place, "apt-get")
    debian, own = chromium.ways()
    assert [command[:2] for command in debian] == [["apt-get", "update"], ["apt-get", "install"]]
    assert own[0][-2:] == ["--with-deps", "chromium"]
    (place / "apt-get").unlink()
    assert chromium.ways() == [own]


def test_others_ask_playwright_only(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    ((command,),) = chromium.ways()
    assert command == [sys.executable, "-m", "playwright", "install", "chromium"]


def test_the_second_way_is_gone_when_the_first_fails(place, monkeypatch, capsys):
    fetches = place / "fetch"
    fetches.write_text(f"#!/bin/sh\n/bin/cp {program(place, 'source')} {place / 'chromium'}\n")
    fetches.chmod(0o755)
    first, second = [[program(place, "no", code=1)], ["never-reached"]], [[str(fetches)]]
    monkeypatch.setattr(chromium, "ways", lambda: [first, second])
    assert chromium.install() == str(place / "chromium")
    assert "never-reached" not in capsys.readouterr().out


def test_when_no_way_leads_there_ci_stops_with_a_clear_word(place, monkeypatch):
    monkeypatch.setattr(chromium, "ways", lambda: [[[program(place, "no", code=1)]]])
    with pytest.raises(SystemExit, match="could not be fetched; is there a network"):
        chromium.install()


def test_without_chromium_make_browser_says_how_to_get_it(place, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["chromium.py"])
    with pytest.raises(SystemExit, match="sudo apt install chromium"):
        chromium.main()


def test_ci_fetches_it_before_the_tests():
    script = (Path(chromium.__file__).parents[1] / ".ci" / "run").read_text(encoding="utf-8")
    assert script.index("tools/chromium.py --install") < script.index("exec make test")
