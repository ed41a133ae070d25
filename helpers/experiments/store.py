"""Where records live: one line per run, appended atomically, by several processes at once."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from ..files import display_path, naming_full_disk, write_atomically
from ..session import data_directory, repository
from .run import SCHEMA, Record

PATIENCE = 60.0
"""Seconds for which a process waits while another one writes to the same file."""


class RecordError(Exception):
    """Records can't be read or written; the message names the place, and says what to do."""


class Store:
    """A folder with one file of records per grid, `<grid>.jsonl`. Introduced in notebook 06.

    A file is only ever appended to. Of several lines with one run's name the first result counts;
    where there is none, the last error.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, grid: str) -> Path:
        """The file of one grid's records."""
        return self.folder / f"{grid}.jsonl"

    def read(self, grid: str) -> dict[str, Record]:
        """The records of one grid by the runs' names, failed runs ("error") among them.

        A torn last line, left by a kill, is passed over. Raises RecordError for a line that is
        damaged or of another schema.
        """
        path = self.path(grid)
        if not path.exists():
            return {}
        lines = path.read_bytes().split(b"\n")
        found: dict[str, Record] = {}
        for number, line in enumerate(lines, 1):
            if line and not (number == len(lines) and _is_torn(line)):
                record = _parsed(line, f"{display_path(path)}, line {number}")
                if "error" in found.get(record["name"], {"error": ""}):
                    found[record["name"]] = record
        return found

    def check_writable(self, grid: str) -> None:
        """Make the folder and the grid's file. Raises RecordError where that can't be done."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.path(grid).open("ab").close()
        except OSError as error:
            raise RecordError(
                f"Records can't be written to {display_path(self.folder)} ({error.strerror}): make "
                "it writable, or let FUNNEL_DATA name another folder for your own runs."
            ) from error

    def append(self, record: Record) -> bool:
        """Write a record as one line, down to the disk; False if its result is there already."""
        path = self.path(record["grid"])
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock = FileLock(path.with_suffix(".lock"), timeout=PATIENCE)
            with lock, naming_full_disk(path), path.open("a+b") as file:
                _mend(file)
                if not self.lacks(record):
                    return False
                file.write(json.dumps(record).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except Timeout as error:
            held = f"{path} was held by another process for {PATIENCE:g} s: end it."
            raise RecordError(held) from error
        return True

    def lacks(self, record: Record) -> bool:
        """Whether its run has no result yet."""
        return "error" in self.read(record["grid"]).get(record["name"], {"error": ""})

    def keep(self, name: str, content: bytes) -> None:
        """Write a file that belongs to a record, atomically."""
        with write_atomically(self.folder / name) as part:
            part.write_bytes(content)


def recorded_store() -> Store | None:
    """The records that belong to the series, `data/results`; None for an installed package."""
    root = repository()
    return Store(root / "data" / "results") if root else None


def own_store() -> Store:
    """A reader's own runs, in the folder of the data."""
    return Store(data_directory() / "runs")


def _is_torn(line: bytes) -> bool:
    try:
        return not isinstance(json.loads(line), dict)
    except ValueError:
        return True


def _parsed(line: bytes, where: str) -> Record:
    if _is_torn(line):
        raise RecordError(f"{where} is damaged: restore the file from git, or delete the line.")
    record = json.loads(line)
    if record.get("schema") != SCHEMA:
        raise RecordError(
            f"{where} has schema {record.get('schema')}, and this version of helpers reads schema "
            f"{SCHEMA}: move the file away and run the grid anew, or use the version that wrote it."
        )
    return record


def _mend(file: BinaryIO) -> None:
    """Cut off a torn last line, so that the next one begins where a line begins."""
    file.seek(0)
    content = file.read()
    last = content[content.rfind(b"\n") + 1 :]
    if last and _is_torn(last):
        file.truncate(len(content) - len(last))
    elif last:  # complete, but for its line feed
        file.write(b"\n")
    file.flush()
