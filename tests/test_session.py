"""The session: what `start` prints, and which variables of the environment it reads."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from helpers import PROFILES, current_profile, data_directory, random_generator, session, start
from helpers.session import MINUTES, best_device, slowness, threads
from tools import notebooks

ROOT = Path(__file__).resolve().parents[1]


def test_the_profile_is_class_unless_the_environment_names_another(monkeypatch):
    monkeypatch.delenv("FUNNEL_PROFILE", raising=False)
    assert current_profile().name == "class"
    monkeypatch.setenv("FUNNEL_PROFILE", "full")
    assert current_profile().name == "full"


def test_an_unknown_profile_is_named_with_the_known_ones(monkeypatch):
    monkeypatch.setenv("FUNNEL_PROFILE", "fast")
    with pytest.raises(ValueError, match="'fast'; choose one of ci, class, full"):
        start("01_activation_functions")


def test_an_unknown_notebook_is_named_before_anything_is_printed(capsys):
    with pytest.raises(ValueError, match="No notebook is called 'nope'; known: 01_activation_fun"):
        start("nope")
    assert capsys.readouterr().out == ""


def test_a_device_is_no_seed(capsys):
    with pytest.raises(ValueError, match=r"seed is device.*: give a whole number"):
        start("03_cifar10_lenet_swap", torch.device("cpu"))
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match="seed is 'one'"):
        random_generator("one", "order/0")


def test_nothing_is_downloaded_in_ci():
    assert not PROFILES["ci"].may_download


def test_start_says_profile_minutes_device_and_seed(capsys, monkeypatch):
    monkeypatch.setenv("FUNNEL_PROFILE", "ci")
    assert start("03_cifar10_lenet_swap", seed=4).seed == 4
    said = capsys.readouterr().out
    assert all(word in said for word in ("Profile 'ci'", "seconds", "Device", "Seed 4"))


# --- minutes ------------------------------------------------------------------------------------


def test_every_notebook_has_its_minutes():
    stored = {path.stem for path in notebooks.stored_notebooks()}
    assert stored <= set(MINUTES)
    assert all(set(row.by_profile) == set(PROFILES) for row in MINUTES.values())
    assert {row.work for row in MINUTES.values()} == set(session.RECORDED_SECONDS)


@pytest.mark.parametrize("name", [name for name, row in MINUTES.items() if row.longest])
def test_the_longest_sections_are_those_that_train(name):
    (path,) = [path for path in notebooks.stored_notebooks() if path.stem == name]
    number, train = "", set()
    for cell in notebooks.read(path).cells:
        if heading := re.match(r"## (\d+)\.", cell.source):
            number = heading[1]
        if cell.cell_type == "code" and re.search(
            r"\bfit\(.*recipe, (session\.)?seed", cell.source
        ):
            train.add(number)
    assert set(re.findall(r"\d+", MINUTES[name].longest)) <= train


@pytest.mark.parametrize(
    ("profile", "device", "times", "expected"),
    [
        ("class", "cpu", {"unet": 3, "lenet": 1}, "On this machine .* 21 minutes; .* section 7."),
        ("class", "cpu", {}, "This machine is too .* on two cores .* 7 minutes; .* section 7."),
        ("class", "mps", None, "Without a GPU, on two cores .* 7 minutes; .* section 7."),
        ("ci", "cpu", None, "Without a GPU, on two cores .* 12 seconds."),
    ],
)
def test_minutes_are_scaled_where_this_cpu_computes(
    capsys, monkeypatch, profile, device, times, expected
):
    monkeypatch.setenv("FUNNEL_PROFILE", profile)
    monkeypatch.setattr(session, "best_device", lambda: torch.device(device))
    monkeypatch.setattr(
        session, "slowness", lambda: pytest.fail("measured") if times is None else times
    )
    start("04_unet_stanford_background")
    assert re.search(f"^{expected}$", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize("units", [{}, {"avx512_bf16": True}])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_measuring_leaves_torch_as_it_was(monkeypatch, units, mode):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units, raising=False)
    long = {"lenet": 20, "unet": 20}  # enough where others compute, too
    monkeypatch.setattr(session, "MEASURE_SECONDS", long)
    monkeypatch.setattr(session, "MOST_ROUNDS", 3)
    slowness.cache_clear()
    state = torch.random.get_rng_state()
    with threads(2), mode():
        found = slowness()
        assert torch.get_num_threads() == 2
        assert not torch.is_grad_enabled()
        assert torch.is_inference_mode_enabled() == (mode is torch.inference_mode)
    assert set(found) == {"unet", "lenet"}
    assert all(times > 0 for times in found.values())
    assert slowness() is found
    assert torch.equal(torch.random.get_rng_state(), state)
    slowness.cache_clear()


def test_a_machine_that_manages_too_few_rounds_is_not_measured(monkeypatch):
    monkeypatch.setattr(session, "MEASURE_SECONDS", {"lenet": 1e-9, "unet": 1e-9})
    slowness.cache_clear()
    assert slowness() == {}
    slowness.cache_clear()


@pytest.mark.parametrize(
    ("minutes", "printed"),
    [(0.35, "21 seconds"), (1.2, "1 minute"), (1.6, "2 minutes"), (190, "3 hours")],
)
def test_durations(minutes, printed):
    assert session._duration(minutes) == printed


# --- data, device, seeds ------------------------------------------------------------------------


@pytest.mark.parametrize(("named", "beside"), [("here", True), (None, False)])
def test_the_data_directory(monkeypatch, tmp_path, named, beside):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FUNNEL_DATA", raising=False)
    if named:
        monkeypatch.setenv("FUNNEL_DATA", named)
    assert data_directory() == (tmp_path / "here" if beside else ROOT / "data" / "cache")


@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_a_data_directory_that_is_none_is_named(monkeypatch, tmp_path, kind):
    place = tmp_path / "data"
    place.write_text("") if kind == "file" else place.symlink_to(tmp_path / "gone")
    monkeypatch.setenv("FUNNEL_DATA", str(place))
    with pytest.raises(ValueError, match=r"FUNNEL_DATA is '.*data', which is no folder: name one"):
        data_directory()


def test_an_installed_package_keeps_its_data_in_the_present_directory(monkeypatch, tmp_path):
    monkeypatch.delenv("FUNNEL_DATA", raising=False)
    monkeypatch.setattr(
        "helpers.session.__file__", str(tmp_path / "site" / "helpers" / "session.py")
    )
    monkeypatch.chdir(tmp_path)
    assert data_directory() == tmp_path / "data" / "cache"


def test_a_device_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setenv("FUNNEL_DEVICE", "tpu")
    with pytest.raises(ValueError, match="'tpu', but this machine offers only"):
        best_device()
    monkeypatch.setenv("FUNNEL_DEVICE", "cpu:x")
    with pytest.raises(ValueError, match="'cpu:x'; write cpu, cuda, mps"):
        best_device()
    for name in ("cpu", "CPU", " cpu"):
        monkeypatch.setenv("FUNNEL_DEVICE", name)
        assert best_device() == torch.device("cpu")


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_a_gpu_comes_before_the_cpu(monkeypatch, cuda, mps, expected):
    monkeypatch.delenv("FUNNEL_DEVICE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert best_device().type == expected


def test_streams_are_separate_and_repeatable():
    def draw(seed, stream):
        return torch.rand(3, generator=random_generator(seed, stream)).tolist()

    assert draw(0, "order/0") == draw(0, "order/0")
    assert len({tuple(draw(s, n)) for s in (0, 1) for n in ("order/0", "order/1", "conv1")}) == 6


# --- hints --------------------------------------------------------------------------------------


@pytest.fixture
def said(monkeypatch, capsys):
    """What `start` says of a notebook, in the class profile on a CPU like the recorded one."""
    monkeypatch.setenv("FUNNEL_PROFILE", "class")
    monkeypatch.setenv("FUNNEL_DEVICE", "cpu")
    monkeypatch.setattr(session, "slowness", lambda: {"unet": 2, "lenet": 2})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    def say(notebook: str) -> str:
        start(notebook)
        return capsys.readouterr().out

    return say


@pytest.fixture
def on_colab(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", sys)


@pytest.mark.parametrize("name", MINUTES)
def test_colab_is_sent_to_a_gpu_where_that_saves_minutes(said, on_colab, name):
    """Pointwise functions, LeNet's batches of 4 and recorded runs gain nothing by it."""
    gains = name[:2] in ("04", "05", "08")
    minutes = session._duration(2 * MINUTES[name].by_profile["class"])
    hint = f"A GPU would save most of these {minutes}: choose Runtime > Change runtime type > T4"
    assert (hint in said(name)) == gains
    assert ("GPU" in said(name)) == gains


