"""What the widgets' tests share: every widget without a page, random moves, and what is shown."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np
import torch
from ipywidgets import Dropdown, FloatSlider, IntSlider, ToggleButtons
from PIL import Image

from helpers import LeNet, initialise
from helpers.datasets.stanford import Scenes, Stanford
from helpers.widgets import channels, reach, scenes
from helpers.widgets.shell import Lab

NAMES = ("reach", "channels", "scenes")


def build(name: str, **preset: Any) -> Lab:
    """A widget in a state of its own, with small invented data where it needs some."""
    if name == "channels":
        return channels.build(channels.network(network(), pictures()), **preset)
    if name == "scenes":
        found, show = scenes.predictions(stanford(), predicted()), preset.pop("show", None)
        return scenes.build(found, scenes.State(**{"arm": "right"} | preset), show)
    return reach.build(**preset)


@cache
def network() -> LeNet:
    return initialise(LeNet("frelu"), 0).eval()


@cache
def pictures() -> torch.Tensor:
    random = np.random.default_rng(0)
    return torch.from_numpy(random.integers(0, 256, (3, 3, 32, 32), dtype=np.uint8))


@cache
def stanford() -> Stanford:
    """Three scenes of different sizes, one of them upright, with unknown pixels."""
    random, classes = np.random.default_rng(0), ("sky", "horizontal", "vertical")
    sizes = [(24, 32), (32, 24), (60, 32)]
    labels = [random.integers(-1, 3, size).astype(np.int8) for size in sizes]
    jpegs = [_jpeg(random.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]
    ids = tuple(f"{k}00000{k}" for k in range(3))
    part = Scenes(None, None, ids, labels, jpegs)
    return Stanford(part, part, _Sliced(part), classes, "surfaces", "shuffled", "stand-in data")


class _Sliced:
    """The test part: only what the explorer reads of it, without arrays at the training size."""

    def __init__(self, part: Scenes) -> None:
        self.part = part

    def first(self, count: int | None) -> Scenes:
        part = self.part
        return Scenes(None, None, part.ids[:count], part.full_labels[:count], part.jpegs[:count])


def predicted() -> dict[str, list[np.ndarray]]:
    truths = stanford().test.part.full_labels
    right = [np.maximum(truth, 0) for truth in truths]
    return {"right": right, "moved": [np.roll(each, 1, axis=1) for each in right]}


def _jpeg(pixels: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return np.frombuffer(buffer.getvalue(), np.uint8)


def picture_of(lab: Lab) -> np.ndarray:
    """The picture that is on the page, in its colours."""
    return np.asarray(Image.open(io.BytesIO(bytes(lab.image.value))).convert("RGBA"))


def move(lab: Lab, name: str, random: np.random.Generator) -> None:
    """Move one control to a random value that a reader can reach, or press a button."""
    if name in lab.buttons:
        if not lab.buttons[name].disabled:
            lab.buttons[name].click()
        return
    control = lab.controls[name]
    if isinstance(control, (Dropdown, ToggleButtons)):
        values = control._options_values
        control.value = values[random.integers(len(values))]
    elif isinstance(control, FloatSlider):
        control.value = float(random.uniform(control.min, control.max))
    elif isinstance(control, IntSlider):
        control.value = int(random.integers(control.min, control.max + 1))
