"""Which modules are activations: known by their class, or recognised by what they do to numbers."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from ..nn.activations import CrossFReLU, FReLU, Mish, PoolFunnel

_BENT_CLASSES = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.CELU, nn.SELU)
_SMOOTH_CLASSES = (nn.SiLU, nn.GELU, nn.Mish, nn.Hardswish)
SWAPPABLE = (*_BENT_CLASSES, *_SMOOTH_CLASSES, Mish, FReLU, PoolFunnel, CrossFReLU)
"""The modules that `swap_activation` replaces."""

GATES = (nn.Sigmoid, nn.Hardsigmoid, nn.Tanh, nn.Hardtanh, nn.Softmax)
"""Modules that bound a gate or an output: replaced only where layers alone read what they make."""

GATE = "a gate or an output, no activation"
BOUNDED = "bounds what a layer takes; also=[its class] swaps it"
UNSURE = "a module of unknown class that acts on each number alone; also=[its class] swaps it"


def arm_of(module: nn.Module) -> str | None:
    """The name under which an earlier swap made this module.

    Some arms are several layers, with a ReLU among them that must not be swapped again.
    """
    return getattr(module, "swapped_as", None)


def reason_to_keep(module: nn.Module, also: tuple[type[nn.Module], ...] = ()) -> str | None:
    """Why a module stays: "" for an activation, None for what is none, a reason in between.

    Used by `swap_activation`, notebook 08.

    >>> reason_to_keep(nn.ReLU()), reason_to_keep(nn.Conv2d(1, 1, 1))
    ('', None)
    >>> reason_to_keep(nn.Sigmoid())
    'a gate or an output, no activation'
    """
    if isinstance(module, (*SWAPPABLE, *also)) or arm_of(module) is not None:
        return ""
    if isinstance(module, GATES):
        return GATE
    if [*module.parameters()] or isinstance(module, nn.Sequential):
        return None
    parts = map(reason_to_keep, module.children())  # a hard sigmoid made of a ReLU6 is one thing
    return None if None in parts else _by_probe(module)


@torch.no_grad()
def _by_probe(module: nn.Module) -> str | None:
    """`reason_to_keep` of a module without parameters, by its outputs for numbers from -20 to 20.

    Surely an activation is what acts on each number alone, gives 0 for 0, goes on growing to the
    right and grows less, or not at all, to the left.
    """
    x = torch.linspace(-20, 20, 63, device="cpu")
    order = torch.randperm(63, generator=torch.Generator().manual_seed(0), device="cpu")
    others = x[order]
    others[31:] = 3.0  # what stands beside a number must not matter, nor where it stands
    try:
        y, again = _outputs(module, x, others)
    except Exception:  # somebody else's module may raise anything
        return None
    if (y.shape, y.dtype) != (x.shape, x.dtype):
        return None
    if not torch.allclose(y[order[:31]], again[:31], atol=1e-5):
        return None
    if torch.allclose(y, y[31] + (y[-1] - y[0]) / 40 * x, atol=1e-4):
        return None  # a straight line: dropout, identity, a factor
    grows = y[31].abs() < 1e-4 and y[-1] > 10 and y[0].abs() < 10
    return "" if grows else UNSURE


def _outputs(module: nn.Module, *inputs: Tensor) -> list[Tensor]:
    """What a copy of the module makes of 63 numbers as a map (1, 3, 3, 7), without its hooks."""
    copy = deepcopy(module).eval()
    maps = [numbers.reshape(1, 3, 3, 7) for numbers in inputs]
    with torch.random.fork_rng(devices=[]):
        outputs = [copy.forward(x.clone()) for x in maps]
    return [y.flatten() if y.shape == (1, 3, 3, 7) else y for y in outputs]
