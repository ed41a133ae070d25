"""What is on record: runs as a table, one run's raw record, class maps and trained weights."""

from __future__ import annotations

import math
from dataclasses import MISSING, fields
from typing import Any

import numpy as np
import pandas as pd

from ..nn.networks import LeNet
from ..training.recipes import Recipe
from .grids import grid_named
from .lenet import weights_name
from .map_sheets import from_sheet
from .run import Record
from .store import Store, recorded_store
from .unet import maps_name

ASKED = (
    *("grid", "arm", "task", "setting", "activation", "seed", "data", "protocol", "split"),
    *("label_resize", "width", "recipe_version"),
)
MEASURED = ("dtype", "device", "seconds", "steps")
ARTICLE_SIZE = "224x224, width 32"
RECIPE_DEFAULTS = {f.name: None if f.default is MISSING else f.default for f in fields(Recipe)}
"""A record that is older than a setting had its default."""


def records(*grids: str, store: Store | None = None) -> pd.DataFrame:
    """One row per finished run of the grids, under the run's name; failed runs are left out.

    Columns: what was asked (`arm`, `task`, `setting`, `seed`, `size` as "128x160", each setting of
    the recipe), where it ran, scores in per cent (`accuracy`, `accuracy_train_mode`; `miou`,
    `miou_article`, `pixel_accuracy`, `iou_<class>`, `iou_article_<class>`), curves as lists
    (`curve_<name>`). Without `store` the series' own runs. Raises ValueError for an unknown grid.
    Introduced in notebook 03.
    """
    rows = {name: _row(one) for grid in grids for name, one in _finished(grid, store).items()}
    names = pd.Index(list(rows), name="name", dtype=object)
    columns = (
        None
        if rows
        else [*ASKED, "definition", "size", "train", "test", *RECIPE_DEFAULTS, *MEASURED]
    )
    return pd.DataFrame(list(rows.values()), names, columns).astype({"width": "Int64"})


def record(grid: str, name: str, store: Store | None = None) -> Record:
    """All that is on record of one run, as it was written. Introduced in notebook 06.

    Raises KeyError for a name that has no result, ValueError for an unknown grid.
    """
    return _finished(grid, store)[name]


def _finished(grid: str, store: Store | None) -> dict[str, Record]:
    store, name = store or recorded_store(), grid_named(grid).name
    found = store.read(name) if store else {}
    return {name: one for name, one in found.items() if "error" not in one}


def _row(one: Record) -> dict[str, Any]:
    recipe = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in (RECIPE_DEFAULTS | one["recipe"]).items()
    }
    return {
        **{name: one[name] for name in ASKED},
        "definition": one.get("definition"),
        "size": "x".join(map(str, one["size"])) if one["size"] else None,
        **recipe,
        **{name: one["measured_on"][name] for name in ("train", "test")},
        "copy": one["measured_on"]["name"],
        **{name: one[name] for name in MEASURED},
        "machine": one["machine"].get("gpu", "{processor}, {cores} cores".format(**one["machine"])),
        "torch": one["versions"]["torch"],
        **(_lenet_scores if one["task"] == "cifar10" else _unet_scores)(one),
        **{f"curve_{name}": values for name, values in one["curve"].items()},
    }


def _lenet_scores(one: Record) -> dict[str, Any]:
    return {name: 100 * one["metrics"][name] for name in ("accuracy", "accuracy_train_mode")}


def _unet_scores(one: Record) -> dict[str, Any]:
    """Those of both metrics, and how many classes article B's counts in a picture."""
    fair, article, names = one["metrics"]["fair"], one["metrics"]["article"], one["classes"]
    shares = {
        "miou": fair["mean_iou"],
        "miou_article": article["mean_iou"],
        "pixel_accuracy": fair["pixel_accuracy"],
        **{f"iou_{name}": share for name, share in zip(names, fair["per_class"], strict=True)},
        **{
            f"iou_article_{name}": share
            for name, share in zip(names, article["per_class"], strict=True)
        },
    }
    points = {name: math.nan if share is None else 100 * share for name, share in shares.items()}
    per_picture = sum(article["counted"]) / one["measured_on"]["test"]
    return {**points, "classes_per_picture": per_picture}


def of_one_size(runs: pd.DataFrame) -> pd.DataFrame:
    """The U-Nets of the picture size and width that most of them have; of two, the larger.

    Those that ran on a GPU have the article's size, and lie beside those of a CPU. Introduced in
    notebook 04.
    """
    sizes = _sizes(runs)
    counts = sizes.value_counts()
    chosen = max(counts.index, key=lambda size: (counts[size], _pixels(size)), default=None)
    return runs[sizes == chosen]


def size_in_words(runs: pd.DataFrame) -> str:
    """Picture size and width of U-Nets, and whether they are article B's; "" without any.

    Introduced in notebook 04.
    """
    (size,) = set(_sizes(of_one_size(runs))) or {""}
    return size if size in ("", ARTICLE_SIZE) else f"{size}, which is not article B's size"


def _sizes(runs: pd.DataFrame) -> pd.Series:
    return runs["size"].astype(str) + ", width " + runs["width"].astype(str)


def _pixels(size: str) -> int:
    return math.prod(int(side) for side in size.split(",")[0].split("x"))


def recorded_maps(arm: str, task: str = "regions") -> list[np.ndarray] | None:
    """The test set's class maps (h, w) by the U-Net of seed 0, int8; None where none are kept.

    They are kept of "regions": fair protocol with augmentation, shuffled split. Introduced in
    notebook 04.
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
