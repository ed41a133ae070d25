"""What was recorded for the widgets: trained networks and class maps, where they are."""

from __future__ import annotations

import numpy as np
import torch

from ..nn.networks import LeNet


def lenet(arm: str) -> LeNet | None:
    """The recorded LeNet of an arm, in eval mode; None where there is no record."""
    from ..experiments import recorded_lenet  # slow to import, and few widgets need it

    with torch.random.fork_rng(devices=[]):  # a network's first weights disturb no seed
        return recorded_lenet(arm)


def maps(arm: str, task: str) -> list[np.ndarray] | None:
    """The recorded class maps of a U-Net's test part, int8; None where there is no record."""
    from ..experiments import recorded_maps

    return recorded_maps(arm, task)
