"""Scenes, whose class maps are looked at, their IoU, and the orders to walk through them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from ..datasets.stanford import Scenes, Stanford
from ..evaluation.iou import confusion_matrix, iou_per_class
from ..figures.style import LABELS
from ..nn.networks import UNet
from ..session import Session, current_profile, data_directory
from ..training.loop import load_weights
from ..training.map_prediction import class_maps
from ..training.recipes import modern_unet_recipe

ALL, NONE = "all", "none"
NUMBER, WORST = "number", "worst"
RECORDED = ("relu", "mish", "frelu")

Labels = NDArray[np.integer]


@dataclass(frozen=True)
class State:
    """What is set: whose prediction, a scene's place in the order, from 0, one class or ALL, 0..1.

    beside: a second network, or NONE; order: by NUMBER, or the WORST first.
    """

    arm: str
    image: int = 0
    label: str = ALL
    opacity: float = 0.6
    beside: str = NONE
    order: str = NUMBER

    @property
    def arms(self) -> tuple[str, ...]:
        """The one network, or the two, whose predictions are seen."""
        return (self.arm,) if self.beside == NONE else (self.arm, self.beside)


@dataclass(frozen=True)
class Predictions:
    """Scenes, and the class maps (h, w) of each arm for all of them: {arm: maps}."""

    scenes: Scenes
    classes: tuple[str, ...]
    source: str
    maps: Mapping[str, Sequence[Labels]]

    def chosen(self, state: State) -> int | None:
        """The number of the chosen class, None for ALL."""
        return None if state.label == ALL else self.classes.index(state.label)

    def number(self, state: State) -> int:
        """The scene's number, from 0, whatever its place."""
        return self.walk(state)[state.image]

    def walk(self, state: State) -> list[int]:
        """The numbers of all scenes in the order that is set; those without any IoU come last."""
        iou, chosen = self.iou_of_scenes[state.arm], self.chosen(state)
        if state.order == NUMBER:
            return list(range(len(iou)))
        worth = mean_of(iou) if chosen is None else iou[:, chosen]
        return np.argsort(worth, kind="stable").tolist()

    def holding(self, state: State) -> list[int]:
        """The places in the order of the scenes whose truth has the chosen class; none for ALL."""
        chosen, truths = self.chosen(state), self.scenes.full_labels
        walk = enumerate(self.walk(state) if chosen is not None else ())
        return [place for place, number in walk if (truths[number] == chosen).any()]

    @cached_property
    def _matrices(self) -> dict[str, torch.Tensor]:
        """The confusion matrix of each scene, (N, C, C), by arm."""
        truths, count = self.scenes.full_labels, len(self.classes)
        return {
            arm: torch.stack(
                [confusion_matrix(*pair, count) for pair in zip(maps, truths, strict=True)]
            )
            for arm, maps in self.maps.items()
        }

    @cached_property
    def iou_of_set(self) -> dict[str, NDArray]:
        """IoU of each class over all scenes, by arm."""
        return {arm: iou_per_class(each.sum(0)).numpy() for arm, each in self._matrices.items()}

    @cached_property
    def iou_of_scenes(self) -> dict[str, NDArray]:
        """IoU of each class in each scene, (N, C), by arm; NaN: in neither truth nor prediction."""
        return {
            arm: np.stack([iou_per_class(matrix).numpy() for matrix in each])
            for arm, each in self._matrices.items()
        }


def mean_of(iou: NDArray) -> NDArray:
    """The mean over the classes, the last axis, that are there; NaN where none is."""
    return np.ma.filled(np.ma.masked_invalid(iou).mean(-1), np.nan)


# --- whose predictions ------------------------------------------------------------------------


def predictions(
    data: Stanford, maps: Mapping[str, Sequence[Labels]] | None = None
) -> Predictions | None:
    """The given maps, and the recorded ones where they belong to this data.

    Failing both, those of the network that notebook 04 left; None without any. Raises ValueError
    for maps whose sizes are not the scenes' own.
    """
    found = dict(maps or {}) | _recorded(data) or _of_checkpoint(data)
    if not found:
        return None
    count = min(len(each) for each in found.values())
    scenes = data.test.first(count)
    for arm, each in found.items():
        for seen, truth in zip(each, scenes.full_labels, strict=False):
            if seen.shape != truth.shape:
                raise ValueError(
                    f"A map of '{arm}' is {seen.shape}, its scene {truth.shape}: pass what "
                    "class_maps gives for data.test, in the same order"
                )
    same_scenes = {arm: each[:count] for arm, each in found.items()}
    return Predictions(scenes, data.classes, data.source, same_scenes)


def _recorded(data: Stanford) -> dict[str, Sequence[Labels]]:
    """The recorded networks were tested on the real data, on the shuffled split's test part."""
    if data.is_standin or data.split != "shuffled":
        return {}
    from ..experiments import recorded_maps  # slow to import, and few widgets need it

    found = {f"{LABELS[arm]}, recorded": recorded_maps(arm, data.task) for arm in RECORDED}
    return {arm: maps for arm, maps in found.items() if maps is not None}


def _of_checkpoint(data: Stanford) -> dict[str, Sequence[Labels]]:
    """The maps of the network that notebook 04 left, computed once."""
    profile = current_profile()
    session = Session(profile, torch.device("cpu"), 0, data_directory())
    kept = session.checkpoint("unet", data.task, "frelu", data.split, data.source)
    if not kept.exists():
        return {}
    with torch.random.fork_rng(devices=[]):
        model = UNet(len(data.classes), "frelu", profile.unet_width)
    load_weights(model, kept)
    test = data.test.first(profile.unet_test)
    return {"FReLU, notebook 04": class_maps(model, test, modern_unet_recipe(profile))}
