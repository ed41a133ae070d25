"""The activation explorer of notebook 01: curves, slopes, and what they make of a picture."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn

from ..figures import lab as drawing
from ..figures.activations import FORMULAS, Curve
from ..figures.condition import LIMIT, SIGNED, signed_rgb
from ..figures.style import COLOURS, LABELS, LINES
from ..nn.activations import make_activation
from .browser_lab import BrowserLab, as_json, module_text, visible
from .fields import photograph
from .shell import checked, twin_png

LINE = torch.linspace(-4, 4, 401, dtype=torch.float64)
X_LIMITS = (-4.0, 4.0)


@dataclass(frozen=True)
class Parameter:
    """A number that a function lets the reader choose, and what it means."""

    function: str
    symbol: str
    start: float
    limits: tuple[float, float]
    step: float


PARAMETERS = {
    "leaky_slope": Parameter("leaky_relu", "slope", 0.01, (0, 0.5), 0.01),
    "prelu_slope": Parameter("prelu", "a", 0.25, (-0.5, 1), 0.05),
    "elu_alpha": Parameter("elu", "alpha", 1.0, (0, 2), 0.05),
    "silu_scale": Parameter("silu", "scale", 1.0, (0, 5), 0.1),
    "gelu_scale": Parameter("gelu", "scale", 1.0, (0, 5), 0.1),
}
SECTIONS = ("functions", "input", "parameters", "difference")


@dataclass(frozen=True)
class State:
    """Which functions are drawn, where they are touched, their parameters, a difference of two."""

    functions: tuple[str, ...]
    x: float
    leaky_slope: float
    prelu_slope: float
    elu_alpha: float
    silu_scale: float
    gelu_scale: float
    difference: tuple[str, ...]


def opening(
    functions: Collection[str] = ("relu", "mish"),
    x: float = -1.5,
    difference: Collection[str] = (),
    **parameters: float,
) -> State:
    """The state that these settings ask for. Raises ValueError that names what does not fit."""
    chosen = {"functions": functions, "difference": difference}
    for argument, names in chosen.items():
        if isinstance(names, str):
            raise ValueError(f"{argument} is {names!r}; it takes a list, such as [{names!r}]")
        for name in names:
            checked(argument, name, FORMULAS)
    if len(difference) not in (0, 2):
        raise ValueError(f"difference has {len(difference)} names; it takes two, or none")
    limits = {"x": X_LIMITS, **{name: row.limits for name, row in PARAMETERS.items()}}
    for argument, value in {"x": x, **parameters}.items():
        low, high = limits[checked("A setting", argument, limits)]
        if not (isinstance(value, (int, float)) and low <= value <= high):
            raise ValueError(f"{argument} is {value!r}; it takes a number from {low:g} to {high:g}")
    starts = {name: row.start for name, row in PARAMETERS.items()}
    drawn = tuple(name for name in FORMULAS if name in functions)
    return State(drawn, x, difference=tuple(difference), **starts | parameters)


# --- state -> arrays, by torch ------------------------------------------------------------------


class Scaled(nn.Module):
    """f(scale * x) / scale: SiLU and GELU between x / 2, where scale is 0, and ReLU."""

    def __init__(self, inner: nn.Module, scale: float) -> None:
        super().__init__()
        self.inner, self.scale = inner, scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shape of `x`."""
        return self.inner(self.scale * x) / self.scale if self.scale else x / 2


def activation(name: str, state: State) -> nn.Module:
    """The activation of that name, by `make_activation`, with its parameter where it has one."""
    layer: Any = make_activation(name).double()
    if name == "leaky_relu":
        layer.negative_slope = state.leaky_slope
    if name == "prelu":
        nn.init.constant_(layer.weight, state.prelu_slope)
    if name == "elu":
        layer.alpha = state.elu_alpha
    scale = {"silu": state.silu_scale, "gelu": state.gelu_scale}.get(name, 1.0)
    return layer if scale == 1 else Scaled(layer, scale)


