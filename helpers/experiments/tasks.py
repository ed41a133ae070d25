"""One run: a process that does nothing else meanwhile trains, evaluates and tells."""

from __future__ import annotations

import contextlib
import io
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from ..training import threads
from .lenet import measure_lenet
from .record import Record, Run, circumstances, headed
from .unet import measure_unet

Measured = tuple[Record, dict[str, bytes]]

_MEASURE: dict[str, Callable[[Run], Measured]] = {
    "cifar10": measure_lenet,
    "regions": measure_unet,
    "surfaces": measure_unet,
}
_ALONE = threading.Lock()  # torch's threads and global generator belong to the process


@dataclass(frozen=True)
class Outcome:
    """A run's line, and the files that belong to it, by name below the folder of results."""

    record: Record
    files: dict[str, bytes] = field(default_factory=dict)


def execute(run: Run) -> Outcome:
    """Train and evaluate what was asked. An error becomes part of the record; Ctrl-C does not."""
    began = time.time()
    # Two processes with one thread each do more than one with two, and add in a fixed order.
    with _ALONE, threads(1), contextlib.redirect_stdout(io.StringIO()):
        try:
            measured, files = _measure(run)
        except Exception:  # whatever it is, it belongs into the record, and the grid goes on
            measured, files = {"error": traceback.format_exc()}, {}
        where = circumstances()
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began))
    return Outcome({**headed(run), **where, "started": started, **measured}, files)


def _measure(run: Run) -> Measured:
    if run.task not in _MEASURE:
        raise ValueError(f"No task is called '{run.task}'; known: {', '.join(_MEASURE)}.")
    return _MEASURE[run.task](run)
