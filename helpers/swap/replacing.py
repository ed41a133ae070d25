"""Exchanging the activations of a network that somebody else wrote."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from ..nn.activations import ACTIVATIONS, CrossFReLU, FReLU, Mish, PoolFunnel, make_activation
from ..nn.networks import parameter_count
from .tracing import Call, Trace, trace

SWAPPABLE: tuple[type[nn.Module], ...] = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.PReLU,
    nn.RReLU,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.SiLU,
    nn.GELU,
    nn.Mish,
    nn.Hardswish,
    Mish,
    FReLU,
    PoolFunnel,
    CrossFReLU,
)
"""The modules that `swap_activation` replaces."""

GATES: tuple[type[nn.Module], ...] = (nn.Sigmoid, nn.Hardsigmoid, nn.Tanh, nn.Hardtanh, nn.Softmax)
"""Modules that bound a gate or an output: reported, never replaced."""

ROWS_SHOWN = 8


@dataclass(frozen=True)
class Swapped:
    """One new activation: its name in the network, what stood there, and behind which layer.

    place: the old module's name. calls: which of its calls the new one took over, counted from 1,
    of how many. shape: what the example brought there, (N, C, H, W) before flattening. Introduced
    in notebook 08.
    """

    name: str
    place: str
    before: str
    after: str
    behind: str
    shape: tuple[int, ...]
    calls: tuple[int, ...]
    of_calls: int

    def __str__(self) -> str:
        which = ""
        if len(self.calls) < self.of_calls:
            which = f" (call {', '.join(map(str, self.calls))} of {self.of_calls})"
        behind = f", behind {self.behind}" if self.behind else ""
        size = "x".join(map(str, self.shape[1:]))
        return f"{self.name}{which}: {self.before} -> {self.after}, {size}{behind}"


@dataclass(frozen=True)
class Left:
    """One activation that stayed, and why. Introduced in notebook 08."""

    name: str
    activation: str
    reason: str


@dataclass
class SwapReport:
    """What `swap_activation` changed and what it left. Introduced in notebook 08.

    functions: (module, activation function that its forward calls) -> how often; no module stands
    there that could be replaced. Both numbers of parameters are those of the whole network.
    """

    activation: str
    network: str
    parameters_before: int
    parameters_after: int = 0
    swapped: list[Swapped] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    functions: dict[tuple[str, str], int] = field(default_factory=dict)

    def __str__(self) -> str:
        more = self.parameters_after - self.parameters_before
        lines = [
            f"{self.network}: {len(self.swapped)} new {self.activation}, {len(self.left)} left, "
            f"{sum(self.functions.values())} called as functions",
            f"parameters: {self.parameters_before:,} -> {self.parameters_after:,} ({more:+,})",
        ]
        lines += _section("new", [str(row) for row in self.swapped])
        lines += _section("left", _by_reason(self.left))
        lines += _section("out of reach: functions, and no modules", _by_function(self.functions))
        return "\n".join(lines)


def _section(title: str, rows: list[str]) -> list[str]:
    more = len(rows) - ROWS_SHOWN
    shown = [f"  {row}" for row in rows[:ROWS_SHOWN]]
    return [title, *shown, *([f"  ... and {more} more"] if more > 0 else [])] if rows else []


def _by_reason(left: Sequence[Left]) -> list[str]:
    """Each reason once, with the kinds of activation that it keeps, and the first names of each."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for row in left:
        reasons.setdefault(row.reason, {}).setdefault(row.activation, []).append(row.name)
    return [
        "\n    ".join([f"{reason}:", *(f"{k}: {_first(names)}" for k, names in kinds.items())])
        for reason, kinds in reasons.items()
    ]


def _by_function(functions: Mapping[tuple[str, str], int]) -> list[str]:
    """One line per function, with the first modules whose forward calls it."""
    callers: dict[str, list[str]] = {}
    for (caller, function), count in functions.items():
        times = f" ({count}x)" if count > 1 else ""
        callers.setdefault(function, []).append((caller or "the network itself") + times)
    return [f"{function}, called by {_first(names)}" for function, names in callers.items()]


