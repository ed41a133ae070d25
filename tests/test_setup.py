"""The environment's making, with a package index of three tiny packages."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import pytest

from tools import setup_environment

NO_DRIVER = not setup_environment.has_nvidia_driver()


def wheel(folder: Path, name: str, version: str, needs: str = "") -> None:
    """Write the smallest wheel that pip installs."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info".replace("nvidia-", "nvidia_")
    file = folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    requires = f"Requires-Dist: {needs}\n" if needs else ""
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        )
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture(scope="session")
def pip_alone(tmp_path_factory):
    """A folder with pip and nothing else: `ensurepip` takes seconds for each environment."""
    folder = tmp_path_factory.mktemp("pip")
    shutil.copytree(Path(find_spec("pip").origin).parent, folder / "pip")
    return folder


@pytest.fixture
def place(tmp_path, pip_alone, monkeypatch):
    """An index of wheels and a requirements file; pip sees nothing else."""
    wheel(tmp_path / "packages", "torch", "2.13.0", needs="nvidia-tiny")
    wheel(tmp_path / "packages", "nvidia-tiny", "1.0")
    wheel(tmp_path / "packages", "pencil", "1.0")
    wheel(tmp_path / "packages", "pencil", "2.0")
    for name in [n for n in os.environ if n.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "packages"))
    monkeypatch.delenv("TORCH_INDEX", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "requirements.txt").write_text("pencil==1.0\n")

    def create(folder):
        venv.create(folder, clear=True, symlinks=os.name != "nt")
        (site_packages(folder) / "pip.pth").write_text(str(pip_alone))

    monkeypatch.setattr(setup_environment, "create", create)
    return tmp_path


def site_packages(folder: Path) -> Path:
    """Where packages stand in an environment."""
    return next(folder.rglob("site-packages"))


def set_up(place: Path, any_python: bool = False) -> None:
    """Make the environment as `make setup` does."""
    setup_environment.make(place / ".venv", place / "requirements.txt", any_python)


def installed(place: Path) -> dict[str, str]:
    """Name and version of what stands in the environment."""
    found = distributions(path=[str(site_packages(place / ".venv"))])
    return {d.metadata["Name"]: d.version for d in found}


@pytest.mark.parametrize("version", [(3, 11), (3, 12, 4), (3, 13, 0, "final", 0)])
def test_the_supported_pythons_have_no_problem(version):
    assert setup_environment.python_problem(version) == ""


