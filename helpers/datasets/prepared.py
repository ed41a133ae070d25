"""Prepared arrays: directories that are either complete or not there at all."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..files import display_path, naming_full_disk

CHECKSUMS = "checksums.json"  # the CRC-32 of each file that a preparation wrote, by its path
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
    """`directory`, filled by `write(place)` if it is not there yet or if a file in it is damaged.

    `write` fills another directory that is renamed when all is done, so a kill half-way leaves
    nothing that is later taken for complete, and of two processes the first to finish wins.
    """
    damaged = _damaged_file(directory) if directory.is_dir() else None
    if directory.is_dir() and damaged is None:
        return directory
    if damaged:
        print(f"{display_path(damaged)} is damaged. It is prepared again.")
    place = aside = None
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(directory.parent)
        place = _part_of(directory)
        with naming_full_disk(directory):
            write(place)
            _write_checksums(place)
        place.chmod(0o755)  # mkdtemp's own is for its owner only; a class may share a directory
        if damaged:
            aside = _part_of(directory)
            shutil.move(directory, aside)
        place.rename(directory)
    except OSError as error:
        if damaged or not directory.is_dir():  # else another process was first
            error.add_note(f"{display_path(directory)} was not written.")
            raise
    finally:
        for left in filter(None, (place, aside)):
            shutil.rmtree(left, ignore_errors=True)
    return directory


def _part_of(directory: Path) -> Path:
    """A new, empty directory beside another, to be filled for it."""
    prefix = f".{directory.name}-"
    return Path(tempfile.mkdtemp(prefix=prefix, suffix=".part", dir=directory.parent))


def _write_checksums(place: Path) -> None:
    sums = {
        path.relative_to(place).as_posix(): _checksum(path, *_version(path))
        for path in sorted(place.rglob("*"))
        if path.is_file()
    }
    (place / CHECKSUMS).write_text(json.dumps(sums))


def _damaged_file(directory: Path) -> Path | None:
    """The first file that is gone or not what was written.

    None if there is none, or if the directory was prepared before checksums were kept.
    """
    kept = directory / CHECKSUMS
    if not kept.is_file():
        return None
    try:
        sums = {name: int(known) for name, known in json.loads(kept.read_text("utf-8")).items()}
    except (ValueError, AttributeError, TypeError):
        return kept
    for name, known in sums.items():
        path = directory / name
        if not path.is_file() or _checksum(path, *_version(path)) != known:
            return path
    return None


def _version(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@cache
def _checksum(path: Path, _size: int, _changed: int) -> int:
    """The CRC-32 of a file, read once by a process as long as it isn't changed."""
    found = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            found = zlib.crc32(chunk, found)
    return found


def _remove_stale(parent: Path) -> None:
    """Remove what killed preparations left behind."""
    for left in parent.glob(".*.part"):
        if time.time() - left.stat().st_mtime > STALE:
            shutil.rmtree(left, ignore_errors=True)


def prepared_array(path: Path, make: Callable[[], np.ndarray]) -> np.ndarray:
    """The array in `path`, alone in its directory, written now by `make()` if it is not there."""
    complete(path.parent, lambda place: save_array(place / path.name, make()))
    return read_array(path, mapped=True)


def save_array(path: Path, array: np.ndarray) -> None:
    """Write a prepared array. Raises OSError, before it writes, where the disk has no room."""
    with naming_full_disk(path, array.nbytes):
        np.save(path, array)


def read_array(path: Path, mapped: bool = False) -> np.ndarray:
    """A prepared array, in memory or (`mapped`) read from the disk as it is used.

    Raises DataError when the file is damaged.
    """
    with _naming_damage(path):
        return np.load(path, mmap_mode="c" if mapped else None, allow_pickle=False)


def read_json(path: Path) -> Any:
    """A prepared file of JSON. Raises DataError when it is damaged."""
    with _naming_damage(path):
        return json.loads(path.read_text("utf-8"))


@contextmanager
def _naming_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError:
        raise  # it names the file, which is another user's and need not be damaged
    except Exception as error:  # NumPy's kinds for bad headers are many
        advice = f"Delete {display_path(path.parent)} and load again."
        raise DataError(f"{display_path(path)} is damaged ({error}). {advice}") from error
