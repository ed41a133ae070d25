"""Notebooks 02 and 03: FReLU, one pixel of it, its reach, the swap, and a test in eval mode."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..nn.activations import FReLU as SeriesFReLU
from .exercise import Exercise, Found, Mistake


def filled(module: nn.Module) -> nn.Module:
    """A copy of the module with numbers that depend on each parameter's shape alone."""
    module = deepcopy(module)
    with torch.no_grad():
        for layer in module.modules():
            for name, tensor in [
                *layer.named_parameters(recurse=False),
                *layer.named_buffers(recurse=False),
            ]:
                if tensor.is_floating_point():
                    wave = torch.sin(1.7 * torch.arange(tensor.numel()) + tensor.dim())
                    positive = name == "running_var" or (
                        isinstance(layer, nn.BatchNorm2d) and name == "weight"
                    )
                    fan_in = max(1, tensor[0].numel() if tensor.dim() > 1 else 1)
                    level = 1.5 + wave if positive else wave / fan_in**0.5
                    tensor.copy_(level.view_as(tensor))
    return module


def image(*shape: int) -> Tensor:
    """Numbers of both signs, the same each time."""
    count = torch.tensor(shape).prod().item()
    return torch.cos(2.3 * torch.arange(count) ** 1.1).view(shape) * 2


# --- FReLU ------------------------------------------------------------------------------------


