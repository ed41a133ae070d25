"""The receptive field of notebook 02: how far stacked layers see, measured by gradients."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn

from ..figures.condition import reach
from ..figures.lab import panel_rows
from ..nn.activations import FReLU
from ..nn.networks import initialise
from ..session import random_generator, threads
from . import png
from .shell import Lab, Screen, Seen, buttons, checked, heads, show_widget, table, whole_slider

CHANNELS = 8
NETS, DRAWS = 3, 4  # over so many draws of the weights, and of inputs, the size is averaged
DENSE = 3  # the side of the convolutions that every stack has
WINDOWS = {"1x1": 1, "3x3": 3, "5x5": 5, "7x7": 7}
DEEPEST = 6
SIDE = 3 + DEEPEST * (DENSE - 1 + max(WINDOWS.values()) - 1)  # all that a stack can see, and a rim
TIMES = 4  # each input pixel is a square of 4 x 4
GAP = 12
ARMS = ("conv, ReLU", "conv, depthwise, ReLU", "conv, FReLU")
SCREEN = Screen(len(ARMS) * (SIDE * TIMES + GAP) - GAP, SIDE * TIMES)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class State:
    """What is set: how many dense convolutions are stacked, and the funnel's window."""

    layers: int
    window: str

    @property
    def depth(self) -> str:
        """The number of layers in words."""
        return f"{self.layers} layer{'s' if self.layers > 1 else ''}"


# --- state -> arrays --------------------------------------------------------------------------


def stack(arm: str, state: State) -> nn.Sequential:
    """`state.layers` times a dense 3x3 convolution and what `arm` puts behind it.

    The last two arms have equal convolutions, FReLU's own; only the maximum differs.
    """
    parts: dict[str, nn.Module] = {}
    for layer in range(state.layers):
        funnel = FReLU(CHANNELS, WINDOWS[state.window])
        parts[f"conv{layer}"] = nn.Conv2d(CHANNELS, CHANNELS, DENSE, padding=DENSE // 2)
        behind: dict[str, dict[str, nn.Module]] = {
            "conv, ReLU": {f"relu{layer}": nn.ReLU()},
            "conv, FReLU": {f"funnel{layer}": funnel},
            "conv, depthwise, ReLU": {
                f"depthwise{layer}": funnel.conv,
                f"bn{layer}": funnel.bn,
                f"relu{layer}": nn.ReLU(),
            },
        }
        parts |= behind[arm]
    return nn.Sequential(OrderedDict(parts))


@cache
def field(arm: str, state: State) -> Array:
    """How strongly each input pixel moves the middle output pixel, (SIDE, SIDE), 1 in sum.

    The size of the gradient, averaged over channels, random inputs, and NETS draws of the weights;
    dense layers of equal depth begin alike in every arm.
    """
    # The arrays are small: a second core would only wait for the first.
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), threads(1):
        sizes = [_gradient(initialise(stack(arm, state), seed), seed) for seed in range(NETS)]
    total = np.sum(sizes, axis=0)
    return total / total.sum()


