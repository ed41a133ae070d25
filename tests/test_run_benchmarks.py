"""`make bench` prints what was measured beside the demanded ratio, and records complete runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools import run_benchmarks

MEASURED = [
    {
        "name": "test_one",
        "stats": {"median": 0.002},
        "extra_info": {
            "work": "one",
            "against": "a copy",
            "ours_ms": 2.0,
            "theirs_ms": 5.0,
            "ratio": 2.5,
            "ratio_quartiles": [2.4, 2.6],
            "at_least": 3,
            "kept_share": 0.667,
            "data": "CIFAR-10",
        },
    },
    {"name": "test_two", "stats": {"median": 0.1}, "extra_info": {"at_most_ms": 7000}},
    {"name": "test_sizes", "stats": {"median": 9.0}, "extra_info": {"sizes": [{"shape": [1]}]}},
]


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """`main` with pytest's run replaced: its report holds `measured`, its status is `status`."""
    monkeypatch.setattr(run_benchmarks, "ROOT", tmp_path)
    monkeypatch.setattr(run_benchmarks, "RECORD", tmp_path / "data" / "benchmarks.json")

    def run(measured=MEASURED, arguments=(), status=0):
        def pytest_run(command, **_):
            path = next(word for word in command if word.startswith("--benchmark-json="))
            report = json.dumps({"benchmarks": measured})
            Path(path.partition("=")[2]).write_text(report, encoding="utf-8")
            return status

        monkeypatch.setattr(run_benchmarks.subprocess, "call", pytest_run)
        return run_benchmarks.main(list(arguments))

    return run


def test_the_table_says_what_was_met_and_what_was_missed(bench, capsys):
    assert bench() == 0
    _, _, one, two, *_ = capsys.readouterr().out.strip().splitlines()
    words = [cell.strip() for cell in one.strip("|").split("|")]
    assert words[:6] == ["one", "a copy", "5 ms", "2 ms", "2.50x", "2.40 - 2.60"]
    assert words[6] == "3x (MISSED); 67% of the bytes kept for backward"
    assert run_benchmarks.line(MEASURED[0]["extra_info"]) == " | ".join(words)
    assert "test_two" in two
    assert "7 s (met)" in two


def test_a_whole_run_is_recorded_with_its_machine(bench):
    bench()
    record = json.loads(run_benchmarks.RECORD.read_text(encoding="utf-8"))
    assert record["sizes"] == [{"shape": [1]}]
    assert [row["work"] for row in record["rows"]] == ["one", "test_two"]
    assert record["machine"]["cpu"]
    assert [path.name for path in run_benchmarks.RECORD.parent.iterdir()] == ["benchmarks.json"]


@pytest.mark.parametrize(
    "reason",
    [
        {"arguments": ["-k", "lenet"]},
        {"status": 1},
        {"measured": [{**MEASURED[1], "extra_info": {"data": "stand-in data"}}]},
    ],
)
def test_what_is_no_whole_run_on_real_data_is_not_recorded(bench, capsys, reason):
    assert bench(**reason) == reason.get("status", 0)
    assert "Not recorded" in capsys.readouterr().out
    assert not run_benchmarks.RECORD.exists()
