"""The per-channel look of notebook 03: one channel of a trained LeNet, before and after FReLU."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ..datasets import cifar10
from ..datasets.prepared import read_array
from ..figures.condition import WINNERS, branch_shares
from ..figures.lab import panel_rows
from ..nn.activations import FReLU
from ..nn.networks import LeNet
from ..session import current_profile, data_directory
from ..training.prediction import check_images, standardise
from ..training.recipes import tutorial_recipe
from . import png, shell
from .fields import colour_photograph, recorded_funnels
from .shell import Lab, Screen, Seen, checked, heads, number, percent, show_widget, swatch

SIDE = 140  # pixels of a panel: 28 x 28 five times, 10 x 10 fourteen times
GAP = 6
PANELS = ("picture", "x, pre-activation", "T(x)", "ReLU(x)", "FReLU(x)", "who wins?")
SCREEN = Screen(len(PANELS) * (SIDE + GAP) - GAP, SIDE)
OFFERED = 100  # pictures to choose from

Array = NDArray[np.float32]


@dataclass(frozen=True)
class State:
    """What is set; pictures count from 0, layers and channels from 1."""

    image: int
    layer: int
    channel: int


@dataclass(frozen=True)
class Network:
    """A LeNet with FReLU, pictures (N, 3, 32, 32) uint8, and what each shows."""

    net: LeNet
    images: Tensor
    names: Sequence[str]

    def channels(self, layer: int) -> int:
        """How many channels the layer has."""
        return len(self.net.get_parameter(f"act{layer}.conv.weight"))


# --- state -> arrays --------------------------------------------------------------------------


@torch.no_grad()
def branches(network: Network, state: State) -> tuple[Array, Array, Array]:
    """One channel's x, T(x) and FReLU(x), each (h, w): 28 x 28 in layer 1, 10 x 10 in layer 2.

    Pixels are scaled as in the tutorial's recipe; the network is in eval mode.
    """
    net, pixels = network.net, network.images[state.image, None].float() / 255
    x = net.conv1(standardise(pixels, tutorial_recipe(current_profile())))
    act: Any = net.act1
    if state.layer == 2:
        x, act = net.conv2(F.max_pool2d(act(x), 2)), net.act2
    condition = act.condition(x)
    parts = (x, condition, act.combine(x, condition))
    x, condition, y = (part[0, state.channel - 1].numpy() for part in parts)
    return x, condition, y


# --- arrays -> picture ------------------------------------------------------------------------


def limit_of(x: Array, condition: Array) -> float:
    """The value that is drawn white: no panel of a channel goes beyond it."""
    return max(float(np.abs(x).max()), float(np.abs(condition).max()), 1e-6)


def panels(network: Network, state: State) -> dict[str, NDArray[np.uint8]]:
    """The six panels as colours, {title: (SIDE, SIDE, 3)}; all but the first on one scale."""
    x, condition, y = branches(network, state)
    limit = limit_of(x, condition)
    parts = [png.signed_indices(part, limit) for part in (x, condition, np.maximum(x, 0), y)]
    parts.append(png.branch_indices(x, condition))
    coloured = [png.colours_of(part, png.signed_palette()) for part in parts]
    panels = [network.images[state.image].permute(1, 2, 0).contiguous().numpy(), *coloured]
    return dict(zip(PANELS, map(_enlarged, panels), strict=True))


def _enlarged(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.NEAREST))


def words(network: Network, state: State) -> str:
    """What is set and seen, as HTML to read aloud."""
    x, condition, _ = branches(network, state)
    share, cut = branch_shares(x, condition)["T"], float(np.mean(x < 0))
    apart = float(np.mean((condition > x) != (x < 0)))
    return (
        f"Picture {state.image}, {network.names[state.image]}; layer {state.layer}, "
        f"channel {state.channel} of {network.channels(state.layer)}. "
        f"x goes from {number(x.min())} to {number(x.max())}, T(x) from "
        f"{number(condition.min())} to {number(condition.max())}; black is 0, white is "
        f"{number(limit_of(x, condition))}.<br>T(x) wins <b>{percent(share)}</b> of the "
        f"pixels. In ReLU, 0 would win {percent(cut)}. The two differ at {percent(apart)}."
    )


# --- the widget -------------------------------------------------------------------------------

GROUPS = ({"picture": ("image",)}, {"channel": ("layer", "channel")})
TITLES = heads(
    *PANELS[:-1],
    " ".join(swatch(colour, name) for name, colour in WINNERS.items()),
)


def network(
    net: LeNet | None, images: Tensor | None, names: Sequence[str] | None = None
) -> Network | None:
    """What is given, and what is recorded or prepared for what is not; None without a network.

    The network is copied: it stays in the mode, and on the device, in which the reader has it.
    Raises ValueError for one without FReLU, and for images that LeNet does not take.
    """
    net = recorded_funnels() if net is None else deepcopy(net)
    if net is None:
        return None
    if not isinstance(getattr(net, "act1", None), FReLU):
        raise ValueError("channel_look compares FReLU with ReLU: pass a LeNet('frelu')")
    if images is None:
        images, names = _prepared_pictures()
    check_images(images)
    images = images[:OFFERED]
    names = names[:OFFERED] if names else ["as given"] * len(images)
    return Network(net.cpu().eval(), images, names)


def _prepared_pictures() -> tuple[Tensor, list[str]]:
    """CIFAR-10's first test pictures where they are prepared, else the portrait."""
    folder = data_directory() / cifar10.PREPARED
    if not folder.is_dir():
        portrait = torch.from_numpy(colour_photograph(32)).permute(2, 0, 1)
        return portrait[None], ["a portrait that is not of CIFAR-10"]
    images = read_array(folder / "x_test.npy", mapped=True)[:OFFERED]
    labels = read_array(folder / "y_test.npy")[:OFFERED]
    return torch.from_numpy(np.array(images)), [cifar10.CLASSES[label] for label in labels]


