"""A grid at work: what is missing is run, by several processes or a cluster, and written down."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import io
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module

import joblib
import pandas as pd
import torch
from tqdm import tqdm

from ..datasets import data_source
from ..files import circumstances, fingerprint
from ..nn.activations import ACTIVATIONS, SERIES, make_activation
from ..nn.networks import restoring_state
from ..session import Profile, current_profile, threads
from .grids import grid_named
from .lenet import first_lenet, measure_lenet
from .run import SCHEMA, Measured, Record, Run
from .store import Store, own_store, recorded_store
from .tables import records
from .unet import first_unet, measure_unet

BACKENDS = ("loky", "dask")
MEASURE: dict[str, Callable[[Sequence[Run]], list[Measured]]] = {
    "cifar10": measure_lenet,
    "regions": measure_unet,
    "surfaces": measure_unet,
}
_ALONE = threading.Lock()  # torch's threads and global generator belong to the process


# --- one block of runs --------------------------------------------------------------------------


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
        Outcome({"schema": SCHEMA, "name": run.name, **run.asked, **where, **found}, files)
        for run, (found, files) in zip(runs, measured, strict=True)
    ]


def _measure(runs: Sequence[Run]) -> list[Measured]:
    task = runs[0].task
    if task not in MEASURE:
        raise ValueError(f"No task is called '{task}'; known: {', '.join(MEASURE)}.")
    return MEASURE[task](runs)


# --- a grid -------------------------------------------------------------------------------------


def store_for(source: str, profile: Profile | None = None, own: bool = False) -> Store:
    """Where runs on that data are kept: the series' own records need real data and full size."""
    recorded = recorded_store()
    tiny = (profile or current_profile()).name == "ci"
    if own or tiny or recorded is None or source == "stand-in data":
        return own_store()
    return recorded


def missing(runs: Sequence[Run], store: Store) -> list[Run]:
    """The runs that have no result yet, failed ones among them, in their order."""
    known = {grid: store.read(grid) for grid in {run.grid for run in runs}}
    return [run for run in runs if "error" in known[run.grid].get(run.name, {"error": ""})]


