"""One example's way through a network: which module ran when, on what, and behind which layer."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from ..nn.networks import restoring_state
from .expressions import Expressions

_BENT_FUNCTIONS = "relu relu6 leaky_relu prelu rrelu elu celu selu hardtanh"
_SMOOTH_FUNCTIONS = "silu gelu mish hardswish softplus softsign log_sigmoid glu"
_SHRINKING_FUNCTIONS = "threshold hardshrink softshrink tanhshrink"
POINTWISE_FUNCTIONS = frozenset(
    f"{_BENT_FUNCTIONS} {_SMOOTH_FUNCTIONS} {_SHRINKING_FUNCTIONS}".split()
)
"""Activations that a forward may call as functions."""

_GATES = ("sigmoid", "tanh", "hardsigmoid")
"""Functions that are activations where layers alone read their outputs."""

_CHANNELS_SECOND = ("conv", "batch_norm", "group_norm", "instance_norm")
_JOINS = ("cat", "concat", "concatenate", "layer_norm", *_CHANNELS_SECOND[1:])
_MIX_AXES = ("matmul", "bmm", "baddbmm", "einsum", "scaled_dot_product_attention")
_RESHAPES = ("reshape", "view", "flatten", "unflatten", "reshape_as", "view_as", "unfold")
_AXES_MOVED = ("permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis")


@dataclass(frozen=True)
class Call:
    """One call of a watched module.

    behind: the layer (convolution, linear layer or normalisation) that its input comes from, ""
    when it is the network's own input. channel_axis: where that layer puts its channels, 1 or -1.
    image: whether the last two axes are rows and columns, as far as can be seen. callers: the
    modules whose forward was running, outermost first, each with the number of its run.
    """

    behind: str
    shape: tuple[int, ...]
    channel_axis: int
    image: bool
    device: torch.device
    dtype: torch.dtype
    callers: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Trace:
    """What one example showed.

    calls: name of a watched module -> its calls in order. functions: (module, activation function
    that its forward calls) -> how often. reread: watched modules that work in place and whose input
    is read once more afterwards. feeding: watched modules whose output a layer takes, gating: those
    whose output something else takes, or the network's caller.
    """

    calls: Mapping[str, list[Call]]
    functions: Mapping[tuple[str, str], int]
    reread: frozenset[str]
    feeding: frozenset[str]
    gating: frozenset[str]


def trace(model: nn.Module, watched: Mapping[str, nn.Module], example: Any) -> Trace:
    """Run `example` through `model` in eval mode and say how each of the `watched` was called.

    example: a tensor, a tuple of arguments, or a dict of arguments by name. The model is left as it
    was. A watched module must not work in place: the trace tells a tensor from its successor by its
    identity. `reread` is filled for those whose `works_in_place` is set. Used by `swap_activation`,
    notebook 08.
    """
    follower = _Follower({id(module): name for name, module in watched.items()})
    hooks = [
        hook
        for name, module in model.named_modules()
        if not isinstance(module, torch.jit.ScriptModule)  # it takes no such hooks
        for hook in (
            module.register_forward_pre_hook(follower.enter(name), with_kwargs=True),
            module.register_forward_hook(follower.leave, with_kwargs=True, always_call=True),
        )
    ]
    for tensor in tensors_in(example):
        follower.expressions.begin(tensor)
    loaded = "torch._dynamo" in sys.modules  # else nothing is compiled, and loading takes seconds
    eager = torch.compiler.set_stance("force_eager") if loaded else nullcontext()
    with restoring_state(model, hooks), eager, follower.expressions, follower:
        if isinstance(example, Mapping):
            output = model(**example)
        else:
            output = model(*example) if isinstance(example, tuple) else model(example)
    follower.read(output)
    follower.gating.update(follower.makers(output))
    gates = (gate for gate in follower.feeding - follower.gating if isinstance(gate, tuple))
    follower.functions.update(gate[:2] for gate in gates)
    seen = (follower.reread, follower.feeding, follower.gating)
    return Trace(follower.calls, follower.functions, *map(frozenset, seen))


@dataclass(frozen=True)
class _Origin:
    """The layer that a tensor comes from, how many ran before it, and what its axes are."""

    layer: str
    channel_axis: int
    image: bool = True
    number: int = 0


class _Follower(TorchFunctionMode):
    """Follows tensors: each knows the layer that it comes from, through all functions between."""

    def __init__(self, watched: Mapping[int, str]) -> None:
        super().__init__()
        self.watched = watched
        self.calls: dict[str, list[Call]] = {name: [] for name in watched.values()}
        self.functions: Counter[tuple[str, str]] = Counter()
        self.reread: set[str] = set()
        self.feeding: set[Any] = set()
        self.gating: set[Any] = set()
        self.expressions = Expressions(self._note_function, lambda: self._named or self._working)
        self._named = False  # whether the function that ran last is an activation
        self._running: list[tuple[str, int]] = []
        self._runs: Counter[str] = Counter()
        self._layers = 0
        self._followed: set[int] = set()  # runs of layers behind which an activation stood already
        self._origin = WeakTensorKeyDictionary()
        self._overwritten = WeakTensorKeyDictionary()  # what a ReLU in place would have changed
        self._made_by = WeakTensorKeyDictionary()  # the watched modules and gates that made it

    def enter(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        """The hook before the module of that name runs."""

        def before(module: nn.Module, inputs: Any, keywords: Any) -> None:
            place = self.watched.get(id(module))
            if place is not None:
                self._note_call(place, module, next(tensors_in((inputs, keywords))))
            self._running.append((name, self._runs[name]))
            self._runs[name] += 1

        return before

    def leave(self, module: nn.Module, inputs: Any, keywords: Any, output: Any) -> None:
        """The hook after a module ran: an activation's output has its input's origin."""
        self._running.pop()
        if id(module) in self.watched and isinstance(output, Tensor):
            self._made_by[output] = {self.watched[id(module)]}
            self._origin[output] = self._origin_of(next(tensors_in((inputs, keywords))))

    def _origin_of(self, x: Tensor) -> _Origin:
        return self._origin.get(x, _Origin("", 1))

    def _new_origin(self, layer: str, channel_axis: int, image: bool) -> _Origin:
        self._layers += 1
        return _Origin(layer, channel_axis, image, self._layers)

    def _note_call(self, place: str, module: nn.Module, x: Tensor) -> None:
        self.read(x)
        origin = self._origin_of(x)
        self._followed.add(origin.number)
        kind = (origin.channel_axis, origin.image, x.device, x.dtype)
        self.calls[place].append(Call(origin.layer, tuple(x.shape), *kind, tuple(self._running)))
        if getattr(module, "works_in_place", False):
            self._overwritten[x] = place

    def read(self, values: Any) -> None:
        """Note whose in-place work the reader of these tensors depends on."""
        for tensor in tensors_in(values):
            if tensor in self._overwritten:
                self.reread.add(self._overwritten[tensor])

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        inputs = (args, kwargs or {})
        name = getattr(function, "__name__", "").split(".")[0]
        self._named = name.strip("_") in POINTWISE_FUNCTIONS
        output = function(*args, **inputs[1])
        results = list(tensors_in(args[0] if name == "__setitem__" else output))
        if not results or self._working:
            return output  # a question about a shape, or an activation at work
        self.read(inputs)
        if self._named:
            self._note_function(name.strip("_"))
        self._note_readers(name, inputs, results)
        origin = self._origin_behind(name, function, inputs, results[0])
        for result in results:
            self._origin[result] = origin
        return output

    @property
    def _working(self) -> bool:
        return any(name in self.calls for name, _ in self._running)

    @property
    def _caller(self) -> str:
        return self._running[-1][0] if self._running else ""

    def _note_function(self, name: str) -> None:
        self.functions[self._caller, name] += 1

    def _origin_behind(
        self, name: str, function: Callable[..., Any], inputs: tuple[Any, Any], result: Tensor
    ) -> _Origin:
        """Where the result comes from, given what the function is and what it was given.

        Of several tensors the first counts that no activation stands behind, else the latest.
        """
        known = [tensor for tensor in tensors_in(inputs) if tensor in self._origin]
        if name.startswith(_CHANNELS_SECOND):
            looks = "conv" in name and _is_window(inputs)  # as its author does, across neighbours
            image = looks or not known or self._origin[known[0]].image
            return self._new_origin(self._caller, 1, image)
        if name == "linear":
            return self._new_origin(self._caller, 1 if result.dim() == 2 else -1, image=False)
        if not known:
            return _Origin("", 1)
        alike = [tensor for tensor in known if tensor.shape == result.shape] or known
        fresh = [x for x in alike if self._origin[x].number not in self._followed]
        first = fresh[0] if fresh else max(alike, key=lambda x: self._origin[x].number)
        before = self._origin[first]
        if name == "layer_norm":
            return self._new_origin(self._caller, before.channel_axis, before.image)
        axis = before.channel_axis
        if name in _AXES_MOVED and first.dim() > 2:
            axis = _moved(axis, function, inputs, first)
        image = any(self._origin[tensor].image for tensor in alike)
        return replace(before, channel_axis=axis, image=_keeps_image(name, image, first, result))

    def makers(self, values: Any) -> set[Any]:
        """Whose outputs these are, through pooling and such: watched modules, calls of gates."""
        return set().union(*(self._made_by.get(x, ()) for x in tensors_in(values)))

    def _note_readers(self, name: str, inputs: tuple[Any, Any], results: list[Tensor]) -> None:
        """Follow what a watched module or a gate made: into a layer, or into something else."""
        data = [x for x in tensors_in(inputs) if not isinstance(x, nn.Parameter)]
        made_by: set[Any] = set()
        if name.startswith("conv") or name in ("linear", "addmm"):
            self.feeding |= self.makers(data[:1])
            self.gating |= self.makers(data[1:])  # computed weights
        elif len(data) == 1 or name.startswith(_JOINS):
            made_by = self.makers(data)
        else:
            self.gating |= self.makers(data)
        if name.strip("_") in _GATES:
            made_by = {(self._caller, name.strip("_"), object())}
        for result in results:
            self._made_by[result] = made_by


def _is_window(inputs: tuple[Any, Any]) -> bool:
    """Whether a two-dimensional convolution's weight is larger than 1x1."""
    weight = inputs[1].get("weight", inputs[0][1] if len(inputs[0]) > 1 else None)
    return weight is not None and weight.dim() == 4 and weight.shape[2:].numel() > 1


def _keeps_image(name: str, image: bool, before: Tensor, after: Tensor) -> bool:
    """Whether the last two axes still are rows and columns, or have become so from a vector."""
    if name in _MIX_AXES:
        return False
    if name in _RESHAPES and before.shape[-2:] != after.shape[-2:]:
        return before.dim() == 2
    return image


def _moved(axis: int, function: Callable[..., Any], inputs: tuple[Any, Any], x: Tensor) -> int:
    """Where the channels are afterwards: found with a tensor whose sides all differ."""
    sides = torch.empty(tuple(range(2, 2 + x.dim())), device="meta")
    arguments, keywords = inputs
    arguments = [sides if argument is x else argument for argument in arguments]
    keywords = {key: sides if value is x else value for key, value in keywords.items()}
    shape = function(*arguments, **keywords).shape
    where = shape.index(sides.shape[axis])
    return -1 if where == len(shape) - 1 else where


def tensors_in(value: Any) -> Iterator[Tensor]:
    """All tensors in nested tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from tensors_in(part)
    elif isinstance(value, Mapping):
        yield from tensors_in(tuple(value.values()))
