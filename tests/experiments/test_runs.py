"""Runs measure what was asked, the same each time; grids go on after kills, failures and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from torch import nn

import helpers.training.prediction
from helpers import add_activation
from helpers.experiments import lenet, runner, tables, unet
from helpers.experiments.__main__ import main
from helpers.experiments.grids import GRIDS
from helpers.experiments.run import Run
from helpers.experiments.runner import own_runs, run_grid
from helpers.experiments.store import RecordError, Store, own_store
from helpers.session import PROFILES

CI = PROFILES["ci"]
STANDIN = "stand-in data"


@pytest.fixture(autouse=True, scope="module")
def data(tmp_path_factory):
    """Stand-in data of the ci profile, in a folder of this module's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FUNNEL_DATA", str(tmp_path_factory.mktemp("data")))
        yield


def lenet_run(arm: str = "relu", seed: int = 0, **changes) -> Run:
    """A run of seconds: 40 pictures, one epoch."""
    runs = GRIDS["lenet-swap"].runs(CI, STANDIN) + GRIDS["lenet-controls"].runs(CI, STANDIN)
    (run,) = [run for run in runs if (run.arm, run.seed) == (arm, seed)]
    recipe = replace(run.recipe, epochs=changes.pop("epochs", 1))
    return replace(run, **{"train": 40, "test": 20, "recipe": recipe, **changes})


def unet_run(grid: str = "unet-fair", arm: str = "frelu", number: int = 0, **changes) -> Run:
    """Two epochs over eight scenes."""
    run = [run for run in GRIDS[grid].runs(CI, STANDIN) if run.arm == arm][number]
    return replace(run, **{"train": 8, "test": 6, **changes})


def executed(run: Run) -> dict:
    """The run's record, trained with its block."""
    (record,) = [one.record for one in runner.execute(run.block) if one.record["name"] == run.name]
    return record


def measured(run: Run) -> dict:
    record = executed(run)
    assert "error" not in record, record["error"]
    return record


# --- one run ------------------------------------------------------------------------------------


def test_a_lenet_run_tells_all_that_was_asked_and_measured():
    run = lenet_run(epochs=2)
    record = measured(run)
    assert {key: record[key] for key in run.asked} == run.asked
    assert record["name"] == run.name
    assert (record["device"], record["dtype"], record["threads"]) == ("cpu", "float32", 1)
    assert (record["steps"], record["ended"]) == (20, "finished")
    assert record["measured_on"]["name"] == STANDIN
    assert (record["measured_on"]["train"], record["measured_on"]["test"]) == (40, 20)
    assert len(record["curve"]["loss"]) == 1
    metrics = record["metrics"]
    assert 0 <= metrics["accuracy"] <= 1
    assert metrics["accuracy_train_mode"] == metrics["accuracy"]  # ReLU has no BatchNorm
    assert len(metrics["per_class"]) == 10
    assert record["seconds"] > 0


def test_accuracy_in_train_mode_is_article_as():
    run = lenet_run("frelu")
    test = lenet._data()[0].test.first(20)
    model = lenet.first_lenet(run)
    found = lenet.lenet_metrics(model, test, run.recipe)
    logits = [
        model.train()(helpers.training.prediction.standardise(x / 255, run.recipe))
        for x in test.images.split(4)
    ]
    right = (torch.cat(logits).argmax(1) == test.labels).double().mean()
    assert found["accuracy_train_mode"] == pytest.approx(right.item())


@pytest.mark.parametrize("run", [lenet_run("frelu"), unet_run()], ids=["lenet", "unet"])
def test_two_runs_of_one_record_agree_to_the_last_digit(run):
    first, second = measured(run), measured(run)
    assert first["metrics"] == second["metrics"]
    assert first["curve"] == second["curve"]
    other = measured(replace(run, seed=1))
    assert other["metrics"] != first["metrics"]


