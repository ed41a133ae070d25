"""The tools for notebooks: staleness, links, cleaning."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from nbval import kernel

from helpers.figures.style import figure_output
from tools import notebooks


def small_notebook() -> nbformat.NotebookNode:
    cells = [
        new_markdown_cell("# A title\n\nA question?"),
        new_code_cell('from helpers import start\nsession = start("old_name")'),
        new_code_cell("1 + 1"),
    ]
    return new_notebook(cells=cells)


# --- kernels of the tests -----------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="kernels have TCP ports there")
def test_a_kernel_of_nbval_starts_whichever_ports_others_take(monkeypatch):
    taken = []

    class Taken(socket.socket):
        """A port that another process takes as soon as it was found free."""

        def close(self) -> None:
            self.listen()
            taken.append(self)

    ports = SimpleNamespace(**vars(socket) | {"socket": Taken})
    monkeypatch.setattr("jupyter_client.connect.socket", ports)
    manager, client = kernel.start_new_kernel(30, kernel.CURRENT_ENV_KERNEL_NAME)
    client.stop_channels()
    manager.shutdown_kernel(now=True)


# --- staleness ----------------------------------------------------------------------------------


def test_changed_code_is_stale_changed_text_and_address_are_not():
    notebook = small_notebook()
    assert notebooks.is_stale(notebook)
    notebooks.put_bootstrap(notebook, "01_a")
    notebook.metadata["funnel"] = {"digest": notebooks.digest(notebook)}
    notebook.cells[0].source += " More words."
    notebook.cells[1].source = notebook.cells[1].source.replace("OWNER", "somebody")
    assert not notebooks.is_stale(notebook)
    notebook.cells[2].source = "1 + 2"
    assert notebooks.is_stale(notebook)


# --- links --------------------------------------------------------------------------------------


def test_bootstrap_takes_the_place_of_the_cell_that_started():
    notebook = small_notebook()
    notebooks.put_bootstrap(notebook, "01_a")
    notebooks.put_bootstrap(notebook, "01_a")
    assert len(notebook.cells) == 3
    assert notebook.cells[1].source.endswith('session = start("01_a")')
    assert notebook.cells[1].metadata["jupyter"] == {"source_hidden": True}


def test_bootstrap_comes_before_code_that_starts_nothing():
    notebook = small_notebook()
    del notebook.cells[1]
    notebooks.put_bootstrap(notebook, "01_a")
    assert [notebooks.is_bootstrap(c) for c in notebook.cells] == [False, True, False]


def test_badge_stands_once_under_the_title():
    notebook = small_notebook()
    notebooks.put_badge(notebook, "01_a")
    notebooks.put_badge(notebook, "01_a")
    title, blank, badge, *rest = notebook.cells[0].source.split("\n")
    assert (title, blank, rest) == ("# A title", "", ["", "A question?"])
    assert badge == notebooks.badge("01_a")


@pytest.mark.parametrize("cells", [[], [new_code_cell("1 + 1")]])
def test_a_notebook_without_a_title_gets_one_with_its_badge(cells):
    notebook = new_notebook(cells=[*cells])
    notebooks.put_badge(notebook, "01_a")
    title, *code = notebook.cells
    assert title.source == f"# 01_a\n\n{notebooks.badge('01_a')}"
    assert code == cells


@pytest.mark.parametrize("follows", ["", ")", "/tree", ".git", ". Next", "\r\n"])
def test_an_address_is_changed(follows):
    assert notebooks.with_address(f"https://x/a{follows}", "https://x/a", "https://x/b") == (
        f"https://x/b{follows}"
    )


@pytest.mark.parametrize("follows", ["-two", "b", ".old", "_1"])
def test_a_longer_address_stays(follows):
    longer = f"https://x/a{follows}"
    assert notebooks.with_address(longer, "https://x/a", "https://x/b") == longer


def test_table_lines_get_the_badge_of_their_notebook():
    line = "| [x](notebooks/01_a.ipynb) | why? | [![Open in Colab](old)](old) |"
    assert notebooks.link_table(line).count(notebooks.badge("01_a")) == 1
    assert notebooks.link_table(notebooks.link_table(line)) == notebooks.link_table(line)


# --- cleaning -----------------------------------------------------------------------------------


def test_clean_removes_widgets_paths_and_versions():
    notebook = small_notebook()
    notebook.metadata.update({"funnel": {}, "widgets": {"x": 1}, "language_info": {"version": "3"}})
    path = notebooks.ROOT / "helpers" / "x.py"
    warning = f"{path}:3: UserWarning\n/tmp/ipykernel_12/34.py:1: UserWarning"
    notebook.cells[2].metadata["execution"] = {"iopub.execute_input": "now"}
    notebook.cells[2].outputs = [
        new_output("display_data", data={notebooks.WIDGET_VIEW: {}, "text/plain": "a slider"}),
        new_output("stream", name="stderr", text=warning),
        new_output("display_data", data=figure_output(b"iVBOR", "A <b>")),
    ]
    notebooks.clean(notebook)
    text, picture = notebook.cells[2].outputs
    assert text.text == f"helpers{os.sep}x.py:3: UserWarning\nnotebook:1: UserWarning"
    assert notebooks.picture_and_words(picture) == (b"iVBOR", "A <b>")
    assert set(notebook.metadata) == {"funnel", "kernelspec", "language_info"}
    assert notebook.metadata["language_info"] == {"name": "python"}
    assert "execution" not in notebook.cells[2].metadata


# --- executing ----------------------------------------------------------------------------------

HELPERS = """
class Data:
    is_standin = property(lambda self: self.source == "stand-in data")
    def __init__(self, source): self.source = source
