"""Grids ask what the series promises; their tables compare what may be compared."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import helpers
from helpers.evaluation import intervals
from helpers.experiments import comparison, grids, tables
from helpers.experiments.grids import GRIDS
from helpers.experiments.lenet import first_lenet
from helpers.experiments.run import SCHEMA
from helpers.experiments.store import Store
from helpers.nn.networks import LeNet, parameter_count
from helpers.session import PROFILES

CI, CLASS, FULL = (PROFILES[name] for name in ("ci", "class", "full"))
REAL = {"cifar10": "CIFAR-10", "stanford": "Stanford Background"}


def runs_of(name: str, profile=CLASS):
    return GRIDS[name].runs(profile, REAL[GRIDS[name].dataset])


# --- what is asked ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grid", "profile", "count"),
    [
        ("lenet-swap", CLASS, 3 * 40),
        ("lenet-swap", FULL, 3 * 40),
        ("lenet-controls", CLASS, 6 * 40 + 7 * 10),
        ("lenet-rate", CLASS, 3 * 4 * 5),
        ("lenet-long", CLASS, 4 * 5),
        ("unet-fair", CLASS, (4 * 10 + 5) + (3 * 10 + 3) + 4 * 10),
        ("unet-fair", FULL, (5 + 4 + 4) * 5),
        ("unet-article", CLASS, 3 * 3 * 2),
        ("unet-article", FULL, 3 * 3 * 5),
    ],
)
def test_grids_have_as_many_runs_as_promised(grid, profile, count):
    runs = runs_of(grid, profile)
    assert len({run.name for run in runs}) == len(runs) == count


@pytest.mark.parametrize("grid", GRIDS)
def test_in_ci_a_grid_has_two_seeds(grid):
    assert {run.seed for run in runs_of(grid, CI)} == {0, 1}


@pytest.mark.parametrize("grid", GRIDS)
def test_all_arms_of_a_seed_come_before_the_next_seed(grid):
    runs = runs_of(grid)
    tables = dict.fromkeys((run.task, run.setting if run.task != "cifar10" else "") for run in runs)
    for task, setting in tables:
        seeds = [run.seed for run in runs if run.task == task and setting in ("", run.setting)]
        assert seeds == sorted(seeds)


@pytest.mark.parametrize("grid", GRIDS)
def test_within_a_table_only_arm_and_seed_differ(grid):
    tables = {}
    for run in runs_of(grid):
        asked = run.asked
        rest = {k: v for k, v in asked.items() if k not in ("arm", "activation", "seed", "width")}
        tables.setdefault((run.task, run.setting), []).append(rest)
    for rests in tables.values():
        assert all(rest == rests[0] for rest in rests)


def test_controls_are_trained_as_the_arms_beside_them():
    swap, controls = runs_of("lenet-swap")[0], runs_of("lenet-controls")[0]
    assert (swap.recipe, swap.train, swap.test) == (controls.recipe, controls.train, controls.test)


def test_the_rates_hold_the_articles_own():
    rates = {run.recipe.learning_rate for run in runs_of("lenet-rate")}
    assert (min(rates), max(rates)) == (3e-4, 1e-2)
    assert runs_of("lenet-swap")[0].recipe.learning_rate in rates


@pytest.mark.parametrize(
    "ask",
    [helpers.records, comparison.report, lambda grid: helpers.record(grid, "a"), helpers.own_runs],
    ids=["records", "report", "record", "own_runs"],
)
@pytest.mark.parametrize("grid", ["lenet_swap", ["lenet-swap"]])
def test_an_unknown_grid_lists_the_known_ones(ask, grid):
    arguments = (grid, "relu") if ask is helpers.own_runs else (grid,)
    with pytest.raises(ValueError, match=r"No grid is called .*lenet.swap.*; .* lenet-swap, lenet"):
        ask(*arguments)


def test_every_arm_has_a_network_of_its_own():
    runs = runs_of("lenet-controls") + runs_of("lenet-swap")
    nets = {run.arm: first_lenet(run) for run in runs if run.seed == 0}
    assert len(nets) == 16
    assert len({repr(net) + str(net.state_dict().values()) for net in nets.values()}) == 16
    assert torch.equal(nets["frelu_gamma0"].act1.bn.weight, torch.zeros(6))


def multiply_adds(channels: int) -> int:
    """Of LeNet with that many channels in conv2: two convolutions, three layers behind them."""
    convolutions = 28 * 28 * 6 * 75 + 10 * 10 * channels * 150
    return convolutions + channels * 25 * 120 + 120 * 84 + 84 * 10


def test_the_wide_control_costs_what_frelu_costs():
    frelu = multiply_adds(16) + 9 * (28 * 28 * 6 + 10 * 10 * 16)
    assert (multiply_adds(16), frelu) == (651_720, 708_456)
    nearest = min(range(16, 30), key=lambda channels: abs(multiply_adds(channels) - frelu))
    assert nearest == grids.WIDE_CHANNELS
    (wide,) = [run for run in runs_of("lenet-controls") if (run.arm, run.seed) == ("relu_wide", 0)]
    growth = parameter_count(first_lenet(wide)) / parameter_count(LeNet("relu"))
    assert growth == pytest.approx(1.15, abs=0.01)


def test_the_unets_protocols_are_what_they_say():
    for run in runs_of("unet-fair"):
        assert (run.split, run.label_resize, run.recipe.schedule) == (
            "shuffled",
            "nearest",
            "one_cycle",
        )
        assert run.recipe.augmentation == (run.setting == "augmented")
    for run in runs_of("unet-article"):
        assert (run.label_resize, run.recipe.schedule) == ("bilinear", "plateau")
        assert (run.split == "article") == (run.setting == "article's split")
    for run in runs_of("unet-fair") + runs_of("unet-article"):
        assert run.recipe.threads == 1
        assert (run.size, run.width) == ((128, 160), 16)


def test_with_a_gpu_the_unets_run_at_full_size(monkeypatch):
    monkeypatch.setenv("FUNNEL_PROFILE", "class")
    assert GRIDS["unet-fair"].profile() is CLASS
    monkeypatch.setattr(grids, "best_device", lambda: torch.device("cuda"))
    assert GRIDS["unet-fair"].profile() is FULL
    assert GRIDS["lenet-swap"].profile() is CLASS
    monkeypatch.setenv("FUNNEL_PROFILE", "ci")
    assert GRIDS["unet-fair"].profile() is CI


# --- what the records say -----------------------------------------------------------------------


def recorded(arm: str, seed: int, accuracy: float, grid: str = "lenet-swap", **changes) -> dict:
    (run, *_) = runs_of(grid)
    return {
        "schema": SCHEMA,
        "name": f"{grid}{arm}{seed}{changes}",
        **run.asked,
        "arm": arm,
        "seed": seed,
        "device": "cpu",
        "dtype": "float32",
        "threads": 1,
        "seconds": 1.0,
        "steps": 2,
        "curve": {"window_steps": 2000, "loss": [2.0]},
        "machine": {"processor": "one", "cores": 1},
        "versions": {"torch": "2"},
        "measured_on": {"name": "CIFAR-10", "train": 50_000, "test": 10_000},
        "metrics": {"accuracy": accuracy, "accuracy_train_mode": accuracy / 2},
        **changes,
    }


def table_of(found: list[dict]) -> pd.DataFrame:
    """The table of `records` without a file."""
    rows = [tables._row(record) for record in found]
    return pd.DataFrame(rows, index=[r["name"] for r in found]).astype({"width": "Int64"})


NOISE = np.random.default_rng(0).normal(0, 0.004, 10)
RELU = [recorded("relu", seed, 0.55 + noise) for seed, noise in enumerate(NOISE)]
FRELU = [recorded("frelu", seed, 0.60 + noise) for seed, noise in enumerate(NOISE[::-1])]
MISH = [recorded("mish", seed, 0.56 + noise) for seed, noise in enumerate(NOISE)]


def test_pairs_may_come_from_a_generator():
    made = comparison.compare(table_of(RELU + FRELU), (pair for pair in [("frelu", "relu")]))
    assert list(made.index) == ["frelu - relu"]


def test_a_comparison_is_over_common_seeds_in_points():
    made = comparison.compare(table_of(RELU[:8] + FRELU[2:]), [("frelu", "relu")])
    one = made.loc["frelu - relu"]
    differences = [100 * (0.05 + NOISE[9 - seed] - NOISE[seed]) for seed in range(2, 8)]
    expected = intervals.mean_interval(differences)
    assert (one.arm, one.reference, one.pairs, one.verdict) == (
        "frelu",
        "relu",
        6,
        "larger than the margin",
    )
    assert [one.difference, one.low, one.high] == pytest.approx(
        [expected.mean, expected.low, expected.high]
    )
    assert one.p == one.p_holm == pytest.approx(2 / 64)
    assert one.detectable == pytest.approx(intervals.detectable_difference(expected.std, 6))


def test_comparisons_made_together_are_corrected_together_and_keep_their_questions():
    asked = {"swap": ("frelu", "relu"), "Mish": ("mish", "relu"), "no": ("dw_bn_relu", "relu")}
    made = comparison.compare(table_of(RELU + FRELU + MISH), asked)
    assert list(made.index) == ["swap", "Mish"]  # without two pairs there is no row
    assert made.p_holm["swap"] == pytest.approx(2 * made.p["swap"])
    few = comparison.compare(table_of(RELU[:3] + FRELU[:3]), asked)
    assert few[["p", "p_holm"]].isna().all(axis=None)


def test_without_runs_there_is_an_empty_comparison(tmp_path):
    nothing = tables.records("lenet-swap", store=Store(tmp_path))
    assert nothing.query("task == 'regions' and arm == 'frelu'").empty
    assert list(comparison.compare(nothing, [("frelu", "relu")]).columns) == comparison.COLUMNS


def test_two_records_of_one_seed_are_not_mixed():
    twice = [*RELU, *FRELU, recorded("relu", 0, 0.5, setting="rate 0.01")]
    with pytest.raises(ValueError, match="relu has two records of seed 0: choose"):
        comparison.compare(table_of(twice), [("frelu", "relu")])


ON = RELU[0]["measured_on"]
RECIPE = RELU[0]["recipe"]


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("data CIFAR-10 and stand-in data", {"data": "stand-in data"}),
        ("task chess and cifar10", {"task": "chess"}),
        ("protocol fair and tutorial", {"protocol": "fair"}),
        ("train 400 and 50000", {"measured_on": ON | {"train": 400}}),
        ("test 10000 and 20", {"measured_on": ON | {"test": 20}}),
        ("size 64x64 and None", {"size": [64, 64]}),
        ("split None and article", {"split": "article"}),
        ("label_resize None and nearest", {"label_resize": "nearest"}),
        ("dtype bfloat16 autocast and float32", {"dtype": "bfloat16 autocast"}),
        ("recipe_version 1 and 2", {"recipe_version": 2}),
        ("augmentation False and True", {"recipe": RECIPE | {"augmentation": True}}),
    ],
)
def test_runs_under_other_conditions_are_not_compared(what, changes, monkeypatch):
    monkeypatch.setattr(tables, "_unet_scores", tables._lenet_scores)
    runs = table_of(RELU + [run | changes for run in FRELU])
    with pytest.raises(ValueError, match=f"runs with {what} can't be"):
        comparison.compare(runs, [("frelu", "relu")])


def test_runs_by_another_recipe_are_not_compared():
    runs = helpers.records("lenet-swap", "lenet-long")
    mixed = runs.query("arm == 'relu' and epochs == 2 or arm == 'frelu' and epochs == 20")
    with pytest.raises(ValueError, match="with epochs 2 and 20, batch 4 and 64, learning_rate 0"):
        helpers.compare(mixed, [("frelu", "relu")])


def test_unets_of_another_width_are_not_compared():
    unets = helpers.records("unet-fair").query("task == 'regions' and setting == 'plain'").copy()
    assert len(helpers.compare(unets, [("frelu", "relu")], "miou")) == 1
    unets.loc[unets["arm"] == "frelu", "width"] = 32
    with pytest.raises(ValueError, match="runs with width 16 and 32 can't be compared"):
        helpers.compare(unets, [("frelu", "relu")], "miou")


def test_controls_and_a_readers_own_runs_are_compared_with_the_recorded_ones():
    own = [run | {"side_by_side": 1, "activation": "frelu"} for run in FRELU]
    wide = [recorded("relu_wide", s, 0.57, "lenet-controls", width=19) for s in range(10)]
    older = [{k: v for k, v in run.items() if k != "side_by_side"} for run in RELU]
    runs = table_of(older + own + wide)
    assert len(comparison.compare(runs, [("frelu", "relu"), ("relu_wide", "relu")])) == 2


def test_a_setting_that_older_records_lack_has_its_default():
    old = [run | {"recipe": {k: v for k, v in RECIPE.items() if k != "bf16"}} for run in FRELU]
    assert len(comparison.compare(table_of(RELU + old), [("frelu", "relu")])) == 1


def test_a_score_that_is_not_there_lists_the_others():
    with pytest.raises(ValueError, match="no score 'miou'; they have accuracy, accuracy_train"):
        comparison.compare(table_of(RELU), [("frelu", "relu")], "miou")


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("frleu", "relu")], "no arm is called 'frleu'; known: .*frelu, .*relu"),
        ({"swap": ("frelu", "rleu")}, "no arm is called 'rleu'"),
        (("frelu", "relu"), r"'frelu' is no pair: give a list such as \[\('frelu', 'relu'\)\]"),
    ],
)
def test_what_is_no_pair_of_arms_is_refused(pairs, message):
    with pytest.raises(ValueError, match=message):
        comparison.compare(table_of(RELU + FRELU), pairs)


def test_a_score_of_nan_is_an_error_with_arm_and_seed():
    runs = table_of([*RELU, *FRELU[:-1], recorded("frelu", 9, float("nan"))])
    for ask in (
        lambda: comparison.compare(runs, [("frelu", "relu")]),
        lambda: comparison.means(runs, ["accuracy"]),
    ):
        with pytest.raises(ValueError, match="accuracy of frelu, seed 9, is NaN"):
            ask()


def test_unlike_runs_are_not_averaged_and_a_missing_score_lists_the_others():
    rated = helpers.records("lenet-rate")
    with pytest.raises(ValueError, match=r"runs with learning_rate 0\.0003 and .* averaged"):
        helpers.means(rated, ["accuracy"])
    assert len(helpers.means(rated, ["accuracy"], by="setting")) == 4
    assert len(helpers.means(helpers.records("lenet-swap", "lenet-controls"), ["accuracy"])) == 16
    with pytest.raises(ValueError, match="no score 'miou'; they have accuracy, accuracy_train"):
        comparison.means(table_of(RELU), ["miou"])


def test_of_a_redefined_arm_a_report_has_the_runs_recorded_last(tmp_path):
    for definition, accuracy in (("a", 0.4), ("b", 0.5)):
        one = recorded("mine", 0, accuracy, definition=definition)
        Store(tmp_path).append(one)
    for record in RELU:
        Store(tmp_path).append(record)
    said = comparison.report("lenet-swap", Store(tmp_path))
    assert "mine 1 50.00" in [" ".join(line.split()) for line in said.split("\n")]
    assert "judged by the 90 % interval" in " ".join(said.split())


def test_means_have_intervals_and_one_run_has_none():
    runs = table_of([*FRELU, *RELU, recorded("mine", 0, 0.5), recorded("mish", 0, 0.58)])
    made = comparison.means(runs, ["accuracy"])
    assert list(made.index) == ["relu", "mish", "frelu", "mine"]
    assert list(made.runs) == [10, 1, 10, 1]
    assert made.accuracy["relu"] == intervals.mean_interval([100 * (0.55 + n) for n in NOISE])
    assert made.accuracy["mine"] == 50


def test_pooled_means_give_one_run_an_interval_too():
    runs = table_of([*FRELU, *RELU, recorded("mine", 0, 0.5)])
    made = comparison.means(runs, ["accuracy"], pooled=True).accuracy
    assert len({one.std for one in made}) == 1
    assert made["mine"].half_width == pytest.approx(10**0.5 * made["relu"].half_width)


def sized(size: list[int], width: int, count: int) -> list[dict]:
    return [recorded("relu", seed, 0.5, size=size, width=width) for seed in range(count)]


@pytest.mark.parametrize(
    ("small", "large", "size"),
    [
        (3, 2, "128x160, width 16, which is not article B's size"),
        (3, 3, "224x224, width 32"),
        (3, 4, "224x224, width 32"),
        (0, 0, ""),
    ],
)
def test_of_two_sizes_the_one_with_more_runs_is_taken_and_the_larger_when_they_tie(
    small, large, size
):
    found = sized([128, 160], 16, small) + sized([224, 224], 32, large)
    runs = table_of(found) if found else tables.records()
    assert len(tables.of_one_size(runs)) == max(small, large)
    assert tables.size_in_words(runs) == size


def test_a_report_shows_arms_intervals_and_differences(tmp_path):
    store = Store(tmp_path)
    controls = [
        recorded("bn_relu", seed, 0.58 + noise, "lenet-controls")
        for seed, noise in enumerate(NOISE)
    ]
    for record in RELU + FRELU + controls + [recorded("sum_funnel", 0, 0.5, "lenet-controls")]:
        store.append(record)
    said = comparison.report("lenet-controls", store)
    interval = intervals.mean_interval([100 * (0.58 + noise) for noise in NOISE])
    lines = [" ".join(line.split()) for line in said.split("\n")]
    assert f"bn_relu 10 {interval}" in lines
    assert "sum_funnel 1 50.00" in lines
    assert any(line.startswith("bn_relu - relu 10 +3.00 +3.00 +3.00") for line in lines)
    assert "cifar10, 50000 images, float32: accuracy_train_mode" in lines
    arms = [line.split()[0] for line in lines[4:8]]
    assert arms == ["relu", "frelu", "bn_relu", "sum_funnel"]
    p = comparison.compare(table_of(RELU + FRELU + controls), [("frelu", "relu")]).p.item()
    (swap,) = [line for line in lines if line.startswith("frelu - relu")][:1]
    assert f"{p:.2g} {3 * p:.2g}" in swap  # Holm over the grid's three comparisons


def test_without_records_a_report_says_how_to_get_them(tmp_path):
    said = comparison.report("lenet-swap", Store(tmp_path))
    assert said.endswith("no records yet: python -m helpers.experiments run lenet-swap")


def test_a_report_parts_what_must_not_be_mixed(tmp_path):
    store = Store(tmp_path)
    other = {"data": "stand-in data", "measured_on": ON | {"train": 100}}
    for record in [RELU[0], recorded("relu", 0, 0.5, **other)]:
        store.append(record)
    assert list(comparison.parts("lenet-swap", store)) == [
        "cifar10, 50000 images, float32",
        "cifar10, 100 images, stand-in data, float32",
    ]
