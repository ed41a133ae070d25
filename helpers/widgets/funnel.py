"""The funnel lab of notebook 02: any input, any window, every condition, one pixel's arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn

from ..figures.condition import BRANCH_COLOURS, LIMIT, SIGNED, branch_shares
from ..figures.lab import panel_rows
from ..nn.activations import FReLU, PoolFunnel, SumFunnel
from ..session import threads
from . import png
from .fields import (
    BY_HAND,
    PAINTED,
    SIDE,
    WINDOWS,
    fitted,
    input_field,
    inputs,
    preset_weights,
    presets,
    side_of,
    standard_painting,
)
from .grids import Painting, WeightGrid
from .shell import (
    Lab,
    Screen,
    Seen,
    buttons,
    check,
    checked,
    heads,
    menu,
    number,
    percent,
    show_widget,
    slider,
    swatch,
    whole_slider,
)

Array = NDArray[np.float32]

LAYERS: dict[str, Callable[[int], nn.Module]] = {
    "parametric": lambda side: FReLU(1, side),
    "max-pool": lambda side: PoolFunnel(1, "max", side),
    "average-pool": lambda side: PoolFunnel(1, "avg", side),
    "sum": lambda side: SumFunnel(1, side),
}
PANELS = ("x", "T(x)", "y", "who wins?", "y - ReLU(x)")
GAP = 6  # pixels between two panels
SCREEN = Screen(len(PANELS) * (SIDE + GAP) - GAP, SIDE)


@dataclass(frozen=True)
class State:
    """What is set. Rows and columns count from 0; weights and painted go row after row."""

    input: str
    painted: tuple[int, ...]
    window: str
    preset: str
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

    @property
    def scaled(self) -> NDArray[np.float64]:
        """The window in its own shape, scaled."""
        return self.scale * np.array(self.weights).reshape(WINDOWS[self.window])


@dataclass(frozen=True)
class Fields:
    """What follows from a state: arrays (side, side), and BatchNorm's two numbers.

    raw: the window's sum, or the pool, before BatchNorm.
    """

    x: Array
    raw: Array
    T: Array
    y: Array
    mean: float
    deviation: float


# --- state -> arrays --------------------------------------------------------------------------


@torch.no_grad()
def fields(state: State) -> Fields:
    """x, T(x) and y by the series' own modules, those of `make_activation` and of the grids.

    With BatchNorm, the statistics are those of this picture, as in training; without it, T(x) is
    the window's sum itself.
    """
    x = input_field(state.input, state.painted if state.input == "painted" else ())
    given = torch.from_numpy(x)[None, None]
    with threads(1):  # the arrays are small: a second core would only wait for the first
        layer = _prepared(state)
        raw = layer.pool(given) if state.pools else layer.conv(given)
        T = layer.bn(raw) if state.batchnorm else raw
        y = layer.combine(given, T)
        mean, deviation = raw.mean().item(), (raw.var(correction=0) + layer.bn.eps).sqrt().item()
    return Fields(x, *(part[0, 0].numpy() for part in (raw, T, y)), mean, deviation)


def _prepared(state: State) -> nn.Module:
    layer = _layer(state.condition, state.side)
    if not state.pools:
        window = fitted(state.scaled, (state.side, state.side))
        layer.conv.weight.copy_(torch.from_numpy(window)[None, None])
    layer.bn.weight.fill_(state.gamma)
    layer.bn.bias.fill_(state.beta)
    return layer


@cache
def _layer(condition: str, side: int) -> nn.Module:
    """One module for every use; what it would draw at random disturbs no seed of the reader."""
    with torch.random.fork_rng(devices=[]):
        return LAYERS[condition](side)


# --- arrays -> picture ------------------------------------------------------------------------


def panels(state: State, found: Fields) -> dict[str, png.Indices]:
    """Five pictures of SIDE x SIDE, with the cursor's frames: {title: places in the palette}.

    x, T(x), y and y - ReLU(x) have one scale. In x the patch is framed, elsewhere the pixel.
    """
    values = (found.x, found.T, found.y, found.y - np.maximum(found.x, 0))
    parts = [png.signed_indices(each) for each in values]
    parts.insert(3, png.branch_indices(found.x, found.T))
    times = SIDE // len(found.x)
    whole = [png.enlarged(part, times) if times > 1 else part for part in parts]
    for place, panel in enumerate(whole):
        height, width = _reach(state) if place == 0 else (1, 1)
        corner = (state.row - height // 2) * times, (state.column - width // 2) * times
        png.frame(panel, *corner, height * times, width * times)
        if times == 1:  # a wide frame around the small one, to be found in a large picture
            png.frame(panel, state.row - 9, state.column - 9, 19, 19)
    return dict(zip(PANELS, whole, strict=True))


def picture(state: State, found: Fields) -> bytes:
    """The five panels in a row, as a PNG of the SCREEN's size."""
    row = png.in_a_row(list(panels(state, found).values()), GAP)
    return png.encode(row, png.signed_palette())


