"""The shelf: directories of arrays that are either complete or not there at all."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..files import display_path

STALE = 3600  # s; nothing here takes that long to prepare, so what is older was left by a kill


class DataError(Exception):
    """A data file is damaged or not what it should be; the message says which and what to do."""


class CutOffError(DataError):
    """A data file ends too early; what is there may be good."""


def complete(directory: Path, write: Callable[[Path], None]) -> Path:
    """`directory`, filled by `write(place)` if it is not there yet.

    `write` fills another directory that gets its name only when all is done. So a kill half-way
    leaves nothing that is later taken for complete, and of two processes the first to finish wins.
    """
    if directory.is_dir():
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    _sweep(directory.parent)
    prefix = f".{directory.name}-"
    place = Path(tempfile.mkdtemp(prefix=prefix, suffix=".part", dir=directory.parent))
    try:
        write(place)
        _adopt(place, directory)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return directory


def _adopt(place: Path, directory: Path) -> None:
    """Give a filled directory its name, unless another process was first."""
    place.chmod(0o755)  # mkdtemp's own is for its owner only, and a class may share a directory
    try:
        place.rename(directory)
    except OSError:
        if not directory.is_dir():
            raise


def _sweep(parent: Path) -> None:
    """Remove what killed preparations left behind."""
    for left in parent.glob(".*.part"):
        if time.time() - left.stat().st_mtime > STALE:
            shutil.rmtree(left, ignore_errors=True)


def read_array(path: Path, mapped: bool = False) -> np.ndarray:
    """A prepared array, in memory or (`mapped`) read from the disk as it is used.

    Raises DataError when the file is damaged.
    """
    try:
        return np.load(path, mmap_mode="c" if mapped else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        advice = f"Delete {display_path(path.parent)} and load again."
        raise DataError(f"{display_path(path)} is damaged ({error}). {advice}") from error
