"""One archive for a day without a network: repository, prepared data, wheels for this platform.

`python tools/kit.py` writes build/funnel-series-kit.zip. Unpacked elsewhere, on the same kind of
machine and Python, `make lab` installs from its wheels and asks no network.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from helpers.session import data_directory  # noqa: E402
from tools import setup_environment  # noqa: E402

BUILD = ROOT / "build"
NAME = "funnel-series"


def run(command: list[str]) -> None:
    """Run it to its end; interrupted, it and all that it started end.

    Raises CalledProcessError where it fails.
    """
    child = subprocess.Popen(command, start_new_session=True)
    try:
        if child.wait():
            raise subprocess.CalledProcessError(child.returncode, command)
    finally:
        if os.name == "posix":
            with suppress(ProcessLookupError):  # nothing is left
                os.killpg(child.pid, signal.SIGKILL)
        child.kill()


def copy_repository(place: Path) -> None:
    """What the last commit holds."""
    place.mkdir(parents=True)
    archive = place / "repository.tar"
    run(["git", "-C", str(ROOT), "archive", "-o", str(archive), "HEAD"])
    shutil.unpack_archive(archive, place)
    archive.unlink()


def download_wheels(place: Path, requirements: Path) -> None:
    """Every package of the requirements, with what they need, for this Python and platform."""
    command = [sys.executable, "-m", "pip", "download", "-r", str(requirements), "-d", str(place)]
    command += ["--quiet", "--disable-pip-version-check", *setup_environment.index_options(ROOT)]
    run(command)


def copy_data(place: Path) -> list[str]:
    """The prepared data sets that this machine has, by name."""
    prepared = data_directory() / "prepared"
    if not prepared.is_dir():
        return []
    shutil.copytree(prepared, place / "data" / "cache" / "prepared")
    return sorted(path.name for path in prepared.iterdir())


def main() -> None:
    """Collect the parts, pack them, and put the archive in its place when it is whole."""
    if not (ROOT / ".git").exists():  # git itself would look in the folders above
        sys.exit(f"{ROOT} is no clone: the kit packs the last commit. Get the series by git clone.")
    if not shutil.which("git"):
        sys.exit("There is no git: install it, then run this again.")
    BUILD.mkdir(exist_ok=True)
    archive = BUILD / f"{NAME}-kit.zip"
    try:
        with tempfile.TemporaryDirectory(prefix="kit-", dir=BUILD) as folder:
            parts = Path(folder) / "parts"
            copy_repository(parts / NAME)
            download_wheels(parts / NAME / "wheels", ROOT / "requirements.txt")
            data = copy_data(parts / NAME)
            Path(shutil.make_archive(f"{folder}/kit", "zip", parts)).replace(archive)
    except subprocess.CalledProcessError as error:
        sys.exit(f"No archive: {' '.join(error.cmd[:4])} ... failed, see above.")
    print(f"data: {', '.join(data) or 'none is prepared here: the notebooks will use stand-ins'}")
    print(f"{archive}: {archive.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