def _reach(state: State) -> tuple[int, int]:
    return (state.side, state.side) if state.pools else WINDOWS[state.window]


# --- arrays -> words --------------------------------------------------------------------------


def titles(state: State) -> str:
    """What stands above the panels, and the one scale of colours."""
    sums = state.condition == "sum"
    rule, wins = ("x + T(x)", "larger") if sums else ("max(x, T(x))", "wins")
    who = " ".join(
        swatch(BRANCH_COLOURS[key], name)
        for key, name in (("T", "T(x)"), ("x", "x"), ("equal", "tie"))
    )
    return f"{_scale()}{heads('x', 'T(x)', f'y = {rule}', f'{wins}: {who}', 'y - ReLU(x)')}"


@cache
def _scale() -> str:
    """The colours of all panels but one, from -LIMIT to LIMIT."""
    colours = ",".join(to_hex(SIGNED(step / 4)) for step in range(5))
    bar = f"<span style='background:linear-gradient(90deg,{colours})'></span>"
    text = f"One scale for all: {-LIMIT:g} {bar} {LIMIT:g}; 0 is black"
    return f"<div class='lab-scale'>{text}</div>"


def words(state: State, found: Fields) -> str:
    """What is set, what is seen, and the cursor pixel's arithmetic, as HTML to read aloud."""
    side = len(found.x)
    shares = {name: percent(share) for name, share in branch_shares(found.x, found.T).items()}
    apart = percent(float(np.mean(found.y != np.maximum(found.x, 0))))
    given = inputs().get(state.input, state.input)
    normalised = f"gamma {number(state.gamma)}, beta {number(state.beta)}"
    verb, nobody = ("wins", "") if state.condition != "sum" else ("is larger at", "Nobody wins: ")
    return (
        f"Input: {given}, {side}x{side}. {_window_words(state)} "
        f"BatchNorm: {normalised if state.batchnorm else 'off'}.<br>"
        f"{nobody}T(x) {verb} <b>{shares['T']}</b> of the pixels, x {shares['x']}, "
        f"{shares['equal']} are ties; y differs from ReLU(x) at {apart}.<br>"
        f"Row {state.row}, column {state.column}, framed: <code>{arithmetic(state, found)}</code>"
    )


def _window_words(state: State) -> str:
    if state.pools:
        return f"Condition: {state.condition} over {state.side}x{state.side} pixels, no weights."
    rule = "sum, y = x + T(x)" if state.condition == "sum" else "parametric"
    times = "" if state.scale == 1 else f", times {number(state.scale)}"
    return f"Condition: {rule}. Window: {state.window}, {state.preset}{times}."


def arithmetic(state: State, found: Fields) -> str:
    """The cursor pixel's y in numbers, `max( 0.31 , 0.11*0.20 + ... = 0.42 ) = 0.42`.

    Each number is that of the arrays, rounded to two digits.
    """
    place = state.row, state.column
    x, raw, T, y = (number(float(part[place])) for part in (found.x, found.raw, found.T, found.y))
    opponent = f"{_before_batchnorm(state, found)} = {raw}"
    if state.batchnorm:
        mean, deviation = number(found.mean), number(found.deviation)
        gamma, beta = number(state.gamma), number(state.beta)
        opponent += f" ; BatchNorm: {gamma}*({raw} - {mean})/{deviation} + {beta} = {T}"
    if state.condition == "sum":
        return f"{x} + ( {opponent} ) = {y}"
    return f"max( {x} , {opponent} ) = {y}"


def _before_batchnorm(state: State, found: Fields) -> str:
    patch = _patch(state, found.x)
    if state.pools:
        inside = patch[~np.isnan(patch)]
        kind = "maximum" if state.condition == "max-pool" else "mean"
        return f"{kind} of {patch.size if kind == 'mean' else inside.size} pixels"
    window = state.scaled
    pairs = [(w, p) for w, p in zip(window.ravel(), np.nan_to_num(patch).ravel(), strict=True) if w]
    if len(pairs) > 9:
        pairs = sorted(pairs, key=lambda pair: -abs(pair[0] * pair[1]))
    terms = [f"{number(w)}*{number(p)}" for w, p in pairs[:9]]
    more = [f"... ({len(pairs) - 9} smaller products)"] if len(pairs) > 9 else []
    return " + ".join(terms + more) or "no weight but 0"


def _patch(state: State, x: Array) -> Array:
    """What the window sees around the cursor; NaN outside of the picture."""
    (height, width), margin = _reach(state), state.side // 2
    padded = np.pad(x, margin, constant_values=np.nan)
    top, left = state.row + margin - height // 2, state.column + margin - width // 2
    return padded[top : top + height, left : left + width]