class Session:
    class profile:
        import os; name = os.environ["FUNNEL_PROFILE"]
def start(name): return Session()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A repository with one notebook and helpers of a few lines."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "helpers").mkdir()
    (tmp_path / "helpers" / "__init__.py").write_text(HELPERS)
    (tmp_path / "helpers" / "session.py").touch()
    shutil.copy(notebooks.ROOT / "pyproject.toml", tmp_path)
    monkeypatch.setattr(notebooks, "NOTEBOOKS", tmp_path / "notebooks")
    monkeypatch.setenv("FUNNEL_PROFILE", "ci")  # executing sets it to class
    return tmp_path


def store(folder: Path, last_cell: str) -> Path:
    notebook = small_notebook()
    notebooks.put_bootstrap(notebook, "01_a")
    notebook.cells.append(new_code_cell(last_cell))
    path = folder / "notebooks" / "01_a.ipynb"
    notebooks.write(notebook, path)
    return path


def test_execute_runs_what_is_stale_in_the_class_profile(folder, capsys):
    path = store(folder, 'from helpers import Data\n\ndata = Data("CIFAR-10")')
    notebooks.execute([])
    stored = notebooks.read(path)
    assert stored.metadata["funnel"] == {
        "digest": notebooks.digest(stored),
        "profile": "class",
        "data": ["CIFAR-10"],
    }
    assert [c.execution_count for c in stored.cells if c.cell_type == "code"] == [1, 2, 3]
    assert len(stored.cells) == 4
    notebooks.execute([])
    assert "01_a.ipynb: up to date" in capsys.readouterr().out


def test_a_notebook_that_is_not_there_is_named_and_nothing_runs(folder):
    before = store(folder, "1 / 0").read_bytes()
    with pytest.raises(SystemExit, match="begins with '99': nothing was run"):
        notebooks.execute(["01", "99"])
    assert (folder / "notebooks" / "01_a.ipynb").read_bytes() == before


def test_stand_in_data_is_not_stored(folder):
    path = store(folder, 'from helpers import Data\n\ndata = Data("stand-in data")')
    before = path.read_bytes()
    with pytest.raises(SystemExit, match="stand-in"):
        notebooks.execute([])
    assert path.read_bytes() == before


def test_a_failing_notebook_is_not_stored(folder):
    path = store(folder, "1 / 0")
    before = path.read_bytes()
    with pytest.raises(Exception, match="ZeroDivisionError"):
        notebooks.execute([])
    assert path.read_bytes() == before


# --- linking a fork -------------------------------------------------------------------------------


@pytest.fixture
def fork(tmp_path, monkeypatch):
    """A clone with one notebook and a README, whose remote a test sets."""
    for name in ("pyproject.toml", "README.md", "tools/bootstrap_cell.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(notebooks.ROOT / name, tmp_path / name)
    (tmp_path / "notebooks").mkdir()
    shutil.copy(notebooks.stored_notebooks()[0], tmp_path / "notebooks")
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    monkeypatch.setattr(notebooks, "NOTEBOOKS", tmp_path / "notebooks")
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return tmp_path


def texts_of(fork):
    (notebook,) = notebooks.stored_notebooks()
    return [(fork / name).read_text() for name in ("pyproject.toml", "README.md", notebook)]


@pytest.mark.parametrize(
    "remote",
    [
        "https://github.com/somebody/a-fork.git",
        "https://user:secret@github.com/somebody/a-fork",
        "git@github.com:somebody/a-fork.git",
        "http://github.com/somebody/a-fork",
        "ssh://git@github.com:22/somebody/a-fork.git",
    ],
)
def test_a_fork_is_linked_by_its_remote(fork, remote):
    subprocess.run(["git", "-C", fork, "remote", "add", "origin", remote], check=True)
    notebooks.link()
    for text in texts_of(fork):
        assert "github.com/somebody/a-fork" in text or "github/somebody/a-fork" in text
        assert "OWNER" not in text
        assert "secret" not in text


def test_linking_keeps_line_ends(fork):
    remote = "https://github.com/somebody/a-fork"
    subprocess.run(["git", "-C", fork, "remote", "add", "origin", remote], check=True)
    files = [fork / "pyproject.toml", fork / "README.md", *notebooks.stored_notebooks()]
    for path in files:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    notebooks.link()
    for path in files:
        written = path.read_bytes()
        assert b"a-fork" in written
        assert written.count(b"\n") == written.count(b"\r\n") > 9, path.name


@pytest.mark.parametrize("remote", [None, "../elsewhere", "https://example.org/somebody/a-fork"])
def test_a_clone_of_no_github_repository_keeps_the_address_of_pyproject(fork, remote):
    if remote:
        subprocess.run(["git", "-C", fork, "remote", "add", "origin", remote], check=True)
    before = texts_of(fork)
    notebooks.link()
    assert texts_of(fork) == before


def test_the_address_stands_in_pyproject_only():
    assert json.dumps(notebooks.address()) in notebooks.bootstrap_source("01_a")
