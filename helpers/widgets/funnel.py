"""The funnel lab of notebook 02: any input, any window, every condition, one pixel's arithmetic."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn

from ..figures.condition import (
    BRANCH_COLOURS,
    LIMIT,
    SIGNED,
    WINNERS,
    branch_rgb,
    branch_shares,
    signed_rgb,
)
from ..figures.lab import panel_rows
from ..figures.style import OKABE_ITO
from ..nn.activations import FReLU, PoolFunnel, SumFunnel
from ..session import threads
from .browser_lab import BrowserLab, as_json, module_text, visible
from .fields import (
    PAINTED,
    PAINTS,
    WINDOWS,
    cursor_start,
    fitted,
    input_field,
    inputs,
    preset_weights,
    presets,
    standard_painting,
)
from .shell import checked, twin_png

Array = NDArray[np.float32]

LAYERS: dict[str, Callable[[int], nn.Module]] = {
    "parametric": lambda side: FReLU(1, side),
    "max-pool": lambda side: PoolFunnel(1, "max", side),
    "average-pool": lambda side: PoolFunnel(1, "avg", side),
    "sum": lambda side: SumFunnel(1, side),
}
LIMITS = {"weights": (-9.0, 9.0), "scale": (-3.0, 3.0), "gamma": (-2.0, 2.0), "beta": (-2.0, 2.0)}
SECTIONS = (
    *("input", "condition", "window", "batchnorm", "play", "learn"),  # beside the pictures
    *("compare", "pixel", "state"),
)
LESSONS: dict[str, dict[str, Any]] = {
    "edge": {"input": "edge", "preset": "edge right"},
    "no activation": {"input": "photograph", "preset": "identity"},
    "ReLU": {"input": "photograph", "preset": "zero"},
    "blur": {"input": "photograph", "preset": "blur"},
    "impulse": {"input": "impulse", "preset": "blur"},
    "ties": {"input": "checkerboard", "preset": "centre-surround"},
    "max-pool": {"input": "photograph", "condition": "max-pool"},
    "sum": {"input": "photograph", "condition": "sum"},
    "BatchNorm": {"input": "photograph", "preset": "edge right", "batchnorm": True},
}
"""What an instructor opens by name: the settings that differ from the lab's first state."""


@dataclass(frozen=True)
class State:
    """What is set. Rows and columns count from 0; weights and painted go row after row."""

    input: str
    painted: tuple[int, ...]
    window: str
    weights: tuple[float, ...]
    scale: float
    condition: str
    batchnorm: bool
    gamma: float
    beta: float
    row: int
    column: int

    @property
    def pools(self) -> bool:
        """Whether the condition has no weights."""
        return self.condition.endswith("pool")

    @property
    def side(self) -> int:
        """The side of the square that holds the window; a pool's window is that square."""
        return max(WINDOWS[self.window])


# --- settings -> state --------------------------------------------------------------------------


def opening(
    input: str = "photograph",  # noqa: A002 - the word for it; nothing here reads from a user
    window: str = "3x3",
    preset: str = "edge right",
    weights: Any = None,
    scale: float = 1.0,
    condition: str = "parametric",
    batchnorm: bool = False,
    gamma: float = 1.0,
    beta: float = 0.0,
    row: int | None = None,
    column: int | None = None,
    painted: Any = None,
) -> State:
    """The state that these settings ask for. Raises ValueError that names what does not fit."""
    checked("input", input, inputs())
    checked("window", window, WINDOWS)
    checked("condition", condition, LAYERS)
    if not isinstance(batchnorm, bool):
        raise ValueError(f"batchnorm is {batchnorm!r}; it takes True or False")
    cells = standard_painting() if painted is None else _numbers("painted", painted, PAINTED**2)
    if not set(cells) <= set(PAINTS):
        raise ValueError(f"painted takes {PAINTED}x{PAINTED} cells, each one of {PAINTS}")
    if weights is None:
        weights = preset_weights(checked("preset", preset, presets()), window)
    filled = _numbers("weights", weights, WINDOWS[window][0] * WINDOWS[window][1])
    values = {"scale": scale, "gamma": gamma, "beta": beta}
    for name, each in [*values.items(), *(("weights", weight) for weight in filled)]:
        low, high = LIMITS[name]
        if not (isinstance(each, (int, float)) and low <= each <= high):
            raise ValueError(f"{name} has {each!r}; it takes numbers from {low:g} to {high:g}")
    place = _cursor(input, row, column)
    painting = tuple(int(cell) for cell in cells)
    return State(input, painting, window, filled, scale, condition, batchnorm, gamma, beta, *place)


def _numbers(name: str, given: Any, count: int) -> tuple[float, ...]:
    flat = np.asarray(given, dtype=float).ravel()
    if flat.size != count:
        raise ValueError(f"{name} has {flat.size} numbers; it takes {count}, row after row")
    return tuple(flat.tolist())


