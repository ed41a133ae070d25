"""The room where time and memory are measured: fair turns, medians, and the machine's name."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..session import repository

Contenders = Callable[[tuple[int, ...]], Mapping[str, tuple[nn.Module, Tensor]]]
"""From a shape (N, C, H, W) to the layers that are compared on it, each with its input."""

ROOT = Path(__file__).resolve().parents[1]


def interleaved(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Any]:
    """Seconds of each contender in each round: arrays of shape (rounds,).

    In every round each has its turn, so that a machine which slows down slows all of them. Before
    the first round each runs once, unmeasured. Introduced in notebook 07.
    """
    for run in contenders.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            seconds[name].append(_seconds(run))
    return {name: np.array(values) for name, values in seconds.items()}


def _seconds(run: Callable[[], object]) -> float:
    _finish()
    begin = time.perf_counter()
    run()
    _finish()
    return time.perf_counter() - begin


def _finish() -> None:
    """Wait for a GPU, which computes on while Python goes ahead."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    elif torch.backends.mps.is_available():
        torch.mps.synchronize()


def medians(seconds: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The median of each contender's rounds, in ms. Introduced in notebook 07."""
    return {name: 1000 * float(np.median(values)) for name, values in seconds.items()}


def training_step(layer: nn.Module, x: Tensor) -> Callable[[], object]:
    """A call that runs a layer or a network forward and backward, down to `x` and its weights.

    The gradient it begins with is random. Introduced in notebook 07.
    """
    x = x.detach().requires_grad_()
    asked = [x, *layer.train().parameters()]
    grad = torch.randn_like(layer(x))
    return lambda: torch.autograd.grad(layer(x), asked, grad)


def inference(layer: nn.Module, x: Tensor) -> Callable[[], object]:
    """A call that runs a layer or a network in eval mode, without gradients.

    Introduced in notebook 07.
    """
    layer.eval()

    def run() -> None:
        with torch.inference_mode():
            layer(x)

    return run


@dataclass(frozen=True)
class Kept:
    """A tensor that autograd keeps for backward. Introduced in notebook 07."""

    name: str
    shape: tuple[int, ...]
    bytes: int


def kept_for_backward(forward: Callable[[], Tensor], known: Mapping[str, Tensor]) -> list[Kept]:
    """The different tensors that autograd keeps when `forward` runs, in order.

    One that equals a `known` tensor in shape and every value bears its name, others bear "other".
    Two views of one storage count once. Introduced in notebook 07.
    """
    found: dict[int, Kept] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in found:
            name = next((name for name, one in known.items() if _same(one, tensor)), "other")
            found[storage.data_ptr()] = Kept(name, tuple(tensor.shape), storage.nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = forward()  # alive until all are noted: an address would be given out again
    del output
    return list(found.values())


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other.to(one.dtype), atol=1e-5)


def over_shapes(
    contenders: Contenders, shapes: Iterable[tuple[int, ...]], rounds: int
) -> list[dict[str, Any]]:
    """Time and memory of layers over sizes, one record a shape.

    Each has `shape`, `megabytes` (of one such tensor), and by contender `training` and `inference`
    (medians in ms) and `kept` (MB for backward). Both times have a contender besides, "copy": the
    tensor written to another place, which reads and writes it once. Introduced in notebook 07.
    """
    records = []
    for shape in shapes:
        pairs = contenders(shape)
        x = next(iter(pairs.values()))[1]
        record = {"shape": list(shape), "megabytes": x.nbytes / 1e6}
        for work, ready in (("training", training_step), ("inference", inference)):
            runs = {"copy": _copy(x)} | {name: ready(*pair) for name, pair in pairs.items()}
            record[work] = medians(interleaved(runs, rounds))
            if work == "training":
                record["kept"] = {name: _kept_megabytes(*pair) for name, pair in pairs.items()}
        records.append(record)
    return records


def _copy(x: Tensor) -> Callable[[], object]:
    place = torch.empty_like(x)
    return lambda: place.copy_(x)


def _kept_megabytes(layer: nn.Module, x: Tensor) -> float:
    x = x.detach().requires_grad_()
    return sum(kept.bytes for kept in kept_for_backward(lambda: layer(x), {})) / 1e6


def in_a_process(code: str, environment: Mapping[str, str] | None = None) -> float:
    """The last number that Python `code` prints in a process of its own.

    For what is settled before a process begins; `environment` is added to this process's own.
    Raises RuntimeError with what the process said when it fails. Introduced in notebook 07.
    """
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | dict(environment or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the process ended with {done.returncode}: {done.stderr.strip()}")
    return float(done.stdout.split()[-1])


# glibc's words: freed memory is kept for the next tensor instead of given back to the system.
KEEP_FREED = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**33)}

_SIX_LINES_IN_EVAL_MODE = """
import torch
from torch import nn
from helpers.evaluation.timing import inference, interleaved, medians

class Copied(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x):
        return torch.max(x, self.bn(self.conv(x)))

torch.set_num_threads({threads})
x = torch.randn({shape})
print(medians(interleaved({{"it": inference(Copied(x.shape[1]), x)}}, 11))["it"])
"""


def allocator_effect(shape: tuple[int, ...], rounds: int) -> dict[str, np.ndarray] | None:
    """Milliseconds of the copied FReLU's inference when the C library gives freed memory back to
    the system ("given back", its habit) and when it keeps it ("kept"): arrays of shape (rounds,).

    The C library asks its environment once, when a process begins, so each number is the median of
    a process of its own; both kinds take turns. None where the C library is not glibc. Introduced
    in notebook 07.
    """
    if platform.libc_ver()[0] != "glibc":
        return None
    code = _SIX_LINES_IN_EVAL_MODE.format(shape=tuple(shape), threads=torch.get_num_threads())
    turns = [(in_a_process(code), in_a_process(code, KEEP_FREED)) for _ in range(rounds)]
    return dict(zip(("given back", "kept"), np.array(turns).T, strict=True))


def recorded() -> dict[str, Any] | None:
    """What `make bench` measured on the recorded machine, or None where the record is missing.

    `machine` as `machine()` gives it, `rows` of comparisons, `sizes` as from `over_shapes`.
    Introduced in notebook 07.
    """
    root = repository()
    path = root / "data" / "results" / "benchmarks.json" if root else None
    return json.loads(path.read_text(encoding="utf-8")) if path and path.exists() else None