def run_grid(
    runs: Sequence[Run],
    store: Store | None = None,
    jobs: int = 1,
    backend: str = "loky",
    scheduler: str | None = None,
    progress: bool = True,
) -> list[Record]:
    """Run what `store` has no result of, and return the records of all `runs`, in their order.

    Of runs that are trained side by side all are run; what is recorded already stays as it is.
    jobs: processes with one thread each. backend: "loky" for this machine, "dask" for a cluster,
    whose `scheduler` has an address ("tcp://host:8786"; None starts one here with `jobs` workers).
    A run that fails leaves its error in its record, and is tried again by the next call. Whatever
    ends the process, finished runs are kept. The store is a reader's own unless another is given.
    Raises ValueError for another backend, and for a scheduler without dask; RecordError, before the
    first run, where `store` can't be written. Introduced in notebook 06.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend is '{backend}'; choose one of {', '.join(BACKENDS)}.")
    if scheduler and backend != "dask":
        raise ValueError("scheduler is the address of a dask cluster: it needs backend='dask'.")
    store = store or own_store()
    todo = missing(runs, store)
    for grid in {run.grid for run in todo}:
        store.check_writable(grid)
    awaited, done = {run.name for run in todo}, len(runs) - len(todo)
    bar = tqdm(total=len(runs), initial=done, unit="run", disable=not progress, smoothing=0.1)
    with bar:
        for outcome in _outcomes(blocks(todo), jobs, backend, scheduler):
            if store.lacks(outcome.record):
                for name, content in outcome.files.items():
                    store.keep(name, content)
                store.append(outcome.record)
            if outcome.record["name"] in awaited:
                _advance(bar, outcome.record)
    known = {grid: store.read(grid) for grid in {run.grid for run in runs}}
    return [known[run.grid][run.name] for run in runs]


def own_runs(grid: str, arm: str, seeds: int = 2) -> pd.DataFrame:
    """Runs of your own arm by a grid's recipe, paired with its first seeds; yours to keep.

    arm: a name that `make_activation` knows, `add_activation`'s among them; one that was redefined
    is run anew. A grid of several tasks or settings is run in all of them. The runs go to your own
    records, never to the series'; the table is that of `records`. Raises ValueError for an unknown
    name or grid, and for seeds < 1. Introduced in notebook 06.
    """
    chosen = grid_named(grid)
    if arm not in ACTIVATIONS:
        make_activation(arm)  # raises the error that names the known ones
    if seeds < 1:
        raise ValueError(f"seeds is {seeds}: choose 1 or more.")
    first: dict[tuple[str, str, int], Run] = {}
    for run in chosen.runs(current_profile(), data_source(chosen.dataset)):
        if run.seed < seeds:
            first.setdefault((run.task, run.setting, run.seed), run)
    # An arm may mix its channels as it likes, so it is not trained side by side with others.
    mine = [replace(run, arm=arm, activation=arm, side_by_side=1) for run in first.values()]
    if arm not in SERIES:
        mine = [replace(run, definition=_definition(mine[0])) for run in mine]
    found = run_grid(mine)
    table = records(grid, store=own_store())
    return table[table.index.isin([record["name"] for record in found])]


def _definition(run: Run) -> str:
    """A fingerprint of the run's own activation.

    It stands for its source, where there is one, and for the layers and the answer of a network of
    the run's kind.
    """
    try:
        source = inspect.getsource(ACTIVATIONS[run.activation].make)
    except (OSError, TypeError):  # a class or a function of a notebook may have none
        source = ""
    with threads(1), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = first_lenet(run) if run.task == "cifar10" else first_unet(run, 8)
        with restoring_state(model):
            answer = model(torch.linspace(-2, 2, 3 * 32 * 32).view(1, 3, 32, 32))
    mark = fingerprint([answer.double().round(decimals=4)])
    return hashlib.sha256(f"{source}{model}{mark}".encode()).hexdigest()[:16]


def _advance(bar: tqdm, record: Record) -> None:
    if "error" in record:
        reason = record["error"].strip().splitlines()[-1]
        bar.write(f"{record['arm']}, seed {record['seed']} failed: {reason}")
    bar.set_postfix_str(f"{record['arm']}, seed {record['seed']}", refresh=False)
    bar.update()


def blocks(runs: Sequence[Run]) -> list[list[Run]]:
    """The blocks to which the runs belong, each once, in the runs' order."""
    return list({run.block[0].name: run.block for run in runs}.values())


def _outcomes(
    todo: list[list[Run]], jobs: int, backend: str, scheduler: str | None
) -> Iterator[Outcome]:
    """Results as they come. One process writes them, so a cluster needs no shared disk."""
    if not todo:
        return
    with contextlib.ExitStack() as stack:
        if backend == "dask":
            stack.enter_context(_cluster(jobs, scheduler))
            jobs = -1  # whatever the cluster has
        stack.enter_context(joblib.parallel_config(backend, n_jobs=jobs))
        work = joblib.Parallel(batch_size=1, return_as="generator_unordered")
        results = work(joblib.delayed(execute)(block) for block in todo)
        for outcomes in stack.enter_context(contextlib.closing(results)):
            yield from outcomes


@contextlib.contextmanager
def _cluster(jobs: int, scheduler: str | None) -> Iterator[None]:
    """A dask cluster, to whose client joblib turns: the one at that address, or one started here.

    Raises RuntimeError, with what to do, where dask is not installed.
    """
    try:
        Client = import_module("distributed").Client  # for clusters alone: not among what we need
    except ImportError as error:
        raise RuntimeError(
            "The dask backend needs the package distributed: pip install distributed"
        ) from error
    here = {"n_workers": jobs, "threads_per_worker": 1, "dashboard_address": ":0"}
    with Client(scheduler) if scheduler else Client(**here):
        yield