def test_a_unet_is_scored_by_both_metrics():
    record = measured(unet_run())
    fair, article = record["metrics"]["fair"], record["metrics"]["article"]
    assert len(fair["per_class"]) == len(article["per_class"]) == len(record["classes"]) == 8
    known = [score for score in fair["per_class"] if score is not None]
    assert fair["mean_iou"] == pytest.approx(sum(known) / len(known), abs=1e-5)
    assert article["mean_iou"] == pytest.approx(sum(article["per_class"]) / 8, abs=1e-5)
    assert max(article["counted"]) <= 6
    assert record["epoch_kept"] in (1, 2)
    assert len(record["curve"]["validation_score"]) == 2


def test_a_unet_run_killed_half_way_goes_on_and_ends_alike(monkeypatch):
    run = unet_run(number=1)
    unbroken = measured(run)
    checkpoint = own_store().folder / f"{run.name}.pt"
    assert not checkpoint.exists()

    def killed(*_):
        raise OSError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(unet, "_score", killed)
        assert "killed" in executed(run)["error"]
    assert checkpoint.exists()
    resumed = measured(run)
    assert resumed["metrics"] == unbroken["metrics"]
    assert not checkpoint.exists()


def test_the_articles_recipe_runs_on_both_splits():
    runs = [run for run in GRIDS["unet-article"].runs(CI, STANDIN) if run.seed == 0]
    assert {run.split for run in runs} == {"article", "shuffled"}
    for run in [runs[0], runs[-1]]:
        assert set(measured(replace(run, train=8, test=6))["metrics"]) == {"fair", "article"}


def test_other_data_than_asked_for_is_an_error():
    error = executed(lenet_run(data="CIFAR-10"))["error"]
    assert "The run asks for CIFAR-10, and this machine has stand-in data" in error


def test_threads_and_standard_output_are_given_back(capsys):
    torch.set_num_threads(2)
    try:
        executed(lenet_run())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert capsys.readouterr().out == ""


def test_a_lost_loss_is_that_runs_error_alone(monkeypatch):
    run, first_lenet = lenet_run(), lenet.first_lenet

    def broken(run):
        model = first_lenet(run)
        if run.seed == 1:
            nn.init.constant_(model.conv1.bias, torch.nan)
        return model

    healthy = measured(run)
    monkeypatch.setattr(lenet, "first_lenet", broken)
    assert measured(run)["metrics"] == healthy["metrics"]
    error = executed(replace(run, seed=1))["error"]
    assert error == "FloatingPointError: the loss is not finite from step 1 on."


# --- pairs --------------------------------------------------------------------------------------


def inputs_of(run: Run, arm: str) -> list[float]:
    """What each training step saw, as one number a step."""
    run = replace(run, arm=arm, activation=arm)
    seen = []

    def note(model, images):
        if model.training:
            seen.append(images[0].double().sum().item())

    if run.task == "cifar10":
        model, train = lenet.first_lenet(run), lenet._data()[0].train
    else:
        data = unet._data(run.task, run.size, run.split, run.label_resize)[0]
        model, train = unet.first_unet(run, len(data.classes)), data.train
    model.register_forward_pre_hook(note)
    recipe = replace(run.recipe, keep="last")
    helpers.fit(model, train.first(run.train), None, recipe, run.seed, progress=False)
    return seen


@pytest.mark.parametrize("run", [lenet_run(epochs=2), unet_run()], ids=["lenet", "unet"])
def test_arms_of_a_seed_see_the_same_images_in_the_same_order(run):
    assert inputs_of(run, "relu") == inputs_of(run, "frelu")
    assert inputs_of(run, "relu") != inputs_of(replace(run, seed=1), "relu")


@pytest.mark.parametrize("arm", ["mish", "frelu", "bn_relu", "dw_bn_relu", "sum_funnel"])
def test_arms_of_a_seed_share_the_first_weights(arm):
    def first(arm, seed=0):
        return lenet.first_lenet(lenet_run("relu", activation=arm, seed=seed)).state_dict()

    ours, theirs, others = first(arm), first("relu"), first("relu", seed=1)
    for name, weights in theirs.items():
        assert torch.equal(ours[name], weights)
        assert not torch.equal(others[name], weights)


