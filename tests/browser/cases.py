"""The series' widgets as a notebook shows them: what tests, screenshots and clocks open."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A widget's name in the page's classes, the cell that shows it, and a slider to move."""

    name: str
    cell: str
    slider: str

    @property
    def selector(self) -> str:
        """What finds the widget in the page."""
        return f".lab-{self.name}"


# Untrained, or invented: a page's test checks no result, and needs no data of the reader's.
LENET = """
from helpers import LeNet, load_cifar10
from helpers.widgets import channel_look

channel_look(LeNet("frelu").eval(), load_cifar10().test.images[:4])
"""
SCENES = """
import numpy as np
from helpers import load_stanford
from helpers.widgets import segmentation_explorer

data = load_stanford("regions")
truth = [np.maximum(labels, 0) for labels in data.test.full_labels[:4]]
maps = {"moved": [np.roll(t, 20, axis=1) for t in truth], "mirrored": [t[:, ::-1] for t in truth]}
segmentation_explorer(data, maps)
"""

CASES = [
    Case("reach", "from helpers.widgets import receptive_field\nreceptive_field()", "layers"),
    Case("channels", LENET, "channel"),
    Case("scenes", SCENES, "opacity"),
]
