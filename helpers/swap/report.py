"""What a swap changed and what it left, as rows and as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ROWS_SHOWN = 8


@dataclass(frozen=True)
class Swapped:
    """One new activation: its name in the network, what stood there, and behind which layer.

    place: the old module's name. calls: which of its calls the new one took over, counted from 1,
    of how many: place#2 is the second, in `skip` and `only` too. hooks: of the old module, which
    are gone. shape: what the example brought there, (N, C, H, W) before flattening. Introduced
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
    hooks: int = 0

    def __str__(self) -> str:
        which = self.place
        if len(self.calls) < self.of_calls:
            which = ", ".join(f"{self.place}#{call}" for call in self.calls)
        behind = f", behind {self.behind}" if self.behind else ""
        gone = f"; {self.hooks} hook(s) of the old one are gone" if self.hooks else ""
        size = "x".join(map(str, self.shape[1:]))
        return f"{which}: {self.before} -> {self.after}, {size}{behind}{gone}"


@dataclass(frozen=True)
class Left:
    """One activation that stayed, and why. Introduced in notebook 08."""

    name: str
    activation: str
    reason: str


@dataclass
class SwapReport:
    """What `swap_activation` changed and what it left. Introduced in notebook 08.

    functions: (module, activation that its forward calls or writes out) -> how often; no module
    stands there that could be replaced. Both numbers of parameters are those of the whole network.
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


def _section(title: str, rows: Sequence[str]) -> list[str]:
    more = [f"  ... and {len(rows) - ROWS_SHOWN} more"] if len(rows) > ROWS_SHOWN else []
    return [title, *(f"  {row}" for row in rows[:ROWS_SHOWN]), *more] if rows else []


def _by_reason(left: Sequence[Left]) -> list[str]:
    """Each reason once, with the kinds of activation that it keeps, and the first names of each."""
    reasons = _grouped((row.reason, row) for row in left)
    lines = []
    for reason, rows in reasons.items():
        kinds = _grouped((row.activation, row.name) for row in rows)
        kept = (f"\n    {kind}: {first_of(names)}" for kind, names in kinds.items())
        lines.append(f"{reason}:{''.join(kept)}")
    return lines


def _by_function(functions: Mapping[tuple[str, str], int]) -> list[str]:
    """One line per function, with the first modules whose forward calls it."""
    callers = _grouped(
        (function, (caller or "the network itself") + (f" ({count}x)" if count > 1 else ""))
        for (caller, function), count in functions.items()
    )
    return [f"{function}, called by {first_of(names)}" for function, names in callers.items()]


def _grouped(pairs: Iterable[tuple[str, Any]]) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def first_of(names: Sequence[str], count: int = 3) -> str:
    """The first names, and how many more there are."""
    more = len(names) - count
    return ", ".join(names[:count]) + (f" and {more} more" if more > 0 else "")
