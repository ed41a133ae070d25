"""What a user would copy, written from its description: the other side of every benchmark."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from helpers.evaluation.timing import CopiedFReLU
from helpers.nn.activations import FReLU
from helpers.nn.networks import UNet
from helpers.swap.torchvision import import_torchvision


def with_copied_funnels(network: nn.Module) -> nn.Module:
    """The same network in place, each of the series' funnels exchanged for the copied one."""
    for name, layer in network.named_children():
        if isinstance(layer, FReLU):
            setattr(network, name, CopiedFReLU(layer.conv.in_channels))
        else:
            with_copied_funnels(layer)
    return network


class Pictures(Dataset):
    """CIFAR-10 as torchvision serves it: one PIL picture at a time, through the transforms."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        transforms = import_torchvision().transforms
        self.pixels = images.permute(0, 2, 3, 1).numpy()  # (N, H, W, 3), as the official files
        self.labels = labels.tolist()
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), self.labels[index]


def tutorial_loop(network: nn.Module, pictures: Dataset, workers: int = 2) -> Iterator[float]:
    """PyTorch's 60-minute tutorial: batches of 4, SGD 1e-3 with momentum 0.9.

    Takes one step each time it is asked, through as many epochs as it is asked for, and yields the
    running loss.
    """
    loader = DataLoader(pictures, batch_size=4, shuffle=True, num_workers=workers)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9)
    while True:
        running_loss = 0.0
        for inputs, labels in loader:
            optimizer.zero_grad()
            outputs = network(inputs)
            loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
            yield running_loss


class PlainUNet(UNet):
    """The same network, each map enlarged and joined before it is convolved."""

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for level in self.down:
            x = level(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.bottom(x)
        for level in (*self.up, self.last):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = level(torch.cat([x, skips.pop()], dim=1))
        return self.head(x)


def float32_steps(network: nn.Module, images: Tensor, labels: Tensor, batch: int) -> float:
    """One pass of plain float32 training of a U-Net with AdamW; the last batch's loss."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    network.train()
    for inputs, targets in zip(images.split(batch), labels.split(batch), strict=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(network(inputs.float() / 255), targets.long(), ignore_index=-1)
        loss.backward()
        optimizer.step()
    return loss.item()


def article_iou(predictions: list[np.ndarray], truths: list[np.ndarray], classes: int) -> float:
    """Article B's mean IoU: each image and class by itself, then averaged class by class."""
    per_class: list[list[float]] = [[] for _ in range(classes)]
    for prediction, truth in zip(predictions, truths, strict=True):
        for label in range(classes):
            predicted = np.where(prediction == label, 1, 0)
            actual = np.where(truth == label, 1, 0)
            intersection = np.sum(np.logical_and(predicted, actual))
            union = np.sum(np.logical_or(predicted, actual))
            if union > 0:  # neither has the class: skipped
                per_class[label].append(intersection / union)
    return float(np.mean([np.mean(values) if values else -1 for values in per_class]))
