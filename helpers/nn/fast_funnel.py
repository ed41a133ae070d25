"""The funnel's fast path on the CPU: convolution, BatchNorm and maximum as one step of autograd."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_aten = torch.ops.aten


Path = Callable[[nn.Conv2d, nn.BatchNorm2d, Tensor], Tensor]


def fast_path(conv: nn.Conv2d, bn: nn.BatchNorm2d, x: Tensor) -> Path | None:
    """The function that computes max(x, bn(conv(x))) fast, or None where only the plain way serves.

    That is on GPUs, for compilers and exporters, for layers that somebody exchanged or hooked, and
    for a BatchNorm that averages in another way. Introduced in notebook 07.

    >>> conv, bn = nn.Conv2d(2, 2, 3, padding=1, groups=2, bias=False), nn.BatchNorm2d(2)
    >>> x = torch.zeros(1, 2, 4, 4)
    >>> fast_path(conv, bn, x)(conv, bn, x).shape
    torch.Size([1, 2, 4, 4])
    """
    if x.device.type != "cpu" or torch.compiler.is_compiling() or torch.jit.is_tracing():
        return None
    if not (is_bare(conv, nn.Conv2d) and is_bare(bn, nn.BatchNorm2d)) or conv.bias is not None:
        return None
    if bn.momentum is None or bn.running_mean is None or bn.weight is None:
        return None
    if bn.training:  # BatchNorm itself says what is wrong with one value per channel
        return _train_step if x.numel() > x.shape[1] else None
    return None if torch.is_grad_enabled() else _inference


def is_bare(layer: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether the layer is of this class, no subclass, and has no hooks.

    >>> is_bare(nn.ReLU(), nn.ReLU), is_bare(nn.ReLU6(), nn.Hardtanh)
    (True, False)
    """
    return type(layer) is kind and not (
        layer._forward_hooks
        or layer._forward_pre_hooks
        or layer._backward_hooks
        or layer._backward_pre_hooks
    )


def _train_step(conv: nn.Conv2d, bn: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """max(x, bn(conv(x))) with the batch's own statistics; moves the running ones.

    Shape and dtype of `x`, (N, C, H, W). Where x and T(x) are equal, the gradient goes to x;
    torch.maximum would halve it. Such ties are rare in float32 and common in bfloat16.
    """
    assert bn.num_batches_tracked is not None  # like running_mean, which `fast_path` checks
    bn.num_batches_tracked.add_(1)
    running = bn.running_mean, bn.running_var, bn.momentum, bn.eps
    return _Funnel.apply(x, conv.weight, bn.weight, bn.bias, *running)


def _inference(conv: nn.Conv2d, bn: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """max(x, T(x)) with BatchNorm folded into the convolution. Shape and dtype of `x`."""
    weight, bias = folded(conv, bn)
    condition = _convolution(x, weight.to(x.dtype), bias.to(x.dtype))
    return torch.maximum(x, condition, out=condition)


def folded(conv: nn.Conv2d, bn: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight (C, 1, k, k) and bias (C,) of a convolution that equals bn(conv(x)) in eval mode.

    Introduced in notebook 07.

    >>> weight, bias = folded(nn.Conv2d(4, 4, 3, groups=4, bias=False), nn.BatchNorm2d(4))
    >>> weight.shape, bias.shape
    (torch.Size([4, 1, 3, 3]), torch.Size([4]))
    """
    assert bn.running_mean is not None  # `fast_path` checks it; a type checker can't see that
    assert bn.running_var is not None
    scale = bn.weight * torch.rsqrt(bn.running_var + bn.eps)
    return conv.weight * scale[:, None, None, None], bn.bias - bn.running_mean * scale


class _Funnel(torch.autograd.Function):
    """Keeps x and the convolution's output for backward; autograd would keep T(x) too."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        gamma: Tensor,
        beta: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
        momentum: float,
        eps: float,
    ) -> Tensor:
        summed = _convolution(x, weight.to(x.dtype), None)
        condition, mean, inverse = _aten.native_batch_norm(
            summed, gamma, beta, running_mean, running_var, True, momentum, eps
        )
        ctx.save_for_backward(x, weight, gamma, beta, mean, inverse, summed)
        ctx.eps = eps
        return torch.maximum(x, condition, out=condition)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, gamma, beta, mean, inverse, summed = ctx.saved_tensors
        if torch.is_grad_enabled():  # create_graph=True: these gradients get gradients too
            needs = ctx.needs_input_grad[:4]
            return *_plain_gradients((x, weight, gamma, beta), needs, ctx.eps, grad), *[None] * 4
        variance = inverse.pow(-2) - ctx.eps  # T(x) again costs less than keeping it
        again = _aten.native_batch_norm(summed, gamma, beta, mean, variance, False, 0.0, ctx.eps)
        lead = again[0].sub_(x)
        # Three times as fast as torch.where with a mask, which is not vectorised for a scalar.
        to_condition = _aten.threshold_backward.grad_input(grad, lead, 0, grad_input=lead)
        to_sum, to_gamma, to_beta = _aten.native_batch_norm_backward(
            to_condition, summed, gamma, None, None, mean, inverse, True, ctx.eps, [True] * 3
        )
        needs_x, needs_weight = ctx.needs_input_grad[:2]
        to_x, to_weight, _ = _aten.convolution_backward(
            to_sum, x, weight.to(x.dtype), None, *_geometry(weight), [needs_x, needs_weight, False]
        )
        if needs_x:  # in place: each new tensor costs fresh pages of memory
            to_x = to_x.add_(grad).sub_(to_condition)
        return to_x, to_weight, to_gamma, to_beta, None, None, None, None


def _plain_gradients(
    inputs: tuple[Tensor, Tensor, Tensor, Tensor], needs: Sequence[bool], eps: float, grad: Tensor
) -> list[Tensor | None]:
    """The gradients that are needed of x, weight, gamma and beta, by steps that autograd knows."""
    x, weight, gamma, beta = inputs
    summed = _convolution(x, weight.to(x.dtype), None)
    condition = F.batch_norm(summed, None, None, gamma, beta, True, eps=eps).to(x.dtype)
    output = torch.where(condition > x, condition, x)
    needed = [value for value, need in zip(inputs, needs, strict=True) if need]
    found = iter(torch.autograd.grad(output, needed, grad, create_graph=True))
    return [next(found) if need else None for need in needs]


def _convolution(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    # Under autocast the convolution of a float32 input comes out in bfloat16.
    return _aten.convolution(x, weight, bias, *_geometry(weight)).to(x.dtype)


def _geometry(weight: Tensor) -> tuple[list[int], list[int], list[int], bool, list[int], int]:
    """Stride, padding, dilation, transposed, output padding and groups of the depthwise window."""
    channels, _, height, width = weight.shape
    return [1, 1], [height // 2, width // 2], [1, 1], False, [0, 0], channels
