"""Recipes as plain data, and the optimiser and schedule that each names."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import lr_scheduler

from ..session import Profile


@dataclass(frozen=True)
class Recipe:
    """How to train, as plain data, so that a run can say all that was asked. Introduced in notebook
    03.

    mean, deviation: per channel, of images in 0..1. keep: "last", "least_loss" or "best_score", the
    epoch whose weights the network has in the end, by the validation part. patience: epochs without
    a lower training loss until training stops. threads: of the CPU; None leaves them as they are.
    """

    epochs: int
    batch: int
    optimiser: str
    learning_rate: float
    schedule: str = "constant"
    weight_decay: float = 0.0
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    deviation: tuple[float, float, float] = (0.5, 0.5, 0.5)
    blue_first: bool = False
    augmentation: bool = False
    unknown_dilutes: bool = False
    keep: str = "last"
    patience: int | None = None
    bf16: bool = False
    threads: int | None = None


def tutorial_recipe(profile: Profile) -> Recipe:
    """Article A's: SGD 1e-3 with momentum 0.9, images scaled to -1..1. Introduced in notebook 03.

    Batches of 4 are too small to share out: one thread is faster than two.
    """
    return Recipe(profile.lenet_epochs, profile.lenet_batch, "sgd", 1e-3, threads=1)


def article_unet_recipe(profile: Profile) -> Recipe:
    """Article B's: Adam with amsgrad, the rate cut on plateaus, the weights of the least validation
    loss.

    Images are BGR, divided by 255 and not standardised; unknown pixels give no loss, but count in
    its mean. Introduced in notebook 04.
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
    """The fair protocol's: AdamW, one cycle to 3e-3, augmentation, the epoch chosen on validation
    mIoU.

    short: the net of few minutes. Means and deviations are ImageNet's usual ones. Introduced in
    notebook 04.
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


_OPTIMISERS = {
    "sgd": lambda weights, recipe: torch.optim.SGD(
        weights, recipe.learning_rate, momentum=0.9, weight_decay=recipe.weight_decay, fused=True
    ),
    "adam_amsgrad": lambda weights, recipe: torch.optim.Adam(
        weights, recipe.learning_rate, eps=1e-7, amsgrad=True, fused=True
    ),
    "adamw": lambda weights, recipe: torch.optim.AdamW(
        weights, recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    ),
}


def make_optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser of all weights. Raises ValueError for a name that nobody knows."""
    if recipe.optimiser not in _OPTIMISERS:
        raise ValueError(
            f"No optimiser is called '{recipe.optimiser}'; known: {', '.join(_OPTIMISERS)}."
        )
    return _OPTIMISERS[recipe.optimiser](model.parameters(), recipe)


def make_scheduler(
    optimiser: torch.optim.Optimizer, recipe: Recipe, steps_per_epoch: int
) -> lr_scheduler.LRScheduler:
    """The recipe's schedule: "one_cycle" moves by step, "plateau" by epoch, "constant" never.

    Raises ValueError for a name that nobody knows.
    """
    if recipe.schedule == "constant":
        return lr_scheduler.ConstantLR(optimiser, factor=1.0)
    if recipe.schedule == "one_cycle":
        steps = recipe.epochs * steps_per_epoch
        return lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, total_steps=steps)
    if recipe.schedule == "plateau":  # Keras's ReduceLROnPlateau(factor=0.2, patience=3)
        return lr_scheduler.ReduceLROnPlateau(
            optimiser, factor=0.2, patience=2, threshold=1e-4, threshold_mode="abs"
        )
    raise ValueError(
        f"No schedule is called '{recipe.schedule}'; known: constant, one_cycle, plateau."
    )
