"""The receptive field: what each stack can reach, what moves it, and what is drawn of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.figures.condition import reach
from helpers.nn.networks import parameter_count
from helpers.session import threads
from helpers.widgets import png, reach as lab, receptive_field


@pytest.mark.parametrize("window", lab.WINDOWS)
@pytest.mark.parametrize("layers", [1, 2, lab.DEEPEST])
def test_a_stack_reaches_what_its_windows_add_up_to(layers, window):
    state = lab.State(layers, window)
    sides = {arm: reach(lab.field(arm, state))[0] for arm in lab.ARMS}
    step = lab.WINDOWS[window] - 1
    assert sides["conv, ReLU"] == 1 + 2 * layers
    assert sides["conv, FReLU"] == sides["conv, depthwise, ReLU"] == 1 + (2 + step) * layers
    assert max(sides.values()) < lab.SIDE


def test_the_last_two_arms_have_equal_convolutions():
    counts = [parameter_count(lab.stack(arm, lab.State(3, "5x5"))) for arm in lab.ARMS]
    assert counts[0] < counts[1] == counts[2]


def test_a_field_is_a_share_of_influence_and_densest_in_the_middle():
    for arm in lab.ARMS:
        field = lab.field(arm, lab.State(4, "3x3"))
        assert field.sum() == pytest.approx(1)
        assert (field >= 0).all()
        middle = slice(lab.SIDE // 2 - 2, lab.SIDE // 2 + 3)
        assert field[middle, middle].mean() > 5 * field.mean()


def test_dense_layers_begin_alike_so_relu_does_not_know_the_window():
    one, other = (lab.field("conv, ReLU", lab.State(3, window)) for window in ("1x1", "7x7"))
    assert (one == other).all()


def test_the_measurement_disturbs_no_seed_and_takes_one_thread(monkeypatch):
    lab.field.cache_clear()
    used, gradient = [], lab._gradient
    monkeypatch.setattr(
        lab, "_gradient", lambda *given: (used.append(torch.get_num_threads()), gradient(*given))[1]
    )
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    with threads(2):
        lab.field("conv, FReLU", lab.State(1, "3x3"))
        assert torch.get_num_threads() == 2
    assert set(used) == {1}
    assert torch.rand(1) == expected


def test_the_panel_is_bright_in_the_middle_framed_and_dark_outside():
    state = lab.State(2, "3x3")
    side, spread = reach(lab.field("conv, FReLU", state))
    panel = lab.panels(state)["conv, FReLU"]
    rows, _ = np.nonzero(panel == png.MARK)
    left = (lab.SIDE - side) // 2 * lab.TIMES
    assert (rows.min(), rows.max()) == (left - 1, left + side * lab.TIMES)
    assert panel[0, 0] == png.FIRST
    middle = len(panel) // 2
    assert panel[middle, middle] > png.ZERO
    assert panel[middle, middle + round(spread * lab.TIMES)] == png.MARK


def test_the_slider_waits_for_its_end():
    controls = lab.build().controls
    assert not controls["layers"].continuous_update


def test_the_words_give_side_and_spread():
    words = lab.build(2, "5x5").words.value
    assert "2 layers" in words
    assert "5x5" in words
    assert "13x13" in words
    with pytest.raises(ValueError, match="window is '2x2'"):
        lab.build(window="2x2")
    with pytest.raises(ValueError, match="layers is 7; choose a whole number from 1 to 6"):
        lab.build(layers=7)


def test_a_stored_notebook_gets_the_twin_and_a_reader_the_widget(on_both_pages):
    figure, alt, widget = on_both_pages(receptive_field)
    assert "9 against 33" in alt
    notes = [axes.get_xlabel() for axes in figure.axes]
    assert [note.split(",")[0] for note in notes[3:6]] == ["side 9", "side 17", "side 17"]
    assert [note.split(",")[0] for note in notes[6:]] == ["side 9", "side 33", "side 33"]
    assert "lab-reach" in widget._dom_classes
