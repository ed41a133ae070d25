"""A run's name stands for what was asked; a file of records survives kills and many writers."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import given, settings, strategies as st

import helpers
from helpers import files
from helpers.experiments import map_sheets as sheets, run as record, store, tables
from helpers.experiments.run import Run
from helpers.experiments.store import RecordError, Store
from helpers.training.recipes import Recipe

RECIPE = Recipe(2, 4, "sgd", 1e-3, threads=1)
RUN = Run(
    grid="lenet-swap",
    arm="relu",
    task="cifar10",
    activation="relu",
    seed=0,
    data="CIFAR-10",
    protocol="tutorial",
    recipe=RECIPE,
)
OTHERS = {
    "grid": "own",
    "arm": "mine",
    "task": "regions",
    "activation": "mish",
    "seed": 1,
    "data": "stand-in data",
    "protocol": "fair",
    "recipe": replace(RECIPE, learning_rate=1e-2),
    "setting": "rate 0.01",
    "train": 10,
    "test": 10,
    "size": (64, 64),
    "width": 4,
    "split": "article",
    "label_resize": "bilinear",
    "side_by_side": 5,
    "definition": "0123456789abcdef",
}


def line(name: str = "a", grid: str = "g", **more) -> dict:
    return {"schema": record.SCHEMA, "name": name, "grid": grid, "value": 1, **more}


# --- names --------------------------------------------------------------------------------------


def test_whatever_else_is_asked_the_name_is_another():
    assert set(OTHERS) == {field.name for field in fields(Run)}
    names = {replace(RUN, **{field: value}).name for field, value in OTHERS.items()}
    assert len(names | {RUN.name}) == len(OTHERS) + 1


@pytest.mark.parametrize(
    "changes", [{"epochs": 3}, {"threads": None}, {"mean": (0.0, 0.0, 0.0)}, {"patience": 3}]
)
def test_every_setting_of_the_recipe_is_in_the_name(changes):
    assert replace(RUN, recipe=replace(RECIPE, **changes)).name != RUN.name


def test_the_recipes_version_is_in_the_name(monkeypatch):
    before = RUN.name
    monkeypatch.setattr(record, "RECIPE_VERSION", record.RECIPE_VERSION + 1)
    assert RUN.name != before


def test_names_are_those_of_the_recorded_runs():
    # A change here orphans every record: raise RECIPE_VERSION only when runs must be run anew.
    assert RUN.name == "35db39d91838986b"


def test_what_was_asked_is_plain_json():
    run = replace(RUN, **OTHERS)
    assert json.loads(json.dumps(run.asked)) == run.asked
    assert run.asked["size"] == [64, 64]
    assert run.asked["recipe"]["learning_rate"] == 1e-2
    assert str(run) == "own regions rate 0.01 mine seed 1"


def test_where_it_ran_is_told():
    where = files.circumstances()
    assert set(where["versions"]) == {"python", "torch", "numpy", "helpers"}
    assert "sources" in where["versions"]["helpers"]
    assert where["machine"]["processor"]
    assert where["machine"]["cores"] >= 1
    assert where["threads"] >= 1


def test_an_installed_package_tells_its_version_too(monkeypatch):
    monkeypatch.setattr(files, "repository", lambda: None)
    monkeypatch.setattr(files, "version", lambda name: "9.9")
    assert files.package_version() == "9.9"


# --- files --------------------------------------------------------------------------------------


def test_what_is_appended_is_read(tmp_path):
    kept = Store(tmp_path / "new")
    assert kept.read("g") == {}
    assert kept.append(line("a"))
    assert kept.append(line("b"))
    assert list(kept.read("g")) == ["a", "b"]
    assert kept.path("g").read_bytes().count(b"\n") == 2


def test_a_result_is_not_written_twice(tmp_path):
    kept = Store(tmp_path)
    kept.append(line(value=1))
    assert not kept.append(line(value=2))
    assert kept.read("g")["a"]["value"] == 1


def test_a_result_takes_the_place_of_an_error_and_never_the_reverse(tmp_path):
    kept = Store(tmp_path)
    assert kept.append(line(error="first"))
    assert kept.append(line(error="second"))
    assert kept.read("g")["a"]["error"] == "second"
    assert kept.append(line())
    assert not kept.append(line(error="third"))
    assert "error" not in kept.read("g")["a"]


@settings(deadline=None)  # writes files, and the machine may be busy
@given(st.integers(1, 60))
def test_a_torn_last_line_is_passed_over_and_mended(tmp_path_factory, cut):
    kept = Store(tmp_path_factory.mktemp("torn"))
    kept.append(line("a"))
    whole = kept.path("g").read_bytes()
    kept.append(line("b", text="é" * 10))
    torn = kept.path("g").read_bytes()[:-cut]
    kept.path("g").write_bytes(torn)
    there = ["a", "b"] if cut == 1 else ["a"]  # without its end alone, a line is whole
    assert list(kept.read("g")) == there
    kept.append(line("c"))
    assert list(kept.read("g")) == [*there, "c"]
    assert kept.path("g").read_bytes().startswith(whole)


def test_damage_in_the_middle_is_an_error_with_file_and_line(tmp_path):
    kept = Store(tmp_path)
    kept.append(line("a"))
    with kept.path("g").open("a") as file:
        file.write('{"schema": 1, "na\n')
    with pytest.raises(RecordError, match=r"g\.jsonl, line 2 is damaged: restore"):
        kept.read("g")


def test_an_older_schema_is_refused_with_a_word(tmp_path):
    kept = Store(tmp_path)
    kept.append(line("a") | {"schema": 0})
    with pytest.raises(RecordError, match=r"line 1 has schema 0, .* reads schema 1: move the file"):
        kept.read("g")


WRITER = """
import sys
from pathlib import Path
from helpers.experiments.store import Store
kept = Store(Path(sys.argv[1]))
for number in range(15):
    kept.append({"schema": 1, "name": f"{sys.argv[2]}-{number}", "grid": "g", "text": "x" * 20000})
    kept.append({"schema": 1, "name": f"both-{number}", "grid": "g", "by": sys.argv[2]})
