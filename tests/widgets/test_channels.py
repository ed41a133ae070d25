"""The per-channel look: what it computes is what the network computes, and what it says of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers import LeNet
from helpers.session import current_profile
from helpers.training.prediction import standardise
from helpers.training.recipes import tutorial_recipe
from helpers.widgets import channel_look, channels, png
from tests.widgets.states import build, network, pictures


@pytest.mark.parametrize(("layer", "channel", "side"), [(1, 6, 28), (2, 16, 10)])
def test_it_shows_what_happens_in_the_network(layer, channel, side):
    net, images = network(), pictures()
    seen = []
    act = (net.act1, net.act2)[layer - 1]
    hook = act.register_forward_hook(lambda _, x, y: seen.append((x[0], y)))
    with torch.no_grad():
        net(standardise(images[1, None].float() / 255, tutorial_recipe(current_profile())))
    hook.remove()
    found = channels.network(net, images)
    x, condition, y = channels.branches(found, channels.State(1, layer, channel))
    assert x.shape == (side, side)
    ((before, after),) = seen
    np.testing.assert_allclose(x, before[0, channel - 1], atol=1e-6)
    np.testing.assert_allclose(y, after[0, channel - 1], atol=1e-6)
    assert (y == np.maximum(x, condition)).all()


def test_panels_share_a_scale_that_nothing_leaves():
    found = channels.network(network(), pictures())
    state = channels.State(0, 1, 2)
    x, condition, _ = channels.branches(found, state)
    panels = channels.panels(found, state)
    assert list(panels) == list(channels.PANELS)
    assert {panel.shape for panel in panels.values()} == {(channels.SIDE, channels.SIDE, 3)}
    limit = channels.limit_of(x, condition)
    expected = png.colours_of(png.signed_indices(x, limit), png.signed_palette())
    assert (panels["x, pre-activation"][::5, ::5] == expected).all()
    assert limit == max(np.abs(x).max(), np.abs(condition).max())
    assert (panels["ReLU(x)"][::5, ::5][x < 0] == 0).all()


def test_the_network_stays_as_the_reader_has_it():
    net = LeNet("frelu").train()
    tracked = net.act1.bn.num_batches_tracked.item()
    found = channels.network(net, pictures())
    channels.build(found)
    assert net.training
    assert net.act1.bn.num_batches_tracked.item() == tracked


def test_a_network_without_funnels_is_refused():
    with pytest.raises(ValueError, match="pass a LeNet"):
        channel_look(LeNet("relu"), pictures())
    with pytest.raises(ValueError, match="pass a LeNet"):
        channel_look(pictures())


def test_one_picture_in_place_of_several_is_refused():
    with pytest.raises(ValueError, match=r"of shape \(3, 32, 32\): pass a uint8 tensor"):
        channel_look(LeNet("frelu"), pictures()[0])


def test_without_a_network_there_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr("helpers.experiments.recorded_lenet", lambda arm: None)
    channel_look()
    assert "No trained LeNet is recorded here" in capsys.readouterr().out


def test_the_recorded_network_and_prepared_pictures_are_found(monkeypatch, tmp_path):
    monkeypatch.setattr("helpers.experiments.recorded_lenet", lambda arm: network())
    monkeypatch.setenv("FUNNEL_DATA", str(tmp_path))
    found = channels.network(None, None)
    assert found.images.shape == (1, 3, 32, 32)
    assert "portrait" in found.names[0]
    folder = tmp_path / "prepared" / "cifar10-v1"
    folder.mkdir(parents=True)
    np.save(folder / "x_test.npy", np.zeros((150, 3, 32, 32), np.uint8))
    np.save(folder / "y_test.npy", np.full(150, 3))
    found = channels.network(None, None)
    assert len(found.images) == channels.OFFERED
    assert found.names[0] == "cat"
    black = channels.build(found)
    assert "nan" not in black.words.value


def test_the_channel_slider_follows_the_layer():
    lab = build("channels", layer=2, channel=16)
    assert lab.controls["channel"].max == 16
    lab.controls["layer"].value = 1
    assert (lab.controls["channel"].max, lab.state["channel"]) == (6, 6)
    for wrong in ({"image": 3}, {"layer": 3}, {"channel": 7}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} is"):
            build("channels", **wrong)


def test_the_words_name_picture_layer_and_shares():
    found = channels.network(network(), pictures(), ["a cat", "a dog", "a ship"])
    words = channels.build(found, image=1).words.value
    assert "Picture 1, a dog; layer 1, channel 1 of 6" in words
    assert "In ReLU, 0 would win" in words


def test_a_stored_notebook_gets_the_twin_and_a_reader_the_widget(on_both_pages):
    figure, alt, widget = on_both_pages(
        lambda: channel_look(network(), pictures(), layer=2, channel=9)
    )
    assert "ReLU(x)" in alt
    assert [axes.get_title() for axes in figure.axes[:6]] == list(channels.PANELS)
    assert figure.axes[0].get_ylabel() == "layer 2,\nchannel 9"
    assert "lab-channels" in widget._dom_classes