class FReLU(nn.Module):
    """max(x, T(x)); T is a depthwise convolution, then BatchNorm."""

    def __init__(self, channels: int, k: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, k, padding=k // 2, groups=channels, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return torch.maximum(x, self.bn(self.conv(x)))


def _try_frelu(mine: Any, case: tuple[int, Tensor, bool]) -> Found:
    channels, x, training = case
    layer = filled(mine(channels)).train(training)
    before = x.clone()
    y = layer(x.requires_grad_())
    if y is None:
        return {"answer": None}
    slope = (
        torch.autograd.grad(y.square().sum(), x, allow_unused=True)[0] if y.requires_grad else None
    )
    return {
        "answer": y,
        "type of the numbers": str(y.dtype),
        "weights": sum(p.numel() for p in layer.parameters()),
        "gradient of x": "none arrives" if slope is None else slope,
        "x is left as it was": torch.equal(x, before),
    }


def _frelu(
    combine: Callable[[Tensor, Tensor], Any] = torch.maximum,
    *,
    depthwise: bool = True,
    k: int = 3,
    padding: int = 1,
    bias: bool = False,
    norm: str = "on T",
) -> Callable[[int], nn.Module]:
    """FReLU with one thing else."""

    class Other(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            groups = channels if depthwise else 1
            self.conv = nn.Conv2d(channels, channels, k, 1, padding, groups=groups, bias=bias)
            self.bn = nn.BatchNorm2d(channels) if norm else nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            if norm == "on the maximum":
                return self.bn(combine(x, self.conv(x)))
            if norm == "before the convolution":
                return combine(x, self.conv(self.bn(x)))
            return combine(x, self.bn(self.conv(x)))

    return Other


def _in_place(x: Tensor, condition: Tensor) -> Tensor:
    with torch.no_grad():
        return x.copy_(torch.maximum(x, condition))


FRELU = Exercise(
    "frelu",
    "02",
    10,
    "medium",
    "Write FReLU for `channels` channels: max(x, T(x)), T a depthwise 3x3 convolution without "
    "bias, then BatchNorm.",
    "class MyFReLU(nn.Module):\n    def __init__(self, channels):\n        super().__init__()\n\n"
    "    def forward(self, x):\n        raise NotImplementedError",
    FReLU,
    {
        "one channel, 3x3 pixels, eval mode": (1, image(1, 1, 3, 3), False),
        "two channels, 4x5 pixels, eval mode": (2, image(1, 2, 4, 5), False),
        "two pictures of three channels, train mode": (3, image(2, 3, 6, 6), True),
    },
    _try_frelu,
    [
        Mistake(
            "one convolution over all channels",
            _frelu(depthwise=False),
            "Each channel has a window of its own: groups=channels.",
        ),
        Mistake(
            "T(x) has another size",
            _frelu(padding=0),
            "A 3x3 window keeps the size of x with padding=1, and with no other.",
        ),
        Mistake("5x5 windows", _frelu(k=5, padding=2), "3x3 is asked, with padding=1."),
        Mistake(
            "a sum, not a maximum",
            _frelu(torch.add),
            "x + T(x) can fall below x. FReLU takes the larger: torch.maximum.",
        ),
        Mistake(
            "Python's max",
            _frelu(max),
            "max() asks which of two tensors is larger as a whole: torch.maximum compares pixels.",
        ),
        Mistake(
            "BatchNorm is missing",
            _frelu(norm=""),
            "T is the convolution *and* BatchNorm: nn.BatchNorm2d(channels) behind it.",
        ),
        Mistake(
            "BatchNorm after the maximum",
            _frelu(norm="on the maximum"),
            "BatchNorm belongs to T, before the maximum: x passes as it is.",
        ),
        Mistake(
            "BatchNorm before the convolution",
            _frelu(norm="before the convolution"),
            "The convolution comes first: bn(conv(x)).",
        ),
        Mistake(
            "a bias is kept",
            _frelu(bias=True),
            "BatchNorm subtracts a bias together with the mean: bias=False.",
        ),
        Mistake(
            "detached",
            _frelu(lambda x, t: torch.maximum(x, t).detach()),
            "No gradient comes back: leave out .detach(), .data and no_grad.",
        ),
        Mistake(
            "T(x) is detached",
            _frelu(lambda x, t: torch.maximum(x, t.detach())),
            "The window gets no gradient and never learns: leave T(x) attached.",
        ),
        Mistake(
            "x is overwritten",
            _frelu(_in_place),
            "The layer before needs its x for backward: return a new tensor.",
        ),
        Mistake(
            "float64",
            _frelu(lambda x, t: torch.maximum(x, t).double()),
            "The answer has another type than x: leave out .double().",
        ),
        Mistake("a minimum", _frelu(torch.minimum), "The *larger* of the two passes."),
    ],
)


# --- one pixel, and the reach -----------------------------------------------------------------


def pixel(x: Tensor, window: Tensor, row: int, column: int) -> float:
    """max(x, sum of window * patch) at one pixel; the picture has zeros around it."""
    half = len(window) // 2
    padded = F.pad(x, (half,) * 4)
    patch = padded[row : row + len(window), column : column + len(window)]
    return max(x[row, column].item(), (window * patch).sum().item())


def _other_pixel(change: Callable[[Tensor], Tensor], combine: Callable = max) -> Callable:
    def one(x: Tensor, window: Tensor, row: int, column: int) -> float:
        half = len(window) // 2
        patch = F.pad(x, (half,) * 4)[row : row + len(window), column : column + len(window)]
        return combine(x[row, column].item(), (change(window) * patch).sum().item())

    return one


def _not_centred(x: Tensor, window: Tensor, row: int, column: int) -> float:
    side = len(window)
    patch = F.pad(x, (0, side, 0, side))[row : row + side, column : column + side]
    return max(x[row, column].item(), (window * patch).sum().item())


PIXEL = Exercise(
    "pixel",
    "02",
    10,
    "medium",
    "Compute FReLU at one pixel: the patch around it, times the window, summed; then the maximum. "
    "x is a tensor (H, W), the window (k, k); outside the picture are zeros.",
    "def my_pixel(x, window, row, column):\n    raise NotImplementedError",
    pixel,
    {
        "the middle of 3x3 pixels": (image(3, 3), image(1, 3, 3)[0] / 2, 1, 1),
        "a corner of 4x5 pixels": (image(4, 5), image(1, 3, 3)[0], 0, 4),
        "another corner of 4x5 pixels": (image(4, 5), image(1, 3, 3)[0], 3, 0),
        "a window of 5x5": (-image(7, 6).abs(), image(5, 5), 3, 2),
        "x wins": (image(4, 4).abs() + 3, image(3, 3) / 9, 2, 2),
    },
    lambda mine, case: {"answer": mine(*case)},
    [
        Mistake(
            "window upside down",
            _other_pixel(lambda window: window.flip(0, 1)),
            "Deep learning's convolution doesn't mirror the window: multiply it as it is.",
        ),
        Mistake(
            "window transposed",
            _other_pixel(torch.t),
            "Rows and columns of the window are exchanged.",
        ),
        Mistake(
            "no maximum",
            _other_pixel(lambda window: window, lambda x, t: t),
            "That is T(x). Compare it with x, and return the larger.",
        ),
        Mistake(
            "not centred",
            _not_centred,
            "The patch begins at the pixel: it must have the pixel in its middle.",
        ),
    ],
)


def receptive_side(layers: int, window: int) -> int:
    """Pixels across that a stack of `layers` (convolution 3x3, FReLU of `window`) can see."""
    return 1 + layers * (3 - 1 + window - 1)


REACH = Exercise(
    "receptive_side",
    "02",
    5,
    "medium",
    "How many pixels across can a stack see? It has `layers` layers, each a 3x3 convolution and a "
    "FReLU with a window of k x k.",
    "def my_receptive_side(layers, k):\n    raise NotImplementedError",
    receptive_side,
    {f"{n} layers, window {k}x{k}": (n, k) for n, k in ((1, 1), (1, 3), (0, 3), (2, 5), (7, 3))},
    lambda mine, case: {"answer": mine(*case)},
    [
        Mistake(
            "the funnels are left out",
            lambda n, k: 1 + 2 * n,
            "Each FReLU adds to the reach as well: k - 1 pixels.",
        ),
        Mistake(
            "the pixel itself is left out",
            lambda n, k: n * (k + 1),
            "Without any layer a pixel sees itself: begin at 1.",
        ),
        Mistake(
            "sides are added",
            lambda n, k: n * (3 + k),
            "Windows overlap: one of side k adds k - 1 pixels, not k.",
        ),
        Mistake(
            "sides are multiplied",
            lambda n, k: (3 * k) ** n,
            "Reach adds up from layer to layer; it doesn't multiply.",
        ),
    ],
)


# --- the swap, and a test ---------------------------------------------------------------------


class LeNetWithFunnels(nn.Module):
    """The tutorial's network; FReLU behind both convolutions, ReLU behind the linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.act1, self.act2 = SeriesFReLU(6), SeriesFReLU(16)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 10) of pictures (N, 3, 32, 32)."""
        x = F.max_pool2d(self.act1(self.conv1(x)), 2)
        x = F.max_pool2d(self.act2(self.conv2(x)), 2)
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc3(F.relu(self.fc2(x)))


class _PooledFirst(LeNetWithFunnels):
    def forward(self, x: Tensor) -> Tensor:
        x = self.act1(F.max_pool2d(self.conv1(x), 2))
        x = self.act2(F.max_pool2d(self.conv2(x), 2))
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc3(F.relu(self.fc2(x)))


def _lenet(
    act1: Callable[[], nn.Module] = lambda: SeriesFReLU(6),
    act2: Callable[[], nn.Module] = lambda: SeriesFReLU(16),
    act3: Callable[[], nn.Module] = nn.ReLU,
) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(
        *(nn.Conv2d(3, 6, 5), act1(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), act2()),
        *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), act3(), nn.Linear(120, 84), act3()),
        nn.Linear(84, 10),
    )


