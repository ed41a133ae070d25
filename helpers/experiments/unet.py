"""A run of article B's task: a U-Net on Stanford Background, scored by both protocols."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from ..datasets import Scenes, Stanford, load_stanford
from ..evaluation.iou import iou_per_class, mean_iou, per_image_iou, pixel_accuracy
from ..files import fingerprint
from ..nn.networks import UNet, initialise
from ..session import best_device
from ..training.loop import History, fit
from ..training.map_prediction import class_maps, set_matrix
from .map_sheets import as_sheet
from .run import Measured, Record, Run, check_source, rounded
from .store import own_store

CURVE_DIGITS = {"train_loss": 5, "validation_loss": 5, "validation_score": 5, "learning_rate": 8}


@cache
def _data(
    task: str, size: tuple[int, int], split: str, label_resize: str
) -> tuple[Stanford, Record]:
    """The data, once per process, and which copy of it this is."""
    data = load_stanford(task, size, split, label_resize)
    parts = (data.train, data.validation, data.test)
    mark = fingerprint([tensor for part in parts for tensor in (part.images, part.labels)])
    return data, {"name": data.source, "fingerprint": mark}


def measure_unet(runs: Sequence[Run]) -> list[Measured]:
    """What each run measured: U-Nets fill the machine one by one."""
    return [_measured(run) for run in runs]


def _measured(run: Run) -> Measured:
    """What the run measured, and the sheet of class maps where it is to be kept.

    A checkpoint after each epoch lies among the reader's own runs until the run is over. Raises
    ValueError where this machine has other data than the run asks for, and KeyboardInterrupt where
    that ended the training.
    """
    data, copy = _data(run.task, run.size, run.split, run.label_resize)
    check_source(run, data.source)
    train, test = data.train.first(run.train), data.test.first(run.test)
    validation = data.validation.first(run.test)
    model = first_unet(run, len(data.classes))
    checkpoint = own_store().folder / f"{run.name}.pt"
    history = fit(
        model, train, validation, run.recipe, run.seed, best_device(), checkpoint, progress=False
    )
    if history.ended == "interrupted":
        raise KeyboardInterrupt
    metrics, maps = _score(model, test, run, len(data.classes))
    checkpoint.unlink(missing_ok=True)
    sizes = {"train": len(train), "validation": len(validation), "test": len(test)}
    result = {
        **_training(history),
        "measured_on": {**copy, **sizes},
        "classes": list(data.classes),
        "metrics": metrics,
    }
    return result, _files(run, maps)


def _training(history: History) -> Record:
    """What the training says of itself."""
    return {
        "device": history.device,
        "dtype": history.precision,
        "seconds": round(sum(history.seconds), 2),
        "steps": history.steps,
        "ended": history.ended,
        "epoch_kept": history.kept_epoch,
        "curve": {
            name: [round(value, digits) for value in getattr(history, name)]
            for name, digits in CURVE_DIGITS.items()
        },
    }


def first_unet(run: Run, classes: int) -> UNet:
    """The run's network with its first weights."""
    width = {} if run.width is None else {"width": run.width}
    model = UNet(classes, run.activation, **width)
    initialise(model, run.seed)
    return model


def _score(model: UNet, test: Scenes, run: Run, classes: int) -> tuple[Record, list[np.ndarray]]:
    """Both protocols' scores, shares in 0..1, and the fair protocol's maps."""
    maps = class_maps(model, test, run.recipe, "bilinear")
    by_lanczos = class_maps(model, test, run.recipe, "lanczos4")
    metrics = {
        "fair": fair_scores(maps, test.full_labels, classes),
        "article": article_scores(by_lanczos, test.full_labels, classes),
    }
    return metrics, maps


def fair_scores(maps: list[np.ndarray], truths: list[np.ndarray], classes: int) -> Record:
    """Scores by one confusion matrix over all images, without unknown pixels."""
    matrix = set_matrix(maps, truths, classes)
    return {
        "mean_iou": mean_iou(matrix),
        "per_class": rounded(iou_per_class(matrix)),
        "pixel_accuracy": pixel_accuracy(matrix),
        "matrix": matrix.tolist(),
    }


def article_scores(maps: list[np.ndarray], truths: list[np.ndarray], classes: int) -> Record:
    """Scores by article B's metric; "counted": in how many images each class counted."""
    images = per_image_iou(maps, truths, classes)
    return {
        "mean_iou": images.mean,
        "per_class": rounded(images.per_class),
        "pixel_accuracy": pixel_accuracy(set_matrix(maps, truths, classes)),
        "counted": images.counted.tolist(),
    }


def _files(run: Run, maps: list[np.ndarray]) -> dict[str, bytes]:
    """The fair protocol's maps of regions by one seed of each arm, a quarter of a MB each."""
    asked = (run.grid, run.task, run.setting, run.seed)
    if asked != ("unet-fair", "regions", "augmented", 0):
        return {}
    return {maps_name(run.arm, run.task): as_sheet(maps)}


def maps_name(arm: str, task: str) -> str:
    """Where the sheet of an arm's maps lies below the folder of results."""
    return f"maps/unet-{arm}-{task}.png"
