"""Time and memory of layers: in turns, as medians, in processes of their own."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..session import repository

Contenders = Callable[[tuple[int, ...]], Mapping[str, tuple[nn.Module, Tensor]]]
"""From a shape (N, C, H, W) to the layers that are compared on it, each with its input."""

# Variables of glibc: freed memory is kept for the next tensor, not given back to the system.
KEEP_FREED = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**33)}


def interleaved(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Any]:
    """Seconds of each contender in each round: arrays of shape (rounds,).

    In every round each has its turn, so that a machine which slows down slows all of them. Before
    the first round each runs once, unmeasured. Introduced in notebook 07.

    >>> list(interleaved({"nothing": int, "a list": list}, rounds=3))
    ['nothing', 'a list']
    """
    for run in contenders.values():
        run()
    rows = [[_seconds(run) for run in contenders.values()] for _ in range(rounds)]
    return dict(zip(contenders, np.array(rows).T, strict=True))


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
    """The median of each contender's rounds, in ms. Introduced in notebook 07.

    >>> medians({"relu": np.array([0.002, 0.001, 0.25])})
    {'relu': 2.0}
    """
    return {name: 1000 * float(np.median(values)) for name, values in seconds.items()}


def training_step(layer: nn.Module, x: Tensor) -> Callable[[], tuple[Tensor, ...]]:
    """A call that runs a layer or a network forward and backward, down to `x` and its weights.

    The gradient it begins with is random. Introduced in notebook 07.

    >>> [gradient.shape for gradient in training_step(nn.PReLU(), torch.ones(2, 3))()]
    [torch.Size([2, 3]), torch.Size([1])]
    """
    x = x.detach().requires_grad_()
    ends = [x, *layer.train().parameters()]
    grad = torch.randn_like(layer(x))
    return lambda: torch.autograd.grad(layer(x), ends, grad)


def inference(layer: nn.Module, x: Tensor) -> Callable[[], Tensor]:
    """A call that runs a layer or a network in eval mode, without gradients.

    Introduced in notebook 07.

    >>> inference(nn.ReLU(), torch.tensor([-1.0, 1.0]))()
    tensor([0., 1.])
    """
    layer.eval()
    return torch.inference_mode()(lambda: layer(x))


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

    >>> x = torch.ones(4, requires_grad=True)
    >>> kept_for_backward(lambda: x * x, {"x": x})
    [Kept(name='x', shape=(4,), bytes=16)]
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

    >>> (one,) = over_shapes(lambda s: {"relu": (nn.ReLU(), torch.ones(s))}, [(1, 1, 8, 8)], 3)
    >>> one["shape"], one["kept"], list(one["training"])
    ([1, 1, 8, 8], {'relu': 0.000256}, ['copy', 'relu'])
    """
    records = []
    for shape in shapes:
        pairs = contenders(shape)
        x = next(iter(pairs.values()))[1]
        copy = torch.empty_like(x)
        record: dict[str, Any] = {"shape": list(shape), "megabytes": x.nbytes / 1e6}
        for work, ready in (("training", training_step), ("inference", inference)):
            runs: dict[str, Callable[[], object]] = {"copy": partial(copy.copy_, x)}
            runs |= {name: ready(*pair) for name, pair in pairs.items()}
            record[work] = medians(interleaved(runs, rounds))
            if work == "training":
                record["kept"] = {name: _kept_megabytes(*pair) for name, pair in pairs.items()}
        records.append(record)
    return records


def _kept_megabytes(layer: nn.Module, x: Tensor) -> float:
    x = x.detach().requires_grad_()
    return sum(kept.bytes for kept in kept_for_backward(lambda: layer(x), {})) / 1e6


def in_a_process(code: str, environment: Mapping[str, str] | None = None) -> float:
    """The last number that Python `code` prints in a process of its own.

    For what is settled before a process begins; `environment` is added to this process's own.
    Raises RuntimeError with what the process printed when it fails. Introduced in notebook 07.

    >>> in_a_process("print(6 * 7)")
    42.0
    """
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(root)} | dict(environment or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the process ended with {done.returncode}: {done.stderr.strip()}")
    return float(done.stdout.split()[-1])


class CopiedFReLU(nn.Module):
    """The widely copied FReLU: the convolution keeps its bias, autograd does the rest."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """max(x, T(x)) for (N, C, H, W)."""
        return torch.max(x, self.bn(self.conv(x)))


def copied_inference_ms(shape: tuple[int, ...], threads: int) -> float:
    """The median time of a CopiedFReLU in eval mode, in ms: the work of `allocator_effect`."""
    torch.set_num_threads(threads)
    x = torch.randn(shape)
    return medians(interleaved({"copied": inference(CopiedFReLU(shape[1]), x)}, 11))["copied"]


def allocator_effect(shape: tuple[int, ...], rounds: int) -> dict[str, np.ndarray] | None:
    """Milliseconds of the copied FReLU's inference by what the C library does with freed memory.

    "given back" to the system is its habit; "kept" follows KEEP_FREED. Each is an array (rounds,).
    The C library reads its environment once, when a process begins, so each number comes from a
    process of its own; both kinds take turns. None where the C library is not glibc. Introduced in
    notebook 07.
    """
    if platform.libc_ver()[0] != "glibc":
        return None
    call = f"copied_inference_ms({tuple(shape)}, {torch.get_num_threads()})"
    code = f"from helpers.evaluation.timing import copied_inference_ms; print({call})"
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
