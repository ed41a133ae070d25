"""LeNet and the U-Net: the series' `fit` against the loops that a user would copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import islice
from multiprocessing import get_context

import pytest

from helpers import LeNet, UNet, fit, initialise, modern_unet_recipe, tutorial_recipe
from helpers.datasets import Images, load_stanford
from helpers.session import PROFILES
from tests.benchmarks import opponents

STEPS = 200  # of LeNet in a round, after as many unmeasured; the workers have long started then
CLASS = PROFILES["class"]
LENET = replace(tutorial_recipe(CLASS), epochs=1)
UNET = replace(modern_unet_recipe(CLASS), epochs=1, keep="last")
TUTORIAL = "the tutorial's loop: DataLoader, 2 workers, per-image transforms"


def train_lenet(activation: str, pictures: Images, seed: int = 0) -> None:
    fit(initialise(LeNet(activation), seed), pictures, None, LENET, seed, progress=False)


@pytest.fixture
def tutorial_steps(cifar10) -> Iterator[Callable[[str], Callable[[], None]]]:
    """STEPS more steps of the tutorial's loop, each time one calls what this gives."""
    running = []

    def of(activation: str) -> Callable[[], None]:
        network = opponents.with_copied_funnels(LeNet(activation))
        pictures = opponents.Pictures(cifar10.train.images, cifar10.train.labels)
        running.append(steps := opponents.tutorial_loop(network, pictures))
        return lambda: list(islice(steps, STEPS))

    yield of
    for steps in running:
        with closing(steps):  # ends the workers
            pass


@pytest.mark.parametrize(("activation", "at_least"), [("relu", 2.5), ("frelu", 2.0)])
def test_lenet(compare, cifar10, tutorial_steps, activation, at_least):
    some = cifar10.train.first(LENET.batch * STEPS)
    compare(
        lambda: train_lenet(activation, some),
        tutorial_steps(activation),
        work=f"LeNet with {activation}, batch 4, {STEPS} steps",
        against=TUTORIAL,
        at_least=at_least,
        data=cifar10.source,
    )


@pytest.mark.parametrize(("activation", "at_least"), [("relu", 4.5), ("frelu", 3.6)])
def test_lenet_as_a_grid(compare, cifar10, tutorial_steps, activation, at_least):
    some = cifar10.train.first(LENET.batch * STEPS)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        compare(
            lambda: list(pool.map(train_lenet, [activation] * 2, [some] * 2, [0, 1])),
            tutorial_steps(activation),
            ours_does=2,
            work=f"LeNet with {activation}, two runs at the same time, {STEPS} steps of each",
            against=TUTORIAL,
            at_least=at_least,
            data=cifar10.source,
        )


@pytest.mark.parametrize("activation", ["relu", "mish", "frelu"])
def test_unet_step(compare, activation):
    stanford = load_stanford("regions", size=(224, 224))
    some, recipe = stanford.train.first(2), replace(UNET, batch=2, augmentation=False)
    ours = UNet(8, activation, width=32)
    theirs = opponents.with_copied_funnels(opponents.PlainUNet(8, activation, width=32))
    compare(
        lambda: fit(ours, some, None, recipe, progress=False),
        lambda: opponents.float32_steps(theirs, some.images, some.labels, recipe.batch),
        work=f"U-Net with {activation}, 224x224, width 32, batch 2, one step",
        against="the same network in plain float32" + ", copied FReLU" * (activation == "frelu"),
        at_least=2.5,
        data=stanford.source,
    )


def test_unet_class_epoch(benchmark, note, rounds_in_the_box, stanford):
    network, epoch = UNet(8, "frelu", CLASS.unet_width), len(stanford.train)
    part = stanford.train.first(epoch // 8)

    def run() -> None:
        fit(network, part, None, UNET, progress=False)

    benchmark.pedantic(run, rounds=rounds_in_the_box(run))
    height, width = CLASS.unet_size
    note(
        work=f"U-Net with frelu, {height}x{width}, width {CLASS.unet_width}, one epoch of {epoch} "
        f"images, from {len(part.images)} of them",
        ours_ms=1000 * benchmark.stats.stats.median * epoch / len(part.images),
        at_most_ms=7000,
        data=stanford.source,
    )