# --- the shell --------------------------------------------------------------------------------


def see(values: dict[str, Any]) -> Seen:
    """All that a reader sees, from the values of the controls."""
    state = State(**values)
    found = fields(state)
    return Seen(picture(state, found), words(state, found), titles(state))


GROUPS = (
    {"input": ("input", "painted"), "cursor": ("row", "column")},
    {"window": ("window", "preset", "weights", "scale")},
    {"condition": ("condition",), "batchnorm": ("batchnorm", "gamma", "beta")},
)


Controls = dict[str, Any]


def _controls() -> Controls:
    pictures = [(label, name) for name, label in inputs().items()]
    last = (0, SIDE - 1)
    return {
        "input": menu("x is", pictures, "The picture that the funnel looks at"),
        "painted": Painting(),
        "window": buttons("shape", list(WINDOWS), "Rows x columns of the pixels that T sees"),
        "preset": menu("weights", [*presets(), BY_HAND], "Fills the whole window with weights"),
        "weights": WeightGrid("1x1"),
        "scale": slider("times", (-3, 3), 0.05, "Multiplies every weight; 0 makes it ReLU"),
        "condition": buttons(
            "T(x) is", list(LAYERS), "How a pixel's opponent is made and combined"
        ),
        "batchnorm": check("on, after the window", "With this picture's mean and deviation"),
        "gamma": slider("gamma", (-2, 2), 0.05, "BatchNorm multiplies by it; 0 makes it ReLU"),
        "beta": slider("beta", (-2, 2), 0.05, "BatchNorm adds it"),
        "row": whole_slider("row", last, "Moves the framed pixel down"),
        "column": whole_slider("column", last, "Moves the framed pixel right"),
    }


def _connect(lab: Lab) -> None:
    """Controls that follow others: the cursor its picture, the weights their preset."""
    reactions = {
        "input": _fit_input,
        "window": _fit_window,
        "preset": _fit_preset,
        "weights": _fit_weights,
        "condition": _fit_condition,
        "batchnorm": _fit_batchnorm,
    }
    for name, react in reactions.items():
        react(lab.controls)
        lab.when(name, partial(react, lab.controls))


def _fit_input(of: Controls) -> None:
    given = of["input"].value
    of["painted"].unfold(given == "painted")
    for name, place in zip(("row", "column"), _start_of_cursor(given), strict=True):
        of[name].max = side_of(given) - 1
        of[name].value = place


def _fit_window(of: Controls) -> None:
    window, grid = of["window"].value, of["weights"]
    if of["preset"].value == BY_HAND:
        kept = np.array(grid.value).reshape(grid.rows, grid.columns)
        grid.shape_as(window, tuple(fitted(kept, WINDOWS[window]).ravel().tolist()))
    else:
        grid.shape_as(window, preset_weights(of["preset"].value, window))


def _fit_preset(of: Controls) -> None:
    if of["preset"].value != BY_HAND:
        of["weights"].value = preset_weights(of["preset"].value, of["window"].value)


def _fit_weights(of: Controls) -> None:
    now = of["preset"].value
    of["preset"].value = _name_of(of["weights"].value, now, of["window"].value)


def _fit_condition(of: Controls) -> None:
    """What has no effect can't be moved."""
    for name in ("preset", "weights", "scale"):
        of[name].disabled = of["condition"].value.endswith("pool")


def _fit_batchnorm(of: Controls) -> None:
    for name in ("gamma", "beta"):
        of[name].disabled = not of["batchnorm"].value


