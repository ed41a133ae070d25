"""The two networks of the articles, each with the activation as its only choice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from ..session import stream_seed
from .activations import make_activation
from .fast_upsampling import convolve_enlarged


def parameter_count(model: nn.Module) -> int:
    """How many numbers the network learns. Introduced in notebook 03.

    >>> parameter_count(nn.Linear(3, 2))
    8
    """
    return sum(parameter.numel() for parameter in model.parameters())


def initialise(model: nn.Module, seed: int) -> nn.Module:
    """Draw each layer's first weights from a generator of its own, and return the model.

    The generator is named by seed and layer, so that two networks share the first weights of every
    layer that both have: an extra funnel shifts nothing else. Introduced in notebook 03.

    >>> relu, frelu = initialise(LeNet("relu"), seed=0), initialise(LeNet("frelu"), seed=0)
    >>> torch.equal(relu.fc3.weight, frelu.fc3.weight)
    True
    """
    for name, layer in model.named_modules():
        if reset := getattr(layer, "reset_parameters", None):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(stream_seed(seed, name))
                reset()
    return model


@contextmanager
def restoring_state(model: nn.Module, hooks: Iterable[RemovableHandle] = ()) -> Iterator[None]:
    """Eval mode without gradients; afterwards modes and random generators are back, hooks removed.

    In eval mode BatchNorm's running statistics stay as they are. Used by whatever runs a network
    only to look at it.

    >>> with restoring_state(net := LeNet()):
    ...     net.training, net(torch.zeros(1, 3, 32, 32)).requires_grad
    (False, False)
    >>> net.training
    True
    """
    modes = {module: module.training for module in model.modules()}
    devices = {p.device for p in model.parameters() if p.device.type == "cuda"}
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=sorted(devices, key=str)):
            model.eval()
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode  # not train(): it would switch the children too
        for hook in hooks:
            hook.remove()


class LeNet(nn.Module):
    """The PyTorch tutorial's network: (N, 3, 32, 32) -> logits (N, 10).

    62,006 parameters with ReLU, 62,248 with FReLU. The article's FReLU network has 62,270: its
    depthwise convolutions carry a bias per channel, 6 + 16 = 22, which the BatchNorm behind them
    cancels. `activation` follows the two convolutions, which are 7x7 with padding 1 for "wide_conv"
    (FReLU's reach without its layer); ReLU stays behind the hidden fully connected layers, where a
    funnel has no window. Introduced in notebook 03.

    conv2_channels: the article's 16, or more for a control that grows without a funnel.

    >>> LeNet("frelu")(torch.zeros(4, 3, 32, 32)).shape
    torch.Size([4, 10])
    """

    def __init__(self, activation: str = "relu", conv2_channels: int = 16) -> None:
        super().__init__()
        wider = int(activation == "wide_conv")
        self.conv1 = nn.Conv2d(3, 6, 5 + 2 * wider, padding=wider)
        self.act1 = make_activation(activation, 6)
        self.conv2 = nn.Conv2d(6, conv2_channels, 5 + 2 * wider, padding=wider)
        self.act2 = make_activation(activation, conv2_channels)
        self.fc1 = nn.Linear(conv2_channels * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 10) of images (N, 3, 32, 32)."""
        x = F.max_pool2d(self.act1(self.conv1(x)), 2)
        x = F.max_pool2d(self.act2(self.conv2(x)), 2)
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc3(F.relu(self.fc2(x)))


class HeConv2d(nn.Conv2d):
    """A convolution that begins as Keras's he_normal: a normal cut at two deviations, bias zero.

    The variance is 2 / fan_in (He et al., ICCV 2015, arXiv 1502.01852). Introduced in notebook 04.

    >>> HeConv2d(3, 2, 3).bias.tolist()
    [0.0, 0.0]
    """

    def reset_parameters(self) -> None:
        """Draw the weights anew from torch's global generator."""
        fan_in = self.weight[0].numel()
        deviation = (2 / fan_in) ** 0.5 / 0.87962566  # the cut takes 12 % of the deviation away
        nn.init.trunc_normal_(self.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class Block(nn.Sequential):
    """3x3 convolution, BatchNorm, activation: (N, inputs, H, W) -> (N, outputs, H, W).

    The convolution is 5x5 for the activation "wide_conv". BatchNorm's momentum and eps are Keras's,
    as the article trained with. Introduced in notebook 04.

    >>> Block(3, 8, "frelu")(torch.zeros(1, 3, 6, 5)).shape
    torch.Size([1, 8, 6, 5])
    """

    def __init__(self, inputs: int, outputs: int, activation: str) -> None:
        super().__init__()
        wider = int(activation == "wide_conv")
        self.conv = HeConv2d(inputs, outputs, 3 + 2 * wider, padding=1 + wider)
        self.bn = nn.BatchNorm2d(outputs, momentum=0.01, eps=1e-3)
        self.act = make_activation(activation, outputs)


class UNet(nn.Module):
    """The article's U-Net: (N, 3, H, W) -> logits (N, classes, H, W), H and W multiples of 32.

    39,353,480 parameters for 8 classes with ReLU at width 32; `width` scales every layer. Five
    levels down by max-pooling, five up by repetition, the level's own features concatenated.
    Weights begin with He's normal distribution, as in the article. Introduced in notebook 04.

    Raises ValueError for sides that are no multiples of 32, with the nearest sizes that work.

    >>> UNet(classes=8, width=2)(torch.zeros(1, 3, 64, 96)).shape
    torch.Size([1, 8, 64, 96])
    """

    STRIDE = 32

    def __init__(self, classes: int, activation: str = "relu", width: int = 32) -> None:
        super().__init__()

        def blocks(inputs: int, *outputs: int) -> nn.Sequential:
            sizes = [inputs, *(times * width for times in outputs)]
            return nn.Sequential(*(Block(i, o, activation) for i, o in pairwise(sizes)))

        self.down = nn.ModuleList(
            [
                blocks(3, 1),
                blocks(1 * width, 2),
                blocks(2 * width, 4),
                blocks(4 * width, 8),
                blocks(8 * width, 16, 16),
            ]
        )
        self.bottom = blocks(16 * width, 32, 32, 32)
        self.up: Any = nn.ModuleList(  # a type checker knows its items as Module alone
            [
                blocks((32 + 16) * width, 16, 16),
                blocks((16 + 8) * width, 8),
                blocks((8 + 4) * width, 4),
                blocks((4 + 2) * width, 2),
            ]
        )
        self.last = HeConv2d((2 + 1) * width, 2 * width, 3, padding=1)
        self.head = HeConv2d(2 * width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes, H, W) of images (N, 3, H, W)."""
        self._check_sides(*x.shape[-2:])
        skips = []
        for level in self.down:
            x = level(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.bottom(x)
        for first, *more in self.up:
            x = first.act(first.bn(convolve_enlarged(first.conv, x, skips.pop())))
            for block in more:
                x = block(x)
        return self.head(convolve_enlarged(self.last, x, skips.pop()))

    def _check_sides(self, height: int, width: int) -> None:
        wrong = [side for side in (height, width) if side % self.STRIDE or side == 0]
        if not wrong:
            return
        below = {side: side // self.STRIDE * self.STRIDE for side in wrong}
        near = " and ".join(
            f"{side} -> {f'{fit} or ' if fit else ''}{fit + self.STRIDE}"
            for side, fit in below.items()
        )
        raise ValueError(
            f"UNet got an image of {height}x{width} pixels. It halves the image five times, "
            f"so both sides must be multiples of {self.STRIDE}. Sizes that work: {near}."
        )


def block_shapes(model: UNet, height: int, width: int) -> list[tuple[str, int, int, int]]:
    """(number, channels, height, width) of each convolution's output, in order of computation.

    The model is left as it was. Introduced in notebook 04.

    >>> block_shapes(UNet(8, width=2), 64, 96)[:2]
    [('1', 2, 64, 96), ('2', 4, 32, 48)]
    """
    shapes: list[tuple[str, int, int, int]] = []

    def note(_: nn.Module, __: object, output: Tensor) -> None:
        shapes.append((str(len(shapes) + 1), *output.shape[1:]))

    convolutions = [layer for layer in model.modules() if isinstance(layer, HeConv2d)]
    with restoring_state(model, [layer.register_forward_hook(note) for layer in convolutions]):
        model(torch.zeros(1, 3, height, width).to(model.head.weight))
    return shapes
