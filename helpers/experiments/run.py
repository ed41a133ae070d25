"""What a run is: everything that was asked, as plain data, and the name that follows from it."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from torch import Tensor

from ..training.recipes import Recipe

SCHEMA = 1
"""How a line is laid out; a change makes older lines unreadable, and says so."""

RECIPE_VERSION = 1
"""Raised when the same settings come to mean another training: such runs are run anew."""

Record = dict[str, Any]
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
    that number on; the last digits depend on it. definition: fingerprint of a reader's own arm.
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
    definition: str | None = None

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
        settings = {**_not_default(self), "recipe": _not_default(self.recipe)}
        text = json.dumps({"recipe_version": RECIPE_VERSION, **settings}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __str__(self) -> str:
        words = [self.grid, self.task, self.setting, self.arm, f"seed {self.seed}"]
        return " ".join(word for word in words if word)


def _not_default(settings: Run | Recipe) -> Record:
    return {
        field.name: value
        for field in fields(settings)
        if (value := getattr(settings, field.name)) != field.default and field.name != "recipe"
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
