"""How long a reader waits for `import helpers`, torch being there."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.evaluation.timing import in_a_process

TIMED = "import time, torch; begin = time.perf_counter(); {}; print(time.perf_counter() - begin)"


@pytest.mark.parametrize(
    ("what", "code", "asked"),
    [
        ("import helpers", "import helpers", {"at_most_ms": 300}),
        ("import helpers, and every public name used", "from helpers import *", {}),
    ],
)
def test_import(benchmark, note, what, code, asked):
    seconds: list[float] = []
    benchmark.pedantic(
        lambda: seconds.append(in_a_process(TIMED.format(code))), rounds=5, warmup_rounds=1
    )
    note(work=f"{what}, beyond torch", ours_ms=1000 * float(np.median(seconds)), **asked)
