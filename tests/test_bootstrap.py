"""The first cell of every notebook, run where a reader meets it: in a folder of its own."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tools import notebooks

ON_COLAB = "import sys, types; sys.modules['google.colab'] = types.ModuleType('google.colab')"
SAY_ROOT = "print('from', root)"


def make_series(folder: Path) -> Path:
    """A copy of the series with helpers of two lines, and the notebooks' folder."""
    (folder / "notebooks").mkdir(parents=True)
    (folder / "helpers").mkdir()
    (folder / "helpers" / "__init__.py").write_text("def start(name): return name\n")
    (folder / "helpers" / "session.py").touch()
    shutil.copy(notebooks.ROOT / "pyproject.toml", folder)
    return folder


def make_remote(series: Path) -> str:
    """The address of a repository with that copy, on a branch that isn't called main."""
    git = ["git", "-c", "user.name=t", "-c", "user.email=t", "-C", str(series)]
    for command in (["init", "-q"], ["checkout", "-qb", "lessons"], ["add", "."]):
        subprocess.run([*git, *command], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    return series.as_uri()


def set_version(series: Path, version: str) -> None:
    project = series / "pyproject.toml"
    text = re.sub('(?m)^version = ".*?"', f'version = "{version}"', project.read_text())
    project.write_text(text)


@pytest.fixture
def series(tmp_path):
    return make_series(tmp_path / "series")


@pytest.fixture
def lone(tmp_path):
    """An empty folder, as where only the notebook was taken to."""
    (tmp_path / "lone").mkdir()
    return tmp_path / "lone"


def run_cell(
    place: Path,
    remote: str = "file:///nowhere.git",
    code: tuple[str, str] = ("", SAY_ROOT),
    name: str = "01_activation_functions",
    **environment: str,
) -> subprocess.CompletedProcess:
    """Run the cell in `place` between two pieces of code; git fetches from `remote` instead."""
    redirected = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{remote}.insteadOf",
        "GIT_CONFIG_VALUE_0": notebooks.address(),
        "no_proxy": "127.0.0.1",
    }
    before, after = code
    return subprocess.run(
        [sys.executable, "-c", f"{before}\n{notebooks.bootstrap_source(name)}\n{after}"],
        cwd=place,
        env={**os.environ, "PYTHONPATH": "", **redirected, **environment},
        capture_output=True,
        text=True,
        timeout=300,  # what importing torch may take on a busy machine
    )


def error_of(done: subprocess.CompletedProcess) -> str:
    """What the reader is told at the end."""
    return done.stderr.strip().split("RuntimeError: ", 1)[1]


# --- the helpers are there, or fetched ----------------------------------------------------------


def test_in_the_repository_there_is_nothing_to_do(series):
    done = run_cell(series / "notebooks")
    assert done.stdout == f"from {series}\n", done.stderr


def test_a_lone_notebook_fetches_once(series, lone):
    done = run_cell(lone, make_remote(series))
    assert done.stdout == f"from {lone / 'funnel-series'}\n", done.stderr
    again = run_cell(lone)
    assert again.stdout == done.stdout, again.stderr


def test_on_colab_the_real_helpers_start_and_a_second_run_does_no_harm(lone, tmp_path):
    series = make_series(tmp_path / "series")
    shutil.copytree(
        notebooks.ROOT / "helpers",
        series / "helpers",
        ignore=shutil.ignore_patterns("__pycache__"),
        dirs_exist_ok=True,
    )
    name = "04_unet_stanford_background"
    again = f"first = start\n{notebooks.bootstrap_source(name)}\nprint('same', start is first)"
    code = (ON_COLAB, f"{again}\n{SAY_ROOT}")
    cell = run_cell(lone, make_remote(series), code, name, FUNNEL_PROFILE="ci", FUNNEL_DEVICE="cpu")
    assert cell.stdout.count("Profile 'ci'") == 2, cell.stderr
    assert cell.stdout.endswith(f"same True\nfrom {lone / 'funnel-series'}\n")
    assert cell.stderr == ""


# --- what may be wrong with a copy --------------------------------------------------------------


@pytest.mark.parametrize("there", [(), (".git/HEAD",), ("helpers/session.py",)])
def test_half_a_copy_is_named(lone, there):
    half = lone / "funnel-series"
    half.mkdir()
    for name in there:
        (half / name).parent.mkdir()
        (half / name).touch()
    assert error_of(run_cell(lone)) == (
        f"{half} is half a copy: delete this folder, then run this cell again."
    )