def _start_of_cursor(given: str) -> tuple[int, int]:
    """Where the cursor stands when an input is chosen: left of the middle, at an edge's foot.

    In the photograph, on the outline of the neck, where it gets brighter to the right.
    """
    side = side_of(given)
    return (86, 48) if given == "photograph" else (side // 2, side // 2 - 1)


def _cursor(given: str, row: int | None, column: int | None) -> tuple[int, int]:
    """The place that is asked for. Raises ValueError when it is not in the input."""
    start, last = _start_of_cursor(given), side_of(given) - 1
    asked = start[0] if row is None else row, start[1] if column is None else column
    if not all(0 <= place <= last for place in asked):
        raise ValueError(f"The cursor {asked} leaves the input; it goes from 0 to {last}")
    return asked


def opening(
    input: str = "photograph",  # noqa: A002 - the word for it; nothing here reads from a user
    window: str = "3x3",
    preset: str = "edge right",
    weights: Sequence[float] | Sequence[Sequence[float]] | None = None,
    scale: float = 1.0,
    condition: str = "parametric",
    batchnorm: bool = False,
    gamma: float = 1.0,
    beta: float = 0.0,
    row: int | None = None,
    column: int | None = None,
    painted: Sequence[int] | Sequence[Sequence[int]] | None = None,
) -> State:
    """The state that `funnel_lab` opens in. Raises ValueError for a word that it does not know."""
    checked("input", input, inputs())
    checked("window", window, WINDOWS)
    checked("preset", preset, [*presets(), BY_HAND])
    checked("condition", condition, LAYERS)
    filled = _weights(weights, preset, window)
    preset = _name_of(filled, preset, window)
    return State(
        input,
        _painting(painted),
        window,
        preset,
        filled,
        scale,
        condition,
        batchnorm,
        gamma,
        beta,
        *_cursor(input, row, column),
    )


def build(*words: str, show: Collection[str] | None = None, **preset: Any) -> Lab:
    """The lab without a page; words and preset as for `funnel_lab`."""
    start = opening(*words, **preset)
    lab = Lab("funnel", _controls(), GROUPS, see, SCREEN, show)
    with lab.together():
        _connect(lab)
        lab.open(**vars(start))
    return lab


def _weights(weights: Any, preset: str, window: str) -> tuple[float, ...]:
    height, width = WINDOWS[window]
    if weights is None:
        return preset_weights("zero" if preset == BY_HAND else preset, window)
    flat = np.asarray(weights, dtype=float).ravel()
    if flat.size != height * width:
        raise ValueError(f"weights has {flat.size} numbers; {window} takes {height * width}")
    return tuple(flat.tolist())


def _name_of(weights: tuple[float, ...], preset: str, window: str) -> str:
    """The preset's name, as long as the weights are those of the preset."""
    is_preset = preset != BY_HAND and weights == preset_weights(preset, window)
    return preset if is_preset else BY_HAND


def _painting(painted: Any) -> tuple[int, ...]:
    if painted is None:
        return standard_painting()
    cells = np.asarray(painted)
    if cells.size != PAINTED**2 or not np.isin(cells, list(Painting.NEXT)).all():
        raise ValueError(f"painted takes {PAINTED}x{PAINTED} cells, each one of 0, 1, 2 and -1")
    return tuple(int(cell) for cell in cells.ravel())


def twin() -> Figure:
    """The static figure: four states of the lab, by the functions that the live one calls."""
    states = {
        "edge; window:\nedge right": opening("edge"),
        "photograph;\nwindow: blur": opening(preset="blur"),
        "photograph;\nmax-pool": opening(condition="max-pool"),
        "checkerboard;\ncentre-surround": opening("checkerboard", preset="centre-surround"),
    }
    rows, notes = {}, {}
    for name, state in states.items():
        found, colours = fields(state), png.signed_palette()
        rows[name] = {
            title: png.colours_of(panel, colours) for title, panel in panels(state, found).items()
        }
        wins = f"T(x) wins {branch_shares(found.x, found.T)['T']:.0%}"
        notes[name] = [wins if title == "who wins?" else "" for title in PANELS]
    return panel_rows(rows, notes)


ALT = (
    "Four rows of five panels: x, T(x), y, who wins, and y minus ReLU(x). The edge window marks "
    "the edge that ReLU leaves alone; blur fills dark specks of the photograph; under max-pool "
    "T(x) wins almost everywhere and y is a thicker photograph; on a checkerboard most pixels tie."
)


def funnel_lab(
    input: str = "photograph",  # noqa: A002
    window: str = "3x3",
    preset: str = "edge right",
    weights: Sequence[float] | Sequence[Sequence[float]] | None = None,
    scale: float = 1.0,
    condition: str = "parametric",
    batchnorm: bool = False,
    gamma: float = 1.0,
    beta: float = 0.0,
    row: int | None = None,
    column: int | None = None,
    painted: Sequence[int] | Sequence[Sequence[int]] | None = None,
    show: Collection[str] | None = None,
) -> None:
    """Show the funnel lab in a prepared state. Reset returns to it.

    input: impulse, line, edge, corner, checkerboard, noise, photograph, painted; cifar and stanford
    where their data is prepared. window: 1x1, 3x3, 5x5, 7x7, 1x3, 3x1. preset: the window's
    weights, zero, identity, blur, edge right, left, down or up, sharpen, centre-surround, random,
    by hand, and "learned 1.1" and so on (funnel and channel of the recorded LeNet); or `weights`,
    row after row. scale multiplies them. condition: parametric, max-pool, average-pool, sum.
    batchnorm, gamma
    and beta: what follows the window. row, column: the cursor pixel, from 0. painted: 8x8 cells of
    0, 1, 2, -1. show: which groups of controls are on the page (input, window, condition,
    batchnorm, cursor), all for None.

    Raises ValueError for a word that is not in these lists. Introduced in notebook 02.
    """
    settings = dict(locals())
    show_widget(build(**settings).box, twin(), ALT)