def _try_swap(mine: Any, x: Tensor) -> Found:
    network = filled(mine()).eval()
    logits = network(x)
    numbers = sum(p.numel() for p in network.parameters())
    return {"answer": logits, "parameters": numbers, "it can learn": float(logits.requires_grad)}


SWAP = Exercise(
    "swap",
    "03",
    10,
    "medium",
    "Swap both ReLUs behind convolutions of the tutorial's network for `FReLU` (from helpers). The "
    "class takes no argument.",
    "class MyNetwork(nn.Module):\n    def forward(self, x):\n        raise NotImplementedError",
    LeNetWithFunnels,
    {"one picture": image(1, 3, 32, 32), "two pictures": image(2, 3, 32, 32)},
    _try_swap,
    [
        Mistake(
            "a FReLU has the wrong channel count",
            _lenet(act2=lambda: SeriesFReLU(6)),
            "FReLU needs the out_channels of the convolution before it: 6 behind conv1, 16 behind "
            "conv2.",
        ),
        Mistake(
            "FReLU after flattening",
            _lenet(act3=lambda: SeriesFReLU(120)),
            "After flattening there are no neighbours: the ReLUs behind fc1 and fc2 stay.",
        ),
        Mistake(
            "the second ReLU is still there",
            _lenet(act2=nn.ReLU),
            "conv2 has a ReLU behind it still.",
        ),
        Mistake(
            "the pool stands before the funnel",
            _PooledFirst,
            "ReLU and the pool may change places, FReLU may not: it looks at neighbours. "
            "Activation first, as in the tutorial.",
        ),
        Mistake("nothing is swapped", _lenet(nn.ReLU, nn.ReLU), "Both ReLUs are there still."),
        Mistake(
            "no ReLU behind the linear layers",
            _lenet(act3=nn.Identity),
            "The ReLUs behind fc1 and fc2 stay; without them three layers are one.",
        ),
    ],
)


def accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of pictures that the network names right, in eval mode."""
    network.eval()
    with torch.no_grad():
        return (network(images).argmax(1) == labels).double().mean().item()


def _in_train_mode(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    return (network.train()(images).argmax(1) == labels).double().mean().item()


def _test_case(count: int) -> tuple[nn.Module, Tensor, Tensor]:
    norm = nn.BatchNorm2d(4)
    norm.running_mean = torch.tensor([0.4, -0.2, 0.2, 0.0])
    network = nn.Sequential(norm, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    images = image(count, 4, 2, 2)
    labels = network.eval()(images).argmax(1)
    wrong = torch.arange(count) % 3 == 0
    labels[wrong] = (labels[wrong] + 1 + torch.arange(count)[wrong] % 2) % 4
    return network.train(), images, labels


ACCURACY = Exercise(
    "accuracy",
    "03",
    5,
    "easy",
    "Return the share (0 to 1) of pictures that a network names right. The network comes as "
    "training left it.",
    "def my_accuracy(network, images, labels):\n    raise NotImplementedError",
    accuracy,
    {f"{count} pictures": _test_case(count) for count in (4, 11, 77)},
    lambda mine, case: {"answer": mine(*case)},
    [
        Mistake(
            "BatchNorm is left in train mode",
            _in_train_mode,
            "The network is in train mode: call network.eval() before you test.",
        ),
        Mistake(
            "the number, not the share",
            lambda n, i, y: accuracy(n, i, y) * len(y),
            "That is how many are right: divide by the number of pictures.",
        ),
        Mistake(
            "the error", lambda n, i, y: 1 - accuracy(n, i, y), "That is the share of wrong ones."
        ),
    ],
)
