"""Notebook 01: Mish, its slope, and the search for the bottom of its dip."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .exercise import Exercise, Found, Mistake

Function = Callable[[float], float]
NUMBERS = {
    "three numbers": torch.tensor([0.0, 1.0, -1.0]),
    "from -6 to 6": torch.linspace(-6, 6, 25),
    "large numbers": torch.tensor([-200.0, 30.0, 95.0, 1000.0]),
}


def mish(x: Tensor) -> Tensor:
    """x * tanh(softplus(x))."""
    return x * torch.tanh(F.softplus(x))


def mish_slope(x: Tensor) -> Tensor:
    """The derivative of `mish`, by product rule and chain rule."""
    t = torch.tanh(F.softplus(x))
    return t + x * (1 - t**2) * torch.sigmoid(x)


def bisect(slope: Function, left: float, right: float, halvings: int) -> tuple[float, float]:
    """The bracket of a minimum after so many halvings: the slope is negative left of it."""
    for _ in range(halvings):
        middle = (left + right) / 2
        left, right = (middle, right) if slope(middle) < 0 else (left, middle)
    return left, right


def _values_and_slopes(function: Any, x: Tensor) -> Found:
    x.requires_grad_()
    y = function(x)
    if y is None:
        return {"answer": None}
    (slope,) = torch.autograd.grad(y.sum(), x)
    return {"answer": y, "its slope": slope}


def _values(function: Any, x: Tensor) -> Found:
    with torch.inference_mode():  # no gradient can be asked for
        return {"answer": function(x)}


def _closed_form(x: Tensor) -> Tensor:
    e = torch.exp(x)
    omega = 4 * (x + 1) + 4 * e**2 + e**3 + e * (4 * x + 6)
    return e * omega / (2 * e + e**2 + 2) ** 2


def _slope_by_autograd(x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    return torch.autograd.grad(mish(x).sum(), x)[0]


def _bracket(function: Any, case: tuple[Function, float, float, int]) -> Found:
    return {"answer": function(*case)}


def _other_half(slope: Function, left: float, right: float, halvings: int) -> tuple[float, float]:
    return bisect(lambda x: -slope(x), left, right, halvings)


MISH = Exercise(
    "mish",
    "01",
    5,
    "easy",
    "Write Mish, x * tanh(softplus(x)), for a tensor, so that neither it nor its slope overflows.",
    "def my_mish(x):\n    raise NotImplementedError",
    mish,
    NUMBERS,
    _values_and_slopes,
    [
        Mistake(
            "overflow",
            lambda x: x * torch.tanh(torch.log(1 + torch.exp(x))),
            "For large x, exp(x) is infinite, and the slope NaN: let F.softplus do it.",
        ),
        Mistake(
            "order of log and exp",
            lambda x: x * torch.tanh(1 + torch.log(torch.exp(x))),
            "softplus is log(1 + exp(x)): the 1 belongs inside the logarithm.",
        ),
        Mistake(
            "no 1 in softplus",
            lambda x: x * torch.tanh(torch.log(torch.exp(x))),
            "log(exp(x)) is x: softplus adds 1 before the logarithm.",
        ),
        Mistake(
            "x is missing",
            lambda x: torch.tanh(F.softplus(x)),
            "That is the gate alone: multiply it by x.",
        ),
        Mistake(
            "sigmoid as the gate",
            lambda x: x * torch.sigmoid(x),
            "x * sigmoid(x) is SiLU: Mish's gate is tanh(softplus(x)).",
        ),
    ],
)

MISH_SLOPE = Exercise(
    "mish_slope",
    "01",
    10,
    "medium",
    "Write the derivative of Mish by hand, without autograd: product rule, then chain rule.",
    "def my_mish_slope(x):\n    raise NotImplementedError",
    mish_slope,
    NUMBERS,
    _values,
    [
        Mistake(
            "no product rule",
            lambda x: (1 - torch.tanh(F.softplus(x)) ** 2) * torch.sigmoid(x),
            "That is the gate's derivative. Of x * gate(x) it is gate + x * gate's derivative.",
        ),
        Mistake(
            "first term is missing",
            lambda x: x * (1 - torch.tanh(F.softplus(x)) ** 2) * torch.sigmoid(x),
            "The product rule has two terms: the gate itself is the other one.",
        ),
        Mistake(
            "no chain rule",
            lambda x: torch.tanh(F.softplus(x)) + x * (1 - torch.tanh(F.softplus(x)) ** 2),
            "tanh has an inner function: multiply by softplus's derivative, sigmoid(x).",
        ),
        Mistake(
            "overflow",
            lambda x: (
                torch.tanh(F.softplus(x))
                + x * (1 - torch.tanh(F.softplus(x)) ** 2) * torch.exp(x) / (1 + torch.exp(x))
            ),
            "For large x, exp(x) is infinite: let torch.sigmoid and F.softplus do it.",
        ),
        Mistake(
            "overflow in the closed form",
            _closed_form,
            "The formula with exp(3x) is right, and overflows at once: use softplus and sigmoid.",
        ),
        Mistake(
            "autograd",
            _slope_by_autograd,
            "By hand: autograd is there to compare it with.",
        ),
        Mistake("the value", mish, "That is Mish itself: here its slope is asked."),
    ],
)

BISECTION = Exercise(
    "bisection",
    "01",
    10,
    "medium",
    "Halve a bracket around a minimum `halvings` times and return its ends, (left, right). Where "
    "the slope in the middle is negative, the minimum lies to the right.",
    "def my_bisection(slope, left, right, halvings):\n    raise NotImplementedError",
    bisect,
    {
        "slope x - 1, one halving": (lambda x: x - 1, 0.0, 3.0, 1),
        "slope x + 2, no halving": (lambda x: x + 2, -5.0, 1.0, 0),
        "slope x - 1, four halvings": (lambda x: x - 1, -2.0, 3.0, 4),
        "slope x**3 + 1, nine halvings": (lambda x: x**3 + 1, -4.0, 1.5, 9),
    },
    _bracket,
    [
        Mistake(
            "other half",
            _other_half,
            "You keep the half without the minimum: a negative slope still goes downhill.",
        ),
        Mistake(
            "one halving short",
            lambda slope, left, right, halvings: bisect(slope, left, right, max(0, halvings - 1)),
            "The loop runs once less than `halvings` says.",
        ),
        Mistake(
            "the middle alone",
            lambda *case: sum(bisect(*case)) / 2,
            "Return both ends of the bracket, (left, right).",
        ),
    ],
)
