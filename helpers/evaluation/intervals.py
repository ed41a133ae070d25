"""What few runs can tell: means and paired differences with intervals, tests, and their limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
LEAST_PAIRS = 6
"""With fewer, no sign-flip test can come below 5 %: two of 32 flips are the least of 5 pairs."""

MOST_PAIRS = 44
"""All flips of half of them still fit into memory."""

Values = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Interval:
    """A mean of `count` values, the half width of its interval, and the values' own std.

    All are in the values' unit. Introduced in notebook 03.
    """

    mean: float
    half_width: float
    std: float
    count: int

    @property
    def low(self) -> float:
        """The lower end."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """The upper end."""
        return self.mean + self.half_width

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.half_width:.2f}"


def mean_interval(values: Values, level: float = LEVEL) -> Interval:
    """The mean with Student's t interval (Student 1908): for independent, roughly normal values.

    Raises ValueError for fewer than two values, and for one that is not finite. Introduced in
    notebook 03.

    >>> print(mean_interval([54.4, 54.6, 56.0, 55.1]))
    55.02 ± 1.14
    """
    array = _checked(values, "values")
    if len(array) < 2:
        raise ValueError(
            f"an interval needs at least two values and got {len(array)}: one run has no spread. "
            "Run more seeds."
        )
    if not 0 < level < 1:
        raise ValueError(f"level is {level}: it is a share between 0 and 1, such as 0.95.")
    from scipy.stats import t

    std = float(array.std(ddof=1))
    quantile = float(t.ppf((1 + level) / 2, len(array) - 1))
    return Interval(float(array.mean()), quantile * std / math.sqrt(len(array)), std, len(array))


def pooled_intervals(groups: Sequence[Values], level: float = LEVEL) -> list[Interval]:
    """Each group's mean with an interval from one std, pooled over all groups of values.

    For a few runs of each of several arms: three runs may lie together by luck, and their own std
    says so little. Assumes that the arms scatter alike; `std` is the pooled one. Raises ValueError
    where no group has two values, and for a value that is not finite. Introduced in notebook 06.

    >>> [str(one) for one in pooled_intervals([[54.5, 54.6, 54.5], [56.0, 57.5, 55.5]])]
    ['54.53 ± 1.18', '56.33 ± 1.18']
    """
    arrays = [_checked(values, "values") for values in groups]
    freedom = sum(len(array) - 1 for array in arrays)
    if freedom < 1:
        raise ValueError("no group has two values: one run has no spread. Run more seeds.")
    from scipy.stats import t

    squares = sum(float(((array - array.mean()) ** 2).sum()) for array in arrays)
    std = math.sqrt(squares / freedom)
    quantile = float(t.ppf((1 + level) / 2, freedom))
    return [
        Interval(float(array.mean()), quantile * std / math.sqrt(len(array)), std, len(array))
        for array in arrays
    ]


def paired_differences(values: Values, others: Values) -> np.ndarray:
    """values - others, pair by pair: position i of both is the same seed.

    Raises ValueError for unequal numbers, and for a value that is not finite. Introduced in
    notebook 03.

    >>> paired_differences([60.5, 64.0], [54.5, 54.0])
    array([ 6., 10.])
    """
    array, other = _checked(values, "values"), _checked(others, "others")
    if len(array) != len(other):
        raise ValueError(
            f"{len(array)} values and {len(other)} others are no pairs: keep the seeds that both "
            "arms have."
        )
    return array - other


def sign_flip_p(differences: Values) -> float | None:
    """The exact two-sided p-value of "each difference could as well have the other sign".

    The share of all 2^n choices of signs whose sum is at least as far from zero as the observed one
    (Fisher 1935, The Design of Experiments, section 21). All are counted, none sampled: the sums of
    both halves are listed, and for each of one half a search in the other counts. None for
    fewer than 6 pairs. Raises ValueError for more than 44, and for a value that is not finite.
    Introduced in notebook 06.

    >>> sign_flip_p([0.5, 1.2, 0.8, 0.4, 0.9, 1.1])  # 2 of 2^6 choices
    0.03125
    """
    array = _checked(differences, "differences")
    if len(array) < LEAST_PAIRS:
        return None
    if len(array) > MOST_PAIRS:
        raise ValueError(
            f"the exact test counts up to 2^{MOST_PAIRS} choices of signs and got {len(array)} "
            f"pairs: give it {MOST_PAIRS} of them."
        )
    observed = abs(array.sum())
    within_rounding = 1e-9 * np.abs(array).sum()
    if observed <= within_rounding:
        return 1.0
    half = len(array) // 2
    first, second = _flipped_sums(array[:half]), np.sort(_flipped_sums(array[half:]))
    reaching = np.searchsorted(second, observed - within_rounding - first)
    above = len(first) * len(second) - int(reaching.sum())
    return 2 * above / 2 ** len(array)  # as many reach as far below zero


def _flipped_sums(values: np.ndarray) -> np.ndarray:
    """The sums of `values` under each choice of signs, (2^n,)."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """p-values corrected for being several (Holm 1979); None stays None and does not count.

    Raises ValueError for a value outside 0..1. Introduced in notebook 06.

    >>> holm([0.01, None, 0.04])
    [0.02, None, 0.04]
    """
    given = [(p, index) for index, p in enumerate(p_values) if p is not None]
    if wrong := [p for p, _ in given if not 0 <= p <= 1]:
        raise ValueError(f"{wrong[0]} is no p-value: it must lie in 0..1.")
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(sorted(given)):
        largest = max(largest, min(1.0, p * (len(given) - rank)))
        corrected[index] = largest
    return corrected


def verdict(differences: Values, margin: float) -> str:
    """What the runs allow to say of a difference, in five words and where it is borderline.

    "larger than the margin": the whole 95 % interval lies beyond it. "smaller than the margin": the
    90 % interval lies within, two one-sided t tests at 5 % (Schuirmann 1987). "above zero, size
    open" or "below zero, size open": the 95 % interval excludes zero alone. "open": neither.
    "borderline at zero" or "at the margin": an end lies within a tenth of the margin from it.
    Raises ValueError for a margin that is not positive, and what `mean_interval` raises. Introduced
    in notebook 06.

    >>> verdict([5.1, 4.8, 5.3], margin=1), verdict([0.2, -0.2, 0.2, 0.2, 0.2], margin=1)
    ('larger than the margin', 'smaller than the margin')
    """
    if not margin > 0:
        raise ValueError(f"the margin is {margin}: state the difference that matters, above zero.")
    narrow, wide = mean_interval(differences, level=0.90), mean_interval(differences)
    to_zero = min(abs(wide.low), abs(wide.high))
    ends = (wide.low, wide.high, narrow.low, narrow.high)
    to_margin = min(abs(abs(end) - margin) for end in ends)
    near = {"zero": to_zero, "the margin": to_margin}
    places = " and ".join(place for place, distance in near.items() if distance < margin / 10)
    return _size(narrow, wide, margin) + (f", borderline at {places}" if places else "")


def _size(narrow: Interval, wide: Interval, margin: float) -> str:
    if wide.low > margin or wide.high < -margin:
        return "larger than the margin"
    if -margin < narrow.low and narrow.high < margin:
        return "smaller than the margin"
    if wide.low <= 0 <= wide.high:
        return "open"
    return f"{'above' if wide.low > 0 else 'below'} zero, size open"


def detectable_difference(std: float, count: int, power: float = 0.8) -> float:
    """The smallest true mean difference that `count` pairs would have shown, in 80 % of trials.

    std: of the paired differences, whose unit the result has. "Shown" is a two-sided t test at 5 %;
    the power is that of the noncentral t distribution, as a mean over the stds that may be
    estimated (scipy's own function fails for few pairs). Raises ValueError for fewer than two
    pairs, a negative std, and a power that is not between 5 % and 1. Introduced in notebook 06.

    >>> round(detectable_difference(2.0, 10), 2)
    1.99
    """
    if count < 2 or not (math.isfinite(std) and std >= 0):
        raise ValueError(
            f"{count} pairs with a std of {std} tell nothing: give at least two pairs, and a std "
            "that is finite and not negative."
        )
    if not 1 - LEVEL < power < 1:
        raise ValueError(f"power is {power}: choose one between {1 - LEVEL:.2f} and 1, such as 0.8")
    from scipy.optimize import brentq
    from scipy.stats import chi2, norm, t

    freedom = count - 1
    critical = float(t.ppf((1 + LEVEL) / 2, freedom))
    shares = (np.arange(4000) + 0.5) / 4000
    ratios = np.sqrt(chi2.ppf(shares, freedom) / freedom)  # estimated std / true one

    def lacking(effect: float) -> float:
        shown = norm.cdf(effect - critical * ratios) + norm.cdf(-effect - critical * ratios)
        return float(shown.mean()) - power

    return brentq(lacking, 0.0, 5 * critical + 10) * std / math.sqrt(count)


def _checked(values: Values, name: str) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"the {name} have shape {array.shape}: give one number per run.")
    if (bad := np.flatnonzero(~np.isfinite(array))).size:
        raise ValueError(
            f"number {bad[0] + 1} of the {name} is {array[bad[0]]}: leave that run out of both "
            "arms, or look at why it failed."
        )
    return array
