"""FReLU by itself: time and memory of the fast path against the copied module."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from helpers import FReLU, Mish
from helpers.evaluation.timing import (
    allocator_effect,
    inference,
    kept_for_backward,
    over_shapes,
    training_step,
)
from helpers.session import PROFILES
from tests.benchmarks import opponents

SHAPES = [(4, 32, 224, 224), (8, 128, 56, 56), (16, 512, 14, 14)]
COPIED = "the copied module, contiguous input"


def contenders(shape: tuple[int, ...]) -> Mapping[str, tuple[nn.Module, Tensor]]:
    """The layers of notebook 07, each with its input in the order that it runs in."""
    x, channels = torch.randn(shape), shape[1]
    rows = x.contiguous(memory_format=torch.channels_last)
    return {
        "relu": (nn.ReLU(), x),
        "mish": (Mish(), x),
        "copied": (opponents.CopiedFReLU(channels), x),
        "fast": (FReLU(channels), rows),
    }


def asked(*ratios: float) -> list[tuple[tuple[int, ...], float]]:
    return list(zip(SHAPES, ratios, strict=True))


def kept(layer: nn.Module, x: Tensor) -> int:
    x = x.detach().requires_grad_()
    return sum(tensor.bytes for tensor in kept_for_backward(lambda: layer(x), {}))


@pytest.mark.parametrize(("shape", "at_least"), asked(3.0, 2.5, 2.5))
def test_forward_and_backward(compare, shape, at_least):
    pairs = contenders(shape)
    compare(
        training_step(*pairs["fast"]),
        training_step(*pairs["copied"]),
        work=f"FReLU forward and backward, float32, {shape}",
        against=COPIED,
        at_least=at_least,
        kept_share=kept(*pairs["fast"]) / kept(*pairs["copied"]),
    )


@pytest.mark.parametrize(("shape", "at_least"), asked(2.0, 1.7, 1.7))
def test_inference(compare, shape, at_least):
    pairs = contenders(shape)
    compare(
        inference(*pairs["fast"]),
        inference(*pairs["copied"]),
        work=f"FReLU inference, folded, {shape}",
        against=f"{COPIED}, in eval mode",
        at_least=at_least,
    )


def test_allocator(benchmark, note):
    ms = benchmark.pedantic(lambda: allocator_effect(SHAPES[0], 3), rounds=1)
    if ms is None:
        pytest.skip("the C library is not glibc")
    note(
        work=f"the copied module's inference, freed memory kept, {SHAPES[0]}",
        against="the same, freed memory given back to the system (glibc's habit)",
        ours_ms=float(np.median(ms["kept"])),
        theirs_ms=float(np.median(ms["given back"])),
        ratio=float(np.median(ms["given back"] / ms["kept"])),
    )


def test_over_sizes(benchmark, note):
    """What notebook 07 draws beside the reader's own machine."""
    profile = PROFILES["class"]
    sizes = benchmark.pedantic(
        lambda: over_shapes(contenders, profile.cost_shapes, profile.cost_rounds), rounds=1
    )
    note(sizes=sizes)