def test_kaggle_has_a_menu_of_its_own(said, monkeypatch):
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    assert "Settings > Accelerator > GPU" in said("04_unet_stanford_background")


def test_a_machine_that_can_have_no_gpu_gets_no_advice(said, monkeypatch):
    monkeypatch.setattr(session.platform, "system", lambda: "Darwin")
    assert "would save" not in said("04_unet_stanford_background")


def test_where_a_gpu_is_there_or_seconds_are_spent_no_advice_is_given(said, on_colab, monkeypatch):
    name = "04_unet_stanford_background"
    monkeypatch.setenv("FUNNEL_PROFILE", "ci")
    assert "would save" not in said(name)
    monkeypatch.setenv("FUNNEL_PROFILE", "class")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert "would save" not in said(name)


@pytest.mark.parametrize(("number", "told"), [("7.7.1", True), ("8.1.0", False)])
def test_the_widgets_that_jupyterlab_needs_are_named(said, monkeypatch, number, told):
    monkeypatch.setattr(session, "version", lambda _: number)
    hint = f"JupyterLab 4 shows no widget of ipywidgets {number}: it needs ipywidgets 8"
    assert (hint in said("01_activation_functions")) == told


def test_colab_shows_its_own_ipywidgets(said, on_colab, monkeypatch):
    monkeypatch.setattr(session, "version", lambda _: "7.7.1")
    assert "ipywidgets" not in said("01_activation_functions")


