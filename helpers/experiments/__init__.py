"""Runs as plain records, grids of them, and what they say when they are compared."""

from .comparison import MARGIN, compare, means, report
from .grids import GRIDS, Grid
from .questions import ARTICLE_B, PARTS, QUESTIONS, REACH, STEPS
from .run import Run
from .runner import own_runs, run_grid
from .store import RecordError, Store, own_store, recorded_store
from .tables import of_one_size, record, recorded_lenet, recorded_maps, records, size_in_words
