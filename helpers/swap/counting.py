"""What a network computes, counted layer by layer in multiply-adds."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn

from ..nn.networks import restoring_state

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def multiply_adds(model: nn.Module, example: Tensor) -> dict[str, int]:
    """How many multiplications, each with its addition, every convolution and linear layer makes.

    example: the batch that is counted for; one image is usual. Returns layer name -> count, in
    order of first use; a layer that is used twice counts twice. Biases, BatchNorm, pooling and
    pointwise activations are left out, as is usual: beside the rest they are few. Counted in eval
    mode; the model is left as it was. Introduced in notebook 06.

    >>> import torch
    >>> multiply_adds(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), torch.zeros(1, 3, 32, 32))
    {'0': 194400}
    """
    counts: dict[str, int] = {}

    def note(name: str, layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        # An output number is a sum over one filter; transposed, an input number goes into one.
        numbers = inputs[0] if isinstance(layer, TRANSPOSED) else output
        counts[name] = counts.get(name, 0) + numbers.numel() * layer.weight[0].numel()

    hooks = [
        layer.register_forward_hook(partial(note, name))
        for name, layer in model.named_modules()
        if isinstance(layer, (*CONVOLUTIONS, *TRANSPOSED, nn.Linear))
    ]
    with restoring_state(model, hooks):
        model(example)
    return counts


def total_multiply_adds(model: nn.Module, example: Tensor) -> int:
    """`multiply_adds` of all layers together. Introduced in notebook 06.

    >>> import torch
    >>> total_multiply_adds(nn.Linear(3, 2), torch.zeros(5, 3))
    30
    """
    return sum(multiply_adds(model, example).values())
