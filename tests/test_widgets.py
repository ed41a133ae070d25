"""The slider of notebook 01, and what a cell shows where nobody can move one."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from ipywidgets import Dropdown, FloatSlider, IntSlider
from ipywidgets import Image as ImageWidget
from matplotlib import pyplot as plt
from PIL import Image

from helpers import figures, widgets


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list:
    """What reaches the page, live widgets and pictures alike."""
    page: list = []

    def display(thing: object, **rest: object) -> None:
        page.append((thing, rest))

    monkeypatch.setattr(widgets, "display", display)
    monkeypatch.setattr("helpers.figures.style.display", display)
    return page


def state(name: str, x: float) -> figures.Tangent:
    line = np.linspace(-5, 5, 11)
    return figures.Tangent(figures.Curve(name, line, line, np.ones(11)), x, x, 1.0)


def parts(box: widgets.VBox) -> tuple[Dropdown, FloatSlider, ImageWidget]:
    controls, image = box.children
    return (*controls.children, image)


def test_a_live_page_gets_the_widget_and_no_picture(shown, monkeypatch):
    monkeypatch.delenv("FUNNEL_STATIC", raising=False)
    slider, (twin, _) = IntSlider(), plt.subplots()
    widgets.show_widget(slider, twin, alt="a twin")
    assert [thing for thing, _ in shown] == [slider]
    assert not plt.get_fignums()


def test_a_stored_page_gets_the_twin_and_no_widget(shown, monkeypatch):
    monkeypatch.setenv("FUNNEL_STATIC", "1")
    twin, _ = plt.subplots()
    widgets.show_widget(IntSlider(), twin, alt="what the twin shows")
    ((data, rest),) = shown
    assert set(data) == {"image/png", "text/plain"}
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert rest["metadata"]["image/png"]["alt"] == "what the twin shows"
    assert not plt.get_fignums()


def test_the_twin_needs_words(shown, monkeypatch):
    monkeypatch.setenv("FUNNEL_STATIC", "1")
    with pytest.raises(ValueError, match="alternative text"):
        widgets.show_widget(IntSlider(), plt.figure(), alt=" ")
    plt.close("all")


def test_moving_a_control_draws_that_state_anew():
    asked: list[tuple[str, float]] = []

    def watched(name: str, x: float) -> figures.Tangent:
        asked.append((name, x))
        return state(name, x)

    menu, slider, image = parts(widgets.activation_slider(watched))
    first = bytes(image.value)
    slider.value = 2.0
    second = bytes(image.value)
    menu.value = "relu"
    assert asked == [("mish", -1.5), ("mish", 2.0), ("relu", 2.0)]
    assert len({first, second, bytes(image.value)}) == 3
    assert Image.open(io.BytesIO(second)).width > 300
    assert not plt.get_fignums()


def test_the_menu_offers_every_formula_by_its_label():
    menu, _, _ = parts(widgets.activation_slider(state))
    assert dict(menu.options) == {
        figures.style.LABELS[name]: name for name in figures.curves.FORMULAS
    }
