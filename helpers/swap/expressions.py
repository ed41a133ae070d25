"""Activations that are written as expressions: known by what they do to numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.weak import WeakTensorKeyDictionary

_LINE = torch.linspace(-20, 20, 81, device="cpu")
_NAMES = ("relu", "silu", "gelu", "mish", "hardswish", "softplus", "elu", "leaky_relu")


class Expressions(TorchDispatchMode):
    """Sends the numbers from -20 to 20 along with each tensor, through all that acts on each alone.

    Where they come to lie as an activation's outputs, `found` is told its name. Behind what mixes
    numbers, as a layer does, they begin anew. reported: whether what ran last is an activation in
    any case. Operators in scripted functions run from here, so a TorchFunctionMode sees them too,
    unless a GPU has fused them.
    """

    def __init__(self, found: Callable[[str], None], reported: Callable[[], bool]) -> None:
        super().__init__()
        self.found, self.reported, self._begun = found, reported, 0
        self.supports_higher_order_operators = True
        self._ways = WeakTensorKeyDictionary()  # (where it began, the numbers now, reported)

    def begin(self, tensor: Tensor) -> None:
        """Let the numbers begin at this tensor."""
        self._begun += 1
        self._ways[tensor] = (self._begun, _LINE, False)

    def __torch_dispatch__(self, operator: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        inputs, kind = (args, kwargs or {}), operator.__name__
        tensors = [x for x in tree_leaves(inputs) if isinstance(x, Tensor)]
        known = [self._ways[x] for x in tensors if x in self._ways]
        begun = {way[0] for way in known}
        alone = len(begun) == 1 and operator.namespace == "aten"
        with torch._C.DisableTorchFunction():
            numbers = self._numbers_after(operator, inputs) if alone else None
            name = "" if numbers is None else _activation(numbers)
            limit = kind.startswith("clamp") and (args[2:] or numbers is None or numbers.min() != 0)
        if kind == "maximum.default" and len(begun) == 2:
            first, second = (x.shape for x in tensors)
            name = "maximum of two maps" if first == second and len(first) == 4 else ""
        output = operator(*args, **inputs[1])
        reported = self.reported() or (numbers is not None and all(way[2] for way in known))
        if name and not reported and not limit:
            self.found(f"{name} (an expression)")
        for result in tree_leaves(output) if known and not kind.startswith("new_") else ():
            if numbers is not None:
                self._ways[result] = (*begun, numbers, reported or bool(name))
            elif isinstance(result, Tensor):
                self.begin(result)
        return output

    def _numbers_after(self, operator: Any, inputs: Any) -> Tensor | None:
        """What an operator makes of the numbers; None where it mixes them."""
        try:
            args, kwargs = tree_map_only(Tensor, self._numbers, inputs)
            numbers = operator(*args, **kwargs).cpu()
        except Exception:  # they have one axis, which is right only where each is taken alone
            return None
        if numbers.dim() != 1 or not len(numbers):
            return None
        return numbers.float() if numbers.is_floating_point() else numbers

    def _numbers(self, tensor: Tensor) -> Tensor:
        """The tensor's numbers; of a weight or a constant the first one."""
        if tensor in self._ways:
            return self._ways[tensor][1].clone()
        return (
            torch.zeros((), device="cpu") if tensor.is_meta else tensor.flatten()[0].float().cpu()
        )


def _activation(numbers: Tensor) -> str:
    """torch's name for the activation that makes these numbers, up to a factor, or ""."""
    if numbers.shape != _LINE.shape or not numbers.is_floating_point():
        return ""
    slopes = 2 * numbers.diff()  # an activation's: constant at one end, smaller at the other
    flat, steep = sorted((slopes[[0, 20]].abs().tolist(), slopes[[-1, -21]].abs().tolist()))
    straight = abs(steep[0] - steep[1]) < 0.02 * steep[0]
    if not (slopes.isfinite().all() and straight and flat[0] < 0.6 * steep[0]):
        return ""
    alike = numbers / slopes[-1]
    same = (n for n in _NAMES if torch.allclose(getattr(functional, n)(_LINE), alike, atol=0.03))
    return next(same, "an activation")