def _first(names: Sequence[str], count: int = 3) -> str:
    more = len(names) - count
    return ", ".join(names[:count]) + (f" and {more} more" if more > 0 else "")


class CallByCall(nn.ModuleList):
    """Takes the place of one activation that a forward uses several times: each call its own.

    ResNet's blocks own one ReLU and use it behind every convolution. ReLU has no weights, so it can
    be shared; a funnel belongs to its convolution. `order` says which activation answers the first
    call in the owner's forward, which the second, and so on. The turn is counted for each thread by
    itself and begins anew with each forward of the owner, also after one that failed. If a forward
    makes another number of calls, the wrong funnel would have answered: RuntimeError.

    Its limit: code that runs a *part* of the owner's forward again, as checkpointing inside a block
    does. Checkpointing whole blocks is safe. Introduced in notebook 08.
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


def swap_activation(
    model: nn.Module,
    name: str = "frelu",
    example: Tensor | None = None,
    skip: str | Sequence[str] = (),
) -> SwapReport:
    """Replace the activations of `model`, in place, by `make_activation(name, channels)`.

    One example runs through the network in eval mode and shows what reaches each activation: the
    channels, and the layer before. What follows another layer gets weights of its own, also where
    one module is used several times (`CallByCall`). Left, with a reason: what has no window (after
    flattening, maps of 1x1, channels that stand last), gates, what the example did not reach, and a
    module that works in place for later readers of its input. Activations that a forward calls as
    functions can't be replaced; the report names them.

    New modules take device, dtype, memory format and mode from their place. They are trainable, and
    an optimiser made before doesn't know them. A second call changes nothing.

    example: (N, C, H, W), at the size that the network is for; None takes zeros, 224x224.
    skip: names of modules, with all that is below them, or patterns ("layer1", "*.act").

    Raises TypeError or ValueError for a network that is an activation itself or is compiled, an
    unknown name, a pattern that matches no activation, and an example that the network can't take.
    Introduced in notebook 08.
    """
    _check(model, name)
    places = _places(model)
    skipped = _skipped(places, [skip] if isinstance(skip, str) else skip)
    seen = _look(model, places, _example_for(model, example))
    report = SwapReport(name, type(model).__name__, parameter_count(model))
    for place in places:
        calls = seen.calls.get(place.name, [])
        reason = _reason_to_leave(place, name, calls, skipped, seen.reread)
        if reason:
            report.left.append(Left(place.name, _kind(place.module), reason))
        else:
            _Swap(model, place, name, calls).carry_out(report)
    report.parameters_after = parameter_count(model)
    report.functions = dict(seen.functions)
    return report


def _check(model: nn.Module, name: str) -> None:
    if name not in ACTIVATIONS:
        make_activation(name)  # its error names the nearest known name
    if any(
        isinstance(m, torch.jit.ScriptModule) or hasattr(m, "_orig_mod") for m in model.modules()
    ):
        raise TypeError(
            f"{type(model).__name__} is compiled, and nothing in it can be replaced: "
            "swap the activations of the original network, then compile."
        )
    if _is_activation(model) or isinstance(model, GATES):
        raise ValueError(
            f"The network is an activation itself ({_kind(model)}), and nothing stands around it "
            f"to put another one in: write make_activation('{name}', channels)."
        )


# --- where activations stand --------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """An activation and the name under which its parent holds it."""

    name: str
    parent: nn.Module
    module: nn.Module

    def put(self, module: nn.Module) -> None:
        self.parent.register_module(self.name.rpartition(".")[2], module)


def _is_activation(module: nn.Module) -> bool:
    return isinstance(module, SWAPPABLE) or _arm(module) is not None


def _arm(module: nn.Module) -> str | None:
    """The name under which an earlier swap made this module.

    Some arms are several layers, with a ReLU among them that must not be swapped again.
    """
    return getattr(module, "swapped_as", None)


def _places(model: nn.Module) -> list[_Place]:
    """Each place once, also where one module stands in several."""
    places: list[_Place] = []
    known: set[tuple[int, str]] = set()
    inside: tuple[str, ...] = ()  # what a found activation is made of is not looked at
    for name, module in model.named_modules(remove_duplicate=False):
        parent, _, key = name.rpartition(".")
        place = _Place(name, model.get_submodule(parent), module)
        if not name or (id(place.parent), key) in known or name.startswith(inside):
            continue
        if _is_activation(module) or isinstance(module, GATES):
            known.add((id(place.parent), key))
            inside = (*inside, f"{name}.")
            places.append(place)
    return places


def _skipped(places: Sequence[_Place], patterns: Sequence[str]) -> set[str]:
    """The names that the patterns match."""
    skipped: set[str] = set()
    for pattern in patterns:
        ways = (pattern, f"{pattern}.*")
        found = {p.name for p in places if any(fnmatchcase(p.name, way) for way in ways)}
        if not found:
            names = ", ".join(place.name for place in places[:ROWS_SHOWN])
            more = ", ..." if len(places) > ROWS_SHOWN else ""
            raise ValueError(
                f"skip: '{pattern}' matches no activation of this network. "
                f"Its activations: {names or 'none'}{more}."
            )
        skipped |= found
    return skipped


def _kind(module: nn.Module) -> str:
    return type(module).__name__ if _arm(module) is None else f"{_arm(module)}"


# --- what reaches them --------------------------------------------------------------------------


def _example_for(model: nn.Module, example: Tensor | None) -> Tensor:
    """The example, or one made up, on the device and in the dtype of the model's weights."""
    if example is None:
        first = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
        if first is None:
            raise ValueError(
                "The network has no Conv2d that would say how many channels its images have: "
                "give example=, a batch as the network takes it."
            )
        example = torch.zeros(1, first.in_channels, 224, 224)
    if not isinstance(example, Tensor):
        raise TypeError(f"example is a {type(example).__name__}; give a tensor (N, C, H, W).")
    if example.dim() != 4:
        raise ValueError(
            f"example has shape {tuple(example.shape)}; give a batch (N, C, H, W). "
            "For one image: image[None]."
        )
    weights = next((p for p in model.parameters() if p.is_floating_point()), example.float())
    return example.to(weights.device, weights.dtype)