def _cursor(given: str, row: int | None, column: int | None) -> tuple[int, int]:
    """The place that is asked for. Raises ValueError when it is not in the input."""
    start, last = cursor_start(given), _side(given) - 1
    asked = start[0] if row is None else row, start[1] if column is None else column
    if not all(isinstance(place, int) and 0 <= place <= last for place in asked):
        raise ValueError(f"The pixel {asked} is not in the input; rows and columns are 0 to {last}")
    return asked


def _side(given: str) -> int:
    return PAINTED if given == "painted" else len(input_field(given))


# --- state -> layer and arrays ------------------------------------------------------------------


@dataclass(frozen=True)
class Fields:
    """What follows from a state: arrays (side, side).

    raw: the window's sum, or the pool, before BatchNorm.
    """

    x: Array
    raw: Array
    T: Array
    y: Array


def layer(state: State) -> nn.Module:
    """The torch module that the state stands for: its window, gamma and beta, for one channel."""
    with torch.random.fork_rng(devices=[]):  # what it draws at first disturbs no seed
        module: Any = LAYERS[state.condition](state.side)
    with torch.no_grad():
        if not state.pools:
            window = np.array(state.weights).reshape(WINDOWS[state.window])
            square = fitted(state.scale * window, (state.side, state.side))
            module.conv.weight.copy_(torch.from_numpy(square)[None, None])
        module.bn.weight.fill_(state.gamma)
        module.bn.bias.fill_(state.beta)
    return module


@torch.no_grad()
def fields(state: State, dtype: torch.dtype = torch.float32) -> Fields:
    """x, T(x) and y by the series' own modules, those of `make_activation` and of the grids.

    With BatchNorm, the statistics are those of this picture, as in training; without it, T(x) is
    the window's sum itself.
    """
    x = input_field(state.input, state.painted if state.input == "painted" else ())
    given = torch.from_numpy(x)[None, None].to(dtype)
    with threads(1):  # the arrays are small: a second core would only wait for the first
        module: Any = layer(state).to(dtype)
        raw = module.pool(given) if state.pools else module.conv(given)
        T = module.bn(raw) if state.batchnorm else raw
        y = module.combine(given, T)
    return Fields(x, *(part[0, 0].numpy() for part in (raw, T, y)))


# --- the static figure --------------------------------------------------------------------------

PANELS = ("x", "T(x)", "y", "who wins?", "y - ReLU(x)")
SIDE = 128  # pixels of a panel; every input's side divides it


def panels(state: State) -> dict[str, NDArray[np.uint8]]:
    """Five pictures of SIDE x SIDE, {title: (SIDE, SIDE, 3)}, with the cursor's frames."""
    found = fields(state)
    values = (found.x, found.T, found.y, found.y - np.maximum(found.x, 0))
    colours = [signed_rgb(each) for each in values]
    colours.insert(3, branch_rgb(found.x, found.T))
    times = SIDE // len(found.x)
    large = [each.repeat(times, 0).repeat(times, 1) for each in colours]
    for place, panel in enumerate(large):
        height, width = _reach(state) if place == 0 else (1, 1)
        top, left = (state.row - height // 2) * times, (state.column - width // 2) * times
        _frame(panel, top, left, height * times, width * times)
        if times == 1:  # a wide frame around the small one, to be found in a large picture
            _frame(panel, state.row - 9, state.column - 9, 19, 19)
    return dict(zip(PANELS, large, strict=True))


def _reach(state: State) -> tuple[int, int]:
    return (state.side, state.side) if state.pools else WINDOWS[state.window]


def _frame(panel: NDArray[np.uint8], top: int, left: int, height: int, width: int) -> None:
    """A yellow line around a rectangle and a black one around it; what lies outside is left out."""
    for distance, colour in ((2, "#000000"), (1, OKABE_ITO["yellow"])):
        rows, columns = np.ogrid[: len(panel), : len(panel)]
        across = (columns >= left - distance) & (columns < left + width + distance)
        down = (rows >= top - distance) & (rows < top + height + distance)
        inner = (columns > left - distance) & (columns < left + width + distance - 1)
        inner = inner & (rows > top - distance) & (rows < top + height + distance - 1)
        panel[across & down & ~inner] = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]


@cache
def _twin_png() -> bytes:
    return twin_png(twin())


def twin() -> Figure:
    """The static figure: four states of the lab, by the torch modules."""
    states = {
        "edge; window:\nedge right": opening("edge"),
        "photograph;\nwindow: blur": opening(preset="blur"),
        "photograph;\nmax-pool": opening(condition="max-pool"),
        "checkerboard;\ncentre-surround": opening("checkerboard", preset="centre-surround"),
    }
    rows, notes = {}, {}
    for name, state in states.items():
        found = fields(state)
        rows[name] = panels(state)
        wins = f"T(x) wins {branch_shares(found.x, found.T)['T']:.0%}"
        notes[name] = [wins if title == "who wins?" else "" for title in PANELS]
    return panel_rows(rows, notes, WINNERS)


