"""What the benchmarks share: real data, all cores, and turns of ours against theirs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from helpers.datasets import Cifar10, Stanford, load_cifar10, load_stanford
from tools import run_benchmarks

BOX_SECONDS, FEWEST_ROUNDS = 4, 5  # of each row


@pytest.fixture(scope="session", autouse=True)
def a_readers_session() -> Iterator[None]:
    """The class profile, and as many threads as torch takes by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FUNNEL_PROFILE", "class")
        before = torch.get_num_threads()
        torch.set_num_threads(os.cpu_count() or before)
        yield
        torch.set_num_threads(before)


@pytest.fixture(scope="session")
def cifar10() -> Cifar10:
    return load_cifar10()


@pytest.fixture(scope="session")
def stanford() -> Stanford:
    return load_stanford("regions")


@pytest.fixture(scope="session")
def rounds_in_the_box() -> Callable[[Callable[[], object]], int]:
    """How many rounds as long as a first, unmeasured one fit in a row's seconds.

    At least FEWEST_ROUNDS; so a slow machine measures fewer and not for longer.
    """

    def rounds(first: Callable[[], object]) -> int:
        begin = time.perf_counter()
        first()
        return max(FEWEST_ROUNDS, int(BOX_SECONDS / (time.perf_counter() - begin)))

    return rounds


@pytest.fixture
def note(benchmark, capsys) -> Callable[..., None]:
    """Put a row's numbers where pytest-benchmark stores them, and print the row at once.

    work: what was done; against: what a user would copy; at_least: the ratio that was asked for, or
    at_most_ms; data: where pictures came from. `tools/run_benchmarks.py` reads them.
    """

    def noted(**row: object) -> None:
        benchmark.extra_info.update({k: _plain(v) for k, v in row.items()})
        if "work" in row:
            with capsys.disabled():
                print(f"\n{run_benchmarks.line(benchmark.extra_info)}", flush=True)

    return noted


@pytest.fixture
def compare(benchmark, note, rounds_in_the_box) -> Callable[..., None]:
    """Ours against theirs: in every round each has its turn, theirs first.

    Each is called once before, unmeasured. ours_does: how many times theirs' work a call of ours
    does. What else is given is noted in the row.
    """

    def run(ours, theirs, ours_does: float = 1, **row: object) -> None:
        their_seconds: list[float] = []

        def their_turn() -> None:
            begin = time.perf_counter()
            theirs()
            their_seconds.append(time.perf_counter() - begin)

        rounds = rounds_in_the_box(lambda: (their_turn(), ours()))
        benchmark.pedantic(ours, setup=their_turn, rounds=rounds)
        ours_ms = 1000 / ours_does * np.array(benchmark.stats.stats.data)
        theirs_ms = 1000 * np.array(their_seconds[-rounds:])
        low, ratio, high = np.percentile(theirs_ms / ours_ms, [25, 50, 75])
        row |= {"ours_ms": np.median(ours_ms), "theirs_ms": np.median(theirs_ms)}
        note(**row, ratio=ratio, ratio_quartiles=[low, high], rounds=rounds)

    return run


def _plain(value: object) -> object:
    """JSON's types; a benchmark knows no more than four digits."""
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value