def value_and_slope(layer: nn.Module, x: torch.Tensor) -> tuple[NDArray, NDArray]:
    """f(x), and f'(x) by autograd; arrays of the shape of `x`."""
    x = x.clone().requires_grad_()
    y = layer(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    return y.detach().numpy(), slope.numpy()


def explored(state: State) -> list[drawing.Explored]:
    """Curve, point and output of each function of the state."""
    return [_explored(name, activation(name, state), state.x) for name in state.functions]


@torch.no_grad()
def _output(layer: nn.Module) -> NDArray:
    return layer(torch.from_numpy(photograph()).double()).numpy()


def _explored(name: str, layer: nn.Module, x: float) -> drawing.Explored:
    curve = Curve(name, LINE.numpy(), *value_and_slope(layer, LINE))
    value, slope = value_and_slope(layer, torch.tensor([x], dtype=torch.float64))
    output = _output(layer)
    return drawing.Explored(curve, (x, float(value[0]), float(slope[0])), signed_rgb(output))


# --- the static figure --------------------------------------------------------------------------


@cache
def _twin_png() -> bytes:
    return twin_png(twin())


def twin() -> Figure:
    """The static figure: two states, by torch."""
    states = (opening(), opening(("leaky_relu", "prelu", "elu", "silu", "gelu"), 1.0))
    return drawing.explorer(signed_rgb(photograph()), [explored(state) for state in states])


ALT = (
    "Two rows of curves, slopes and pictures. At x = -1.5 ReLU's value and slope are zero; Mish's "
    "value is negative, its slope slightly so. At x = 1 five other functions nearly agree. Beside "
    "them, a photograph and each function's answer: the dark side goes black under ReLU and stays "
    "faintly blue under the others."
)


# --- the widget ---------------------------------------------------------------------------------


class ActivationExplorer(BrowserLab):
    """The explorer in the browser; `state` is what is set there, and setting it changes the page.

    Made by `activation_explorer`. Introduced in notebook 01.
    """

    _esm = module_text("activation_explorer.js")
    opening = staticmethod(opening)
    still = staticmethod(_twin_png)
    alt = ALT


@cache
def constants() -> dict[str, Any]:
    """What the page needs besides the state: functions, parameters, the photograph, colours."""
    of = {row.function: name for name, row in PARAMETERS.items()}
    return {
        "functions": {
            name: {
                "label": LABELS[name],
                "colour": COLOURS[name],
                "dashes": _dashes(LINES[name]),
                "parameter": of.get(name),
            }
            for name in FORMULAS
        },
        "parameters": {
            name: {**asdict(row), "label": f"{LABELS[row.function]} {row.symbol}"}
            for name, row in PARAMETERS.items()
        },
        "photograph": b64encode(photograph().astype("<f4").tobytes()).decode(),
        "colours": [to_hex(SIGNED(step)) for step in range(SIGNED.N)],
        "limit": LIMIT,
    }


def _dashes(line: str | tuple[int, tuple[int, ...]]) -> str:
    """Matplotlib's line style as SVG's lengths of dashes and gaps."""
    named = {"-": (), "--": (4, 2), "-.": (4, 1, 1, 1), ":": (1, 1)}
    lengths = named[line] if isinstance(line, str) else line[1]
    return " ".join(str(3 * length) for length in lengths)


def page_traits() -> dict[str, Any]:
    """State, data and show of the explorer in its first state, as a page without a kernel has them.

    Nothing of a data set is in them.
    """
    return {"state": as_json(opening()), "data": constants(), "show": list(SECTIONS)}


def activation_explorer(
    functions: Collection[str] | Mapping[str, Any] = ("relu", "mish"),
    x: float = -1.5,
    *,
    show: Collection[str] | None = None,
    **settings: Any,
) -> ActivationExplorer:
    """Activations, slopes, and outputs for a photograph; as a cell's last line it is shown.

    functions: of relu, leaky_relu, prelu, elu, silu, gelu, mish; or a state, such as the
    explorer's `state` gives it. x: where they are touched, -4 to 4. settings: difference, two
    names, to draw the first minus the second; and parameters, leaky_slope (0 to 0.5), prelu_slope
    (-0.5 to 1), elu_alpha (0 to 2), silu_scale and gelu_scale (0 to 5: f(scale * x) / scale).
    show: which groups of controls are on the page (functions, input, parameters, difference), all
    for None.

    Raises ValueError that names what does not fit. Introduced in notebook 01.
    """
    if isinstance(functions, Mapping):
        state = opening(**{**functions, **settings})
    else:
        state = opening(functions, x, **settings)
    return ActivationExplorer(state=as_json(state), data=constants(), show=visible(show, SECTIONS))
