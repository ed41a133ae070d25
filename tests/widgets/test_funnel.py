"""The funnel lab: its inputs and windows, the modules behind it, its picture and its arithmetic."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from PIL import Image
from torch.nn import functional as F

from helpers import make_activation
from helpers.widgets import fields, funnel, funnel_lab, png, shell
from helpers.widgets.grids import Painting, WeightGrid
from tests.widgets.states import picture_of

ARMS = {
    "parametric": "frelu",
    "max-pool": "max_pool_funnel",
    "average-pool": "avg_pool_funnel",
    "sum": "sum_funnel",
}
PRESETS = list(fields.standard_windows((3, 3)))
NUMBER = re.compile(r"-?\d+\.\d\d")


@st.composite
def states(draw) -> funnel.State:
    window = draw(st.sampled_from(list(fields.WINDOWS)))
    given = draw(
        st.sampled_from(["impulse", "edge", "checkerboard", "noise", "photograph", "painted"])
    )
    count = int(np.prod(fields.WINDOWS[window]))
    weight = st.floats(-9, 9).map(lambda value: round(value, 2))
    last = fields.side_of(given) - 1
    return funnel.opening(
        given,
        window,
        weights=draw(st.lists(weight, min_size=count, max_size=count)),
        scale=draw(st.floats(-3, 3)),
        condition=draw(st.sampled_from(list(funnel.LAYERS))),
        batchnorm=draw(st.booleans()),
        gamma=draw(st.floats(-2, 2)),
        beta=draw(st.floats(-2, 2)),
        row=draw(st.integers(0, last)),
        column=draw(st.integers(0, last)),
    )


# --- what is computed ---------------------------------------------------------------------------


@settings(max_examples=500, deadline=None)
@given(states())
def test_a_maximum_never_falls_below_x_and_the_line_says_what_the_arrays_say(state):
    found = funnel.fields(state)
    at = state.row, state.column
    assert np.isfinite(found.T).all()
    if state.condition != "sum":
        assert (found.y >= found.x).all()
        assert (found.y == np.maximum(found.x, found.T)).all()
    numbers = NUMBER.findall(line := funnel.arithmetic(state, found))
    assert numbers[0] == shell.number(found.x[at]), line
    assert numbers[-1] == shell.number(found.y[at]), line
    assert numbers[-2] == shell.number(found.T[at]), line
    assert f"= {shell.number(found.raw[at])}" in line


@settings(max_examples=100, deadline=None)
@given(states())
def test_the_patch_and_the_window_give_the_number(state):
    found, at = funnel.fields(state), (state.row, state.column)
    patch = funnel._patch(state, found.x).astype(float)
    by_hand = {
        "parametric": lambda: (np.nan_to_num(patch) * state.scaled).sum(),
        "sum": lambda: (np.nan_to_num(patch) * state.scaled).sum(),
        "max-pool": lambda: np.nanmax(patch),
        "average-pool": lambda: np.nan_to_num(patch).mean(),
    }[state.condition]()
    assert found.raw[at] == pytest.approx(by_hand, rel=1e-4, abs=1e-3)
    T = found.raw[at]
    if state.batchnorm:
        T = state.gamma * (found.raw[at] - found.mean) / found.deviation + state.beta
    assert found.T[at] == pytest.approx(T, rel=1e-3, abs=2e-3)


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
            layer.conv.weight.copy_(torch.tensor(state.scaled))
        layer.bn.weight.fill_(0.7 if mode == "train" else 1)
        layer.bn.bias.fill_(0.2 if mode == "train" else 0)
        layer.bn.running_var.fill_(1 - layer.bn.eps)
        y = layer.train(mode == "train")(torch.tensor(fields.input_field("noise"))[None, None])
    np.testing.assert_allclose(funnel.fields(state).y, y[0, 0].numpy(), atol=1e-5)


@pytest.mark.parametrize("window", fields.WINDOWS)
def test_the_window_is_the_convolution_of_torch(window):
    state = funnel.opening("noise", window, preset="random")
    kernel = torch.tensor(state.scaled)[None, None].float()
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
    funnel._layer.cache_clear()
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    before = torch.get_num_threads()
    funnel.build()
    assert torch.rand(1) == expected
    assert torch.get_num_threads() == before


# --- inputs and presets -------------------------------------------------------------------------


@pytest.mark.parametrize("name", fields.inputs())
def test_inputs_are_square_and_divide_the_panel(name):
    x = fields.input_field(name, fields.standard_painting() if name == "painted" else ())
    assert x.dtype == np.float32
    assert x.shape == (fields.side_of(name),) * 2
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
    assert np.abs(weights).max() <= fields.LARGEST_WEIGHT
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
    assert funnel.build(preset="learned 1.3").state["preset"] == "learned 1.3"
    fields.learned_windows.cache_clear()
    fields.preset_weights.cache_clear()


def test_without_a_record_nothing_is_offered_as_learned(monkeypatch):
    monkeypatch.setattr("helpers.experiments.recorded_lenet", lambda arm: None)
    fields.learned_windows.cache_clear()
    assert fields.presets() == PRESETS
    fields.learned_windows.cache_clear()


# --- the picture --------------------------------------------------------------------------------


def test_one_scale_for_all_and_zero_is_black():
    values = np.array([[-5.0, -2, -1e-9, 0, 1e-9, 1, 2, 5]])
    colours = png.colours_of(png.signed_indices(values), png.signed_palette())[0]
    assert (colours[2:5] == 0).all()
    assert (colours[6:] == 255).all()
    assert (colours[0] == colours[1]).all()
    assert colours[1][2] > colours[1][0], "negative is blue"


@pytest.mark.parametrize(("given", "times"), [("edge", 8), ("painted", 16), ("photograph", 1)])
def test_panels_show_the_arrays_and_frame_the_cursor(given, times):
    state = funnel.opening(given, row=1, column=2)
    found = funnel.fields(state)
    panels = funnel.panels(state, found)
    assert list(panels) == list(funnel.PANELS)
    assert {panel.shape for panel in panels.values()} == {(fields.SIDE, fields.SIDE)}
    far = slice(60, None)  # no frame there
    for title, values in (("x", found.x), ("T(x)", found.T), ("y", found.y)):
        expected = png.enlarged(png.signed_indices(values), times)
        assert (panels[title][far, far] == expected[far, far]).all()
    inside = panels["T(x)"][times : 2 * times, 2 * times : 3 * times]
    assert (inside == png.signed_indices(found.T)[1, 2]).all(), "the pixel itself is not covered"
    above = panels["T(x)"][times - 1, 2 * times : 3 * times]
    assert (above == png.FRAME).all()


def test_the_patch_is_framed_in_x():
    state = funnel.opening("edge", "5x5", row=8, column=8)
    x = funnel.panels(state, funnel.fields(state))["x"]
    rows, columns = np.nonzero(x == png.FRAME)
    assert (rows.min(), rows.max()) == (6 * 8 - 1, 11 * 8)
    assert (columns.min(), columns.max()) == (6 * 8 - 1, 11 * 8)


def test_a_frame_at_the_rim_stays_in_the_picture():
    for row, column in ((0, 0), (127, 127), (0, 127)):
        state = funnel.opening("noise", "7x7", row=row, column=column)
        for panel in funnel.panels(state, funnel.fields(state)).values():
            assert (panel == png.FRAME).any()


def test_winners_have_the_colours_of_the_notebook():
    from helpers.figures.condition import branch_rgb

    x, T = np.array([[0.0, 1, 2]]), np.array([[1.0, 1, 1]])
    colours = png.colours_of(png.branch_indices(x, T), png.signed_palette())
    assert (colours == branch_rgb(x, T)).all()


def test_the_file_holds_the_picture_and_its_gaps_are_transparent():
    lab = funnel.build("edge")
    state = funnel.State(**lab.state)
    panels = list(funnel.panels(state, funnel.fields(state)).values())
    expected = png.colours_of(png.in_a_row(panels, funnel.GAP), png.signed_palette())
    picture = picture_of(lab)
    opaque = picture[..., 3] == 255
    assert (picture[..., :3][opaque] == expected[opaque]).all()
    assert not opaque[:, fields.SIDE : fields.SIDE + funnel.GAP].any()
    assert opaque[:, : fields.SIDE].all()


# --- words --------------------------------------------------------------------------------------


def test_the_words_say_what_is_set_and_seen():
    words = funnel.build("edge", preset="zero").words.value
    assert "edge, 16x16" in words
    assert "3x3, zero" in words
    assert "T(x) wins <b>50.0 %</b>" in words
    assert "y differs from ReLU(x) at 0.0 %" in words


def test_the_line_of_the_issue():
    state = funnel.opening("painted", "1x3", weights=[0.5, 0.0, 2.0], row=0, column=1)
    line = funnel.arithmetic(state, funnel.fields(state))
    assert line == "max( 0.00 , 0.50*1.00 + 2.00*0.00 = 0.50 ) = 0.50"


def test_batchnorm_and_the_sum_have_their_own_lines():
    state = funnel.opening("edge", condition="sum", batchnorm=True, gamma=0.5, beta=0.25)
    line = funnel.arithmetic(state, funnel.fields(state))
    assert re.fullmatch(r"-1\.00 \+ \( .* BatchNorm: 0\.50\*\(.*\)/.* \+ 0\.25 = .* \) = .*", line)
    assert "Nobody wins" in funnel.words(state, funnel.fields(state))
    pool = funnel.opening("edge", condition="max-pool", row=0, column=0)
    assert "maximum of 4 pixels" in funnel.arithmetic(pool, funnel.fields(pool))


def test_a_wide_window_names_its_largest_products():
    state = funnel.opening("noise", "7x7", preset="random")
    line = funnel.arithmetic(state, funnel.fields(state))
    assert line.count("*") == 9
    assert "(37 smaller products)" in line, "three of 49 weights are 0.00"


# --- the shell ----------------------------------------------------------------------------------


def test_an_instructor_opens_it_prepared():
    lab = funnel.build(
        input="edge", window="1x3", weights=[-1, 0, 1], scale=0.5, condition="sum", row=3, column=4
    )
    state = lab.state
    assert (state["input"], state["window"], state["weights"]) == ("edge", "1x3", (-1.0, 0.0, 1.0))
    assert (state["preset"], state["row"], state["column"]) == ("by hand", 3, 4)
    assert funnel.build(preset="by hand").state["weights"] == (0.0,) * 9


@pytest.mark.parametrize(
    ("preset", "message"),
    [
        ({"input": "moon"}, "input is 'moon'"),
        ({"window": "2x2"}, "window is '2x2'"),
        ({"preset": "edgy"}, "preset is 'edgy'"),
        ({"condition": "min"}, "condition is 'min'"),
        ({"weights": [1, 2]}, "2 numbers; 3x3 takes 9"),
        ({"painted": [1, 2]}, "8x8 cells"),
        ({"painted": [7] * 64}, "one of 0, 1, 2 and -1"),
        ({"input": "edge", "row": 16}, "leaves the input"),
    ],
)
def test_a_wrong_word_is_named_with_the_right_ones(preset, message):
    with pytest.raises(ValueError, match=message):
        funnel.build(**preset)


def test_weights_follow_their_preset_until_they_are_set_by_hand():
    lab = funnel.build()
    of = lab.controls
    of["preset"].value = "blur"
    assert of["weights"].value == (0.11,) * 9
    assert [cell.value for cell in of["weights"]._shown] == [0.11] * 9
    of["window"].value = "5x5"
    assert of["weights"].value == (0.04,) * 25
    of["weights"]._shown[0].value = 2.0
    assert of["preset"].value == "by hand"
    assert lab.draws == 4
    of["window"].value = "3x3"
    assert of["weights"].value == (0.04,) * 9, "the middle is kept"
    of["window"].value = "7x7"
    assert sum(of["weights"].value) == pytest.approx(9 * 0.04)
    of["preset"].value = "blur"
    assert of["weights"].value == (0.02,) * 49


def test_equal_weights_in_another_shape_reach_the_fields():
    lab = funnel.build(window="1x3", weights=[1, 2, 3])
    lab.controls["window"].value = "3x1"
    lab.set(window="3x1", weights=(1.0, 2.0, 3.0))
    assert [cell.value for cell in lab.controls["weights"]._shown] == [1, 2, 3]
    with pytest.raises(ValueError, match="takes 3 weights, and got 2"):
        lab.controls["weights"].value = (1.0, 2.0)


def test_weights_keep_to_their_limit():
    grid = WeightGrid("1x1")
    grid.value = (99.0,)
    grid.follow()
    assert grid.value == (9.0,)
    assert grid._shown[0].value == 9.0


def test_the_cursor_keeps_to_its_picture():
    lab = funnel.build("noise", row=127, column=127)
    lab.controls["input"].value = "painted"
    assert lab.controls["row"].max == 7
    assert (lab.state["row"], lab.state["column"]) == (4, 3)


def test_values_may_be_given_in_any_order():
    lab = funnel.build("noise")
    lab.set(row=3, weights=(0.5,) * 25, column=2, window="5x5", input="edge")
    state = lab.state
    assert (state["row"], state["column"], state["weights"]) == (3, 2, (0.5,) * 25)
    assert state["preset"] == "by hand"


def test_what_has_no_effect_cannot_be_moved():
    of = funnel.build().controls
    assert of["gamma"].disabled
    of["batchnorm"].value = True
    assert not of["gamma"].disabled
    of["condition"].value = "max-pool"
    assert of["scale"].disabled
    assert of["weights"]._shown[0].disabled
    of["window"].value = "5x5"
    assert of["weights"]._shown[24].disabled
    of["condition"].value = "sum"
    assert not of["weights"]._shown[24].disabled


def test_a_click_paints_a_cell_and_is_drawn():
    lab = funnel.build("painted")
    grid = lab.controls["painted"]
    assert grid.box.layout.display == "flex"
    before = lab.draws
    seen = []
    for _ in range(4):
        grid._cells[1].click()
        seen.append((grid.value[1], grid._cells[1].description))
        assert f"lab-cell-{grid.value[1]}" in grid._cells[1]._dom_classes
    assert seen == [(1, "1"), (2, "2"), (-1, "-1"), (0, "0")]
    assert lab.draws == before + 4
    lab.controls["input"].value = "edge"
    assert grid.box.layout.display == "none"


def test_fields_and_buttons_are_made_when_they_are_needed():
    lab = funnel.build("edge")
    assert not lab.controls["painted"]._cells
    assert len(lab.controls["weights"]._cells) <= 9
    assert len(Painting().value) == 64


# --- on the page --------------------------------------------------------------------------------


def test_a_stored_notebook_gets_the_twin_and_a_reader_the_lab(on_both_pages):
    figure, alt, widget = on_both_pages(lambda: funnel_lab("edge", show=["window"]))
    assert "ReLU" in alt
    assert [axes.get_title() for axes in figure.axes[:5]] == list(funnel.PANELS)
    assert "lab-funnel" in widget._dom_classes
