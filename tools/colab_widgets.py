"""The widgets' tests with the ipywidgets of Colab, laid over .venv: nothing is installed twice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSION = "7.7.1"
PACKAGES = (f"ipywidgets=={VERSION}", "anywidget==0.9.21", "ipython_genutils==0.2.0")
FOLDER = ROOT / "build" / f"ipywidgets-{VERSION}"


def install(folder: Path) -> None:
    """Put the packages into the folder, all or none; stop when pip can't."""
    if folder.exists():
        return
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "install", "--target", str(part), "--no-deps"]
    command += ["--quiet", "--no-input", "--disable-pip-version-check", *PACKAGES]
    if subprocess.run(command).returncode:
        sys.exit(f"pip could not fetch {', '.join(PACKAGES)}; is there a network?")
    part.rename(folder)


def over(folder: Path) -> dict[str, str]:
    """This process' environment, with the folder's packages before those of .venv."""
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *([path] if path else [])])}


def version_seen(environment: dict[str, str]) -> str:
    """The version of ipywidgets that a process imports in this environment."""
    command = [sys.executable, "-c", "import ipywidgets; print(ipywidgets.__version__)"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main(arguments: list[str]) -> int:
    """Run tests/widgets, or what paths among the `arguments` for pytest choose."""
    install(FOLDER)
    environment = over(FOLDER)
    if (seen := version_seen(environment)) != VERSION:
        sys.exit(f"ipywidgets {seen} was imported, not {VERSION}; remove {FOLDER} and try again")
    print(f"ipywidgets {seen}", flush=True)
    chosen = any((ROOT / argument.split("::")[0]).exists() for argument in arguments)
    files = [] if chosen else sorted(map(str, ROOT.glob("tests/widgets/test_*.py")))
    command = [sys.executable, str(ROOT / "tools" / "run_tests.py"), *files, *arguments]
    return subprocess.call(command, env=environment, cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
