"""What notebook 07 measures: everybody gets turns, and bytes are counted once."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
import torch
from torch import nn

from helpers import FReLU, Mish, files
from helpers.evaluation import timing as cost


def test_contenders_take_turns_after_one_unmeasured_call():
    calls = []
    contenders = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    seconds = cost.interleaved(contenders, rounds=3)
    assert "".join(calls) == "ab" * 4
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3}


def test_seconds_are_the_contenders_own():
    seconds = cost.interleaved({"nap": lambda: time.sleep(0.02), "nothing": int}, rounds=3)
    assert (seconds["nap"] >= 0.02).all()
    ms = cost.medians(seconds)
    assert ms["nap"] == pytest.approx(1000 * np.median(seconds["nap"]))
    assert ms["nothing"] < ms["nap"]


def test_a_training_step_goes_down_to_input_and_weights():
    layer, x = FReLU(3).eval(), torch.randn(2, 3, 5, 5)
    gradients = cost.training_step(layer, x)()
    assert [g.shape for g in gradients] == [x.shape, *(p.shape for p in layer.parameters())]
    assert layer.training
    assert not x.requires_grad


def test_inference_runs_in_eval_mode_without_gradients():
    seen = []

    class Spy(nn.Module):
        def forward(self, x):
            seen.append((self.training, torch.is_grad_enabled()))
            return x

    cost.inference(Spy(), torch.zeros(1))()
    assert seen == [(False, False)]
    assert torch.is_grad_enabled()


def test_kept_tensors_bear_their_names_and_count_once():
    x, weight = torch.randn(4, 6, requires_grad=True), torch.randn(6, 5, requires_grad=True)

    def forward():
        product = x @ weight  # keeps both factors
        return (product * product.view(20).view(4, 5)).sum()  # keeps one storage, twice

    kept = cost.kept_for_backward(forward, {"x": x, "x @ weight": x @ weight})
    assert {one.name for one in kept} == {"x", "x @ weight", "other"}
    assert sum(one.bytes for one in kept) == 4 * (24 + 30 + 20)
    assert (4, 6) in {one.shape for one in kept}


def contenders(shape):
    x = torch.randn(shape)
    return {"relu": (nn.ReLU(), x), "mish": (Mish(), x), "fast": (FReLU(shape[1]), x)}


def test_over_shapes_has_a_record_for_each_shape_that_json_can_hold():
    shapes = [(2, 3, 8, 8), (2, 6, 4, 4)]
    records = cost.over_shapes(contenders, shapes, rounds=2)
    assert json.loads(json.dumps(records)) == records
    for record, shape in zip(records, shapes, strict=True):
        assert tuple(record["shape"]) == shape
        assert record["megabytes"] == pytest.approx(4e-6 * np.prod(shape))
        for work in ("training", "inference"):
            assert set(record[work]) == {"copy", "relu", "mish", "fast"}
            assert min(record[work].values()) > 0
        assert record["kept"]["relu"] == pytest.approx(record["megabytes"])
        assert record["kept"]["fast"] > 2 * record["megabytes"]


def test_the_machine_has_a_name_and_no_address():
    machine = files.machine()
    assert set(machine) == {"cpu", "cores", "threads", "torch", "python", "system"}
    assert machine["cpu"]
    assert machine["threads"] == torch.get_num_threads()


@pytest.mark.parametrize(
    ("system", "expected"), [("Darwin", "Apple M9"), ("Windows", "Some Family 6"), ("Other", "cpu")]
)
def test_the_processors_name_on_other_systems(monkeypatch, system, expected):
    monkeypatch.setattr(files.Path, "exists", lambda _: False)
    monkeypatch.setattr(files.platform, "system", lambda: system)
    monkeypatch.setattr(files.platform, "machine", lambda: "cpu")
    name = "Some Family 6" if system == "Windows" else ""
    monkeypatch.setattr(files.platform, "processor", lambda: name)
    answer = files.subprocess.CompletedProcess([], 0, stdout="Apple M9\n")
    monkeypatch.setattr(files.subprocess, "run", lambda *_, **__: answer)
    assert files.cpu_name() == expected


def test_a_process_of_its_own_has_the_environment_and_the_helpers():
    code = "import os, helpers; print('chatter'); print(1.5 * int(os.environ['TIMES']))"
    assert cost.in_a_process(code, {"TIMES": "3"}) == 4.5


def test_a_process_that_fails_says_why():
    with pytest.raises(RuntimeError, match=r"(?s)ended with 1: .*division by zero"):
        cost.in_a_process("1 / 0")


def test_the_allocators_two_habits_take_turns(monkeypatch):
    monkeypatch.setattr(cost.platform, "libc_ver", lambda: ("glibc", "2.36"))
    asked = []

    def process(code, environment=None):
        asked.append(environment)
        compile(code, "trial", "exec")
        return 7.5 if environment else 36

    monkeypatch.setattr(cost, "in_a_process", process)
    ms = cost.allocator_effect((1, 2, 4, 4), rounds=2)
    assert asked == [None, cost.KEEP_FREED] * 2
    assert ms["given back"].tolist() == [36, 36]
    assert ms["kept"].tolist() == [7.5, 7.5]


def test_the_allocators_trial_runs(monkeypatch, tmp_path):
    monkeypatch.setattr(cost.platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.chdir(tmp_path)  # helpers are found from any folder
    ms = cost.allocator_effect((1, 2, 4, 4), rounds=1)
    assert min(ms["given back"][0], ms["kept"][0]) > 0


def test_other_c_libraries_have_no_such_habit_to_show(monkeypatch):
    monkeypatch.setattr(cost.platform, "libc_ver", lambda: ("", ""))
    assert cost.allocator_effect((1, 2, 4, 4), rounds=2) is None


def test_the_record_is_read_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setattr(cost, "repository", lambda: tmp_path)
    assert cost.recorded() is None
    (tmp_path / "data" / "results").mkdir(parents=True)
    (tmp_path / "data" / "results" / "benchmarks.json").write_text('{"rows": []}')
    assert cost.recorded() == {"rows": []}
    monkeypatch.setattr(cost, "repository", lambda: None)
    assert cost.recorded() is None
