"""Everything that `make test` checks: tests, notebooks, examples, types, ruff, coverage."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# One file per core at a time, notebooks first because they take longest.
WORKERS = ["-n=logical", "--maxprocesses=4", "--dist=loadfile", "--no-loadscope-reorder"]
# The longest cell of the ci profile takes some seconds: one that reaches the limit hangs.
NBVAL = [
    "--nbval-lax",
    "--nbval-current-env",
    "--nbval-cell-timeout=60",
    "--nbval-sanitize-with=tests/nbval.cfg",
]
# The examples in docstrings are tests too.
WHOLE = ["notebooks", "tests", "helpers", "--cov=helpers", "--cov-fail-under=95"]


def main(arguments: list[str]) -> int:
    """Run everything, or what paths among the `arguments` for pytest choose.

    Coverage is measured with all tests only: a choice can't cover the helpers.
    """
    chosen = any((ROOT / argument.split("::")[0]).exists() for argument in arguments)
    os.environ.update(FUNNEL_PROFILE="ci", FUNNEL_STATIC="1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the workers share the cores among them
    command = [
        sys.executable,
        "-m",
        "pytest",
        *WORKERS,
        *NBVAL,
        "--doctest-modules",
        *arguments,
        *([] if chosen else WHOLE),
    ]
    return subprocess.call(command, cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