# --- grids --------------------------------------------------------------------------------------


def test_a_failed_run_leaves_its_error_and_the_grid_goes_on(tmp_path, monkeypatch):
    runs = [lenet_run("relu"), lenet_run("relu", task="chess"), lenet_run("mish")]
    found = run_grid(runs, Store(tmp_path), progress=False)
    assert ["error" in record for record in found] == [False, True, False]
    assert "No task is called 'chess'; known: cifar10" in found[1]["error"]
    monkeypatch.setitem(runner.MEASURE, "chess", lenet.measure_lenet)
    asked = []
    execute = runner.execute
    monkeypatch.setattr(runner, "execute", lambda block: asked.append(block) or execute(block))
    found = run_grid(runs, Store(tmp_path), progress=False)
    assert asked == [runs[1].block]
    assert not any("error" in record for record in found)


def test_what_is_done_is_not_done_again_and_order_is_kept(tmp_path, monkeypatch):
    runs = [lenet_run("mish"), lenet_run("relu")]
    run_grid(runs[1:], Store(tmp_path), progress=False)
    found = run_grid(runs, Store(tmp_path), progress=False)
    assert [record["arm"] for record in found] == ["mish", "relu"]
    monkeypatch.setattr(runner, "execute", None)
    assert run_grid(runs, Store(tmp_path), progress=False) == found


def test_a_block_is_run_once_and_keeps_what_is_recorded(tmp_path, monkeypatch):
    runs = [replace(lenet_run(side_by_side=3), seed=seed) for seed in (4, 3, 7)]
    assert [[run.seed for run in block] for block in runner.blocks(runs)] == [[3, 4, 5], [6, 7, 8]]
    run_grid(runs[:1], Store(tmp_path), progress=False)
    store = Store(tmp_path)
    kept = store.read("lenet-swap")
    assert {record["seed"] for record in kept.values()} == {3, 4, 5}
    store.path("lenet-swap").write_text(json.dumps(kept[runs[1].name]) + "\n")
    store.keep("mark", b"of the first")
    monkeypatch.setattr(
        lenet, "_files", lambda run, _: {"mark": b"of another"} if run.seed == 3 else {}
    )
    run_grid(runs[:1], store, progress=False)  # seed 3 is trained along, its record and file stay
    assert (store.folder / "mark").read_bytes() == b"of the first"
    assert store.read("lenet-swap").keys() == kept.keys()
    monkeypatch.setattr(runner, "execute", None)
    assert [record["seed"] for record in run_grid(runs[:2], store, progress=False)] == [4, 3]


def test_an_unknown_backend_is_refused():
    with pytest.raises(ValueError, match="backend is 'mpi'; choose one of loky, dask"):
        run_grid([], backend="mpi")
    with pytest.raises(ValueError, match="it needs backend='dask'"):
        run_grid([], scheduler="tcp://host:1")


def test_weights_and_maps_of_the_first_seed_are_kept(tmp_path, monkeypatch):
    kept = Store(tmp_path)
    monkeypatch.setattr(tables, "recorded_store", lambda: kept)
    runs = [lenet_run("frelu"), lenet_run("frelu", 1), unet_run("unet-fair")]
    (record, _, scored) = run_grid(runs, kept, progress=False)
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["lenet-frelu.safetensors"]
    test = lenet._data()[0].test.first(20)
    model = tables.recorded_lenet("frelu")
    assert not model.training
    assert lenet.lenet_metrics(model, test, runs[0].recipe) == record["metrics"]
    maps = tables.recorded_maps("frelu")
    truths = unet._data("regions", (64, 64), "shuffled", "nearest")[0].test.first(6).full_labels
    assert unet.fair_scores(maps, truths, 8) == scored["metrics"]["fair"]


def test_an_interrupted_training_is_no_record(monkeypatch, tmp_path):
    def interrupted(*_, **__):
        return helpers.History(ended="interrupted")

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(unet, "fit", interrupted)
    monkeypatch.setattr(lenet, "fit_together", stopped)
    for run in (lenet_run(), unet_run()):
        with pytest.raises(KeyboardInterrupt):
            run_grid([run], Store(tmp_path), progress=False)
        assert Store(tmp_path).read(run.grid) == {}


