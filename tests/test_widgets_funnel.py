from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ipywidgets import HTML, FloatSlider, Image
from matplotlib import pyplot as plt
from PIL import Image as Pillow

from helpers import widgets

PICTURE = np.random.default_rng(0).normal(size=(20, 24))


def parts(box) -> tuple[FloatSlider, HTML, Image]:
    kinds = {type(child): child for child in box.children}  # the last HTML is the one that changes
    return kinds[FloatSlider], kinds[HTML], kinds[Image]


def picture_of(image: Image) -> np.ndarray:
    return np.asarray(Pillow.open(io.BytesIO(bytes(image.value))))


@pytest.mark.parametrize("place", range(4))
def test_blend_meets_its_stops(place):
    expected = list(widgets.FUNNEL_STOPS.values())[place]
    np.testing.assert_allclose(widgets.blended_window(place), expected)


@given(st.floats(0, 3))
def test_blend_lies_between_its_stops_and_has_no_jumps(position):
    stops = np.stack(list(widgets.FUNNEL_STOPS.values()))
    window = widgets.blended_window(position)
    assert (window >= stops.min(axis=0) - 1e-12).all()
    assert (window <= stops.max(axis=0) + 1e-12).all()
    step = np.abs(widgets.blended_window(min(position + 1e-6, 3)) - window).max()
    assert step < 1e-5


@pytest.mark.parametrize("side", [1, 3, 5])
def test_window_sum_is_the_convolution_of_torch(side):
    window = np.random.default_rng(side).normal(size=(side, side))
    theirs = torch.nn.functional.conv2d(
        torch.tensor(PICTURE)[None, None], torch.tensor(window)[None, None], padding=side // 2
    )
    np.testing.assert_allclose(widgets.window_sum(PICTURE, window), theirs[0, 0], atol=1e-12)


def test_moving_the_slider_redraws_the_same_image():
    slider, words, image = parts(widgets._funnel_box(PICTURE))
    first, first_words = picture_of(image), words.value
    slider.value = 3.0
    second = picture_of(image)
    assert second.shape == first.shape
    assert (second != first).any()
    assert words.value != first_words


def test_the_first_stop_is_relu_and_the_second_leaves_x_alone():
    slider, words, image = parts(widgets._funnel_box(PICTURE))
    gap = widgets._funnel_strip(PICTURE, PICTURE).shape[1] - 4 * PICTURE.shape[1]
    width = PICTURE.shape[1] + gap // 3
    y = slice(2 * width, 2 * width + PICTURE.shape[1])
    relu = widgets.signed_rgb(np.maximum(PICTURE, 0))
    assert (picture_of(image)[:, y] == relu).all()
    slider.value = 1.0
    assert (picture_of(image)[:, y] == widgets.signed_rgb(PICTURE)).all()
    assert "wins 0%" in words.value


def test_a_stored_notebook_gets_the_twin_and_no_widget(monkeypatch):
    shown = []
    monkeypatch.setenv("FUNNEL_STATIC", "1")
    monkeypatch.setattr(widgets, "show", lambda figure, alt: shown.append((figure, alt)))
    widgets.funnel_slider(PICTURE)
    (figure, alt), *others = shown
    assert not others
    assert "ReLU" in alt
    assert [ax.get_title() for ax in figure.axes[:4]] == list(widgets.FUNNEL_STOPS)
    plt.close(figure)


def test_a_reader_gets_the_slider(monkeypatch):
    shown = []
    monkeypatch.delenv("FUNNEL_STATIC", raising=False)
    monkeypatch.setattr(widgets, "display", shown.append)
    widgets.funnel_slider(PICTURE)
    slider, _, _ = parts(shown[0])
    assert slider.max == 3
    assert not plt.get_fignums()
