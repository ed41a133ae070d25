"""Intervals cover what they should, and tests agree with scipy's and with counting by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from helpers.evaluation import intervals

numbers = st.floats(-100, 100, allow_nan=False).map(lambda x: round(x, 4))
samples = st.lists(numbers, min_size=2, max_size=30)


# --- intervals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("level", "count"), [(0.95, 3), (0.95, 40), (0.90, 10)])
def test_intervals_cover_the_true_mean_as_often_as_they_say(level, count):
    draws = np.random.default_rng(0).normal(5, 2, (4000, count))
    seen = [intervals.mean_interval(row, level) for row in draws]
    covered = np.mean([interval.low < 5 < interval.high for interval in seen])
    assert covered == pytest.approx(level, abs=3 * (level * (1 - level) / 4000) ** 0.5)


def test_pooled_intervals_of_one_group_are_its_own():
    values = [54.4, 54.6, 56.0, 55.1]
    assert intervals.pooled_intervals([values]) == [intervals.mean_interval(values)]


def test_pooled_intervals_share_a_std_and_one_run_has_an_interval():
    draws = np.random.default_rng(0).normal(50, 2, (40, 3))
    found = intervals.pooled_intervals([*draws, [47.0]])
    assert {one.std for one in found} == {found[0].std}
    assert found[0].std == pytest.approx(2, rel=0.15)
    assert found[-1].half_width == pytest.approx(found[0].half_width * 3**0.5)


def test_pooled_intervals_need_two_values_somewhere():
    with pytest.raises(ValueError, match="no group has two values"):
        intervals.pooled_intervals([[1.0], [2.0]])


def test_mean_interval_is_scipys():
    values = [54.4, 54.6, 56.0, 55.1]
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    interval = intervals.mean_interval(values)
    assert (interval.low, interval.high) == pytest.approx((low, high))
    assert interval.std == pytest.approx(np.std(values, ddof=1))
    assert str(interval) == "55.02 ± 1.14"


def test_paired_difference_is_scipys():
    values, others = [60.5, 64.8, 59.9], [54.4, 54.6, 56.0]
    low, high = stats.ttest_rel(values, others).confidence_interval(0.95)
    interval = intervals.mean_interval(intervals.paired_differences(values, others))
    assert (interval.low, interval.high) == pytest.approx((low, high))


@settings(deadline=None)  # the first use imports scipy
@given(samples, numbers)
def test_what_both_arms_of_a_seed_share_drops_out(values, shift):
    others = np.roll(values, 1)
    before = intervals.mean_interval(intervals.paired_differences(values, others))
    after = intervals.mean_interval(
        intervals.paired_differences(np.array(values) + shift, others + shift)
    )
    assert after.mean == pytest.approx(before.mean, abs=1e-6)
    assert after.half_width == pytest.approx(before.half_width, abs=1e-6)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], "at least two values and got 0"),
        ([1.0], "got 1"),
        ([1.0, np.nan], "number 2 .* is nan"),
        ([1.0, 2.0, np.inf], "number 3"),
        ([[1.0, 2.0]], "one number per run"),
    ],
)
def test_what_has_no_interval_is_refused(values, said):
    with pytest.raises(ValueError, match=said):
        intervals.mean_interval(values)


def test_unequal_pairs_are_refused():
    with pytest.raises(ValueError, match="3 values and 2 others are no pairs"):
        intervals.mean_interval(intervals.paired_differences([1, 2, 3], [1, 2]))


def test_a_level_in_per_cent_is_refused():
    with pytest.raises(ValueError, match="share between 0 and 1"):
        intervals.mean_interval([1, 2], level=95)


# --- sign flips ---------------------------------------------------------------------------------


def p_by_hand(differences):
    observed = abs(sum(differences))
    sums = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in product((1, -1), repeat=len(differences))
    ]
    return np.mean([one >= observed - 1e-9 for one in sums])


@settings(deadline=None)  # the first use imports scipy
@given(st.lists(st.integers(-20, 20).map(lambda x: x / 100), min_size=6, max_size=9))
def test_sign_flips_are_all_counted(differences):
    assert intervals.sign_flip_p(differences) == pytest.approx(p_by_hand(differences))


def test_sign_flips_agree_with_scipy():
    differences = np.random.default_rng(1).normal(0.4, 1, 12)
    expected = stats.permutation_test(
        (differences, np.zeros(12)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    )
    assert intervals.sign_flip_p(differences) == pytest.approx(expected.pvalue)


def test_forty_pairs_are_still_exact():
    # Ones alone: the sum is far from zero exactly when few signs differ, a binomial tail.
    differences = [0.01] * 27 + [-0.01] * 13
    expected = stats.binomtest(27, 40, 0.5).pvalue
    assert intervals.sign_flip_p(differences) == pytest.approx(expected, rel=1e-12)


@settings(deadline=None)  # the first use imports scipy
@given(st.lists(numbers, min_size=6, max_size=12))
def test_order_sign_and_scale_of_differences_change_no_p(differences):
    p = intervals.sign_flip_p(differences)
    assert 0 < p <= 1
    assert intervals.sign_flip_p(-3 * np.array(differences[::-1])) == pytest.approx(p)


def test_five_pairs_have_no_p():
    assert intervals.sign_flip_p([1, 1, 1, 1, 1]) is None
    assert intervals.sign_flip_p([1, 1, 1, 1, 1, 1]) == 2 / 64


def test_too_many_pairs_are_refused():
    with pytest.raises(ValueError, match="got 45 pairs"):
        intervals.sign_flip_p(np.ones(45))


def test_the_test_errs_as_often_as_it_says():
    draws = np.random.default_rng(2).normal(0, 1, (2000, 10))
    small = np.mean([intervals.sign_flip_p(row) <= 0.05 for row in draws])
    assert small == pytest.approx(0.05, abs=0.015)


# --- several comparisons ------------------------------------------------------------------------


def test_holm_by_hand():
    assert intervals.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert intervals.holm([0.01, None, 0.04]) == [0.02, None, 0.04]
    assert intervals.holm([]) == []


@settings(deadline=None)  # the first use imports scipy
@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_order_and_never_helps(p_values):
    corrected = intervals.holm(p_values)
    assert all(after >= before for after, before in zip(corrected, p_values, strict=True))
    assert all(after <= max(p_values) * len(p_values) for after in corrected)
    in_order = [after for _, after in sorted(zip(p_values, corrected, strict=True))]
    assert in_order == sorted(corrected)


@pytest.mark.parametrize("wrong", [1.5, -0.1, float("nan")])
def test_what_is_no_p_value_is_refused(wrong):
    with pytest.raises(ValueError, match="no p-value"):
        intervals.holm([0.5, wrong])


# --- margins ------------------------------------------------------------------------------------


def test_equivalence_is_two_one_sided_tests():
    rng = np.random.default_rng(3)
    for _ in range(50):
        differences = rng.normal(0.4, 1.2, 15)
        below = stats.ttest_1samp(differences, 1, alternative="less").pvalue
        above = stats.ttest_1samp(differences, -1, alternative="greater").pvalue
        shown = intervals.verdict(differences, 1).startswith("smaller than the margin")
        assert shown == (max(below, above) < 0.05)


@pytest.mark.parametrize(
    ("mean", "words"),
    [
        (5, "larger than the margin"),
        (-5, "larger than the margin"),
        (1.2, "larger than the margin, borderline at the margin"),
        (1, "above zero, size open"),
        (-1, "below zero, size open"),
        (0.5, "smaller than the margin"),
        (0.1, "smaller than the margin, borderline at zero"),
    ],
)
def test_the_verdicts_of_a_narrow_interval(mean, words):
    spread = np.linspace(-0.5, 0.5, 20)  # the 95 % interval is the mean ± 0.145
    assert intervals.verdict(spread + mean, 1) == words


def test_a_wide_interval_leaves_it_open():
    assert intervals.verdict([-2, 3], 1) == "open"


@pytest.mark.parametrize("margin", [0, -1, float("nan")])
def test_a_margin_must_be_stated(margin):
    with pytest.raises(ValueError, match="above zero"):
        intervals.verdict([1, 2, 3], margin)


@pytest.mark.parametrize("count", [3, 10, 40])
def test_the_detectable_difference_is_detected_in_four_of_five_trials(count):
    least = intervals.detectable_difference(2.0, count)
    draws = np.random.default_rng(4).normal(least, 2.0, (5000, count))
    shown = stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05
    assert shown.mean() == pytest.approx(0.8, abs=0.02)


def test_more_pairs_show_smaller_differences():
    widths = [intervals.detectable_difference(1, count) for count in (2, 3, 5, 10, 40)]
    assert widths == sorted(widths, reverse=True)
    assert intervals.detectable_difference(0, 5) == 0


def test_the_power_is_that_of_the_noncentral_t():
    least = intervals.detectable_difference(1, 10, power=0.8)
    critical = stats.t.ppf(0.975, 9)
    assert stats.nct.sf(critical, 9, least * 10**0.5) == pytest.approx(0.8, abs=1e-3)


@pytest.mark.parametrize(
    ("deviation", "count", "power"), [(1, 1, 0.8), (-1, 5, 0.8), (1, 5, 80), (np.nan, 5, 0.8)]
)
def test_what_detects_nothing_is_refused(deviation, count, power):
    with pytest.raises(ValueError, match=r"tell nothing|power is"):
        intervals.detectable_difference(deviation, count, power)


# --- classes ------------------------------------------------------------------------------------