def test_standin_data_tiny_runs_and_a_readers_own_stay_out_of_the_results(monkeypatch, tmp_path):
    results = Store(tmp_path)
    monkeypatch.setattr(runner, "recorded_store", lambda: results)
    at = {"profile": PROFILES["class"]}
    assert runner.store_for("CIFAR-10", **at) is results
    for store in (
        runner.store_for(STANDIN, **at),
        runner.store_for("CIFAR-10", **at, own=True),
        runner.store_for("CIFAR-10", PROFILES["ci"]),
    ):
        assert store.folder == own_store().folder


GRID = """
import signal, sys
from dataclasses import replace
from helpers.experiments import __main__ as command, grids
from helpers.experiments.run import Run

def runs(profile, source):
    full = grids._lenet_swap(profile, source)[0]
    few = {"grid": "many", "train": 400, "test": 20}
    return [replace(full, seed=seed, **few) for seed in range(int(sys.argv[1]))]

# Who starts the tests in the background of a shell may have Ctrl-C ignored: here it counts.
signal.signal(signal.SIGINT, signal.default_int_handler)
grids.GRIDS["many"] = grids.Grid("many", "?", "cifar10", runs)
sys.exit(command.main(["run", "many", "--jobs", "2"]))
"""


def start_grid(seeds: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", GRID, str(seeds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
def test_kill_and_ctrl_c_lose_nothing_and_double_nothing():
    path = own_store().path("many")

    def stop_after_more(than: int, how: signal.Signals) -> tuple[int, str]:
        process = start_grid(1000)  # more than it can do before the signal comes
        until = time.monotonic() + 400
        while not path.exists() or path.read_bytes().count(b"\n") <= than:
            assert time.monotonic() < until
            time.sleep(0.05)
        os.killpg(process.pid, how)
        said, _ = process.communicate(timeout=240)
        return process.returncode, said

    code, _ = stop_after_more(2, signal.SIGKILL)
    assert code == -signal.SIGKILL
    done = own_store().read("many")
    code, said = stop_after_more(len(done), signal.SIGINT)
    assert code == 130
    assert "Stopped. What is finished is recorded; the same command goes on." in said
    after = own_store().read("many")
    assert done.items() <= after.items()
    assert len(after) < 1000
    assert path.read_bytes().count(b"\n") == len(after)
    seeds = len(after) + 6
    process = start_grid(seeds)
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    whole = own_store().read("many")
    assert {run["seed"] for run in whole.values()} >= set(range(seeds))
    assert after.items() <= whole.items()
    assert path.read_bytes().count(b"\n") == len(whole)


def test_a_local_dask_cluster_of_two_workers_measures_the_same(tmp_path):
    distributed = pytest.importorskip("distributed")
    alone = {"side_by_side": 1, "train": 400}
    runs = [lenet_run(arm, seed, **alone) for seed in (0, 1) for arm in ("relu", "frelu")]
    here = run_grid(runs, Store(tmp_path / "here"), progress=False)
    one_thread = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with distributed.LocalCluster(**one_thread) as cluster, distributed.Client(cluster) as client:
        address = cluster.scheduler_address
        there = run_grid(runs, Store(tmp_path / "there"), 2, "dask", address, progress=False)
        done = client.run(lambda dask_worker: dask_worker.state.executed_count)
    assert len(done) == 2
    assert min(done.values()) > 0  # both workers computed
    (started_here,) = run_grid(runs[:1], Store(tmp_path / "own"), 2, "dask", progress=False)
    assert started_here["metrics"] == here[0]["metrics"]
    assert [record["metrics"] for record in there] == [record["metrics"] for record in here]
    assert [record["name"] for record in there] == [run.name for run in runs]


def test_without_dask_the_word_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(RuntimeError, match="pip install distributed"):
        run_grid([lenet_run()], Store(tmp_path), backend="dask", progress=False)


# --- commands -----------------------------------------------------------------------------------


def test_run_says_what_is_done_where_and_what_failed(capsys, monkeypatch):
    execute = runner.execute
    words = ["run", "lenet-long", "--arms", "relu,frelu", "--seeds", "1", "--task", "cifar10"]

    def small(block):  # the whole recipe would take seconds
        outcomes = execute([replace(run, train=64, test=20) for run in block])
        return [
            replace(outcome, record=outcome.record | {"name": run.name})
            for run, outcome in zip(block, outcomes, strict=True)
        ]

    def broken(block):
        return [replace(one, record={**one.record, "error": "no luck"}) for one in small(block)]

    monkeypatch.setattr(runner, "execute", broken)
    assert main([*words, "--limit", "1"]) == 1
    said = capsys.readouterr()
    assert "lenet-long: 0 of 2 runs are done." in said.out
    assert "1 of 1 runs failed; the same command tries them again." in said.out
    assert "relu, seed 0 failed: no luck" in said.out + said.err
    monkeypatch.setattr(runner, "execute", small)
    assert main(words) == 0
    assert main(words) == 0
    assert "lenet-long: 2 of 2 runs are done." in capsys.readouterr().out
    assert main(["report", "lenet-long", "--own"]) == 0
    assert "frelu" in capsys.readouterr().out
    assert main(["status"]) == 0
    assert "4 of other sizes" in capsys.readouterr().out


def test_an_unknown_arm_lists_the_known_ones(capsys):
    with pytest.raises(
        SystemExit, match="lenet-swap has no arm 'funnel'; it has relu, mish, frelu"
    ):
        main(["run", "lenet-swap", "--arms", "funnel"])


def test_settings_choose_a_part_and_an_unknown_one_lists_the_known(capsys, monkeypatch):
    monkeypatch.setattr(runner, "execute", None)  # nothing is trained
    words = ["run", "lenet-rate", "--limit", "0", "--arms", "mish"]
    assert main([*words, "--settings", "rate 0.003,rate 0.01"]) == 0
    assert "0 of 4 runs are done" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="lenet-rate has no setting 'plain'; it has rate 0"):
        main([*words, "--settings", "plain"])
    with pytest.raises(SystemExit, match="lenet-swap has no setting 'plain'; it has one only"):
        main(["run", "lenet-swap", "--settings", "plain"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--limit", "-1"], "--limit: '-1' is no whole number from 0 on"),
        (["--jobs", "0"], "--jobs: '0' is no whole number from 1 on"),
        (["--seeds", "0"], "--seeds: '0' is no whole number from 1 on"),
        (["--seeds", "-1"], "--seeds: '-1' is no whole number from 1 on"),
        (["--scheduler", "tcp://host:1"], "add --backend dask"),
        (["--arms", ""], "lenet-swap has no arm ''; it has relu, mish, frelu"),
        (["--task", "regions"], "lenet-swap has no task 'regions'; it has cifar10"),
    ],
)
def test_options_that_choose_nothing_are_refused(capsys, monkeypatch, options, message):
    monkeypatch.setattr(runner, "execute", None)  # nothing is trained
    with pytest.raises(SystemExit) as end:
        main(["run", "lenet-swap", *options])
    assert message in f"{end.value} {capsys.readouterr().err}"


