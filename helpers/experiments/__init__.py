"""Runs as plain records, grids of them, and what they say when they are compared."""

from .comparison import Comparison, answers, by_seed, compare, of_one_size, report, score, size_told
from .grids import GRIDS, Grid
from .lenet import LossWindows
from .recorded import recorded_lenet, recorded_maps, records
from .run import Run
from .runner import own_runs, run_grid
from .store import RecordError, Store, own_store, recorded_store
