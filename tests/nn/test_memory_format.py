"""The memory format that a network gets never spoils its gradients, with any processor's code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from itertools import product
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers import LeNet, Recipe, UNet, fit
from helpers.nn.memory_format import memory_format_for
from helpers.swap import import_torchvision
from helpers.training.loop import epoch_order
from helpers.training.prediction import standardise
from helpers.training.recipes import make_optimiser

resnet = import_torchvision().models.resnet
CPU = torch.device("cpu")
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
"""What makes a larger processor compute as those without AVX-512 do."""


@pytest.mark.parametrize("settings", [{}, AVX2], ids=["native", "AVX2"])
def test_gradients_are_right_with_every_instruction_set(settings):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])} | settings
    # In a process of its own: where a gradient is wrong, torch may also die or never end.
    done = subprocess.run(
        [sys.executable, __file__],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"it ended at {lines[-1:]}: {done.stderr}"
    assert len(lines) > 500
    assert [line for line in lines if not line.endswith("right")] == []


@pytest.mark.parametrize("model", [LeNet("frelu"), UNet(8, "frelu", 8)], ids=["LeNet", "UNet"])
def test_the_networks_of_the_series_keep_channels_last(model):
    assert memory_format_for(model, CPU) == torch.channels_last
    assert memory_format_for(model, torch.device("mps")) == torch.contiguous_format


@pytest.mark.parametrize(
    ("layer", "slow"),
    [
        (nn.Conv2d(15, 8, 1, stride=2), True),
        (nn.Conv2d(60, 8, 1, stride=2, groups=4), True),
        (nn.Conv2d(3, 8, 1, stride=(1, 2)), True),
        (nn.ConvTranspose2d(32, 8, 1, stride=2), True),
        (nn.Conv2d(16, 8, 1, stride=2), False),
        (nn.Conv2d(4, 8, 1), False),
        (nn.Conv2d(4, 8, 2, stride=2), False),
    ],
)
def test_only_networks_with_a_faulty_layer_lie_contiguous_and_only_on_the_cpu(layer, slow):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(layer))
    assert (memory_format_for(network, CPU) == torch.contiguous_format) == slow
    assert memory_format_for(network, torch.device("cuda")) == torch.channels_last


# --- what runs in a process of its own: one line for each layer or network ------------------------


class SmallResNet(resnet.ResNet):
    """Notebook 08's: the shortcuts have strided 1x1 convolutions of few channels."""

    def __init__(self, width: int) -> None:
        super().__init__(resnet.BasicBlock, [1, 1, 1, 1], num_classes=10)
        self.inplanes = width
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1, self.maxpool = nn.BatchNorm2d(width), nn.Identity()
        self.layer1 = self._make_layer(resnet.BasicBlock, width, 1)
        self.layer2 = self._make_layer(resnet.BasicBlock, 2 * width, 1, stride=2)
        self.layer3 = self._make_layer(resnet.BasicBlock, 4 * width, 1, stride=2)
        self.layer4 = self._make_layer(resnet.BasicBlock, 8 * width, 1, stride=2)
        self.fc = nn.Linear(8 * width, 10)
        for part in self.modules():
            if hasattr(part, "relu"):
                part.relu = nn.SiLU()  # near zero, ReLU's gradient would differ by rounding alone


class Pictures:
    """What `fit` is given."""

    images = torch.randint(0, 256, (24, 3, 32, 32), dtype=torch.uint8)
    labels = torch.arange(24) % 10


def layers() -> Iterator[nn.Module]:
    for kernel, stride, inputs in product((1, 2, 3), (1, 2, 3), range(1, 18)):
        for groups in {1, inputs}:
            outputs, padding = 8 if groups == 1 else groups, kernel // 2
            yield nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    for stride, outputs in product((2, 3), range(1, 18)):
        yield nn.ConvTranspose2d(8, outputs, 1, stride, bias=False)


def gradients(layer: nn.Module, x: Tensor, bf16: bool = False) -> list[Tensor]:
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        y = layer(x)
    to_y = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    return torch.autograd.grad(y, [x, *layer.parameters()], to_y.to(y))


def judge(ours: list[Tensor], exact: list[Tensor], tolerance: float) -> None:
    pairs = zip(ours, exact, strict=True)
    right = all((a.double() - b).norm() <= tolerance * b.norm() for a, b in pairs)
    print("right" if right else "wrong", flush=True)


def try_layer(layer: nn.Module, images: Tensor) -> None:
    """The gradients of a layer as `fit` would place it, against float64."""
    exact = gradients(deepcopy(layer).double(), images.double())
    memory_format = memory_format_for(layer, CPU)
    layer = layer.to(memory_format=memory_format)
    images = images.contiguous(memory_format=memory_format)
    for bf16, tolerance in ((False, 1e-4), (True, 3e-2)):
        print(layer, "in bf16" if bf16 else "in float32", end=": ", flush=True)
        judge(gradients(layer, images, bf16), exact, tolerance)


def try_training(width: int) -> None:
    """What `fit` makes of the weights in three steps, against the same steps in float64."""
    print(f"SmallResNet({width})", end=": ", flush=True)
    model, recipe, data = SmallResNet(width), Recipe(1, 8, "sgd", 0.01), Pictures()
    exact = deepcopy(model).double()
    before = [weight.detach().clone() for weight in exact.parameters()]
    optimiser = make_optimiser(exact, recipe)
    for chosen in epoch_order(len(data.labels), 0, 0).split(recipe.batch):
        images = standardise(data.images[chosen].double() / 255, recipe)
        F.cross_entropy(exact(images), data.labels[chosen]).backward()
        optimiser.step()
        optimiser.zero_grad()
    fit(model, data, None, recipe, device=CPU, progress=False)
    moved = [
        [after.detach().double() - b for after, b in zip(net.parameters(), before, strict=True)]
        for net in (model, exact)
    ]
    judge(*moved, tolerance=1e-2)


if __name__ == "__main__":
    if sys.platform != "win32":
        import resource

        # Unlike a clock, it heeds a busy machine.
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
    torch.manual_seed(0)
    torch.set_num_threads(1)  # for so little work
    for one in layers():
        side = 64 if one.kernel_size == (1, 1) else 16  # the fault needs a map of some size
        try_layer(one, torch.randn(2, one.in_channels, side, side))
    for channels in (4, 8):  # in the profiles ci and class
        try_training(channels)