def test_a_report_without_a_grid_is_of_all(capsys, monkeypatch):
    monkeypatch.setattr("helpers.experiments.__main__.report", lambda grid, _: f"<{grid}>")
    assert main(["report"]) == 0
    assert capsys.readouterr().out.split() == [f"<{grid}>" for grid in GRIDS]


def test_list_names_each_grid_its_question_and_arms(capsys):
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    for grid in GRIDS.values():
        assert f"{grid.name}: " in said
        assert grid.question in said


def test_a_killed_worker_and_a_bad_file_end_with_a_word(capsys, monkeypatch):
    from concurrent.futures.process import BrokenProcessPool

    def killed(*_, **__):
        raise BrokenProcessPool("a worker is gone")

    monkeypatch.setattr("helpers.experiments.__main__.run_grid", killed)
    assert main(["run", "lenet-swap"]) == 1
    assert "perhaps for want of memory: a worker is gone" in capsys.readouterr().err
    monkeypatch.undo()
    own_store().folder.mkdir(parents=True, exist_ok=True)
    own_store().path("lenet-rate").write_text('{"schema": 0, "name": "a"}\n')
    assert main(["status"]) == 1
    assert "has schema 0" in capsys.readouterr().err
    own_store().path("lenet-rate").unlink()


def test_an_arm_of_ones_own_runs_by_a_grids_recipe_and_seeds(monkeypatch):
    asked: list[Run] = []
    monkeypatch.setattr(runner, "run_grid", lambda runs: asked.extend(runs) or [])
    add_activation("my_own", lambda channels: nn.Identity())
    assert own_runs("lenet-swap", "my_own").empty
    assert [(run.arm, run.activation, run.seed, run.side_by_side) for run in asked] == [
        ("my_own", "my_own", 0, 1),
        ("my_own", "my_own", 1, 1),
    ]
    assert asked[0].recipe == GRIDS["lenet-swap"].runs(CI, STANDIN)[0].recipe
    with pytest.raises(ValueError, match="No activation is called 'nobodys'"):
        own_runs("lenet-swap", "nobodys")


