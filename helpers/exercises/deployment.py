"""Notebooks 07 and 08: what a funnel costs, folding BatchNorm, channel counts, choosing places."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .exercise import Exercise, Found, Mistake
from .funnel import filled, image

# --- counting ---------------------------------------------------------------------------------


def funnel_cost(channels: int, height: int, width: int, k: int) -> tuple[int, int]:
    """Parameters and multiply-adds of a FReLU; BatchNorm costs parameters alone."""
    return channels * (k * k + 2), channels * height * width * k * k


COST = Exercise(
    "funnel_cost",
    "07",
    5,
    "easy",
    "How many parameters does a FReLU with a k x k window have, how many multiply-adds does its "
    "convolution make for one image? Return both, (parameters, multiply_adds).",
    "def my_funnel_cost(channels, height, width, k):\n    raise NotImplementedError",
    funnel_cost,
    {
        f"{c} channels, {h}x{w} pixels, {k}x{k}": (c, h, w, k)
        for c, h, w, k in ((1, 1, 1, 1), (1, 2, 3, 3), (6, 28, 28, 3), (16, 10, 12, 5))
    },
    lambda mine, case: {"answer": mine(*case)},
    [
        Mistake(
            "gamma and beta are missing",
            lambda c, h, w, k: (c * k * k, c * h * w * k * k),
            "BatchNorm learns two numbers a channel.",
        ),
        Mistake(
            "a bias is counted",
            lambda c, h, w, k: (c * (k * k + 3), c * h * w * k * k),
            "The convolution has no bias: BatchNorm would cancel it.",
        ),
        Mistake(
            "a full convolution",
            lambda c, h, w, k: (c * (c * k * k + 2), c * c * h * w * k * k),
            "It is depthwise: each channel reads itself only.",
        ),
        Mistake(
            "one pixel only",
            lambda c, h, w, k: (c * (k * k + 2), c * k * k),
            "The window visits every pixel: times height and width.",
        ),
    ],
)


# --- folding BatchNorm ------------------------------------------------------------------------


@torch.no_grad()
def fold(conv: nn.Conv2d, bn: Any) -> tuple[Tensor, Tensor]:
    """Weight and bias of the one convolution that does what conv, then bn in eval mode, does."""
    scale = bn.weight / torch.sqrt(bn.running_var + bn.eps)
    bias = 0 if conv.bias is None else conv.bias
    return conv.weight * scale[:, None, None, None], bn.bias + (bias - bn.running_mean) * scale


def _fold_case(channels: int, bias: bool, eps: float) -> tuple[Any, Any]:
    conv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=bias)
    return filled(conv), filled(nn.BatchNorm2d(channels, eps=eps)).eval()


def _try_fold(mine: Any, case: tuple[Any, Any]) -> Found:
    folded = mine(*case)
    if folded is None:
        return {"answer": None}
    weight, bias = folded
    conv, bn = case
    norm = torch.cat([bn.weight, bn.bias, bn.running_mean, bn.running_var])
    after = {"the window afterwards": conv.weight, "BatchNorm afterwards": norm}
    return {"answer": weight, "bias": bias, **after}


def _other_fold(
    *,
    eps: bool = True,
    mean: bool = True,
    beta: bool = True,
    gamma: bool = True,
    root: bool = True,
    bias: bool = True,
) -> Any:
    """`fold` with one thing forgotten."""

    @torch.no_grad()
    def folded(conv: nn.Conv2d, bn: Any) -> tuple[Tensor, Tensor]:
        variance = bn.running_var + (bn.eps if eps else 0)
        scale = (bn.weight if gamma else 1) / (variance**0.5 if root else variance)
        moved = (conv.bias if bias and conv.bias is not None else 0) - bn.running_mean * mean
        return conv.weight * scale[:, None, None, None], bn.bias * beta + moved * scale

    return folded


FOLD = Exercise(
    "fold_batch_norm",
    "07",
    15,
    "hard",
    "Fold BatchNorm (eval mode) into the depthwise convolution before it: return the weight and "
    "the bias of one convolution that does both. Change neither layer.",
    "def my_fold(conv, bn):\n    raise NotImplementedError",
    fold,
    {
        "one channel": _fold_case(1, False, 0.5),
        "three channels": _fold_case(3, False, 0.1),
        "four channels, the convolution has a bias": _fold_case(4, True, 1.0),
    },
    _try_fold,
    [
        Mistake(
            "eps is forgotten", _other_fold(eps=False), "BatchNorm divides by sqrt(variance + eps)."
        ),
        Mistake(
            "the running mean is forgotten",
            _other_fold(mean=False),
            "BatchNorm subtracts its running mean: it goes into the bias, scaled.",
        ),
        Mistake("beta is forgotten", _other_fold(beta=False), "beta is added at the end."),
        Mistake("gamma is forgotten", _other_fold(gamma=False), "The scale holds gamma as well."),
        Mistake(
            "variance for deviation",
            _other_fold(root=False),
            "Divide by the square root of the variance.",
        ),
        Mistake(
            "root and eps are forgotten",
            _other_fold(eps=False, root=False),
            "Divide by sqrt(variance + eps), not by the variance.",
        ),
        Mistake(
            "the convolution's bias is dropped",
            _other_fold(bias=False),
            "A convolution with a bias adds it before BatchNorm: it is scaled, too.",
        ),
    ],
)


# --- a swap in a foreign network --------------------------------------------------------------


def channels_by_relu(network: nn.Module, example: Tensor) -> dict[str, int]:
    """Name of each ReLU module -> channels of the maps that reach it."""
    found: dict[str, int] = {}
    relus = {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.ReLU)}
    hooks = [
        relu.register_forward_pre_hook(
            lambda _, inputs, name=name: found.update({name: inputs[0].shape[1]})
        )
        for name, relu in relus.items()
    ]
    network(example)
    for hook in hooks:
        hook.remove()
    return found


def _network(*channels: int) -> tuple[nn.Module, Tensor]:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(channels):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(2)).eval(), image(5, channels[0], 8, 8)


def _nested() -> tuple[nn.Module, Tensor]:
    """A ReLU inside a block, and one behind a BatchNorm; other activations between."""
    block = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 9, 1), nn.GELU())
    network = nn.Sequential(block, nn.Upsample(scale_factor=2), nn.BatchNorm2d(9), nn.ReLU())
    return network.eval(), image(5, 3, 8, 8)


def _try_channels(mine: Any, case: tuple[nn.Module, Tensor]) -> Found:
    found = mine(*case)
    if found is None:
        return {"answer": None}
    return {
        "answer": ", ".join(f"relu {n}: {int(c)} channels" for n, c in sorted(found.items())),
        "hooks left": sum(
            len(m._forward_pre_hooks) + len(m._forward_hooks) for m in case[0].modules()
        ),
    }


def _by_axis(axis: int) -> Any:
    def found(network: nn.Module, example: Tensor) -> dict[str, int]:
        sizes: dict[str, int] = {}
        x = example
        for name, layer in network.named_children():
            if isinstance(layer, nn.ReLU):
                sizes[name] = x.shape[axis]
            x = layer(x)
        return sizes

    return found


def _inputs(network: nn.Module, example: Tensor) -> dict[str, int]:
    names = [name for name, layer in network.named_modules() if isinstance(layer, nn.ReLU)]
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    return {name: conv.in_channels for name, conv in zip(names, convolutions, strict=True)}


CHANNELS = Exercise(
    "channels_by_relu",
    "08",
    15,
    "hard",
    "For a swap you need each ReLU's channel count. Run the example through the network, watch "
    "with hooks, and return a dict: the name of each nn.ReLU -> channels. Leave no hook behind.",
    "def my_channels(network, example):\n    raise NotImplementedError",
    channels_by_relu,
    {"one ReLU": _network(3, 6), "three ReLUs": _network(3, 8, 4, 16), "inside a block": _nested()},
    _try_channels,
    [
        Mistake(
            "the batch", _by_axis(0), "shape[0] is the number of images: channels are shape[1]."
        ),
        Mistake("the rows", _by_axis(2), "shape[2] are rows: channels are shape[1]."),
        Mistake(
            "the convolution's inputs",
            _inputs,
            "The activation sees what the convolution puts out, not what it gets.",
        ),
    ],
)


def small_maps(shapes: dict[str, tuple[int, int, int, int]], rows: int) -> list[str]:
    """The places whose maps (N, C, H, W) have fewer rows."""
    return [place for place, shape in shapes.items() if shape[2] < rows]


SHAPES = {
    "stem": (1, 8, 32, 32),
    "stage1": (1, 8, 32, 16),
    "stage2": (1, 16, 8, 40),
    "stage3": (1, 32, 4, 4),
}

SMALL_MAPS = Exercise(
    "small_maps",
    "08",
    5,
    "easy",
    "A window sees little on a small map. From a dict place -> shape (N, C, H, W), list, in order, "
    "the places whose maps have fewer than `rows` rows: what `skip=` takes.",
    "def my_small_maps(shapes, rows):\n    raise NotImplementedError",
    small_maps,
    {f"fewer than {rows} rows": (SHAPES, rows) for rows in (1, 8, 9, 40)},
    lambda mine, case: {"answer": None if (found := mine(*case)) is None else ", ".join(found)},
    [
        Mistake(
            "the border counts",
            lambda shapes, rows: [p for p, s in shapes.items() if s[2] <= rows],
            "Fewer than: a map with exactly so many rows stays.",
        ),
        Mistake(
            "channels, not rows",
            lambda shapes, rows: [p for p, s in shapes.items() if s[1] < rows],
            "shape[1] are channels: rows are shape[2].",
        ),
        Mistake(
            "columns, not rows",
            lambda shapes, rows: [p for p, s in shapes.items() if s[3] < rows],
            "shape[3] are columns: rows are shape[2].",
        ),
        Mistake(
            "the large ones",
            lambda shapes, rows: [p for p, s in shapes.items() if s[2] >= rows],
            "Those are the large maps: the small ones are to be skipped.",
        ),
    ],
)


# --- the folded funnel at work ----------------------------------------------------------------


def folded_frelu(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """max(x, T(x)) with BatchNorm folded: T is one depthwise convolution with a bias."""
    half = weight.shape[-1] // 2
    return torch.maximum(x, F.conv2d(x, weight, bias, padding=half, groups=x.shape[1]))


def _folded_case(channels: int, side: int, k: int) -> tuple[Tensor, Tensor, Tensor]:
    weight, bias = image(channels, 1, k, k) / k, image(channels) / 3
    return image(2, channels, side, side + 1), weight, bias


FOLDED = Exercise(
    "folded_frelu",
    "07",
    10,
    "medium",
    "A FReLU for inference: BatchNorm is folded into `weight` (C, 1, k, k) and `bias` (C,). "
    "Compute max(x, T(x)) with one call of F.conv2d.",
    "def my_folded_frelu(x, weight, bias):\n    raise NotImplementedError",
    folded_frelu,
    {
        "one channel, 3x3": _folded_case(1, 3, 3),
        "four channels, 3x3": _folded_case(4, 5, 3),
        "three channels, 5x5": _folded_case(3, 6, 5),
    },
    lambda mine, case: {"answer": mine(*case)},
    [
        Mistake(
            "the bias is left out",
            lambda x, w, b: folded_frelu(x, w, torch.zeros_like(b)),
            "Folding put BatchNorm's shift into the bias: hand it on.",
        ),
        Mistake(
            "padding 1 for every window",
            lambda x, w, b: torch.maximum(x, F.conv2d(x, w, b, padding=1, groups=x.shape[1])),
            "A window of k x k needs padding k // 2.",
        ),
        Mistake(
            "T(x) has another size",
            lambda x, w, b: torch.maximum(x, F.conv2d(x, w, b, groups=x.shape[1])),
            "A window of k x k keeps the size of x with padding=k // 2.",
        ),
        Mistake(
            "no groups",
            lambda x, w, b: torch.maximum(x, F.conv2d(x, w, b, padding=w.shape[-1] // 2)),
            "The convolution is depthwise: groups is the number of channels.",
        ),
        Mistake(
            "ReLU at the end",
            lambda x, w, b: torch.relu(folded_frelu(x, w, b)),
            "FReLU's answer may be negative: no ReLU behind it.",
        ),
    ],
)


# --- what a swap gained -----------------------------------------------------------------------


def gains(scores: Sequence[float], reference: Sequence[float]) -> tuple[float, int]:
    """Mean gain in points and number of seeds that gained; scores are shares, seed by seed."""
    differences = [100 * (ours - theirs) for ours, theirs in zip(scores, reference, strict=True)]
    return sum(differences) / len(differences), sum(one > 0 for one in differences)


GAINS = Exercise(
    "gains",
    "08",
    5,
    "easy",
    "scores[i] and reference[i] are accuracies (0 to 1) of one seed, with and without the swap. "
    "Return the mean gain in points, and with how many seeds the swap was better.",
    "def my_gains(scores, reference):\n    raise NotImplementedError",
    gains,
    {
        "two seeds": ([0.5, 0.7], [0.495, 0.72]),
        "three seeds, all better": ([0.6, 0.4, 0.5], [0.5, 0.39, 0.3]),
        "three seeds, a tie": ([0.5, 0.75, 0.25], [0.5, 0.5, 0.5]),
        "two seeds, neither better": ([0.5, 0.6], [0.7, 0.8]),
        "two seeds, hardly better": ([0.5001, 0.6], [0.5, 0.7]),
        "four seeds": ([0.61, 0.58, 0.64, 0.6], [0.6, 0.62, 0.63, 0.55]),
    },
    lambda mine, case: {"answer": mine(*case)},
    [
        Mistake(
            "in shares",
            lambda s, r: (gains(s, r)[0] / 100, gains(s, r)[1]),
            "Points are hundredths: times 100.",
        ),
        Mistake(
            "the other way round",
            lambda s, r: gains(r, s),
            "The gain is the swap's score minus the reference's.",
        ),
        Mistake(
            "each against the mean",
            lambda s, r: (gains(s, r)[0], sum(a > sum(r) / len(r) for a in s)),
            "Compare a seed with the reference of the same seed, not with their mean.",
        ),
        Mistake(
            "the pairs are lost",
            lambda s, r: gains(sorted(s), sorted(r)),
            "Compare seed by seed: sorting tears the pairs apart.",
        ),
        Mistake(
            "a tie counts as better",
            lambda s, r: (gains(s, r)[0], sum(a >= b for a, b in zip(s, r, strict=True))),
            "Equal is not better.",
        ),
    ],
)
