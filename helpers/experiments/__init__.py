"""Recorded evidence: runs as plain records, grids of them, and what was measured."""

from .comparison import (
    Comparison,
    answers,
    by_seed,
    compare,
    of_one_size,
    report,
    score,
    size_told,
)
from .grids import GRIDS, Grid
from .lenet import LossWindows
from .record import Run
from .recorded import recorded_lenet, recorded_maps, records
from .runner import own_runs, run_grid
from .store import RecordError, Store, own_store, recorded_store

__all__ = [
    "GRIDS",
    "Comparison",
    "Grid",
    "LossWindows",
    "RecordError",
    "Run",
    "Store",
    "answers",
    "by_seed",
    "compare",
    "of_one_size",
    "own_runs",
    "own_store",
    "recorded_lenet",
    "recorded_maps",
    "recorded_store",
    "records",
    "report",
    "run_grid",
    "score",
    "size_told",
]
