"""Grids ask what the series promises; their tables compare what may be compared."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from helpers.evaluation import intervals
from helpers.experiments import comparison, grids
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
        ("lenet-controls", CLASS, 5 * 40 + 7 * 10),
        ("lenet-rate", CLASS, 3 * 4 * 5),
        ("lenet-long", CLASS, 4 * 5),
        ("unet-fair", CLASS, 4 * 3 * 3),
        ("unet-fair", FULL, 4 * 3 * 5),
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


def test_every_arm_has_a_network_of_its_own():
    runs = runs_of("lenet-controls") + runs_of("lenet-swap")
    nets = {run.arm: first_lenet(run) for run in runs if run.seed == 0}
    assert len(nets) == 15
    assert len({repr(net) + str(net.state_dict().values()) for net in nets.values()}) == 15
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
    metrics = {"accuracy": accuracy, "accuracy_train_mode": accuracy / 2}
    name = f"{grid}{arm}{seed}{changes}"
    head = {"schema": SCHEMA, "name": name, **run.asked, "dtype": "float32"}
    return head | {"arm": arm, "seed": seed, "metrics": metrics} | changes


NOISE = np.random.default_rng(0).normal(0, 0.004, 10)
RELU = [recorded("relu", seed, 0.55 + noise) for seed, noise in enumerate(NOISE)]
FRELU = [recorded("frelu", seed, 0.60 + noise) for seed, noise in enumerate(NOISE[::-1])]


def test_a_comparison_is_over_common_seeds_in_points():
    (one,) = comparison.compare(RELU[:8] + FRELU[2:], [("frelu", "relu")])
    differences = [100 * (0.05 + NOISE[9 - seed] - NOISE[seed]) for seed in range(2, 8)]
    expected = intervals.mean_interval(differences)
    assert one.difference.count == 6
    assert one.difference.mean == pytest.approx(expected.mean)
    assert one.difference.half_width == pytest.approx(expected.half_width)
    assert one.p == one.corrected == pytest.approx(2 / 64)
    assert one.verdict == "matters"
    assert one.detectable == pytest.approx(intervals.detectable_difference(expected.std, 6))


def test_corrected_p_values_count_the_comparisons_made_together():
    third = [recorded("mish", seed, 0.56 + noise) for seed, noise in enumerate(NOISE)]
    pairs = [("frelu", "relu"), ("mish", "relu"), ("dw_bn_relu", "relu")]
    first, second = comparison.compare(RELU + FRELU + third, pairs)
    assert first.corrected == pytest.approx(2 * first.p)
    assert second.arm == "mish"


def test_two_records_of_one_seed_are_not_mixed():
    twice = [*RELU, recorded("relu", 0, 0.5, setting="rate 0.01")]
    with pytest.raises(ValueError, match="relu has two records of seed 0: choose"):
        comparison.by_seed(twice, "relu")


def test_of_two_sizes_the_one_with_more_runs_is_shown_and_the_larger_when_they_tie():
    small = [{"size": [128, 160], "width": 16, "seed": seed} for seed in range(3)]
    large = [{"size": [224, 224], "width": 32, "seed": seed} for seed in range(4)]
    assert comparison.of_one_size([*small, *large[:2]]) == small
    assert comparison.of_one_size([*large[:3], *small]) == large[:3]
    assert comparison.of_one_size([*small, *large]) == large
    assert comparison.of_one_size([]) == []


def test_the_size_of_a_unet_is_told_and_whether_it_is_the_articles():
    small = [{"size": [128, 160], "width": 16, "seed": seed} for seed in range(3)]
    large = [{"size": [224, 224], "width": 32, "seed": seed} for seed in range(4)]
    assert comparison.size_told(small) == "128x160, width 16, which is not article B's size"
    assert comparison.size_told([*small, *large]) == "224x224, width 32"
    assert comparison.size_told([]) == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"data": "stand-in data"},
        {"train": 400},
        {"size": [64, 64]},
        {"protocol": "fair"},
        {"label_resize": "nearest"},
        {"dtype": "bfloat16 autocast"},
        {"recipe_version": 2},
    ],
)
def test_arms_trained_under_other_conditions_are_not_compared(changes):
    ((what, value),) = changes.items()
    kinds = " and ".join(sorted([str(RELU[0][what]), str(value)]))
    with pytest.raises(ValueError, match=f"records with {what} {re.escape(kinds)} can't be"):
        comparison.compare(RELU + [run | changes for run in FRELU], [("frelu", "relu")])


def test_arms_trained_by_other_recipes_are_not_compared():
    longer = [recorded("frelu", seed, 0.7, "lenet-long") for seed in range(5)]
    said = "records with epochs 2 and 20, batch 4 and 64, learning_rate 0.001 and 0.016, schedule"
    with pytest.raises(ValueError, match=said):
        comparison.compare(RELU + longer, [("frelu", "relu")])


def test_unets_of_another_width_are_not_compared():
    unets = [run | {"size": [128, 160], "width": 16} for run in RELU + FRELU]
    assert comparison.compare(unets, [("frelu", "relu")])
    wider = [run | {"width": 32} if run["arm"] == "frelu" else run for run in unets]
    with pytest.raises(ValueError, match="records with width 16 and 32 can't"):
        comparison.compare(wider, [("frelu", "relu")])


def test_controls_and_a_readers_own_runs_are_compared_with_the_recorded_ones():
    own = [run | {"side_by_side": 1, "activation": "frelu"} for run in FRELU]
    wide = [recorded("relu_wide", s, 0.57, "lenet-controls", width=19) for s in range(10)]
    older = [{k: v for k, v in run.items() if k != "side_by_side"} for run in RELU]
    pairs = [("frelu", "relu"), ("relu_wide", "relu")]
    assert len(comparison.compare(older + own + wide, pairs)) == 2


def test_a_score_that_is_not_there_lists_the_others():
    with pytest.raises(ValueError, match="has no 'mean IoU, fair'; it has accuracy, accuracy in"):
        comparison.score(RELU[0], "mean IoU, fair")
    assert comparison.score(RELU[0], "accuracy in train mode") < 50


def test_a_report_shows_arms_intervals_and_differences(tmp_path):
    store = Store(tmp_path)
    controls = [
        recorded("bn_relu", seed, 0.58 + noise, "lenet-controls")
        for seed, noise in enumerate(NOISE)
    ]
    for record in RELU + FRELU + controls + [recorded("sum_funnel", 0, 0.5, "lenet-controls")]:
        store.append(record)
    said = comparison.report("lenet-controls", store)
    (bn, *_) = [line for line in said.split("\n") if line.startswith("bn_relu")]
    interval = intervals.mean_interval([100 * (0.58 + noise) for noise in NOISE])
    assert f"10    {interval}" in bn
    assert "+3.00 ± 0.00" in bn
    assert "matters" in bn
    (single, *_) = [line for line in said.split("\n") if line.startswith("sum_funnel")]
    assert "50.00" in single
    assert "cifar10: accuracy in train mode" in said
    order = [line.split()[0] for line in said.split("\n")[4:8]]
    assert order == ["relu", "frelu", "bn_relu", "sum_funnel"]


def test_without_records_a_report_says_how_to_get_them(tmp_path):
    said = comparison.report("lenet-swap", Store(tmp_path))
    assert said.endswith("no records yet: python -m helpers.experiments run lenet-swap")


def test_tables_part_what_must_not_be_mixed(tmp_path):
    store = Store(tmp_path)
    other = {"train": 100, "data": "stand-in data", "dtype": "bfloat16 autocast"}
    for record in [RELU[0], recorded("relu", 0, 0.5, **other)]:
        store.append(record)
    assert list(comparison.tables("lenet-swap", store)) == [
        "cifar10",
        "cifar10, 100 images, stand-in data, bfloat16 autocast",
    ]