def _look(model: nn.Module, places: Sequence[_Place], example: Tensor) -> Trace:
    """Trace with a stand-in in each place: a module that stands in several is told apart.

    And what is called by another way than its name is seen not to be called.
    """
    with _stand_ins(places) as watched:
        try:
            return trace(model, watched, example)
        except Exception as error:
            raise ValueError(
                f"{type(model).__name__} can't take an example of shape {tuple(example.shape)} in "
                f"eval mode ({type(error).__name__}: {error}). Give example=, a batch of your "
                "images at the size that the network is for."
            ) from error


@contextmanager
def _stand_ins(places: Sequence[_Place]) -> Iterator[dict[str, nn.Module]]:
    watched = {place.name: deepcopy(place.module) for place in places}
    try:
        for place in places:
            stand_in = watched[place.name]
            stand_in.works_in_place = getattr(stand_in, "inplace", False)
            stand_in.inplace = False
            place.put(stand_in)
        yield watched
    finally:
        for place in places:
            place.put(place.module)


def _reason_to_leave(
    place: _Place, name: str, calls: Sequence[Call], skipped: set[str], reread: frozenset[str]
) -> str | None:
    """Why the whole place stays as it is, or None."""
    if place.name in skipped:
        return "skipped"
    if not _is_activation(place.module):
        return "a gate or an output, no activation"
    if _arm(place.module) == name:
        return f"is {name} already"
    if not calls:
        return "the example did not reach it"
    if place.name in reread:
        return "works in place for a later layer that reads its input; set inplace=False to swap it"
    return None


def _needs_channels(name: str) -> bool:
    try:
        make_activation(name)
    except ValueError:
        return True
    return False


def _no_window(call: Call) -> str | None:
    """Why a window has nothing to look at in this call, or None."""
    if len(call.shape) != 4:
        shape = ", ".join(["N", *map(str, call.shape[1:])])
        return f"its input is ({shape}), not (N, C, H, W): no window"
    if call.channel_axis != 1:
        return "its channels stand last: a window would look across them"
    if call.shape[2:] == (1, 1):
        return "its map is 1x1: a window has no neighbours to see"
    return None


