"""Grade handed-in notebooks: run each by itself, and write whose exercises are right.

`python tools/grade.py FOLDER` runs every notebook below FOLDER in the `ci` profile, in a process of
its own with a limit of time and memory, and writes FOLDER/grades.csv and FOLDER/grades.md: a row a
notebook, a column an exercise, "right" or the mistake. Of several checks the last one counts.
What kept a notebook from running to its end stands in the column "stopped".
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from helpers.exercises import EXERCISES  # noqa: E402

RUN = """\
import sys
import nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
folder = {"metadata": {"path": sys.argv[2]}}
nbclient.NotebookClient(notebook, timeout=None, allow_errors=True, resources=folder).execute()
"""


def grade(path: Path, seconds: float, gigabytes: float) -> dict[str, str]:
    """What the notebook's checks said, exercise -> "right" or the mistake.

    seconds, gigabytes: of the whole notebook. "stopped" is added, with the reason, where it did not
    run to its end. The notebook sees this repository's helpers, whatever lies beside it.
    """
    with tempfile.TemporaryDirectory() as folder:
        grades, errors = Path(folder) / "grades.jsonl", Path(folder) / "errors.txt"
        settings = {"FUNNEL_GRADES": str(grades), "FUNNEL_PROFILE": "ci", "FUNNEL_STATIC": "1"}
        settings |= {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
        with errors.open("w") as file:
            run = subprocess.Popen(
                [sys.executable, "-c", RUN, str(path), str(ROOT / "notebooks")],
                env={**os.environ, **settings},
                stderr=file,
                start_new_session=True,
                preexec_fn=lambda: resource.setrlimit(
                    resource.RLIMIT_AS, (int(gigabytes * 1e9),) * 2
                ),
            )
        stopped = ""
        try:
            if run.wait(seconds):
                stopped = (errors.read_text("utf-8", "replace").splitlines() or ["silently"])[-1]
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
            stopped = f"after {seconds:g} s"
        lines = grades.read_text("utf-8", "replace").splitlines() if grades.exists() else []
    found = {}
    for line in lines:
        try:
            one = json.loads(line)
            found[EXERCISES[one["exercise"]].name] = str(one["mistake"] or "right")
        except (ValueError, KeyError, TypeError):
            stopped = stopped or "not stopped, but it wrote answers that are no check's"
    return found | ({"stopped": stopped} if stopped else {})


def table(folder: Path, seconds: float, gigabytes: float) -> pd.DataFrame:
    """A row for each notebook below the folder, a column for each exercise that one of them has.

    Raises ValueError for a folder without notebooks.
    """
    paths = sorted(
        path for path in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in str(path)
    )
    if not paths:
        raise ValueError(f"{folder} holds no notebooks: name the folder with the handed-in .ipynb.")
    rows = {}
    for path in paths:
        rows[str(path.relative_to(folder))] = grade(path, seconds, gigabytes)
        print(f"{path.name}: {len(rows[str(path.relative_to(folder))])} answers", flush=True)
    found = pd.DataFrame.from_dict(rows, orient="index")
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
    found.to_csv(given.folder / "grades.csv")
    header = [found.index.name, *found.columns]
    lines = [
        header,
        ["---"] * len(header),
        *([cell.replace("|", "\\|") for cell in map(str, row)] for row in found.itertuples()),
    ]
    text = "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"
    (given.folder / "grades.md").write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
