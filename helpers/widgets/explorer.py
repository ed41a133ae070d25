"""The activation explorer of notebook 01: curves, slopes, and what they make of a picture."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from ..figures import lab as drawing
from ..figures.activations import FORMULAS, Curve
from ..figures.condition import signed_rgb
from ..figures.style import LABELS
from ..nn.activations import make_activation
from .fields import photograph
from .shell import Lab, Screen, Seen, check, checked, number, percent, show_widget, slider

SCREEN = Screen(1200, 440, pixelated=False)
INCH = 100  # pixels
LINE = torch.linspace(-4, 4, 401, dtype=torch.float64)


@dataclass(frozen=True)
class State:
    """What is set: which functions, where they are touched, and what three of them let choose."""

    functions: tuple[str, ...]
    x: float
    leaky_slope: float
    prelu_slope: float
    elu_alpha: float


# --- state -> arrays --------------------------------------------------------------------------


PARAMETERS = {"leaky_relu": "leaky_slope", "prelu": "prelu_slope", "elu": "elu_alpha"}


def parameter(name: str, state: State) -> float:
    """The number that the reader chooses for this activation; 0 for one that has none."""
    return getattr(state, PARAMETERS[name]) if name in PARAMETERS else 0.0


def activation(name: str, number: float) -> nn.Module:
    """The activation of that name, by `make_activation`, with its parameter where it has one."""
    layer = make_activation(name).double()
    if name == "leaky_relu":
        layer.negative_slope = number
    if name == "prelu":
        nn.init.constant_(layer.weight, number)
    if name == "elu":
        layer.alpha = number
    return layer


def value_and_slope(layer: nn.Module, x: torch.Tensor) -> tuple[NDArray, NDArray]:
    """f(x), and f'(x) by autograd; arrays of the shape of `x`."""
    x = x.clone().requires_grad_()
    y = layer(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    return y.detach().numpy(), slope.numpy()


def explored(state: State) -> list[drawing.Explored]:
    """Curve, point and output of each function of the state."""
    return [_explored(name, state) for name in state.functions]


def _explored(name: str, state: State) -> drawing.Explored:
    """The curve depends on the parameter alone, so that moving x computes one point."""
    chosen = parameter(name, state)
    curve, output, picture = _curve(name, chosen)
    point = torch.tensor([state.x], dtype=torch.float64)
    value, slope = value_and_slope(activation(name, chosen), point)
    return drawing.Explored(curve, (state.x, float(value[0]), float(slope[0])), output, picture)


@lru_cache(maxsize=32)
def _curve(name: str, chosen: float) -> tuple[Curve, NDArray, NDArray]:
    layer = activation(name, chosen)
    curve = Curve(name, LINE.numpy(), *value_and_slope(layer, LINE))
    with torch.no_grad():
        output = layer(torch.from_numpy(photograph()).double())
    return curve, output.numpy(), signed_rgb(output.numpy())


@cache
def shown_photograph() -> NDArray[np.uint8]:
    """The picture that goes in, in its colours."""
    return signed_rgb(photograph())


# --- arrays -> picture ------------------------------------------------------------------------


class Canvas:
    """A figure that lasts, drawn in layers that are kept as pixels: a change draws what is above.

    The functions that have a parameter to be moved lie above the others, the points above all.
    """

    def __init__(self) -> None:
        figure = Figure(figsize=(SCREEN.width / INCH, SCREEN.height / INCH), dpi=INCH)
        self._canvas, self._figure = FigureCanvasAgg(figure), figure
        self._axes = drawing.explorer_axes(figure)
        self._canvas.draw()
        self._layers: list[tuple[Any, Any]] = [("empty", self._copy())]
        self._colours = self._palette()

    def picture(self, state: State) -> bytes:
        """The state as a PNG of the SCREEN's size."""
        self._draw(state)
        buffer = io.BytesIO()
        small = self._pixels().quantize(palette=self._colours, dither=Image.Dither.NONE)
        small.save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()

    def _draw(self, state: State) -> None:
        functions = explored(state)
        axes, count = self._axes, len(functions)
        self._layer(
            1, state.functions, lambda: drawing.explorer_input(axes, shown_photograph(), count)
        )
        order = sorted(range(count), key=lambda k: functions[k].curve.name in PARAMETERS)
        for height, place in enumerate(order, start=2):
            each = functions[place]
            key = (each.curve.name, parameter(each.curve.name, state))
            draw = partial(drawing.explorer_function, axes, each, place, count)
            self._layer(height, key, draw)
        self._canvas.restore_region(self._layers[1 + count][1])
        self._add(drawing.explorer_touch(axes, functions))

    def _layer(self, height: int, key: Any, draw: Callable[[], Sequence[Any]]) -> None:
        """Draw the layer on those below it, unless it is there already."""
        if len(self._layers) > height and self._layers[height][0] == key:
            return
        del self._layers[height:]  # what lay above it has it as its ground
        self._canvas.restore_region(self._layers[-1][1])
        self._add(draw())
        self._layers.append((key, self._copy()))

    def _copy(self) -> Any:
        return self._canvas.copy_from_bbox(self._figure.bbox)

    def _add(self, artists: Sequence[Any]) -> None:
        for artist in artists:
            artist.axes.draw_artist(artist)
            artist.remove()

    def _pixels(self) -> Image.Image:
        size = self._canvas.get_width_height()
        pixels = self._canvas.buffer_rgba()
        return Image.frombuffer("RGBA", size, pixels, "raw", "RGBA", 0, 1).convert("RGB")

    def _palette(self) -> Image.Image:
        """The 256 colours that a page with every function needs most."""
        state = State(tuple(FORMULAS), -1.5, 0.01, 0.25, 1.0)
        self._draw(state)
        needed = self._pixels().quantize(256)
        needed.putpalette([255 if level > 249 else level for level in needed.getpalette()])
        return needed


# --- arrays -> words --------------------------------------------------------------------------


def words(state: State) -> str:
    """What is set, and value and slope of each function, as HTML to read aloud."""
    if not state.functions:
        return "No function is chosen: tick one."
    found = explored(state)
    rows = {
        f"At x = {number(state.x)}": [_named(each.curve.name, state) for each in found],
        "value": [_digits(each.at[1]) for each in found],
        "slope": [_digits(each.at[2]) for each in found],
        "pixels not above 0": [percent(float(np.mean(each.output <= 0))) for each in found],
    }
    lines = (
        f"<td>{name}</td>" + "".join(f"<td>{c}</td>" for c in cells) for name, cells in rows.items()
    )
    return f"<table><tr>{'</tr><tr>'.join(lines)}</tr></table>"


def _named(name: str, state: State) -> str:
    words = {"leaky_relu": "slope", "prelu": "a =", "elu": "alpha ="}
    if name not in words:
        return LABELS[name]
    return f"{LABELS[name]}, {words[name]} {number(parameter(name, state))}"


def _digits(value: float) -> str:
    text = f"{value:.3f}"
    return "0.000" if text == "-0.000" else text


# --- the shell --------------------------------------------------------------------------------

GROUPS = (
    {"functions": tuple(FORMULAS)},
    {"input": ("x",), "parameters": tuple(PARAMETERS.values())},
)


def state_of(values: dict[str, Any]) -> State:
    """The state, from the values of the controls."""
    chosen = tuple(name for name in FORMULAS if values[name])
    return State(chosen, *(values[name] for name in ("x", *PARAMETERS.values())))


def build(
    functions: Collection[str] = ("relu", "mish"),
    x: float = -1.5,
    leaky_slope: float = 0.01,
    prelu_slope: float = 0.25,
    elu_alpha: float = 1.0,
    show: Collection[str] | None = None,
) -> Lab:
    """The explorer without a page: see `activation_explorer`."""
    for name in functions:
        checked("functions", name, FORMULAS)
    controls = {name: check(LABELS[name], f"Draw {LABELS[name]}") for name in FORMULAS}
    controls |= {
        "x": slider("x", (-4, 4), 0.05, "Where the curves are touched"),
        "leaky_slope": slider("Leaky ReLU", (0, 0.5), 0.01, "Below zero: slope times x"),
        "prelu_slope": slider("PReLU a", (-0.5, 1), 0.05, "Below zero: a times x; it is learned"),
        "elu_alpha": slider("ELU alpha", (0, 2), 0.05, "Below zero: alpha times (exp(x) - 1)"),
    }
    canvas = Canvas()

    def see(values: dict[str, Any]) -> Seen:
        state = state_of(values)
        return Seen(canvas.picture(state), words(state))

    values = (x, leaky_slope, prelu_slope, elu_alpha)
    numbers = dict(zip(("x", *PARAMETERS.values()), values, strict=True))
    chosen = {name: name in functions for name in FORMULAS}
    return Lab("explorer", controls, GROUPS, see, SCREEN, show).open(**chosen, **numbers)


def twin() -> Figure:
    """The static figure: two states, by the functions that the live widget calls."""
    parameters = {"leaky_slope": 0.01, "prelu_slope": 0.25, "elu_alpha": 1.0}
    states = (
        State(("relu", "mish"), -1.5, **parameters),
        State(("leaky_relu", "prelu", "elu", "silu", "gelu"), 1.0, **parameters),
    )
    return drawing.explorer(shown_photograph(), [explored(state) for state in states])


ALT = (
    "Two rows of curves, slopes and pictures. At x = -1.5 ReLU's value and slope are zero; Mish's "
    "value is negative, its slope slightly so. At x = 1 five other functions nearly agree. Beside "
    "them, a photograph and each function's answer: the dark side goes black under ReLU and stays "
    "faintly blue under the others."
)


def activation_explorer(
    functions: Collection[str] = ("relu", "mish"),
    x: float = -1.5,
    leaky_slope: float = 0.01,
    prelu_slope: float = 0.25,
    elu_alpha: float = 1.0,
    show: Collection[str] | None = None,
) -> None:
    """Show activations, slopes, and outputs for a photograph; Reset returns to this state.

    functions: of relu, leaky_relu, prelu, elu, silu, gelu, mish. x: where they are touched, -4 to
    4. leaky_slope (0 to 0.5), prelu_slope (-0.5 to 1), elu_alpha (0 to 2): the parameters of three.
    show: which groups of controls are on the page (functions, input, parameters), all for None.

    Raises ValueError for another function or group. Introduced in notebook 01.
    """
    settings = dict(locals())
    show_widget(build(**settings).box, twin(), ALT)
