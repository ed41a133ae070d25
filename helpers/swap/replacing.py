"""Exchanging the activations of a network that somebody else wrote."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ..nn.activations import ACTIVATIONS, make_activation
from ..nn.networks import parameter_count
from .call_by_call import CallByCall
from .recognition import BOUNDED, GATE, arm_of, reason_to_keep
from .report import Left, Swapped, SwapReport, first_of
from .tracing import Call, Trace, tensors_in, trace

Classes = tuple[type[nn.Module], ...]
Example = Tensor | tuple[Any, ...] | Mapping[str, Any]


@torch.inference_mode(False)  # else the new layers could never train
def swap_activation(
    model: nn.Module,
    name: str = "frelu",
    example: Example | None = None,
    skip: str | Sequence[str] | None = None,
    only: str | Sequence[str] | None = None,
    also: type[nn.Module] | Sequence[type[nn.Module]] = (),
) -> SwapReport:
    """Replace the activations of `model`, in place, by `make_activation(name, channels)`.

    One example runs through the network in eval mode and shows what reaches each activation: the
    channels, and the layer before. What follows another layer gets weights of its own, also where
    one module is used several times (`CallByCall`). Activations are torch's, the series', and
    modules without parameters that act on numbers as they do (`reason_to_keep`). Left, with a
    reason: what has no window (after flattening, maps of 1x1, channels that stand last, axes that
    are no rows and columns), gates, modules of which it is not sure, compiled ones, what the
    example did not reach, and a module that works in place for later readers of its input. Tanh and
    its like are gates unless layers alone read them. Activations that a forward calls as functions
    or writes as expressions can't be replaced; the report names them.

    New modules take device, dtype, memory format and mode from their place. They are trainable, and
    an optimiser made before doesn't know them. A second call changes nothing.

    example: (N, C, H, W), at the size that the network is for; None takes zeros, 224x224. Several
    inputs are a tuple, or a dict by name.
    skip: what to leave: names of modules, with all that is below them, or patterns ("layer1",
    "*.act"); with # and a number, one of several calls, as the report names it ("layer1.0.relu#2").
    only: what to swap, named likewise; all else is left.
    also: classes of modules that are activations too.

    Raises TypeError or ValueError for a network that is an activation itself or is compiled, an
    unknown name, a pattern or class that matches no activation, and an example that the network
    can't take. Introduced in notebook 08.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    >>> print(swap_activation(net, "frelu", torch.zeros(1, 3, 32, 32)))
    Sequential: 1 new frelu, 0 left, 0 called as functions
    parameters: 224 -> 312 (+88)
    new
      1: ReLU -> FReLU, 8x30x30, behind 0
    """
    classes = (also,) if isinstance(also, type) else tuple(also)
    _check(model, name, classes)
    places = _places(model, classes)
    seen = _look(model, places, _example_for(model, example))
    names = _names(places, seen)
    skipped = _matching(names, skip, "skip")
    if only is not None:
        skipped |= set(names) - _matching(names, only, "only")
    report = SwapReport(name, type(model).__name__, parameter_count(model))
    for place in places:
        calls = seen.calls.get(place.name, [])
        left = [(place.name, call + 1) in skipped for call in range(max(1, len(calls)))]
        reason = "skipped" if all(left) else _reason_to_leave(place, places, name, seen)
        if reason:
            report.left.append(Left(place.name, _kind(place.module), reason))
        else:
            _Swap(model, place, name, calls, left).carry_out(report)
    report.parameters_after = parameter_count(model)
    report.functions = dict(seen.functions)
    return report


def _check(model: nn.Module, name: str, also: Classes) -> None:
    _needs_channels(name)
    network = type(model).__name__
    if type(model).__call__ is not nn.Module.__call__ and isinstance(
        getattr(model, "model", None), nn.Module
    ):
        raise TypeError(f"{network} is a wrapper around a network: give its .model.")
    if _is_compiled(model):
        raise TypeError(
            f"{network} is compiled, and nothing in it can be replaced: "
            "swap the activations of the original network, then compile."
        )
    if reason_to_keep(model, also) is not None:
        raise ValueError(
            f"The network is an activation itself ({_kind(model)}), and nothing stands around it "
            f"to put another one in: write make_activation('{name}', channels)."
        )
    for kind in also:
        if not any(isinstance(module, kind) for module in model.modules()):
            raise ValueError(f"also: {network} has no module of class {kind.__name__}.")


def _is_compiled(module: nn.Module) -> bool:
    return isinstance(module, torch.jit.ScriptModule) or hasattr(module, "_orig_mod")


def _needs_channels(name: str) -> bool:
    """Whether the activation has a window: it can't be made without channels.

    Raises ValueError for an unknown name.
    """
    if name not in ACTIVATIONS:
        make_activation(name)  # its error names the nearest known name
    try:
        make_activation(name)
    except Exception:  # a reader's own may raise anything; with channels its error is seen
        return True
    return False


# --- where activations stand --------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """An activation, the name under which its parent holds it, and why it stays, if it does."""

    name: str
    parent: nn.Module
    module: nn.Module
    reason: str

    def put(self, module: nn.Module) -> None:
        self.parent.register_module(self.name.rpartition(".")[2], module)


def _places(model: nn.Module, also: Classes) -> list[_Place]:
    """Each place once, also where one module stands in several."""
    places: dict[tuple[int, str], _Place] = {}
    inside: tuple[str, ...] = ()  # what a found activation is made of is not looked at
    for name, module in model.named_modules(remove_duplicate=False):
        path, _, key = name.rpartition(".")
        parent = model.get_submodule(path)
        if not name or (id(parent), key) in places or name.startswith(inside):
            continue
        compiled = "compiled, and nothing in it can be replaced"
        reason = compiled if _is_compiled(module) else reason_to_keep(module, also)
        if reason is not None:
            places[id(parent), key] = _Place(name, parent, module, reason)
            inside = (*inside, f"{name}.")
    return list(places.values())


def _names(places: Sequence[_Place], seen: Trace) -> list[tuple[str, int]]:
    """Each call as (place, number from 1); a place that was not reached has one as well."""
    return [
        (place.name, call + 1)
        for place in places
        for call in range(max(1, len(seen.calls.get(place.name, []))))
    ]


def _matching(
    names: Sequence[tuple[str, int]], patterns: str | Sequence[str] | None, option: str
) -> set[tuple[str, int]]:
    """The calls that the patterns match."""
    matching: set[tuple[str, int]] = set()
    for pattern in [patterns] if isinstance(patterns, str) else patterns or ():
        path, _, number = pattern.partition("#")
        ways = (path, f"{path}.*")
        found = {
            (place, call)
            for place, call in names
            if any(fnmatchcase(place, way) for way in ways) and number in ("", str(call))
        }
        if not found:
            known = list(dict.fromkeys(place for place, _ in names))
            raise ValueError(
                f"{option}: '{pattern}' matches no activation of this network. "
                f"Its activations: {first_of(known, 8) or 'none'}."
            )
        matching |= found
    return matching


def _kind(module: nn.Module) -> str:
    return arm_of(module) or type(module).__name__


# --- what reaches them --------------------------------------------------------------------------


def _example_for(model: nn.Module, example: Example | None) -> Example:
    """The example, or one made up, on the device and in the dtype of the model's weights."""
    if example is None:
        if any(is_lazy(value) for value in (*model.parameters(), *model.buffers())):
            raise ValueError(
                "The network has lazy layers, which take their sizes from their first input: "
                "give example=, a batch as the network takes it."
            )
        first = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
        if first is None:
            raise ValueError(
                "The network has no Conv2d that would say how many channels its images have: "
                "give example=, a batch as the network takes it."
            )
        example = torch.zeros(1, first.in_channels, 224, 224)
    if not isinstance(example, (Tensor, tuple, Mapping)):
        raise TypeError(
            f"example is a {type(example).__name__}; give a tensor (N, C, H, W), or for several "
            "inputs a tuple or a dict."
        )
    if isinstance(example, Tensor) and example.dim() != 4 and _takes_images_only(model):
        raise ValueError(
            f"example has shape {tuple(example.shape)}; give a batch (N, C, H, W). "
            "For one image: image[None]."
        )
    return _moved_to_weights(example, model)


