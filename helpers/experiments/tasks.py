"""A block of runs: a process that does nothing else meanwhile trains, evaluates and tells."""

from __future__ import annotations

import contextlib
import io
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..session import threads
from .lenet import measure_lenet
from .run import Measured, Record, Run, circumstances, headed
from .unet import measure_unet

_MEASURE: dict[str, Callable[[Sequence[Run]], list[Measured]]] = {
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


def execute(runs: Sequence[Run]) -> list[Outcome]:
    """Train side by side and evaluate what was asked; the runs differ in their seed alone.

    An error becomes part of the records; Ctrl-C does not.
    """
    began = time.time()
    # Two processes with one thread each do more than one with two, and add in a fixed order.
    with _ALONE, threads(1), contextlib.redirect_stdout(io.StringIO()):
        try:
            measured = _measure(runs)
        except Exception:  # whatever it is, it belongs into the records, and the grid goes on
            measured = [({"error": traceback.format_exc()}, {})] * len(runs)
        where = circumstances()
    where["started"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began))
    return [
        Outcome({**headed(run), **where, **found}, files)
        for run, (found, files) in zip(runs, measured, strict=True)
    ]


def _measure(runs: Sequence[Run]) -> list[Measured]:
    task = runs[0].task
    if task not in _MEASURE:
        raise ValueError(f"No task is called '{task}'; known: {', '.join(_MEASURE)}.")
    return _MEASURE[task](runs)