def test_an_old_python_can_read_the_script_that_says_so():
    source = (setup_environment.ROOT / "tools" / "setup_environment.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 6))


@pytest.mark.parametrize(
    ("version", "word"), [((3, 6, 15), "old"), ((3, 10), "old"), ((3, 14), "new")]
)
def test_another_python_is_refused_in_one_line(version, word):
    line = setup_environment.python_problem(version)
    assert f"too {word}" in line
    assert "3.11 to 3.13" in line
    assert "\n" not in line


def test_made_once_then_nothing_to_do(place, capsys):
    set_up(place)
    assert installed(place) == {"pencil": "1.0"}
    assert "Making .venv" in capsys.readouterr().out
    set_up(place)
    assert capsys.readouterr().out == ""


def test_new_pins_update_the_environment_that_is_there(place):
    set_up(place)
    mark = place / ".venv" / "mark"
    mark.touch()
    (place / "requirements.txt").write_text("pencil==2.0\n")
    set_up(place)
    assert installed(place) == {"pencil": "2.0"}
    assert mark.exists()


def test_half_made_is_made_anew(place, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(setup_environment, "pip", interrupted)
        with pytest.raises(KeyboardInterrupt):
            set_up(place)
    mark = place / ".venv" / "mark"
    mark.touch()
    set_up(place)
    assert not mark.exists()
    assert installed(place) == {"pencil": "1.0"}


def test_an_environment_without_its_python_is_made_anew(place, capsys):
    set_up(place)
    setup_environment.python_in(place / ".venv").unlink()
    set_up(place)
    assert capsys.readouterr().out.count("Making .venv") == 2


def test_a_copied_environment_is_made_anew(place, capsys):
    set_up(place)
    copy = place / "copy"
    shutil.copytree(place / ".venv", copy / ".venv", symlinks=True)
    shutil.copy(place / "requirements.txt", copy)
    set_up(copy)
    assert capsys.readouterr().out.count("Making .venv") == 2


def test_another_python_remakes_only_when_it_was_named(place, monkeypatch, capsys):
    set_up(place)
    monkeypatch.setattr(sys, "version_info", (3, 12 if sys.version_info[1] != 12 else 13, 0))
    set_up(place, any_python=True)
    assert capsys.readouterr().out.count("Making .venv") == 1
    set_up(place)
    assert capsys.readouterr().out.count("Making .venv") == 1


def test_an_old_python_is_refused_before_anything_is_made(place, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 1))
    with pytest.raises(SystemExit, match="too old"):
        set_up(place)
    assert not (place / ".venv").exists()


def test_killed_while_it_works_the_script_starts_again(place):
    """The real thing, with `ensurepip`: the process dies while it makes the environment."""
    files = ["--venv", str(place / ".venv"), "--requirements", str(place / "requirements.txt")]
    command = [sys.executable, setup_environment.__file__, *files]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert "Making" in process.stdout.readline()
    process.kill()
    process.communicate()
    assert not (place / ".venv" / "stamp.json").exists()
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert installed(place)["pencil"] == "1.0"


def test_an_index_out_of_reach_is_one_line_and_a_log(place, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    (place / "requirements.txt").write_text("brush==1.0\n")
    with pytest.raises(SystemExit) as failed:
        set_up(place)
    assert "out of reach" in failed.value.code
    assert "\n" not in failed.value.code
    assert "brush" in (place / ".venv" / "install.log").read_text()
    assert not (place / ".venv" / "stamp.json").exists()


def test_another_failure_is_named(place):
    lines = setup_environment.explain("Collecting x\nERROR: [Errno 28] No space left on device\n")
    assert lines == "ERROR: [Errno 28] No space left on device"


@pytest.fixture
def cpu_index(place):
    """An index on this machine, with a torch for the CPU."""
    wheel(place / "index" / "torch", "torch", "2.13.0+cpu")
    handler = partial(SimpleHTTPRequestHandler, directory=str(place / "index"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


linux_without_gpu = pytest.mark.skipif(
    not (sys.platform.startswith("linux") and NO_DRIVER), reason="for Linux without a driver"
)


@linux_without_gpu
def test_the_cpu_index_comes_first(place, cpu_index, monkeypatch, capsys):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", cpu_index)
    monkeypatch.setenv("TORCH_INDEX", cpu_index)
    (place / "requirements.txt").write_text("torch==2.13.0\n")
    setup_environment.plan(place / "requirements.txt")
    assert "1 packages would be installed; 0 are CUDA's" in capsys.readouterr().out
    set_up(place)
    assert installed(place) == {"torch": "2.13.0+cpu"}


def test_wheels_beside_the_requirements_are_enough_without_a_network(place, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9")
    (place / "packages").rename(place / "wheels")
    set_up(place)
    assert installed(place) == {"pencil": "1.0"}


@linux_without_gpu
def test_without_the_cpu_index_the_default_is_taken(place, monkeypatch, capsys):
    monkeypatch.setenv("TORCH_INDEX", "http://127.0.0.1:9")
    (place / "requirements.txt").write_text("torch==2.13.0\n")
    set_up(place)
    assert installed(place)["torch"] == "2.13.0"
    assert "2.8 GB of CUDA may come" in capsys.readouterr().out


def test_cuda_without_a_gpu_fails_the_plan(place, monkeypatch, capsys):
    (place / "requirements.txt").write_text("torch==2.13.0\n")
    monkeypatch.setattr(setup_environment, "has_nvidia_driver", lambda: False)
    with pytest.raises(SystemExit, match="Without a GPU, pip would install nvidia-tiny"):
        setup_environment.plan(place / "requirements.txt")
    monkeypatch.setattr(setup_environment, "has_nvidia_driver", lambda: True)
    setup_environment.plan(place / "requirements.txt")
    assert "2 packages would be installed; 1 are CUDA's" in capsys.readouterr().out
    assert not (place / ".venv").exists(), "a plan makes no environment"
    assert not list(place.glob("funnel-plan-*")), "nor leaves one behind"


def test_with_a_driver_the_default_index_is_taken(monkeypatch):
    monkeypatch.setenv("TORCH_INDEX", "http://127.0.0.1:9")
    monkeypatch.setattr(setup_environment, "has_nvidia_driver", lambda: True)
    assert setup_environment.index_options(Path("nowhere")) == []


def test_a_silent_index_costs_a_few_seconds():
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as silent:
        started = time.perf_counter()  # the port is open, and nobody answers
        assert not setup_environment.answers(f"http://127.0.0.1:{silent.server_port}")
        assert time.perf_counter() - started < 8


@linux_without_gpu
@pytest.mark.skipif(not os.environ.get("CI"), reason="a reader may have no other choice")
def test_nothing_of_cuda_is_installed_in_ci():
    names = {d.metadata["Name"].lower() for d in distributions()}
    assert not [name for name in names if name.startswith("nvidia-")]