def _gradient(net: nn.Module, seed: int) -> Array:
    """How far each input pixel moves the middle output pixel, (SIDE, SIDE).

    One pass in training mode sets BatchNorm's statistics. The gradient is taken in eval mode, where
    the windows alone move a pixel, and not all of the batch.
    """
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    shape, generator = (DRAWS, CHANNELS, SIDE, SIDE), random_generator(seed, "inputs")
    x = torch.randn(shape, generator=generator, requires_grad=True)
    with torch.no_grad():
        net(x)
    middle = net.eval()(x)[:, :, SIDE // 2, SIDE // 2].sum()
    (gradient,) = torch.autograd.grad(middle, x)
    return gradient.abs().mean(dim=(0, 1)).double().numpy()


# --- arrays -> picture ------------------------------------------------------------------------


def panels(state: State) -> dict[str, png.Indices]:
    """For each arm its field, enlarged, the square that it reaches, and a circle of its spread.

    Brightness is the square root of the influence, so that the weak rim is seen.
    """
    pictures = {}
    for arm in ARMS:
        values = field(arm, state)
        picture = png.enlarged(png.share_indices(np.sqrt(values / values.max())), TIMES)
        side, spread = reach(values)
        corner = (SIDE - side) // 2 * TIMES
        png.frame(picture, corner, corner, side * TIMES, side * TIMES, png.MARK)
        offsets = np.arange(len(picture)) - (len(picture) - 1) / 2
        distances = np.hypot(offsets[:, None], offsets)
        picture[np.abs(distances - spread * TIMES) < 0.9] = png.MARK
        pictures[arm] = picture
    return pictures


def words(state: State) -> str:
    """What is set, and side and spread of each field, as HTML to read aloud."""
    rows = [["stack", "reached at all (square), pixels", "spread (circle), pixels"]]
    for arm in ARMS:
        side, spread = reach(field(arm, state))
        rows.append([arm, f"{side}x{side}", f"{spread:.2f}"])
    return (
        f"{state.depth} of dense {DENSE}x{DENSE} convolutions; window of the funnel and of the "
        f"depthwise convolution: {state.window}; mean over {NETS} draws of the weights."
        f"{table(rows)}"
    )


# --- the widget -------------------------------------------------------------------------------

GROUPS = ({"stack": ("layers", "window")},)


def see(values: dict[str, Any]) -> Seen:
    """What a reader sees, from the values of the controls."""
    state = State(**values)
    row = png.in_a_row(list(panels(state).values()), GAP)
    return Seen(png.encode(row, png.share_palette()), words(state), heads(*ARMS))


def build(layers: int = 3, window: str = "3x3", show: Collection[str] | None = None) -> Lab:
    """The widget without a page: see `receptive_field`."""
    checked("layers", layers, range(1, DEEPEST + 1))
    checked("window", window, WINDOWS)
    controls = {
        "layers": whole_slider("layers", (1, DEEPEST), "Dense 3x3 convolutions in the stack"),
        "window": buttons("window", list(WINDOWS), "Of the funnel behind each convolution"),
    }
    controls["layers"].continuous_update = False  # a new stack is measured: not at every step
    return Lab("reach", controls, GROUPS, see, SCREEN, show).open(layers=layers, window=window)


def twin() -> Figure:
    """The static figure: three states, by the functions that the live widget calls."""
    rows, notes = {}, {}
    for state in (State(1, "3x3"), State(4, "3x3"), State(4, "7x7")):
        name = f"{state.depth},\nwindow {state.window}"
        found, colours = panels(state), png.share_palette()
        rows[name] = {arm: png.colours_of(panel, colours) for arm, panel in found.items()}
        described = (reach(field(arm, state)) for arm in ARMS)
        notes[name] = [f"side {side}, spread {spread:.2f}" for side, spread in described]
    return panel_rows(rows, notes)


ALT = (
    "Three rows of three heat maps of gradient size, brightest in the middle. One layer: the ReLU "
    "stack sees 3 pixels across, the other two 5. Four layers: 9 against 17. Four layers with "
    "windows of 7x7: 9 against 33, the bright spot much smaller than the square that is reached."
)


def receptive_field(
    layers: int = 3, window: str = "3x3", show: Collection[str] | None = None
) -> None:
    """Show how far stacks of convolutions see, with ReLU and with FReLU; Reset returns to here.

    layers: 1 to 6 dense 3x3 convolutions. window: of the funnel and of the depthwise convolution
    that takes its place, 1x1, 3x3, 5x5 or 7x7. show: which groups of controls are on the page
    (stack), all for None.

    Raises ValueError for another depth, window or group. Introduced in notebook 02.
    """
    show_widget(build(layers, window, show).box, twin(), ALT)
