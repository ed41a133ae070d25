"""What the series has on record: runs, class maps and trained weights, for notebooks to show."""

from __future__ import annotations

import numpy as np

from ..nn.networks import LeNet
from .lenet import weights_name
from .map_sheets import from_sheet
from .run import Record
from .store import Store, recorded_store
from .unet import maps_name


def records(grid: str, store: Store | None = None) -> list[Record]:
    """The results of one grid, in the order in which they came; failed runs are left out.

    Without `store` those that belong to the series; none where nothing is recorded. Introduced in
    notebook 03.
    """
    store = store or recorded_store()
    found = store.read(grid).values() if store else []
    return [record for record in found if "error" not in record]


def recorded_maps(arm: str, task: str = "regions") -> list[np.ndarray] | None:
    """The test set's class maps (h, w) by the U-Net of seed 0, int8; None where none are kept.

    They are kept of "regions": fair protocol with augmentation, shuffled split. Introduced in
    notebook 05.
    """
    content = _content(maps_name(arm, task))
    return None if content is None else from_sheet(content)


def recorded_lenet(arm: str) -> LeNet | None:
    """Article A's network as seed 0 left it, in eval mode; None where none is kept.

    Introduced in notebook 03.
    """
    content = _content(weights_name(arm))
    if content is None:
        return None
    from safetensors.torch import load

    weights = load(content)
    channels = len(weights["conv2.weight"])
    model = LeNet("relu" if arm == "relu_wide" else arm, conv2_channels=channels)
    model.load_state_dict(weights)
    return model.eval()


def _content(name: str) -> bytes | None:
    store = recorded_store()
    path = store.folder / name if store else None
    return path.read_bytes() if path and path.exists() else None
