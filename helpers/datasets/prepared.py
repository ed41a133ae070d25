"""Prepared arrays: directories that are either complete or not there at all."""

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


def faulty(path: Path, what: str, kind: type[DataError] = DataError) -> DataError:
    """The error for a data file: its path, what is wrong with it, and what to do."""
    advice = "Delete it and load again, or put a good copy in its place."
    return kind(f"{display_path(path)} {what}. {advice}")


def complete(directory: Path, write: Callable[[Path], None]) -> Path:
    """`directory`, filled by `write(place)` if it is not there yet.

    `write` fills another directory that is renamed when all is done, so a kill half-way leaves
    nothing that is later taken for complete, and of two processes the first to finish wins.
    """
    if directory.is_dir():
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(directory.parent)
    prefix = f".{directory.name}-"
    place = Path(tempfile.mkdtemp(prefix=prefix, suffix=".part", dir=directory.parent))
    try:
        write(place)
        place.chmod(0o755)  # mkdtemp's own is for its owner only; a class may share a directory
        place.rename(directory)
    except OSError as error:
        if not directory.is_dir():  # else another process was first
            free = shutil.disk_usage(directory.parent).free / 1e6
            error.add_note(f"{display_path(directory)} was not written; {free:.0f} MB are free.")
            raise
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return directory


def _remove_stale(parent: Path) -> None:
    """Remove what killed preparations left behind."""
    for left in parent.glob(".*.part"):
        if time.time() - left.stat().st_mtime > STALE:
            shutil.rmtree(left, ignore_errors=True)


def prepared_array(path: Path, make: Callable[[], np.ndarray]) -> np.ndarray:
    """The array in `path`, alone in its directory, written now by `make()` if it is not there."""
    complete(path.parent, lambda place: np.save(place / path.name, make()))
    return read_array(path, mapped=True)


def read_array(path: Path, mapped: bool = False) -> np.ndarray:
    """A prepared array, in memory or (`mapped`) read from the disk as it is used.

    Raises DataError when the file is damaged.
    """
    try:
        return np.load(path, mmap_mode="c" if mapped else None, allow_pickle=False)
    except Exception as error:  # NumPy's kinds for bad headers are many
        advice = f"Delete {display_path(path.parent)} and load again."
        raise DataError(f"{display_path(path)} is damaged ({error}). {advice}") from error
