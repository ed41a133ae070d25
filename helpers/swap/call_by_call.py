"""One activation module for each call of a forward that uses the same one several times."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn


class CallByCall(nn.ModuleList):
    """Takes the place of one activation that a forward uses several times: each call its own.

    ResNet's blocks own one ReLU and use it behind every convolution. ReLU has no weights, so it can
    be shared; a funnel belongs to its convolution. `order` says which activation takes the first
    call in the owner's forward, which the second, and so on. The turn is counted for each thread by
    itself and begins anew with each forward of the owner, also after one that failed. If a forward
    makes another number of calls, the wrong funnel would have been used: RuntimeError.

    Its limit: code that runs a *part* of the owner's forward again, as checkpointing inside a block
    does. Checkpointing entire blocks is safe. Introduced in notebook 08.

    >>> import torch
    >>> relu, mish = nn.ReLU(), nn.Mish()
    >>> block = nn.Module()
    >>> block.act = CallByCall([relu, mish], order=[0, 1, 0], name="act")
    >>> block.forward = lambda x: block.act(block.act(block.act(x)))
    >>> block.act.attach(block)
    >>> x = torch.tensor([-1.0, 2.0])
    >>> torch.equal(block(x), relu(mish(relu(x))))
    True
    """

    def __init__(self, activations: Sequence[nn.Module], order: Sequence[int], name: str) -> None:
        super().__init__(activations)
        self.order, self.name = tuple(order), name
        self._turn = _Turn()

    def attach(self, owner: nn.Module) -> None:
        """Count from the beginning whenever `owner` runs."""
        # Bound methods, not closures: a copy of the network then counts for itself.
        owner.register_forward_pre_hook(self.begin)
        owner.register_forward_hook(self.finish)

    def begin(self, owner: nn.Module, inputs: Any) -> None:
        """The first call comes next."""
        self._turn.number = 0

    def forward(self, x: Tensor) -> Tensor:
        """The activation whose turn it is, of `x`."""
        turn = self._turn.number
        self._turn.number = (turn + 1) % len(self.order)
        return self[self.order[turn]](x)

    def finish(self, owner: nn.Module, inputs: Any, output: Any) -> None:
        """All calls of this forward must have come."""
        if self._turn.number:
            calls, self._turn.number = self._turn.number, 0
            raise RuntimeError(
                f"{self.name} stands for {len(self.order)} calls in each forward of its owner, and "
                f"this one ended after call {calls}: the forward takes another way than with the "
                "example. Swap the original network again with skip=, leaving this module."
            )


class _Turn(threading.local):
    """A number that each thread has for itself; a copy begins at 0."""

    number = 0

    def __reduce__(self) -> tuple[type[_Turn], tuple[()]]:
        return (_Turn, ())
