"""The demos with sliders: state -> arrays -> picture, in a thin shell of ipywidgets."""

from __future__ import annotations

import io
import os
from collections.abc import Callable

import numpy as np
from IPython.display import display
from ipywidgets import HTML, Dropdown, FloatSlider, HBox, Image, VBox, Widget
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image as Pillow

from .figures.curves import FORMULAS, Tangent, tangents
from .figures.funnel import branch_rgb, branch_shares, compare_windows, signed_rgb
from .figures.style import LABELS, show


def show_widget(widget: Widget, twin: Figure, alt: str) -> None:
    """Display a live widget, or its static twin where nobody can move a slider.

    twin: an ordinary figure of a few telling states, made by the functions that the widget calls.
    alt: the twin's alternative text.
    With FUNNEL_STATIC=1, which is set when notebooks are executed for storage or as tests, only the
    twin is shown, so that no widget is ever stored. Introduced in notebook 01.
    """
    if os.environ.get("FUNNEL_STATIC") == "1":
        widget.close()
        show(twin, alt)
    else:
        plt.close(twin)
        display(widget)


# --- 01: a point on a curve, and its tangent --------------------------------------------------


def activation_slider(state: Callable[[str, float], Tangent]) -> VBox:
    """A menu of activations and a slider for x; the picture is that of `figures.tangents`.

    state: computes what is drawn from an activation's name and x. Introduced in notebook 01.
    """
    choices = [(LABELS[name], name) for name in FORMULAS]
    menu = Dropdown(options=choices, value="mish", description="activation")
    slider = FloatSlider(-1.5, min=-4.0, max=4.0, step=0.1, description="x")
    image = Image(format="png", layout={"width": "440px", "max_width": "100%"})

    def draw(_: object = None) -> None:
        figure = tangents([state(menu.value, slider.value)])
        image.value = _figure_png(figure)

    for control in (menu, slider):
        control.observe(draw, names="value")
    draw()
    return VBox([HBox([menu, slider]), image])


def _figure_png(figure: Figure) -> bytes:
    """Draw and close the figure; quick rather than small, as the page throws it away again."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120, pil_kwargs={"compress_level": 1})
    plt.close(figure)
    return buffer.getvalue()


# --- 02: the window, from ReLU to an edge -----------------------------------------------------

FUNNEL_STOPS = {
    "zero: ReLU": np.zeros((3, 3)),
    "identity": np.array([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]]),
    "blur": np.full((3, 3), 1 / 9),
    "edge": np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 2,
}


def blended_window(position: float) -> NDArray[np.floating]:
    """The window at `position`, from 0 (the first of FUNNEL_STOPS) to 3 (the last), (3, 3).

    Between two stops each weight is blended linearly. Introduced in notebook 02.
    """
    stops = np.stack(list(FUNNEL_STOPS.values()))
    below = min(int(position), len(stops) - 2)
    share = position - below
    return (1 - share) * stops[below] + share * stops[below + 1]


def window_sum(picture: NDArray[np.floating], window: NDArray[np.floating]) -> NDArray[np.floating]:
    """T(x) without BatchNorm: (H, W) -> (H, W), with zeros outside the picture.

    Introduced in notebook 02.
    """
    (height, width), half = picture.shape, len(window) // 2
    padded = np.pad(picture, half)
    shifted = (padded[r : r + height, c : c + width] * w for (r, c), w in np.ndenumerate(window))
    return sum(shifted, np.zeros_like(picture))


def funnel_slider(picture: NDArray[np.floating]) -> None:
    """Show a slider that moves the window from ReLU over identity and blur to an edge.

    picture: (H, W), standardised. The static twin shows the four stops. Introduced in notebook 02.
    """
    conditions = {name: window_sum(picture, window) for name, window in FUNNEL_STOPS.items()}
    twin = compare_windows(picture, FUNNEL_STOPS, conditions)
    alt = (
        "Four columns: the windows zero, identity, blur and edge, each with the maximum and the "
        "branch map. Zero gives ReLU, identity gives back the photograph with ties everywhere, "
        "blur wins in fine speckles, edge draws outlines into the dark."
    )
    show_widget(_funnel_box(picture), twin, alt)


def _funnel_box(picture: NDArray[np.floating]) -> VBox:
    slider = FloatSlider(
        0.0,
        min=0.0,
        max=len(FUNNEL_STOPS) - 1,
        step=0.05,
        description="window",
        layout={"width": "60%"},
    )
    words, image = HTML(), Image(format="png", layout={"width": "100%"})

    def draw(_: object = None) -> None:
        window = blended_window(slider.value)
        condition = window_sum(picture, window)
        image.value = _png(_funnel_strip(picture, condition))
        words.value = _funnel_words(window, branch_shares(picture, condition)["T"])

    slider.observe(draw, names="value")
    draw()
    stops = " &rarr; ".join(f"{place} {name}" for place, name in enumerate(FUNNEL_STOPS))
    return VBox([HTML(f"<b>{stops}</b>"), slider, words, image])


def _funnel_strip(
    picture: NDArray[np.floating], condition: NDArray[np.floating]
) -> NDArray[np.uint8]:
    panels = [signed_rgb(values) for values in (picture, condition, np.maximum(picture, condition))]
    panels.append(branch_rgb(picture, condition))
    gap = np.full((len(picture), max(1, len(picture) // 40), 3), 255, np.uint8)
    return np.hstack([part for panel in panels for part in (panel, gap)][:-1])


def _funnel_words(window: NDArray[np.floating], share: float) -> str:
    cell = "<td style='padding:0 8px;text-align:right'>{:.2f}</td>"
    rows = "".join(f"<tr>{''.join(cell.format(w) for w in row)}</tr>" for row in window)
    names = ("x", "T(x)", "y = max(x, T(x))", f"T(x) wins {share:.0%}")
    heads = "".join(f"<div style='flex:1;text-align:center'>{name}</div>" for name in names)
    return f"<table>{rows}</table><div style='display:flex'>{heads}</div>"


def _png(rgb: NDArray[np.uint8]) -> bytes:
    """Fast rather than small: it goes to the page once and is replaced."""
    buffer = io.BytesIO()
    Pillow.fromarray(rgb).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
