"""Everything that `make bench` measures: ours against what a user would copy, as a table."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from helpers.files import machine, write_atomically  # noqa: E402

RECORD = ROOT / "data" / "results" / "benchmarks.json"
FOLDER = "tests/benchmarks"
QUIET = ["-q", "--no-header", "-p", "no:cacheprovider", "--benchmark-quiet"]


def main(arguments: list[str]) -> int:
    """Run the benchmarks, each printed at once and all as a table; record a whole run on real data.

    `arguments` for pytest, such as `-k lenet`, choose some: then nothing is recorded.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, "-m", "pytest", FOLDER, *QUIET, f"--benchmark-json={report}"]
        # As a reader's process has it: torch chooses its threads.
        environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
        failed = subprocess.call([*command, *arguments], cwd=ROOT, env=environment)
        if not report.exists() or not report.stat().st_size:
            return failed or 1
        measured = json.loads(report.read_text(encoding="utf-8"))["benchmarks"]
    sizes = [size for one in measured for size in one["extra_info"].get("sizes", [])]
    rows = [row_of(one) for one in measured if "sizes" not in one["extra_info"]]
    print("\n" + table(rows))
    if arguments or failed:
        print("\nNot recorded: that takes a whole run without a failure.")
    elif any(row.get("data") == "stand-in data" for row in rows):
        print("\nNot recorded: this was stand-in data. See the README, real data.")
    else:
        record({"machine": machine(), "rows": rows, "sizes": sizes})
    return failed


def row_of(measured: dict[str, Any]) -> dict[str, Any]:
    """One row from pytest-benchmark's report: what its test noted, else its name and median."""
    plain = {"work": measured["name"], "ours_ms": 1000 * measured["stats"]["median"]}
    return plain | measured["extra_info"]


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown: times, ratio with its quartiles, and what was asked for."""
    head = ["work", "against", "theirs", "ours", "ratio", "quartiles", "asked for"]
    lines = [head, ["---"] * len(head), *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ([c.ljust(w) for c, w in zip(line, widths, strict=True)] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def line(row: dict[str, Any]) -> str:
    """One row as it is printed while the others are still measured."""
    return " | ".join(filter(None, _cells(row)))


def _cells(row: dict[str, Any]) -> list[str]:
    ratio, quartiles, asked = "", "", ""
    if "ratio" in row:
        ratio = f"{row['ratio']:.2f}x"
    if "ratio_quartiles" in row:
        quartiles = " - ".join(f"{value:.2f}" for value in row["ratio_quartiles"])
    if "at_least" in row:
        asked = f"{row['at_least']:g}x {_met(row['ratio'] >= row['at_least'])}"
    if "at_most_ms" in row:
        asked = f"{_time(row['at_most_ms'])} {_met(row['ours_ms'] <= row['at_most_ms'])}"
    if "kept_share" in row:
        asked += f"; {row['kept_share']:.0%} of the bytes kept for backward"
    theirs = _time(row["theirs_ms"]) if "theirs_ms" in row else ""
    against = row.get("against", "")
    return [row["work"], against, theirs, _time(row["ours_ms"]), ratio, quartiles, asked]


def _met(met: bool) -> str:
    return "(met)" if met else "(MISSED)"


def _time(ms: float) -> str:
    return f"{ms / 1000:.3g} s" if ms >= 1000 else f"{ms:.3g} ms"


def record(measured: dict[str, Any]) -> None:
    """Write the record, atomically."""
    with write_atomically(RECORD) as part:
        part.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    print(f"\nRecorded in {RECORD.relative_to(ROOT)}.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
