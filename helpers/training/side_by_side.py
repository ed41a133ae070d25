"""Networks of several seeds trained as one: a step's calls are paid once for all of them."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..nn.memory_format import memory_format_for
from .loop import epoch_order
from .prediction import Part, standardise
from .recipes import Recipe, make_optimiser, make_scheduler


class _Linears(nn.Module):
    """Several linear layers: (N, S * inputs) -> (N, S * outputs), network after network."""

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers]))
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers]))

    def forward(self, x: Tensor) -> Tensor:
        inputs = x.unflatten(1, (len(self.weight), -1)).permute(1, 2, 0)
        # In this order the weights' gradient comes as the weights lie; else it would be copied.
        return torch.baddbmm(self.bias[:, :, None], self.weight, inputs).permute(2, 0, 1).flatten(1)


def joined(models: Sequence[nn.Module]) -> nn.Module:
    """One network that computes what `models`, alike but for their weights, compute apart.

    Input and output have the channels of all, (N, S * C, ...), network after network. Each
    convolution gets S times the groups, so that nothing flows between networks; whatever works by
    channel needs nothing. For the networks and activations of the series: a layer of a reader's own
    may mix channels unseen. Raises TypeError for a layer with weights that is not known here.
    Introduced in notebook 06.
    """
    first = models[0]
    if isinstance(first, nn.Linear):
        return _Linears(models)  # type: ignore[arg-type]  # all are like the first
    result = deepcopy(first)
    own = [*first._parameters, *first._buffers]
    if own:
        _widen(result, len(models))
    for name in own:
        parts = [getattr(model, name) for model in models]
        if parts[0] is not None and parts[0].dim():  # BatchNorm's count of batches is one for all
            value = torch.cat([part.detach() for part in parts])
            if name in first._parameters:
                value = nn.Parameter(value, parts[0].requires_grad)
            setattr(result, name, value)
    for name, _ in first.named_children():
        setattr(result, name, joined([getattr(model, name) for model in models]))
    return result


def _widen(layer: nn.Module, times: int) -> None:
    if isinstance(layer, nn.Conv2d):
        layer.in_channels *= times
        layer.out_channels *= times
        layer.groups *= times
    elif isinstance(layer, nn.BatchNorm2d):
        layer.num_features *= times
    elif isinstance(layer, nn.PReLU):
        layer.num_parameters *= times
    else:
        raise TypeError(f"Networks with a {type(layer).__name__} can't be trained side by side.")


def give_back(together: nn.Module, models: Sequence[nn.Module]) -> None:
    """Copy the weights and statistics of a network made by `joined` back into `models`."""
    states = [model.state_dict() for model in models]
    for name, values in together.state_dict().items():
        shape = states[0][name].shape
        parts = values.reshape(len(models), *shape) if shape else values.expand(len(models))
        for state, part in zip(states, parts, strict=True):
            state[name].copy_(part)


@dataclass(frozen=True)
class Together:
    """losses: (steps, S), each network's mean over its batch. seconds: of all S together."""

    losses: Tensor
    seconds: float

    def first_bad_step(self, network: int) -> int | None:
        """The first step, from 1, after which a network's loss was not finite; None if it was."""
        bad = (~self.losses[:, network].isfinite()).nonzero()
        return int(bad[0]) + 1 if len(bad) else None


def fit_together(
    models: Sequence[nn.Module], train: Part, recipe: Recipe, seeds: Sequence[int]
) -> Together:
    """Train several classifiers in place on the CPU, each by its seed's own order of images.

    To rounding they end as if `fit` had trained them one by one: the last digits depend on which
    networks share a step. A network whose loss becomes NaN does not affect the others. Raises
    ValueError for a recipe that augments, chooses an epoch or stops early. Introduced in notebook
    06.
    """
    if recipe.augmentation or recipe.blue_first or recipe.keep != "last" or recipe.patience:
        raise ValueError(
            "Side by side, networks are trained without augmentation and early stopping, in RGB, "
            "and keep their last weights: use fit for this recipe."
        )
    began = time.perf_counter()
    together = joined(models) if len(models) > 1 else models[0]  # alone, any layer will do
    memory_format = memory_format_for(together, torch.device("cpu"))
    # torch's types of `Module.to` lack memory_format
    together.to(memory_format=memory_format).train()  # type: ignore[call-overload]
    optimiser = make_optimiser(together, recipe)
    steps = math.ceil(len(train.labels) / recipe.batch)
    scheduler = make_scheduler(optimiser, recipe, steps)
    scaled = replace(recipe, mean=recipe.mean * len(seeds), deviation=recipe.deviation * len(seeds))
    pictures = train.images.permute(0, 2, 3, 1).contiguous()  # quicker to gather channels last
    losses = []
    for epoch in range(recipe.epochs):
        orders = [epoch_order(len(train.labels), seed, epoch) for seed in seeds]
        for chosen in torch.stack(orders, dim=1).split(recipe.batch):
            images = pictures[chosen].permute(0, 2, 3, 1, 4).flatten(3).permute(0, 3, 1, 2)
            ready = standardise(images.float() / 255, scaled)
            logits = together(ready.contiguous(memory_format=memory_format))
            loss = _losses(logits, train.labels[chosen].long())
            loss.sum().backward()
            optimiser.step()
            optimiser.zero_grad()
            if recipe.schedule == "one_cycle":
                scheduler.step()
            losses.append(loss.detach())
    if len(models) > 1:
        give_back(together, models)
    return Together(torch.stack(losses), time.perf_counter() - began)


def _losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Each network's mean cross-entropy, (S,), of logits (N, S * classes) and labels (N, S)."""
    by_network = logits.unflatten(1, (labels.shape[1], -1)).transpose(1, 2)
    return F.cross_entropy(by_network, labels, reduction="none").mean(0)
