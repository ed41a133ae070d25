"""What lies in data/results is what the grids ask for: each run once, readable, and small."""

from __future__ import annotations

import pytest

import helpers
from helpers.experiments import GRIDS, recorded_store
from helpers.session import PROFILES

STORE = recorded_store()
REAL = {"cifar10": "CIFAR-10", "stanford": "Stanford Background"}
LEAST = {
    "lenet-swap": 120,
    "lenet-controls": 270,
    "lenet-rate": 60,
    "lenet-long": 20,
    "unet-fair": 33,
    "unet-article": 14,
}
"""Runs on record when this was written, 517 in all; none of them may be lost."""

SHEETS = 1_000_000
"""Bytes of all class maps together, at most."""


@pytest.mark.parametrize("name", GRIDS)
def test_every_line_is_a_run_of_its_grid_and_there_once(name):
    path, grid = STORE.path(name), GRIDS[name]
    sizes = PROFILES["class"], PROFILES["full"]
    asked = {run.name: run for size in sizes for run in grid.runs(size, REAL[grid.dataset])}
    found = STORE.read(name)
    assert len(path.read_text("utf-8").splitlines()) == len(found) >= LEAST[name]
    assert found.keys() <= asked.keys()
    for key, record in found.items():
        assert "error" not in record
        run = asked[key].asked  # a setting that came later is left out where it has its default
        assert all(record[field] == run[field] for field in run.keys() & record.keys())


def test_the_maps_are_small_and_one_for_each_picture():
    sheets = list((STORE.folder / "maps").glob("*.png"))
    assert sum(path.stat().st_size for path in sheets) <= SHEETS
    arms = {path.stem.split("-")[1] for path in sheets}
    assert arms >= {"relu", "mish", "frelu", "dw_bn_relu"}
    assert {len(helpers.recorded_maps(arm)) for arm in arms} == {143}


def test_every_arm_by_article_as_recipe_has_its_weights():
    arms = set(helpers.records("lenet-swap", "lenet-controls")["arm"])
    assert len(arms) >= 15
    for arm in arms:
        model = helpers.recorded_lenet(arm)
        assert model is not None, arm
        assert not model.training