def test_importing_helpers_is_quick_and_leaves_torchvision_alone():
    code = (
        "import sys, time, torch; t = time.perf_counter(); import helpers; helpers.LeNet;"
        "print(time.perf_counter() - t, 'torchvision' in sys.modules, 'matplotlib' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert out.stdout.split()[1:] == ["False", "False"], out.stderr


def test_torchvision_works_beside_this_torch():
    code = (
        "from helpers import import_torchvision as get; import torch; tv = get(); get();"
        "from torchvision.utils import make_grid;"
        "print(make_grid(torch.zeros(4, 3, 8, 8)).shape[0])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert out.stdout.strip() == "3", out.stderr


def import_fake_torchvision(folder: Path, content: str) -> subprocess.CompletedProcess:
    """What becomes of `import_torchvision` with a package of that content."""
    (folder / "torchvision").mkdir()
    (folder / "torchvision" / "__init__.py").write_text(content)
    code = (
        "from helpers import import_torchvision as get; import torch; get();"
        "print(hasattr(torch.ops.torchvision, 'nms'))"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )


def test_a_torchvision_that_imports_declares_its_operators_itself(tmp_path):
    """Declared twice, they abort the process."""
    done = import_fake_torchvision(tmp_path, "")
    assert done.stdout.strip() == "False", done.stderr


def test_another_error_of_torchvision_is_shown(tmp_path):
    done = import_fake_torchvision(tmp_path, "raise RuntimeError('a broken file')")
    assert "RuntimeError: a broken file" in done.stderr


def test_public_names_are_listed_and_an_unknown_one_is_named():
    import helpers

    assert "fit" in dir(helpers)
    with pytest.raises(AttributeError, match="Frelu"):
        helpers.Frelu  # noqa: B018
