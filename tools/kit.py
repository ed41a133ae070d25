"""One archive for a day without a network: repository, prepared data, wheels for this platform.

`python tools/kit.py` writes build/funnel-series-kit.zip. Unpacked elsewhere, on the same kind of
machine and Python, `make lab` installs from its wheels and asks no network.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from helpers.session import data_directory  # noqa: E402
from tools import setup_environment  # noqa: E402

BUILD = ROOT / "build" / "kit"
NAME = "funnel-series"


def copy_repository(place: Path) -> None:
    """What the last commit holds; raises CalledProcessError outside a clone."""
    place.mkdir(parents=True)
    archive = place / "repository.tar"
    subprocess.run(["git", "-C", str(ROOT), "archive", "-o", str(archive), "HEAD"], check=True)
    shutil.unpack_archive(archive, place)
    archive.unlink()


def download_wheels(place: Path, requirements: Path) -> None:
    """Every package of the requirements, with what they need, for this Python and platform."""
    command = [sys.executable, "-m", "pip", "download", "-r", str(requirements), "-d", str(place)]
    command += ["--quiet", "--disable-pip-version-check", *setup_environment.index_options(ROOT)]
    subprocess.run(command, check=True)


def copy_data(place: Path) -> list[str]:
    """The prepared data sets that this machine has, by name."""
    prepared = data_directory() / "prepared"
    if not prepared.is_dir():
        return []
    shutil.copytree(prepared, place / "data" / "cache" / "prepared")
    return sorted(path.name for path in prepared.iterdir())


def main() -> None:
    """Collect the parts, and pack them."""
    shutil.rmtree(BUILD, ignore_errors=True)
    copy_repository(BUILD / NAME)
    download_wheels(BUILD / NAME / "wheels", ROOT / "requirements.txt")
    data = copy_data(BUILD / NAME)
    archive = shutil.make_archive(str(BUILD.parent / f"{NAME}-kit"), "zip", BUILD)
    shutil.rmtree(BUILD)
    print(f"data: {', '.join(data) or 'none is prepared here: the notebooks will use stand-ins'}")
    print(f"{archive}: {Path(archive).stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
