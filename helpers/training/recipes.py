"""Recipes as plain data, and the optimiser and schedule that each names."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, lr_scheduler

from ..session import Profile

_OPTIMISERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": partial(SGD, momentum=0.9),
    "adam_amsgrad": partial(Adam, eps=1e-7, amsgrad=True),
    "adamw": AdamW,
}
_CHOICES = {
    "optimiser": tuple(_OPTIMISERS),
    "schedule": ("constant", "one_cycle", "plateau"),
    "keep": ("last", "least_loss", "best_score"),
}


@dataclass(frozen=True)
class Recipe:
    """How to train, as plain data. Introduced in notebook 03.

    mean, deviation: per channel, of images in 0..1. unknown_dilutes: divide the loss by all pixels,
    unknown ones included, as article B does. keep: which epoch's weights are kept: the "last", or
    that of "least_loss" or "best_score" on the validation part. patience: epochs without a lower
    training loss until training stops. threads: of the CPU; None leaves them as they are.

    Raises ValueError, with the known ones, for another optimiser, schedule or keep, and for numbers
    that train nothing.
    """

    # The names of the fields stand in the recorded runs and in their hashes: they stay.
    epochs: int
    batch: int
    optimiser: str
    learning_rate: float
    schedule: str = "constant"
    weight_decay: float = 0.0
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    deviation: tuple[float, ...] = (0.5, 0.5, 0.5)
    blue_first: bool = False
    augmentation: bool = False
    unknown_dilutes: bool = False
    keep: str = "last"
    patience: int | None = None
    bf16: bool = False
    threads: int | None = None

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            if (word := getattr(self, name)) not in known:
                raise ValueError(f"No {name} is called '{word}'; known: {', '.join(known)}.")
        for name in ("epochs", "batch"):
            if not isinstance(number := getattr(self, name), int) or number < 1:
                raise ValueError(f"{name} is {number}: give a whole number from 1 on.")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate is {self.learning_rate}: give a number above 0.")


def tutorial_recipe(profile: Profile) -> Recipe:
    """Article A's: SGD 1e-3 with momentum 0.9, images scaled to -1..1. Introduced in notebook 03.

    Batches of 4 are too small to share out: one thread is faster than two.
    """
    return Recipe(profile.lenet_epochs, profile.lenet_batch, "sgd", 1e-3, threads=1)


def article_unet_recipe(profile: Profile) -> Recipe:
    """Article B's: Adam with amsgrad, the rate cut on plateaus. Introduced in notebook 04.

    Images are BGR, divided by 255 and not standardised; unknown pixels give no loss, but count in
    its mean. The weights of the least validation loss are kept.
    """
    return Recipe(
        profile.unet_epochs,
        profile.unet_batch,
        "adam_amsgrad",
        1e-3,
        schedule="plateau",
        mean=(0.0, 0.0, 0.0),
        deviation=(1.0, 1.0, 1.0),
        blue_first=True,
        unknown_dilutes=True,
        keep="least_loss",
        patience=5,
    )


def modern_unet_recipe(profile: Profile, short: bool = False, augmentation: bool = True) -> Recipe:
    """The fair protocol's: AdamW, one cycle to 3e-3, augmentation. Introduced in notebook 04.

    The epoch is chosen by validation mIoU; means and deviations are ImageNet's usual ones. short:
    fewer epochs, for a network of a few minutes.
    """
    return Recipe(
        profile.unet_short_epochs if short else profile.unet_epochs,
        profile.unet_batch,
        "adamw",
        3e-3,
        schedule="one_cycle",
        weight_decay=1e-4,
        mean=(0.485, 0.456, 0.406),
        deviation=(0.229, 0.224, 0.225),
        augmentation=augmentation,
        keep="best_score",
        bf16=True,
    )


def make_optimiser(model: nn.Module, recipe: Recipe) -> Optimizer:
    """The recipe's optimiser of all weights."""
    make, decay = _OPTIMISERS[recipe.optimiser], recipe.weight_decay
    return make(model.parameters(), lr=recipe.learning_rate, weight_decay=decay, fused=True)


def make_scheduler(
    optimiser: Optimizer, recipe: Recipe, steps_per_epoch: int
) -> lr_scheduler.LRScheduler:
    """The recipe's schedule: "one_cycle" moves by step, "plateau" by epoch, "constant" never."""
    if recipe.schedule == "one_cycle":
        steps = recipe.epochs * steps_per_epoch
        return lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, total_steps=steps)
    if recipe.schedule == "plateau":  # Keras's ReduceLROnPlateau(factor=0.2, patience=3)
        return lr_scheduler.ReduceLROnPlateau(
            optimiser, factor=0.2, patience=2, threshold=1e-4, threshold_mode="abs"
        )
    return lr_scheduler.ConstantLR(optimiser, factor=1.0)
