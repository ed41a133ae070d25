"""The command line: `python -m helpers.experiments run lenet-swap --jobs 2`."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures.process import BrokenProcessPool

from ..datasets import RELEASES, data_source
from ..files import display_path
from .comparison import report
from .grids import GRIDS, Grid
from .run import Run
from .runner import BACKENDS, missing, run_grid, store_for
from .store import RecordError, Store, own_store, recorded_store


def main(command_line: list[str] | None = None) -> int:
    """Run one command; 0 when all went well, 1 for failed runs, 130 after Ctrl-C."""
    arguments = _parser().parse_args(command_line)
    try:
        return arguments.command(arguments)
    except RecordError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenProcessPool as error:
        print(f"A process was killed, perhaps for want of memory: {error}", file=sys.stderr)
        print("What is finished is recorded; the same command goes on.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. What is finished is recorded; the same command goes on.")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m helpers.experiments",
        description="Grids of runs: recorded one line a run, taken up where they stopped.",
    )
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="run what is missing of a grid")
    run.set_defaults(command=_run)
    run.add_argument("grid", choices=GRIDS)
    run.add_argument("--jobs", type=_positive, default=1, help="processes of one thread each")
    run.add_argument("--backend", choices=BACKENDS, default="loky", help="loky: this machine")
    run.add_argument("--scheduler", help="address of a dask cluster, such as tcp://host:8786")
    run.add_argument("--arms", help="only these, with commas between")
    run.add_argument("--settings", help="only these, such as plain or 'rate 0.001,rate 0.003'")
    run.add_argument("--task", choices=("cifar10", "regions", "surfaces"), help="only this one")
    run.add_argument("--seeds", type=_positive, help="only the first so many")
    run.add_argument("--limit", type=_natural, help="only so many of the missing runs; 0: none")
    run.add_argument("--own", action="store_true", help="keep the records with your own runs")
    commands.add_parser("list", help="the grids").set_defaults(command=_list)
    status = commands.add_parser("status", help="how much of each grid is done")
    status.set_defaults(command=_status)
    said = commands.add_parser("report", help="means, differences and intervals of a grid")
    said.set_defaults(command=_report)
    said.add_argument("grid", choices=[*GRIDS, "all"], nargs="*", default="all")
    said.add_argument("--own", action="store_true", help="your own runs instead of the series'")
    return parser


def _natural(text: str, least: int = 0) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from {least} on")
    return int(text)


def _positive(text: str) -> int:
    return _natural(text, least=1)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.scheduler and arguments.backend != "dask":
        raise SystemExit("--scheduler is the address of a dask cluster: add --backend dask")
    grid = GRIDS[arguments.grid]
    source, profile = data_source(grid.dataset), grid.profile()
    store = store_for(source, profile, arguments.own)
    runs = _chosen(grid.runs(profile, source), arguments)
    todo = missing(runs, store)
    print(f"{grid.name}: {len(runs) - len(todo)} of {len(runs)} runs are done.")
    print(f"Records go to {display_path(store.path(grid.name))}.", flush=True)
    later = set() if arguments.limit is None else {run.name for run in todo[arguments.limit :]}
    asked = [run for run in runs if run.name not in later]
    found = run_grid(asked, store, arguments.jobs, arguments.backend, arguments.scheduler)
    if failed := sum("error" in record for record in found):
        print(f"{failed} of {len(asked)} runs failed; the same command tries them again.")
    return 1 if failed else 0


def _chosen(runs: list[Run], arguments: argparse.Namespace) -> list[Run]:
    """Those that the options leave. Exits with a message for what the grid doesn't have."""
    fields = {"task": arguments.task, "arm": arguments.arms, "setting": arguments.settings}
    for field, asked in fields.items():
        known = dict.fromkeys(getattr(run, field) for run in runs)
        named = list(known) if asked is None else asked.split(",")
        if unknown := [name for name in named if name not in known]:
            has = ", ".join(filter(None, known)) or "one only, without a name"
            raise SystemExit(f"{arguments.grid} has no {field} '{unknown[0]}'; it has {has}")
        runs = [run for run in runs if getattr(run, field) in named]
    if arguments.seeds is not None:
        runs = [run for run in runs if run.seed < arguments.seeds]
    return runs


def _list(_: argparse.Namespace) -> int:
    for grid in GRIDS.values():
        runs = _recorded_runs(grid)
        arms = dict.fromkeys(run.arm for run in runs)
        print(f"{grid.name}: {len(runs)} runs. {grid.question}\n    {', '.join(arms)}")
    return 0


def _status(_: argparse.Namespace) -> int:
    stores = [store for store in (recorded_store(), own_store()) if store]
    for store in stores:
        print(f"{display_path(store.folder)}:")
        for grid in GRIDS.values():
            print(f"  {grid.name}: {_state(grid, store)}")
    return 0


def _state(grid: Grid, store: Store) -> str:
    """How many runs have a result, how many of them the grid asks for, how many failed."""
    found = store.read(grid.name)
    failed = sum("error" in record for record in found.values())
    asked = {run.name for run in _recorded_runs(grid)}
    done = sum("error" not in record for name, record in found.items() if name in asked)
    others = len(found) - failed - done
    parts = [f"{done} of {len(asked)} runs are done"]
    parts += [f"{failed} failed"] * bool(failed) + [f"{others} of other sizes"] * bool(others)
    return ", ".join(parts)


def _recorded_runs(grid: Grid) -> list[Run]:
    """The grid as this machine would run it on the real data."""
    return grid.runs(grid.profile(), RELEASES[grid.dataset].name)


def _report(arguments: argparse.Namespace) -> int:
    store = own_store() if arguments.own else recorded_store()
    names = GRIDS if "all" in arguments.grid else arguments.grid
    print("\n\n".join(report(name, store) for name in names))
    return 0


if __name__ == "__main__":
    sys.exit(main())
