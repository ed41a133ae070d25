"""What a run is: everything that was asked, as plain data, and the name that follows from it."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import tomllib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..files import cpu_name
from ..session import repository
from ..training.loop import History
from ..training.recipes import Recipe

SCHEMA = 1
"""How a line is laid out; a change makes older lines unreadable, and says so."""

RECIPE_VERSION = 1
"""Raised when the same settings come to mean another training: such runs are run anew."""

Record = dict[str, object]
Measured = tuple[Record, dict[str, bytes]]
"""What a run adds to its record, and the files that belong to it."""


@dataclass(frozen=True)
class Run:
    """Everything that is asked of one training and its evaluation. Introduced in notebook 06.

    arm: the name in the comparison; activation: what `make_activation` gets; task: "cifar10",
    "regions" or "surfaces"; data: the source that the data set must name. setting: which of a
    grid's tables the run belongs to. train, test: how many images, None for all. size: (height,
    width) in pixels; width: channels of the U-Net's first block, or of LeNet's second convolution.
    side_by_side: how many seeds are trained as one network (`fit_together`), from a multiple of
    that number on; the last digits depend on it.
    """

    grid: str
    arm: str
    task: str
    activation: str
    seed: int
    data: str
    protocol: str
    recipe: Recipe
    setting: str = ""
    train: int | None = None
    test: int | None = None
    size: tuple[int, int] | None = None
    width: int | None = None
    split: str | None = None
    label_resize: str | None = None
    side_by_side: int = 1

    @property
    def block(self) -> list[Run]:
        """The runs that are trained with this one as one network, itself among them."""
        first = self.seed - self.seed % self.side_by_side
        return [replace(self, seed=first + more) for more in range(self.side_by_side)]

    @property
    def asked(self) -> Record:
        """All fields as JSON has them, and the version of what they mean."""
        return json.loads(json.dumps({"recipe_version": RECIPE_VERSION, **asdict(self)}))

    @property
    def name(self) -> str:
        """Sixteen hexadecimal digits that stand for everything asked.

        Settings at their defaults are left out, so that a setting that is added later renames no
        run of before.
        """
        told = {"recipe_version": RECIPE_VERSION, **_told(self), "recipe": _told(self.recipe)}
        text = json.dumps(told, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __str__(self) -> str:
        words = [self.grid, self.task, self.setting, self.arm, f"seed {self.seed}"]
        return " ".join(word for word in words if word)


def _told(settings: Run | Recipe) -> Record:
    """The fields that differ from their defaults."""
    return {
        field.name: value
        for field in fields(settings)
        if (value := getattr(settings, field.name)) != field.default and field.name != "recipe"
    }


def headed(run: Run) -> Record:
    """The beginning of a run's line: schema, name, and all that was asked."""
    return {"schema": SCHEMA, "name": run.name, **run.asked}


def training_facts(history: History) -> Record:
    """What a training says of itself. Raises KeyboardInterrupt where that is how it ended."""
    if history.ended == "interrupted":
        raise KeyboardInterrupt
    return {
        "device": history.device,
        "dtype": history.precision,
        "seconds": round(sum(history.seconds), 2),
        "steps": history.steps,
        "ended": history.ended,
    }


def check_source(run: Run, source: str) -> None:
    """Raise ValueError unless the data at hand is what the run asks for."""
    if source != run.data:
        raise ValueError(
            f"The run asks for {run.data}, and this machine has {source}: "
            "give it the data (data/README.md), or let FUNNEL_DATA name its folder."
        )


def rounded(scores: Tensor) -> list[float | None]:
    """Shares with six digits; JSON has no NaN, so a class that was never there is None."""
    return [None if math.isnan(score) else round(score, 6) for score in scores.tolist()]


def fingerprint(tensors: Iterable[Tensor]) -> str:
    """Sixteen hexadecimal digits that stand for the numbers of a copy of a data set."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.contiguous().numpy())
    return digest.hexdigest()[:16]


def circumstances() -> Record:
    """Where this process computes: versions, machine, threads."""
    return {
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "helpers": _helpers_version(),
        },
        "machine": {
            "processor": cpu_name(),
            "cores": os.cpu_count(),
            "system": platform.system(),
        },
        "threads": torch.get_num_threads(),
    }


_DECISIVE = ("nn", "training", "evaluation/iou.py")


@cache
def _helpers_version() -> str:
    """The package's version, and a digest of the modules that decide what a run measures."""
    folder = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for name in _DECISIVE:
        for path in sorted([folder / name, *(folder / name).rglob("*.py")]):
            digest.update(path.read_bytes() if path.is_file() else b"")
    return f"{_package_version()}, sources {digest.hexdigest()[:8]}"


def _package_version() -> str:
    if root := repository():
        return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    try:
        return version("funnel-series")
    except PackageNotFoundError:
        return "unknown"