"""


def test_several_processes_write_whole_lines_and_none_twice(tmp_path):
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [subprocess.Popen([*command, name]) for name in ("first", "second")]
    assert [writer.wait(120) for writer in writers] == [0, 0]
    lines = Store(tmp_path).path("g").read_text().splitlines()
    assert len([json.loads(one) for one in lines]) == len(Store(tmp_path).read("g")) == 45


def test_a_file_that_another_process_holds_for_good_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "PATIENCE", 0.05)
    says = pytest.raises(RecordError, match="held by another process")
    with FileLock(tmp_path / "g.lock"), says:
        Store(tmp_path).append(line())


def test_kept_files_are_whole_or_not_there(tmp_path, monkeypatch):
    kept = Store(tmp_path)
    kept.keep("weights/a.bin", b"one")
    kept.keep("weights/a.bin", b"two")
    assert (tmp_path / "weights" / "a.bin").read_bytes() == b"two"
    monkeypatch.setattr(store.Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        kept.keep("weights/a.bin", b"three")
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["a.bin"]


# --- what is on record --------------------------------------------------------------------------


def test_a_table_has_what_was_asked_the_scores_and_the_curves():
    runs = helpers.records("unet-fair", "lenet-controls")
    (lenet,) = runs.query("arm == 'relu_wide' and seed == 3").itertuples()
    raw = helpers.record("lenet-controls", lenet.Index)
    assert lenet.accuracy == 100 * raw["metrics"]["accuracy"]
    assert (lenet.width, lenet.epochs, lenet.train, lenet.dtype) == (19, 2, 50_000, "float32")
    assert lenet.curve_loss == raw["curve"]["loss"]
    asked = "task == 'surfaces' and arm == 'frelu' and seed == 0 and size == '128x160'"
    (unet,) = runs.query(asked).itertuples()
    metrics = helpers.record("unet-fair", unet.Index)["metrics"]
    assert unet.miou == 100 * metrics["fair"]["mean_iou"]
    assert unet.miou_article == 100 * metrics["article"]["mean_iou"]
    assert unet.iou_vertical == 100 * metrics["fair"]["per_class"][2]
    assert unet.iou_article_sky == 100 * metrics["article"]["per_class"][0]
    assert unet.classes_per_picture == sum(metrics["article"]["counted"]) / 143
    assert (unet.curve_learning_rate[0], unet.learning_rate) == (0.00012, 0.003)
    assert np.isnan(unet.iou_tree)
    assert np.isnan(unet.accuracy)


def test_records_leave_failures_out(tmp_path):
    kept = Store(tmp_path)
    (name, good) = next(iter(store.recorded_store().read("lenet-swap").items()))
    kept.append(good)
    kept.append(line("a", "lenet-swap", error="no"))
    assert list(tables.records("lenet-swap", store=kept).index) == [name]
    with pytest.raises(KeyError):
        tables.record("lenet-swap", "a", kept)


def test_an_installed_package_has_no_records(monkeypatch):
    monkeypatch.setattr(tables, "recorded_store", lambda: None)
    assert tables.records("lenet-swap").empty
    assert tables.recorded_lenet("relu") is None
    assert tables.recorded_maps("relu") is None


maps = st.lists(
    st.tuples(st.integers(1, 320), st.integers(1, 320), st.integers(0, 7)), min_size=1, max_size=14
)


@settings(deadline=None)  # writes files, and the machine may be busy
@given(maps)
def test_maps_come_back_from_their_sheet(sizes):
    made = [np.full((h, w), c, np.int8) for h, w, c in sizes]
    for one in made:
        one[-1, -1] = 3
    back = sheets.from_sheet(sheets.as_sheet(made))
    assert len(back) == len(made)
    for one, other in zip(made, back, strict=True):
        np.testing.assert_array_equal(one, other)
        assert other.dtype == np.int8


def test_a_map_larger_than_its_cell_is_refused():
    with pytest.raises(ValueError, match="map 0 is 321x5: a cell holds 320x320"):
        sheets.as_sheet([np.zeros((321, 5), np.int8)])


def test_recorded_maps_are_those_of_the_results(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "recorded_store", lambda: Store(tmp_path))
    assert tables.recorded_maps("frelu") is None
    Store(tmp_path).keep("maps/unet-frelu-regions.png", sheets.as_sheet([np.ones((4, 5), np.int8)]))
    (one,) = tables.recorded_maps("frelu")
    assert one.shape == (4, 5)