def build(
    found: Network,
    image: int = 0,
    layer: int = 1,
    channel: int = 1,
    show: Collection[str] | None = None,
) -> Lab:
    """The widget without a page: see `channel_look`."""
    checked("image", image, range(len(found.images)))
    checked("layer", layer, (1, 2))
    checked("channel", channel, range(1, found.channels(layer) + 1))
    layers = [("1, after conv1", 1), ("2, after conv2", 2)]
    controls = {
        "image": shell.whole_slider("picture", (0, len(found.images) - 1), "Which test picture"),
        "layer": shell.buttons("layer", layers, "Which of the two funnels"),
        "channel": shell.whole_slider("channel", (1, found.channels(1)), "Which of its channels"),
    }

    def see(values: dict[str, Any]) -> Seen:
        state = State(**values)
        row = png.encode_colours(list(panels(found, state).values()), GAP)
        return Seen(row, words(found, state), TITLES)

    def fit_layer() -> None:
        controls["channel"].max = found.channels(controls["layer"].value)

    lab = Lab("channels", controls, GROUPS, see, SCREEN, show)
    lab.when("layer", fit_layer)
    return lab.open(image=image, layer=layer, channel=channel)


def twin(found: Network, start: State) -> Figure:
    """Four channels of the picture, by the functions that the live widget calls."""
    others = [State(start.image, layer, channel) for layer in (1, 2) for channel in (1, 2)]
    states = others if start in others else [start, *others[1:]]
    rows, notes = {}, {}
    for state in states:
        name = f"layer {state.layer},\nchannel {state.channel}"
        rows[name] = panels(found, state)
        x, condition, _ = branches(found, state)
        wins = f"T(x) wins {branch_shares(x, condition)['T']:.0%}"
        notes[name] = [found.names[state.image], "", "", "", "", wins]
    return panel_rows(rows, notes, WINNERS)


ALT = (
    "Four channels of a trained LeNet looking at a picture ({}): the picture, the convolution's "
    "output x, T(x), ReLU(x), FReLU(x), and who wins. ReLU(x) is black wherever x is blue; "
    "FReLU(x) has T(x) there."
)


def channel_look(
    net: LeNet | None = None,
    images: Tensor | None = None,
    names: Sequence[str] | None = None,
    image: int = 0,
    layer: int = 1,
    channel: int = 1,
    show: Collection[str] | None = None,
) -> None:
    """Show one channel of a LeNet before and after FReLU; Reset returns to this state.

    net: a `LeNet("frelu")`, the recorded one for None; images: (N, 3, 32, 32) uint8, prepared ones
    of CIFAR-10 for None, of which the first 100 are offered; names: what each shows. image counts
    from 0, layer (1 or 2) and channel from 1. show: which groups of controls are on the page
    (picture, channel), all for None. Without a network it says so in a line.

    Raises ValueError for a network without FReLU, or for what it has not. Introduced in notebook
    03.
    """
    found = network(net, images, names)
    if found is None:
        print(
            "No trained LeNet is recorded here, so there is nothing to look through. Train one in "
            "this notebook and pass it: channel_look(net, images)."
        )
        return
    lab = build(found, image, layer, channel, show)
    show_widget(lab.box, twin(found, State(**lab.state)), ALT.format(found.names[image]))
