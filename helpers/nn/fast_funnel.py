"""The funnel's fast path on the CPU: convolution, BatchNorm and maximum as one step of autograd."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

_aten = torch.ops.aten


def fast_path(conv: nn.Conv2d, bn: nn.BatchNorm2d, x: Tensor) -> str | None:
    """Which fast path computes max(x, bn(conv(x))): "train", "infer", or None for the plain one.

    The plain one stays for GPUs, for compilers and exporters, for layers that somebody exchanged or
    hooked, and for a BatchNorm that averages in another way. Introduced in notebook 07.
    """
    if x.device.type != "cpu" or torch.compiler.is_compiling() or torch.jit.is_tracing():
        return None
    if not (is_bare(conv, nn.Conv2d) and is_bare(bn, nn.BatchNorm2d)) or conv.bias is not None:
        return None
    if bn.momentum is None or bn.running_mean is None or bn.weight is None:
        return None
    if bn.training:  # BatchNorm itself says what is wrong with one value per channel
        return "train" if x.numel() > x.shape[1] else None
    return None if torch.is_grad_enabled() else "infer"


def is_bare(layer: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether calling the layer does what its class does, and nothing besides."""
    return type(layer) is kind and not (
        layer._forward_hooks
        or layer._forward_pre_hooks
        or layer._backward_hooks
        or layer._backward_pre_hooks
    )


def train_step(conv: nn.Conv2d, bn: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """max(x, bn(conv(x))) with the batch's own statistics; moves the running ones.

    Shape and dtype of `x`, (N, C, H, W). Where x and T(x) are equal, the gradient goes to x;
    torch.maximum would halve it. Such ties are rare in float32 and common in bfloat16.
    """
    bn.num_batches_tracked.add_(1)
    running = bn.running_mean, bn.running_var, bn.momentum, bn.eps
    return _Funnel.apply(x, conv.weight, bn.weight, bn.bias, *running)


def inference(conv: nn.Conv2d, bn: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """max(x, T(x)) with BatchNorm folded into the convolution. Shape and dtype of `x`."""
    weight, bias = folded(conv, bn)
    condition = _convolution(x, weight.to(x.dtype), bias.to(x.dtype))
    return torch.maximum(x, condition, out=condition)


def folded(conv: nn.Conv2d, bn: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight (C, 1, k, k) and bias (C,) of the one convolution that equals bn(conv(x)) in eval
    mode.

    Introduced in notebook 07.
    """
    scale = bn.weight * torch.rsqrt(bn.running_var + bn.eps)
    return conv.weight * scale[:, None, None, None], bn.bias - bn.running_mean * scale


class _Funnel(torch.autograd.Function):
    """Keeps x and the convolution's output for backward; autograd by itself keeps T(x) besides."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
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
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, gamma, beta, mean, inverse, summed = ctx.saved_tensors
        variance = inverse.pow(-2) - ctx.eps  # T(x) again costs less than keeping it
        lead = _aten.native_batch_norm(summed, gamma, beta, mean, variance, False, 0.0, ctx.eps)[
            0
        ].sub_(x)
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


def _convolution(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    # Under autocast the convolution of a float32 input comes out in bfloat16.
    return _aten.convolution(x, weight, bias, *_geometry(weight)).to(x.dtype)


def _geometry(weight: Tensor) -> tuple[list[int], list[int], list[int], bool, list[int], int]:
    """Stride, padding, dilation, transposed, output padding and groups of the depthwise window."""
    channels, _, height, width = weight.shape
    return [1, 1], [height // 2, width // 2], [1, 1], False, [0, 0], channels