# --- the exchange -------------------------------------------------------------------------------


class _Swap:
    """The exchange in one place: one new activation for each layer that it stands behind."""

    def __init__(self, model: nn.Module, place: _Place, name: str, calls: Sequence[Call]) -> None:
        self.model, self.place, self.name, self.calls = model, place, name, calls
        needs = _needs_channels(name)
        self.learns = needs or any(make_activation(name).parameters())
        self.reasons = [_no_window(call) if needs else None for call in calls]
        self.made: dict[Any, nn.Module] = {}
        for call, reason in zip(calls, self.reasons, strict=True):
            if reason is None and self._key(call) not in self.made:
                self.made[self._key(call)] = self._make(call)

    def _key(self, call: Call) -> Any:
        """Calls with the same key share one activation."""
        if not self.learns:
            return None  # one serves all
        return call.behind, self._channels(call), call.device, call.dtype

    def _channels(self, call: Call) -> int | None:
        return call.shape[1] if len(call.shape) == 4 and call.channel_axis == 1 else None

    def _make(self, call: Call) -> nn.Module:
        new = make_activation(self.name, self._channels(call))
        new.to(call.device, call.dtype if call.dtype.is_floating_point else None)
        if _is_channels_last(self.model):
            new.to(memory_format=torch.channels_last)
        new.train(self.place.module.training)
        new.swapped_as = self.name
        return new

    def carry_out(self, report: SwapReport) -> None:
        """Put the new modules in, and note what was done."""
        old = self.place.module
        if any(_is_same(old, new) for new in self.made.values()):
            report.left.append(Left(self.place.name, _kind(old), f"is {self.name} already"))
            return
        modules = [
            self.made[self._key(call)] if reason is None else old
            for call, reason in zip(self.calls, self.reasons, strict=True)
        ]
        distinct = list(dict.fromkeys(modules))
        if distinct != [old]:
            self._put(distinct, modules)
        self._report(report, distinct, modules)

    def _put(self, distinct: list[nn.Module], modules: list[nn.Module]) -> None:
        if len(distinct) == 1:
            self.place.put(distinct[0])
            return
        owner, order = _owner(self.calls, [distinct.index(module) for module in modules])
        turns = CallByCall(distinct, order, self.place.name)
        turns.attach(self.model.get_submodule(owner))
        self.place.put(turns.train(self.place.module.training))

    def _report(
        self, report: SwapReport, distinct: list[nn.Module], modules: list[nn.Module]
    ) -> None:
        before = _kind(self.place.module)
        for index, module in enumerate(distinct):
            mine = [i for i, other in enumerate(modules) if other is module]
            name = self.place.name + (f".{index}" if len(distinct) > 1 else "")
            call = self.calls[mine[0]]
            if module is self.place.module:
                reasons = dict.fromkeys(self.reasons[i] for i in mine)
                report.left.append(Left(name, before, "; ".join(filter(None, reasons))))
            else:
                numbers = tuple(i + 1 for i in mine)
                where = (call.behind, call.shape, numbers, len(modules))
                names = (name, self.place.name, before, type(module).__name__)
                report.swapped.append(Swapped(*names, *where))


def _owner(calls: Sequence[Call], order: Sequence[int]) -> tuple[str, tuple[int, ...]]:
    """The innermost module each run of which makes the same calls, and these as one order."""
    depths = range(min(len(call.callers) for call in calls), 0, -1)
    for depth in depths:
        names = {call.callers[depth - 1][0] for call in calls}
        runs: dict[tuple[tuple[str, int], ...], list[int]] = {}
        for call, which in zip(calls, order, strict=True):
            runs.setdefault(call.callers[:depth], []).append(which)
        orders = {tuple(run) for run in runs.values()}
        if len(names) == len(orders) == 1:
            return names.pop(), orders.pop()
    raise AssertionError("the whole network runs once, so at the outermost there is one order")


def _is_same(old: nn.Module, new: nn.Module) -> bool:
    """Whether both are built alike; numbers such as a slope may differ."""

    def build(module: nn.Module) -> tuple[Any, ...]:
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
