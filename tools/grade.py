"""Grade handed-in notebooks: run each by itself, and write whose exercises are right.

`python tools/grade.py FOLDER` runs every notebook below FOLDER in the `ci` profile, in a process of
its own with a limit of time and memory, and writes FOLDER/grades.csv and FOLDER/grades.md: a row a
notebook, a column an exercise, "right" or the mistake. Of several checks the last one counts.
What kept a notebook from running to its end stands in the column "stopped".

A hand-in is a program, and has all rights of the one who grades: only what it does by accident is
kept from others, by a copy of the series for each that is thrown away.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from helpers.exercises import EXERCISES  # noqa: E402
from helpers.exercises.exercise import NOT_DONE  # noqa: E402

# The kernel is this Python's whatever the notebook names; its outputs and widgets aren't looked at,
# and what it and its children write past them isn't shown.
RUN = """\
import sys
from subprocess import DEVNULL
import nbclient, nbformat

class Client(nbclient.NotebookClient):
    def output(self, *_):
        return None

    handle_comm_msg = output

def say_kernel(notebook):
    print(client.km.provisioner.pid, flush=True)

notebook = nbformat.read(sys.argv[1], as_version=4)
settings = {"kernel_name": "python3", "timeout": None, "allow_errors": True}
folder = {"metadata": {"path": sys.argv[2]}}
client = Client(notebook, resources=folder, on_notebook_start=say_kernel, **settings)
client.execute(stdout=DEVNULL, stderr=DEVNULL)
"""
MOST_BYTES = 10_000_000  # of a notebook's answers: a thousand checks write less


def grade(path: Path, seconds: float, gigabytes: float) -> dict[str, str]:
    """What the notebook's checks said, exercise -> "right" or the mistake.

    seconds, gigabytes: of the whole notebook. "stopped" is added, with the reason, where it did not
    run to its end. The notebook sees a copy of this repository's helpers, whatever lies beside it,
    and of the data only the records, so that it meets stand-ins on every machine.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        series, grades = Path(folder) / "series", Path(folder) / "grades.jsonl"
        for name in ("helpers", "data/results"):
            half_written = shutil.ignore_patterns("*.pyc.*")
            shutil.copytree(ROOT / name, series / name, ignore=half_written)
        shutil.copy(ROOT / "pyproject.toml", series)
        (series / "notebooks").mkdir()
        settings = {
            "FUNNEL_GRADES": str(grades),
            "FUNNEL_PROFILE": "ci",
            "FUNNEL_STATIC": "1",
            "FUNNEL_DATA": str(series / "data" / "cache"),
            "PYTHONPATH": str(series),
            "IPYTHONDIR": str(series / "ipython"),
            "MPLBACKEND": "agg",
        }
        command = [sys.executable, "-P", "-c", RUN, str(path), str(series / "notebooks")]
        stopped = run(command, settings, seconds, gigabytes)
        found, strange = answers(grades)
    return found | ({"stopped": stopped or strange} if stopped or strange else {})


def run(command: list[str], settings: dict[str, str], seconds: float, gigabytes: float) -> str:
    """Run it, end all that it started, and say why it stopped early; "" where it did not."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        child = subprocess.Popen(
            command,
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (int(gigabytes * 1e9),) * 2),
        )
        stopped = ""
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            stopped = f"after {seconds:g} s"
        finally:
            child.kill()
            kernel, _ = child.communicate()
            end_what_is_left(kernel.decode(), settings["FUNNEL_GRADES"])
        if child.returncode < 0:
            return stopped or f"killed by signal {-child.returncode}"
        errors.seek(0)
        return (errors.read().splitlines() or ["silently"])[-1] if child.returncode else ""


def end_what_is_left(kernel: str, mark: str) -> None:
    """End the kernel's process group and, on Linux, all that has the mark in its variables.

    kernel: its process, "" where none came to life. A process that began a session of its own has
    left the group, and keeps the variables.
    """
    with suppress(ProcessLookupError, ValueError):
        os.killpg(int(kernel), signal.SIGKILL)
    for variables in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has just ended, or is another user's
            if mark.encode() in variables.read_bytes():
                os.kill(int(variables.parent.name), signal.SIGKILL)


def answers(grades: Path) -> tuple[dict[str, str], str]:
    """What the checks wrote, exercise -> "right" or the mistake; and what is wrong with that."""
    if not os.path.lexists(grades):
        return {}, ""
    if not grades.is_file() or grades.stat().st_size > MOST_BYTES:
        return {}, "not stopped, but where its answers should be is something else"
    found, strange = {}, ""
    for line in grades.read_text("utf-8", "replace").splitlines():
        try:
            one = json.loads(line)
            exercise, word = EXERCISES[one["exercise"]], one["mistake"] or "right"
            known = {"right", NOT_DONE, "other", *(each.word for each in exercise.mistakes)}
            if word not in known:
                raise ValueError
            found[exercise.name] = word
        except (ValueError, KeyError, TypeError, RecursionError):
            strange = "not stopped, but it wrote answers that are no check's"
    return found, strange


def plain(text: str) -> str:
    """On one line, without control characters, and no formula for a spreadsheet."""
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown


def table(folder: Path, seconds: float, gigabytes: float) -> pd.DataFrame:
    """A row for each notebook below the folder, a column for each exercise that one of them has.

    Raises ValueError for a folder without notebooks.
    """
    paths = sorted(
        path for path in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts
    )
    if not paths:
        raise ValueError(f"{folder} holds no notebooks: name the folder with the handed-in .ipynb.")
    rows = []
    for path in paths:
        try:
            row = grade(path, seconds, gigabytes)
        except Exception as error:  # one hand-in stops nobody else's
            row = {"stopped": f"not graded: {type(error).__name__}: {error}"}
        rows.append({name: plain(said) for name, said in row.items()})
        print(f"{plain(path.name)}: {len(row.keys() - {'stopped'})} answers", flush=True)
    found = pd.DataFrame(rows, index=[plain(str(path.relative_to(folder))) for path in paths])
    order = [name for name in (*EXERCISES, "stopped") if name in found]
    found = found[order].fillna("")
    found.insert(0, "right", (found == "right").sum(axis="columns"))
    return found.rename_axis("notebook")


def main() -> None:
    """Read the command line, grade, and write both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=300, help="for each notebook")
    parser.add_argument("--gigabytes", type=float, default=16, help="of address space, for each")
    given = parser.parse_args()
    try:
        found = table(given.folder, given.seconds, given.gigabytes)
    except ValueError as error:
        parser.error(str(error))
    header = [found.index.name, *found.columns]
    lines = [
        header,
        ["---"] * len(header),
        *([cell.replace("|", "\\|") for cell in map(str, row)] for row in found.itertuples()),
    ]
    text = "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"
    print(text)  # before it is written: a hand-in may have done away with the folder
    found.to_csv(given.folder / "grades.csv")
    (given.folder / "grades.md").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