def own_arm(monkeypatch, grid: str, make, **options) -> list[Run]:
    """What `own_runs` asks for, for an arm of that definition."""
    asked: list[Run] = []
    monkeypatch.setattr(runner, "run_grid", lambda runs: asked.extend(runs) or [])
    add_activation("redefined", make)
    own_runs(grid, "redefined", **options)
    return asked


class Scaled(nn.Module):
    """Not to be told from another by its source or its layers."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


def test_an_arm_that_was_redefined_is_run_anew(monkeypatch):
    def makes(factor):
        return lambda channels: Scaled(factor)

    name, same, other = (
        own_arm(monkeypatch, "lenet-swap", makes(factor))[0].name for factor in (1.0, 1.0, 2.0)
    )
    assert name == same != other
    by_source = own_arm(monkeypatch, "lenet-swap", lambda channels: Scaled(1.0))[0].name
    assert by_source != name
    own_runs("lenet-swap", "frelu")  # an arm of the series has no definition of its own
    assert own_runs("lenet-swap", "frelu").empty


def test_an_arm_of_ones_own_may_need_more_than_one_channel(monkeypatch):
    assert own_arm(monkeypatch, "lenet-swap", lambda channels: nn.GroupNorm(2, channels))


@pytest.mark.parametrize(
    ("grid", "count"),
    [("lenet-controls", 1), ("lenet-rate", 4), ("unet-fair", 3), ("unet-article", 3)],
)
def test_an_arm_of_ones_own_runs_in_every_setting_of_a_grid(monkeypatch, grid, count):
    asked = own_arm(monkeypatch, grid, lambda channels: nn.Identity(), seeds=1)
    assert len({(run.task, run.setting) for run in asked}) == len(asked) == count
    with pytest.raises(ValueError, match="seeds is 0: choose 1 or more"):
        own_runs(grid, "redefined", seeds=0)


def test_an_unwritable_store_is_noticed_before_the_first_run(monkeypatch, tmp_path):
    monkeypatch.setattr(runner, "execute", None)  # nothing is trained
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match=r"can't be written to .*runs \(Not a dir.*FUNNEL_DATA"):
        run_grid([lenet_run()], Store(tmp_path / "file" / "runs"), progress=False)


def test_an_arm_of_ones_own_with_batchnorm_is_measured(monkeypatch):
    monkeypatch.setenv("FUNNEL_PROFILE", "ci")
    add_activation("my_funnel", helpers.FReLU)
    (run,) = own_runs("lenet-swap", "my_funnel", seeds=1).itertuples()
    assert 0 < run.accuracy < 100
    assert run.arm == "my_funnel"
