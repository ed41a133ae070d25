"""Notebooks 03 and 06: a standard error, the sign-flip test, a table of intervals to be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from .exercise import Exercise, Found, Mistake

# --- a standard error -------------------------------------------------------------------------


def standard_error(p: float, n: int) -> float:
    """Of an accuracy p (0 to 1) over n pictures: sqrt(p (1 - p) / n)."""
    return (p * (1 - p) / n) ** 0.5


STANDARD_ERROR = Exercise(
    "standard_error",
    "03",
    5,
    "easy",
    "The standard error of an accuracy p (0 to 1) that was measured on n pictures.",
    "def my_standard_error(p, n):\n    raise NotImplementedError",
    standard_error,
    {f"p = {p}, n = {n}": (p, n) for p, n in ((0.5, 4), (0.6, 10_000), (0.9, 100), (1.0, 50))},
    lambda mine, case: {"answer": mine(*case)},
    [
        Mistake(
            "the variance",
            lambda p, n: p * (1 - p) / n,
            "That is the variance: take its square root.",
        ),
        Mistake(
            "of one picture",
            lambda p, n: (p * (1 - p)) ** 0.5,
            "That is the deviation of one answer: divide by sqrt(n).",
        ),
        Mistake(
            "divided by n",
            lambda p, n: (p * (1 - p)) ** 0.5 / n,
            "n belongs under the square root.",
        ),
        Mistake(
            "in per cent",
            lambda p, n: 100 * standard_error(p, n),
            "p is a share of 1, and so is its error.",
        ),
        Mistake(
            "1 - p is missing",
            lambda p, n: (p / n) ** 0.5,
            "A picture is right or wrong: its variance is p (1 - p).",
        ),
    ],
)


# --- the sign-flip test -----------------------------------------------------------------------


def sign_flip(values: Sequence[float], others: Sequence[float]) -> float:
    """The share of all sign flips whose sum is at least as far from zero as the observed one."""
    differences = np.subtract(values, others)
    signs = np.array(list(product([-1, 1], repeat=len(differences))))
    sums = np.abs((signs * differences).sum(axis=1))
    return float(np.mean(sums >= abs(differences.sum()) - 1e-9))


def _unpaired(values: Sequence[float], others: Sequence[float]) -> float:
    return sign_flip(sorted(values), sorted(others))


def _relabelled(values: Sequence[float], others: Sequence[float]) -> float:
    """A permutation test that forgets the pairs."""
    pooled, count = np.concatenate([values, others]), len(values)
    chosen = np.array([c for c in product([0, 1], repeat=len(pooled)) if sum(c) == count], bool)
    gaps = np.array([pooled[c].mean() - pooled[~c].mean() for c in chosen])
    return float(np.mean(np.abs(gaps) >= abs(np.mean(values) - np.mean(others)) - 1e-9))


def _strict(values: Sequence[float], others: Sequence[float]) -> float:
    differences = np.subtract(values, others)
    signs = np.array(list(product([-1, 1], repeat=len(differences))))
    sums = np.abs((signs * differences).sum(axis=1))
    return float(np.mean(sums > abs(differences.sum()) + 1e-9))


def _one_sided(values: Sequence[float], others: Sequence[float]) -> float:
    differences = np.subtract(values, others)
    signs = np.array(list(product([-1, 1], repeat=len(differences))))
    sums = (signs * differences).sum(axis=1)
    return float(np.mean(sums >= differences.sum() - 1e-9))


SIGN_FLIP = Exercise(
    "sign_flip",
    "06",
    15,
    "hard",
    "An exact sign-flip test, two-sided: values[i] and others[i] are one seed's. Of all choices of "
    "signs of the differences, what share has a sum at least as far from zero as the observed one?",
    "def my_sign_flip(values, others):\n    raise NotImplementedError",
    sign_flip,
    {
        "three pairs": ([3.0, 4.5, 6.0], [2.0, 2.0, 2.5]),
        "four pairs, mixed signs": ([3.0, 5.0, 2.0, 9.0], [4.0, 1.0, 1.5, 7.0]),
        "five pairs": ([58.1, 60.2, 57.0, 61.4, 60.0], [57.3, 60.9, 55.1, 59.0, 59.6]),
        "four pairs, one far off": ([1.0, 2.0, 3.0, 0.0], [0.0, 0.0, 0.0, 10.0]),
        "six pairs, the others ahead": (
            [1.0, 4.0, 2.0, 7.0, 3.0, 5.0],
            [3.0, 5.0, 6.0, 6.5, 8.0, 9.0],
        ),
    },
    lambda mine, case: {"answer": mine(*case)},
    [
        Mistake(
            "the pairs are lost",
            _relabelled,
            "You exchange runs between seeds: flip the sign of each pair's difference.",
        ),
        Mistake(
            "sorted values", _unpaired, "Sorting tears the pairs apart: keep the seeds' order."
        ),
        Mistake(
            "the observed one is left out",
            _strict,
            "At least as far: the observed sum counts as well (>=).",
        ),
        Mistake("one side only", _one_sided, "Two-sided: take the absolute value of the sums."),
    ],
)


# --- reading intervals ------------------------------------------------------------------------

READING_TABLE = """\
| comparison | difference | 95 % interval | 90 % interval |
|---|---|---|---|
| A | +3.0 | +2.1 to +3.9 | +2.2 to +3.8 |
| B | +0.2 | -0.5 to +0.9 | -0.4 to +0.8 |
| C | +0.9 | +0.2 to +1.6 | +0.3 to +1.5 |
| D | +0.4 | -1.9 to +2.7 | -1.5 to +2.3 |
"""
CHOICES = ("larger than the margin", "smaller than the margin", "above zero, size open", "open")


def read_intervals() -> dict[str, str]:
    """What each row says, by the rules of notebook 06 and a margin of 1 point."""
    return {
        "A": "larger than the margin",  # the whole 95 % interval lies beyond 1
        "B": "smaller than the margin",  # the 90 % interval lies within -1 to 1
        "C": "above zero, size open",  # the 95 % interval excludes 0, and holds 1
        "D": "open",  # it holds 0, and both margins
    }


def _try_reading(mine: Any, case: str) -> Found:
    given: Mapping[str, str] | None = mine() if callable(mine) else mine
    if given is None:
        return {"answer": None}
    return {"answer": given[case], "rows": ", ".join(sorted(given))}


def _read(**wrong: str) -> dict[str, str]:
    return read_intervals() | wrong


READING = Exercise(
    "read_intervals",
    "06",
    5,
    "medium",
    "What does each row say, at a margin of 1 point? Choose for each of A to D one of: "
    + ", ".join(f'"{choice}"' for choice in CHOICES)
    + ".\n\n"
    + READING_TABLE,
    'my_reading = {"A": None, "B": None, "C": None, "D": None}',
    read_intervals,
    {row: row for row in "ABCD"},
    _try_reading,
    [
        Mistake(
            '"open" is read as "no effect"',
            _read(D="smaller than the margin"),
            "D's interval reaches beyond the margin on both sides: the runs don't tell.",
        ),
        Mistake(
            '"above zero" is read as "matters"',
            _read(C="larger than the margin"),
            "C's interval holds differences below 1 point as well: its size is open.",
        ),
        Mistake(
            "B's zero is read as open",
            _read(B="open"),
            "B's 90 % interval lies within the margin: small is a result.",
        ),
        Mistake(
            "the 5 % test decides all",
            _read(A="above zero, size open", B="open"),
            "It asks for zero alone: compare the intervals with the margin as well.",
        ),
    ],
)


# --- the words for an interval ----------------------------------------------------------------

Span = tuple[float, float]


def in_words(wide: Span, narrow: Span, margin: float) -> str:
    """What a 95 % interval and a 90 % interval allow to say, by the rules of notebook 06."""
    if wide[0] > margin or wide[1] < -margin:
        return "larger than the margin"
    if -margin < narrow[0] and narrow[1] < margin:
        return "smaller than the margin"
    if wide[0] > 0 or wide[1] < 0:
        return "size open"
    return "open"


def _one_side(wide: Span, narrow: Span, margin: float) -> str:
    if wide[0] > margin:
        return "larger than the margin"
    if narrow[1] < margin:
        return "smaller than the margin"
    return "size open" if wide[0] > 0 else "open"


def _two_sides_in_smaller_only(wide: Span, narrow: Span, margin: float) -> str:
    if -margin < narrow[0] and narrow[1] < margin:
        return "smaller than the margin"
    return _one_side(wide, (narrow[0], margin), margin)


def _zero_first(wide: Span, narrow: Span, margin: float) -> str:
    if wide[0] <= 0 <= wide[1]:
        return "open"
    return in_words(wide, narrow, margin)


WORDS = Exercise(
    "in_words",
    "06",
    10,
    "medium",
    "Write notebook 06's rules: from a 95 % interval (low, high), a 90 % interval and a margin, "
    'return "larger than the margin", "smaller than the margin", "size open" (zero is excluded '
    'alone) or "open".',
    "def my_words(wide, narrow, margin):\n    raise NotImplementedError",
    in_words,
    {
        f"95 %: {wide}, 90 %: {narrow}, margin {margin}": (wide, narrow, margin)
        for wide, narrow, margin in (
            ((2.0, 4.0), (2.2, 3.8), 1),
            ((-0.5, 0.9), (-0.4, 0.8), 1),
            ((0.2, 1.6), (0.3, 1.5), 1),
            ((-2.0, 2.5), (-1.7, 2.2), 1),
            ((-4.0, -2.0), (-3.8, -2.2), 1),
            ((-1.6, -0.2), (-1.5, -0.3), 1),
            ((-2.5, 0.4), (-2.2, 0.2), 1),
            ((-1.1, 0.3), (-0.9, 0.1), 1),
            ((0.1, 1.1), (0.2, 0.9), 1),
            ((0.5, 2.5), (0.7, 2.3), 2),
            ((1.0, 3.0), (1.2, 2.8), 1),
            ((-3.0, -1.0), (-2.8, -1.2), 1),
            ((-1.0, 1.0), (-1.0, 0.9), 1),
            ((-0.9, 1.0), (-0.8, 1.0), 1),
            ((0.0, 1.4), (0.1, 1.3), 1),
            ((-1.4, 0.0), (-1.3, -0.1), 1),
            ((2.5, 3.5), (2.6, 3.4), 3),
        )
    },
    lambda mine, case: {"answer": mine(*case)},
    [
        Mistake(
            "the negative side is forgotten",
            _one_side,
            "A difference may be below zero: compare with -margin as well.",
        ),
        Mistake(
            "only one rule looks below zero",
            _two_sides_in_smaller_only,
            "A loss beyond the margin, and one whose size is open, are found below zero.",
        ),
        Mistake(
            "zero decides first",
            _zero_first,
            "An interval around zero may still be smaller than the margin: that is a result.",
        ),
        Mistake(
            "95 % for all",
            lambda wide, narrow, margin: in_words(wide, wide, margin),
            "Smaller than the margin is judged by the 90 % interval: two one-sided tests at 5 %.",
        ),
    ],
)