ALT = (
    "Four rows of five panels: x, T(x), y, who wins, and y minus ReLU(x). The edge window marks "
    "the edge that ReLU leaves alone; blur fills dark specks of the photograph; under max-pool "
    "T(x) wins almost everywhere and y is a thicker photograph; on a checkerboard most pixels tie."
)


# --- the widget ---------------------------------------------------------------------------------


class FunnelLab(BrowserLab):
    """The lab in the browser; `state` is what is set there, and setting it changes the page.

    Made by `funnel_lab`. Introduced in notebook 02.
    """

    _esm = module_text("funnel_lab.js")
    opening = staticmethod(opening)
    still = staticmethod(_twin_png)
    alt = ALT

    def layer(self) -> nn.Module:
        """The torch module that the lab shows, in train mode; its input is (N, 1, H, W).

        Without BatchNorm in the lab, its `bn` still is there: `layer.conv` alone gives T(x).
        """
        return layer(opening(**self.state))


@cache
def constants() -> dict[str, Any]:
    """What the page needs besides the state: pictures, windows, colours, limits, lessons."""
    kinds = {"parametric": "window", **{k: k.replace("-", " ") for k in LAYERS if k[0] != "p"}}
    kinds |= {"max-pool": "maximum", "average-pool": "mean", "sum": "sum (x + T)"}
    colours = {"curve_x": OKABE_ITO["grey"], **BRANCH_COLOURS}
    return {
        "pictures": {name: _picture(name, label) for name, label in inputs().items()}
        | {"own": {"label": "your own: drop it on x, or choose it here"}},
        "painted": {"side": PAINTED, "values": list(PAINTS)},
        "windows": {name: list(shape) for name, shape in WINDOWS.items()},
        "presets": {
            name: {window: list(preset_weights(name, window)) for window in WINDOWS}
            for name in presets()
        },
        "conditions": kinds,
        "limits": {name: list(limits) for name, limits in LIMITS.items()},
        "colours": {"signed": [to_hex(SIGNED(step)) for step in range(SIGNED.N)], **colours},
        "limit": LIMIT,
        "eps": nn.BatchNorm2d(1).eps,
        "lessons": {name: as_json(opening(**settings)) for name, settings in LESSONS.items()},
    }


def _picture(name: str, label: str) -> dict[str, Any]:
    start = {"label": label, "side": _side(name), "start": list(cursor_start(name))}
    if name == "painted":
        return start
    return start | {"values": b64encode(input_field(name).astype("<f4").tobytes()).decode()}


def page_traits() -> dict[str, Any]:
    """State, data and show of the lab in its first state, as the page without a kernel has them.

    The pictures are those that need no data set.
    """
    data, licensed = constants(), ("cifar", "stanford")
    pictures = {k: v for k, v in data["pictures"].items() if k not in licensed}
    state = as_json(opening())
    return {"state": state, "data": {**data, "pictures": pictures}, "show": list(SECTIONS)}


def funnel_lab(
    opens: str | Mapping[str, Any] | None = None,
    *,
    show: Collection[str] | None = None,
    **settings: Any,
) -> FunnelLab:
    """The funnel lab in a prepared state; as the last line of a cell it is shown.

    opens: a lesson's name (edge, no activation, ReLU, blur, impulse, ties, max-pool, sum,
    BatchNorm), an input's name, or a state, such as `lab.state` gives it. show: the parts that are
    on the page (input, condition, window, batchnorm, play, learn, compare, pixel, state), all for
    None. settings: what differs from that state:

    input: impulse, line, edge, corner, checkerboard, noise, photograph, painted; cifar and stanford
    where their data is prepared. window: 1x1, 3x3, 5x5, 7x7, 1x3, 3x1. preset: the window's
    weights, zero, identity, blur, edge right, left, down or up, sharpen, centre-surround, random,
    and "learned 1.1" and so on (funnel and channel of the recorded LeNet); or `weights`, row after
    row, from -9 to 9. scale (-3 to 3) multiplies them. condition: parametric, max-pool,
    average-pool, sum. batchnorm, gamma and beta (-2 to 2): what follows the window. row, column:
    the pixel that is looked at, from 0. painted: 16x16 cells of -1, 0, 1, 2.

    Raises ValueError for a word or number that is not in these lists. Introduced in notebook 02.
    """
    if isinstance(opens, str):
        checked("The lesson or input", opens, [*LESSONS, *inputs()])
        settings = LESSONS.get(opens, {"input": opens}) | settings
    elif isinstance(opens, Mapping):
        settings = {**opens, **settings}
    elif opens is not None:
        raise ValueError(f"The lab opens with a lesson, an input or a state, not with {opens!r}")
    state = as_json(opening(**settings))
    return FunnelLab(state=state, data=constants(), show=visible(show, SECTIONS))