@pytest.mark.parametrize("project", [None, '[project]\nname = "own"\nversion = "0.0.1"\n'])
def test_a_stranger_s_project_is_not_taken_for_a_bad_copy(series, tmp_path, project):
    """It may have helpers/session.py as well; to delete it would be bad advice."""
    own = tmp_path / "own"
    (own / "helpers").mkdir(parents=True)
    (own / "helpers" / "session.py").touch()
    if project:
        (own / "pyproject.toml").write_text(project)
    done = run_cell(own, make_remote(series))
    assert done.stdout.splitlines()[-1] == f"from {own / 'funnel-series'}", done.stderr


def test_an_older_copy_is_named(series):
    set_version(series, "0.0.9")
    needed = notebooks.project()["version"]
    assert error_of(run_cell(series / "notebooks")) == (
        f"{series} is version 0.0.9, {needed} is needed: pull it or delete it."
    )


@pytest.mark.parametrize("newer", ["0.10.0", "10.0.0"])
def test_a_newer_copy_will_do(series, newer):
    set_version(series, newer)
    done = run_cell(series / "notebooks")
    assert done.stdout == f"from {series}\n", done.stderr


@pytest.mark.parametrize("kind", ["package", "module", "folder"])
@pytest.mark.parametrize("before", ["", "import helpers"])
def test_another_package_of_that_name_is_named_and_passed_over(series, tmp_path, kind, before):
    name = {"package": "helpers/__init__.py", "module": "helpers.py", "folder": "helpers/a.py"}
    elsewhere = tmp_path / "elsewhere"
    other = elsewhere / name[kind]
    other.parent.mkdir(parents=True)
    other.touch()
    where = other.parent if kind == "folder" else other
    done = run_cell(series / "notebooks", code=(before, SAY_ROOT), PYTHONPATH=str(elsewhere))
    said, found = done.stdout.splitlines()
    assert said.startswith("The series uses its own helpers, not ")
    assert str(where) in said
    assert found == f"from {series}"


# --- what may go wrong when it is fetched -------------------------------------------------------


def test_no_git_is_said(lone):
    where = lone / "funnel-series"
    said = error_of(run_cell(lone, PATH=str(lone)))
    assert said == f"There is no git: install it, or unpack {notebooks.address()} as {where}."


@contextmanager
def server(status: int) -> Iterator[str]:
    """A web server that answers everything so, as GitHub does where nothing is public (401)."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("WWW-Authenticate", "Basic realm=t")
            self.end_headers()

        def log_message(self, *_):
            pass

    web = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{web.server_port}/nobody/series"
    web.shutdown()
    web.server_close()


@pytest.mark.parametrize("status", [401, 404])
def test_no_such_repository_is_said(lone, status):
    with server(status) as remote:
        said = error_of(run_cell(lone, remote))
    address = notebooks.address()
    assert said.startswith(f"git could not fetch {address}: no public repository is there (")
    assert not (lone / "funnel-series").exists()


def test_a_refused_connection_is_said(lone):
    said = error_of(run_cell(lone, "http://127.0.0.1:9/series"))
    assert said.startswith(f"git could not fetch {notebooks.address()}: is there a network? (")


def test_a_network_without_an_answer_is_said(lone, monkeypatch):
    template = notebooks.bootstrap_source
    monkeypatch.setattr(
        notebooks, "bootstrap_source", lambda name: template(name).replace("=300", "=1")
    )
    with socket.create_server(("127.0.0.1", 0)) as mute:
        said = error_of(run_cell(lone, f"http://127.0.0.1:{mute.getsockname()[1]}/series"))
    assert said.startswith(f"git could not fetch {notebooks.address()}: is there a network? (")
    assert "timed out" in said


def test_git_asks_nothing_and_answers_in_english(lone, tmp_path):
    """A question would wait for ever, and in another language the causes look all the same."""
    git = tmp_path / "bin" / "git"
    git.parent.mkdir()
    git.write_text('#!/bin/sh\necho "$GIT_TERMINAL_PROMPT $LC_ALL" >&2; exit 1\n')
    git.chmod(0o755)
    said = error_of(run_cell(lone, PATH=f"{git.parent}{os.pathsep}{os.environ['PATH']}"))
    assert said.endswith("(0 C)")


# --- the cell itself ----------------------------------------------------------------------------


def test_the_cell_is_short_enough_to_be_read():
    assert len(notebooks.bootstrap_source("01_a").splitlines()) <= 40


def test_it_installs_nothing():
    assert "pip" not in notebooks.bootstrap_source("01_a")