def _takes_images_only(model: nn.Module) -> bool:
    layers = list(model.modules())
    others = any(isinstance(layer, (nn.Conv1d, nn.Conv3d)) for layer in layers)
    return not others and any(isinstance(layer, nn.Conv2d) for layer in layers)


def _moved_to_weights(example: Any, model: nn.Module) -> Any:
    """The example on the weights' device and in their dtype; among several, whole numbers stay."""
    weights = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))

    def moved(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        whole = value is not example and not value.is_floating_point()
        return value.to(weights.device, None if whole else weights.dtype)

    if isinstance(example, Mapping):
        return {key: moved(value) for key, value in example.items()}
    return tuple(map(moved, example)) if isinstance(example, tuple) else moved(example)


def _look(model: nn.Module, places: Sequence[_Place], example: Example) -> Trace:
    """Trace with a stand-in in each place.

    So a module that stands in several places counts for each of them; a module reached by another
    reference is recorded as not called.
    """
    first = next(tensors_in(example), torch.empty(0))
    kind = first.device.type if torch.amp.is_autocast_available(first.device.type) else "cpu"
    with _stand_ins(places) as watched, torch.autocast(kind, enabled=False):
        try:
            return trace(model, watched, example)
        except Exception as error:
            raise ValueError(
                f"{type(model).__name__} can't take an example of shape {tuple(first.shape)} in "
                f"eval mode ({type(error).__name__}: {error}). Give example=, a batch of your "
                "images at the size that the network is for."
            ) from error


@contextmanager
def _stand_ins(places: Sequence[_Place]) -> Iterator[dict[str, nn.Module]]:
    places = [place for place in places if not _is_compiled(place.module)]
    watched: dict[str, Any] = {place.name: deepcopy(place.module) for place in places}
    try:
        for place in places:
            stand_in: Any = watched[place.name]
            stand_in.works_in_place = any(getattr(m, "inplace", False) for m in stand_in.modules())
            for part in stand_in.modules():
                part.inplace = False
            place.put(stand_in)
        yield watched
    finally:
        for place in places:
            place.put(place.module)


def _reason_to_leave(place: _Place, places: Sequence[_Place], name: str, seen: Trace) -> str | None:
    """Why the place stays as it is in all its calls, or None."""
    if place.reason == GATE and place.name in seen.feeding:
        if not _is_between_layers(place, seen):
            return BOUNDED
    elif place.reason:
        return place.reason
    if arm_of(place.module) == name:
        return f"is {name} already"
    if not seen.calls.get(place.name):
        same = (p.name for p in places if p.module is place.module and seen.calls.get(p.name))
        by = next(same, None)
        if by:
            return f"the same module as {by}, and called by that name"
        return "the example did not reach it"
    if place.name in seen.reread:
        return "works in place for a later layer that reads its input; set inplace=False to swap it"
    return None


def _is_between_layers(place: _Place, seen: Trace) -> bool:
    """Whether what could be a gate is an activation: layers alone read it, and none in a loop."""
    behind = [call.behind for call in seen.calls[place.name]]
    alone = place.name not in seen.gating and len(set(behind)) == len(behind)
    return alone and not isinstance(place.module, nn.Softmax)


def _no_window(call: Call) -> str | None:
    """Why a window has nothing to look at in this call, or None."""
    if len(call.shape) != 4:
        shape = ", ".join(["N", *map(str, call.shape[1:])])
        return f"its input is ({shape}), not (N, C, H, W): no window"
    if call.channel_axis != 1:
        return "its channels stand last: a window would look across them"
    if not call.image:
        return "no image there, as far as can be seen: its axes were reshaped on the way"
    if call.shape[2:] == (1, 1):
        return "its map is 1x1: a window has no neighbours to see"
    return None


# --- the exchange -------------------------------------------------------------------------------


class _Swap:
    """The exchange in one place: one new activation for each layer that it stands behind."""

    def __init__(
        self,
        model: nn.Module,
        place: _Place,
        name: str,
        calls: Sequence[Call],
        skipped: Sequence[bool],
    ) -> None:
        self.model, self.place, self.name, self.calls = model, place, name, calls
        needs = _needs_channels(name)
        self.learns = needs or any(make_activation(name).parameters())
        self.reasons = [
            "skipped" if skip else _no_window(call) if needs else None
            for call, skip in zip(calls, skipped, strict=True)
        ]
        made: dict[Hashable, nn.Module] = {}
        for call, reason in zip(calls, self.reasons, strict=True):
            if reason is None and self._key(call) not in made:
                made[self._key(call)] = self._make(call)
        self.new = list(made.values())
        self.modules = [
            made[self._key(call)] if reason is None else place.module
            for call, reason in zip(calls, self.reasons, strict=True)
        ]

    def _key(self, call: Call) -> Hashable:
        """Calls with the same key share one activation; one without weights serves all."""
        return (call.behind, _channels(call), call.device, call.dtype) if self.learns else None

    def _make(self, call: Call) -> nn.Module:
        new: Any = make_activation(self.name, _channels(call))
        new.to(call.device, call.dtype if call.dtype.is_floating_point else None)
        if _is_channels_last(self.model):
            new.to(memory_format=torch.channels_last)
        new.train(self.place.module.training)
        new.swapped_as = self.name
        return new

    def carry_out(self, report: SwapReport) -> None:
        """Put the new modules in, and note what was done."""
        place, old = self.place, self.place.module
        if any(_is_same(old, new) for new in self.new):
            report.left.append(Left(place.name, _kind(old), f"is {self.name} already"))
            return
        calls_of: dict[nn.Module, list[int]] = {}
        for call, module in enumerate(self.modules):
            calls_of.setdefault(module, []).append(call)
        distinct = list(calls_of)
        if len(distinct) == 1:
            place.put(distinct[0])
        else:
            self._put_by_call(distinct)
        for index, (module, calls) in enumerate(calls_of.items()):
            name = f"{place.name}.{index}" if len(distinct) > 1 else place.name
            self._note(report, name, module, calls)

    def _put_by_call(self, distinct: list[nn.Module]) -> None:
        owner, order = _owner(self.calls, [distinct.index(module) for module in self.modules])
        turns = CallByCall(distinct, order, self.place.name)
        turns.attach(self.model.get_submodule(owner))
        self.place.put(turns.train(self.place.module.training))

    def _note(self, report: SwapReport, name: str, module: nn.Module, calls: list[int]) -> None:
        """The report's row for one of the modules that stand here now, and its calls, from 0."""
        place, first = self.place, self.calls[calls[0]]
        if module is place.module:
            reasons = dict.fromkeys(self.reasons[call] for call in calls)
            reason = "; ".join(filter(None, reasons))
            report.left.append(Left(name, _kind(place.module), reason))
            return
        report.swapped.append(
            Swapped(
                name,
                place.name,
                before=_kind(place.module),
                after=type(module).__name__,
                behind=first.behind,
                shape=first.shape,
                calls=tuple(call + 1 for call in calls),
                of_calls=len(self.calls),
                hooks=len(place.module._forward_hooks) + len(place.module._forward_pre_hooks),
            )
        )


def _channels(call: Call) -> int | None:
    return call.shape[1] if len(call.shape) == 4 and call.channel_axis == 1 else None


def _owner(calls: Sequence[Call], order: Sequence[int]) -> tuple[str, tuple[int, ...]]:
    """The innermost module each run of which makes the same calls, and these as one order."""
    for depth in range(min(len(call.callers) for call in calls), 0, -1):
        names = {call.callers[depth - 1][0] for call in calls}
        runs: dict[tuple[tuple[str, int], ...], list[int]] = {}
        for call, which in zip(calls, order, strict=True):
            runs.setdefault(call.callers[:depth], []).append(which)
        orders = {tuple(run) for run in runs.values()}
        if len(names) == len(orders) == 1:
            return names.pop(), orders.pop()
    raise AssertionError("the network itself runs once, so at the outermost there is one order")


def _is_same(old: nn.Module, new: nn.Module) -> bool:
    """Whether both are built alike; numbers such as a slope may differ."""

    def build(module: nn.Module) -> tuple[list[type], list[torch.Size]]:
        shapes = [value.shape for value in module.state_dict().values()]
        return [type(part) for part in module.modules()], shapes

    return build(old) == build(new)


def _is_channels_last(model: nn.Module) -> bool:
    return any(
        p.dim() == 4
        and p.is_contiguous(memory_format=torch.channels_last)
        and not p.is_contiguous()
        for p in model.parameters()
    )
