"""The funnel lab: its inputs and windows, the modules behind it, its states, its static figure."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from PIL import Image
from torch.nn import functional as F

from helpers import make_activation
from helpers.figures.condition import BRANCH_COLOURS, WINNERS, signed_rgb
from helpers.widgets import channels, fields, funnel, funnel_lab
from tests.widgets.states import network, pictures

ARMS = {
    "parametric": "frelu",
    "max-pool": "max_pool_funnel",
    "average-pool": "avg_pool_funnel",
    "sum": "sum_funnel",
}
PRESETS = list(fields.standard_windows((3, 3)))


# --- what is computed ---------------------------------------------------------------------------


@pytest.mark.parametrize("condition", funnel.LAYERS)
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_it_is_the_function_of_the_grids(condition, mode):
    state = funnel.opening(
        "noise",
        condition=condition,
        preset="random",
        batchnorm=mode == "train",
        gamma=0.7,
        beta=0.2,
    )
    layer = make_activation(ARMS[condition], 1)
    with torch.no_grad():
        if condition in ("parametric", "sum"):
            layer.conv.weight.copy_(torch.tensor(state.weights).reshape(3, 3))
        layer.bn.weight.fill_(0.7 if mode == "train" else 1)
        layer.bn.bias.fill_(0.2 if mode == "train" else 0)
        layer.bn.running_var.fill_(1 - layer.bn.eps)
        y = layer.train(mode == "train")(torch.tensor(fields.input_field("noise"))[None, None])
    np.testing.assert_allclose(funnel.fields(state).y, y[0, 0].numpy(), atol=1e-5)


@pytest.mark.parametrize("window", fields.WINDOWS)
def test_the_window_is_the_convolution_of_torch(window):
    state = funnel.opening("noise", window, preset="random")
    kernel = torch.tensor(state.weights).reshape(1, 1, *fields.WINDOWS[window])
    padding = tuple(side // 2 for side in fields.WINDOWS[window])
    theirs = F.conv2d(
        torch.tensor(fields.input_field("noise"))[None, None], kernel, padding=padding
    )
    np.testing.assert_allclose(funnel.fields(state).T, theirs[0, 0].numpy(), atol=1e-5)


def test_zero_is_relu_and_identity_is_no_activation():
    found = funnel.fields(funnel.opening(preset="zero"))
    assert (found.y == np.maximum(found.x, 0)).all()
    found = funnel.fields(funnel.opening(preset="identity"))
    np.testing.assert_allclose(found.y, found.x, atol=1e-6)
    assert funnel.fields(funnel.opening(preset="blur", scale=0)).T.max() == 0
    gone = funnel.opening(preset="blur", batchnorm=True, gamma=0.0)
    assert (funnel.fields(gone).y == np.maximum(found.x, 0)).all()


def test_the_lab_disturbs_neither_threads_nor_seeds_of_the_reader():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    before = torch.get_num_threads()
    funnel_lab().layer()
    assert torch.rand(1) == expected
    assert torch.get_num_threads() == before


# --- inputs and presets -------------------------------------------------------------------------


@pytest.mark.parametrize("name", fields.inputs())
def test_inputs_are_square_and_divide_the_panel(name):
    x = fields.input_field(name, fields.standard_painting() if name == "painted" else ())
    assert x.dtype == np.float32
    assert x.shape == (len(x), len(x))
    assert max(fields.cursor_start(name)) < len(x)
    assert fields.SIDE % len(x) == 0
    assert np.isfinite(x).all()


def test_real_pictures_are_offered_only_where_they_are_prepared(tmp_path, monkeypatch):
    monkeypatch.setenv("FUNNEL_DATA", str(tmp_path))
    assert not {"cifar", "stanford"} & set(fields.inputs())
    with pytest.raises(ValueError, match="input is 'cifar'; choose one of"):
        funnel.opening("cifar")
    folder = tmp_path / "prepared" / "cifar10-v1"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    np.save(folder / "x_test.npy", random.integers(0, 256, (2, 3, 32, 32), dtype=np.uint8))
    scenes = tmp_path / "prepared" / "stanford-v1" / "images"
    scenes.mkdir(parents=True)
    pixels = random.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    np.save(scenes / "jpegs.npy", np.frombuffer(buffer.getvalue() + b"more", np.uint8))
    (scenes / "index.json").write_text(f'{{"bytes": [{len(buffer.getvalue())}, 4]}}')
    for cached in (fields.cifar_picture, fields.stanford_picture, fields.input_field):
        cached.cache_clear()
    for name, side in (("cifar", 32), ("stanford", fields.SIDE)):
        x = fields.input_field(name)
        assert x.shape == (side, side)
        assert abs(x.mean()) < 1e-5
        assert x.std() == pytest.approx(1, abs=1e-5)
        cached = {"cifar": fields.cifar_picture, "stanford": fields.stanford_picture}[name]
        cached.cache_clear()
    fields.input_field.cache_clear()


@pytest.mark.parametrize("window", fields.WINDOWS)
@pytest.mark.parametrize("preset", PRESETS)
def test_presets_fill_every_window(preset, window):
    weights = np.array(fields.preset_weights(preset, window))
    assert weights.size == np.prod(fields.WINDOWS[window])
    assert np.abs(weights).max() <= funnel.LIMITS["weights"][1]
    total = {"zero": 0, "identity": 1, "blur": 1, "sharpen": 1}.get(preset)
    if preset.startswith("edge") or (preset == "centre-surround" and window != "1x1"):
        total = 0
    if total is not None:
        assert weights.sum() == pytest.approx(total, abs=0.005 * weights.size + 1e-9)


def test_the_edge_is_the_notebooks_and_has_four_directions():
    right = np.array(fields.preset_weights("edge right", "3x3")).reshape(3, 3)
    assert (right == np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 2).all()
    directions = {"edge left": right[:, ::-1], "edge down": right.T, "edge up": right.T[::-1]}
    for name, expected in directions.items():
        assert (np.array(fields.preset_weights(name, "3x3")).reshape(3, 3) == expected).all()


def test_learned_windows_are_those_of_the_record(monkeypatch):
    from helpers import LeNet

    net = LeNet("frelu").eval()
    monkeypatch.setattr("helpers.experiments.recorded_lenet", lambda arm: net)
    fields.learned_windows.cache_clear()
    fields.preset_weights.cache_clear()
    assert len(fields.presets()) == len(PRESETS) + 6 + 16
    learned = np.array(fields.preset_weights("learned 2.16", "3x3")).reshape(3, 3)
    np.testing.assert_allclose(learned, net.act2.conv.weight[15, 0].detach(), atol=0.0051)
    wide = np.array(fields.preset_weights("learned 1.1", "5x5")).reshape(5, 5)
    assert (wide[[0, 4]] == 0).all()
    assert funnel.opening(preset="learned 1.3").weights == fields.preset_weights(
        "learned 1.3", "3x3"
    )
    fields.learned_windows.cache_clear()
    fields.preset_weights.cache_clear()


def test_without_a_record_nothing_is_offered_as_learned(monkeypatch):
    monkeypatch.setattr("helpers.experiments.recorded_lenet", lambda arm: None)
    fields.learned_windows.cache_clear()
    assert fields.presets() == PRESETS
    fields.learned_windows.cache_clear()


# --- states -------------------------------------------------------------------------------------


def test_an_instructor_opens_it_by_a_lesson_an_input_or_a_state():
    lab = funnel_lab("max-pool", row=3)
    assert (lab.state["condition"], lab.state["row"]) == ("max-pool", 3)
    assert funnel_lab("impulse").state["input"] == "impulse"
    again = funnel_lab(lab.state, show=["window", "pixel"])
    assert (again.state, again.show) == (lab.state, ["window", "pixel"])
    again.state = {"input": "edge", "window": "5x5", "preset": "blur"}
    assert again.state["weights"] == [0.04] * 25
    assert set(again.state) == set(funnel.State.__dataclass_fields__)


def test_every_lesson_is_a_state_and_says_another_thing():
    states = [str(funnel_lab(name).state) for name in funnel.LESSONS]
    assert len(set(states)) == len(states)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"opens": 3}, "opens with a lesson, an input or a state, not with 3"),
        ({"opens": "edges"}, "The lesson or input is 'edges'; choose one of: edge, no activation"),
        ({"input": "photo"}, "input is 'photo'; choose one of: impulse"),
        ({"window": "4x4"}, "window is '4x4'; choose one of: 1x1"),
        ({"preset": "sobel"}, "preset is 'sobel'; choose one of: zero"),
        ({"condition": "median"}, "condition is 'median'; choose one of: parametric"),
        ({"weights": [1, 2]}, "weights has 2 numbers; it takes 9, row after row"),
        ({"weights": [10] + [0] * 8}, r"weights has 10.0; it takes numbers from -9 to 9"),
        ({"scale": float("nan")}, "scale has nan; it takes numbers from -3 to 3"),
        ({"gamma": "1"}, "gamma has '1'; it takes numbers from -2 to 2"),
        ({"batchnorm": 1}, "batchnorm is 1; it takes True or False"),
        ({"row": 128}, r"The pixel \(128, 48\) is not in the input; rows and columns are 0 to 127"),
        ({"painted": [3] * 256}, "painted takes 16x16 cells, each one of"),
        ({"show": ["preset"]}, "show is 'preset'; choose one of: input"),
        ({"show": "window"}, r"show is 'window'; it takes a list, such as show=\['window'\]"),
    ],
)
def test_what_does_not_fit_is_named_with_what_does(settings, message):
    with pytest.raises(ValueError, match=message):
        funnel_lab(**settings)
    lab = funnel_lab("edge")
    state = {key: value for key, value in settings.items() if key not in ("opens", "show")}
    if state:
        with pytest.raises(ValueError, match=message):
            lab.state = state
        assert lab.state == funnel_lab("edge").state


@pytest.mark.parametrize("condition", funnel.LAYERS)
def test_its_layer_gives_the_ys_of_the_page(condition):
    state = {"condition": condition, "batchnorm": True, "gamma": 0.5, "beta": -0.25, "scale": 2.0}
    lab = funnel_lab(state)
    x = torch.from_numpy(fields.input_field("photograph"))[None, None]
    with torch.no_grad():
        y = lab.layer()(x)[0, 0].numpy()
    np.testing.assert_allclose(y, funnel.fields(funnel.opening(**lab.state)).y, atol=1e-5)


def test_the_page_gets_no_picture_of_a_data_set(monkeypatch):
    offered = fields.inputs()
    monkeypatch.setattr(funnel, "inputs", lambda: {**offered, "cifar": "a test picture"})
    monkeypatch.setattr(funnel, "_picture", lambda name, label: {"label": label})
    funnel.constants.cache_clear()
    pictures = funnel.page_traits()["data"]["pictures"]
    assert set(pictures) == {*offered, "own"} - {"cifar", "stanford"}
    funnel.constants.cache_clear()


# --- the output and its static figure -----------------------------------------------------------


def test_a_live_output_has_the_view_and_the_figure_and_a_stored_one_the_figure(monkeypatch):
    monkeypatch.delenv("FUNNEL_STATIC", raising=False)
    lab, view = funnel_lab("edge"), "application/vnd.jupyter.widget-view+json"
    data, _ = lab._repr_mimebundle_()
    assert set(data) == {view, "text/html", "text/plain"}
    assert data["text/plain"] == funnel.ALT
    monkeypatch.setenv("FUNNEL_STATIC", "1")
    data, _ = lab._repr_mimebundle_()
    assert set(data) == {"text/html", "text/plain"}
    assert not plt.get_fignums()


@pytest.mark.parametrize(("given", "times"), [("edge", 8), ("photograph", 1)])
def test_panels_show_the_arrays_and_frame_the_cursor(given, times):
    state = funnel.opening(given, row=5, column=6)
    found, panels = funnel.fields(state), funnel.panels(state)
    assert list(panels) == list(funnel.PANELS)
    for name, values in {"x": found.x, "T(x)": found.T, "y": found.y}.items():
        assert panels[name].shape == (funnel.SIDE, funnel.SIDE, 3)
        seen = panels[name][12 * times, 14 * times] if given == "edge" else panels[name][60, 60]
        place = (12, 14) if given == "edge" else (60, 60)
        assert (seen == signed_rgb(values)[place]).all()
    frame = panels["y"][5 * times - 1, 6 * times]
    assert (frame == [240, 228, 66]).all()
    assert (panels["x"][(5 - 1) * times - 1, (6 - 1) * times] == frame).all()


def test_winners_have_the_colours_of_the_notebook():
    panels = funnel.panels(funnel.opening("edge", row=0, column=0))
    colour = tuple(int(BRANCH_COLOURS["T"][k : k + 2], 16) for k in (1, 3, 5))
    assert tuple(panels["who wins?"][64, 60]) == colour


@pytest.mark.parametrize("lab", ["funnel", "channels"])
def test_the_static_figure_has_a_key_of_who_wins(lab):
    start = channels.State(image=0, layer=1, channel=1)
    built_on = channels.network(network(), pictures())
    figure = funnel.twin() if lab == "funnel" else channels.twin(built_on, start)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(WINNERS)
