"""Lift: sums that add up, an adjustment that narrows, an interval that says when it is early."""

from __future__ import annotations

from math import isclose, sqrt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.lift import (
    LEAST_CUSTOMERS,
    LEAST_EVENTS,
    Lift,
    customers_needed,
    least_detectable,
    lift_of,
    widening,
)
from chalicelib.core.sums import NOBODY, Sums, joined, sums_of

VALUES = st.lists(st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)), min_size=0, max_size=40)


def near(ours: Sums, theirs: Sums) -> bool:
    """Whether two sums are the same but for rounding."""
    return all(isclose(a, b, rel_tol=1e-9, abs_tol=1e-4) for a, b in zip(ours, theirs, strict=True))


def compared(treated: Sums, control: Sums, *, events: int = 1_000) -> Lift:
    """Two groups in which outcomes are not rare."""
    return lift_of(treated, control, treated_events=events, control_events=events)


def customers(count: int, *, seed: int, effect: float = 0.0, pull: float = 0.0) -> Sums:
    """A group whose outcome is a normal number, and follows the covariate by ``pull``."""
    chance = Random(seed)  # noqa: S311  (customers, not secrets)
    before = [chance.gauss(0, 1) for _ in range(count)]
    return sums_of((effect + pull * x + chance.gauss(0, 1), x) for x in before)


@given(VALUES, VALUES)
def test_sums_join_like_the_customers_that_they_are_of(
    ours: list[tuple[float, float]], theirs: list[tuple[float, float]]
) -> None:
    """The sums of two groups joined are the sums of all their customers."""
    assert near(joined(sums_of(ours), sums_of(theirs)), sums_of([*ours, *theirs]))


@given(VALUES)
def test_nobody_adds_nothing(ours: list[tuple[float, float]]) -> None:
    """Joining an empty group, on either side, changes nothing."""
    assert joined(sums_of(ours), NOBODY) == sums_of(ours) == joined(NOBODY, sums_of(ours))


def test_lift_is_the_difference_of_means_where_nothing_was_known_before() -> None:
    """Without a covariate the adjusted difference is the plain one."""
    treated = sums_of((y, 0.0) for y in (3.0, 5.0, 7.0))
    control = sums_of((y, 0.0) for y in (1.0, 2.0, 3.0))
    lift = compared(treated, control)
    assert lift.value == 3.0
    assert lift.explained == 0.0
    assert lift.relative == 1.5


def test_what_was_known_before_narrows_the_interval() -> None:
    """A covariate that explains three quarters of the variance halves the interval."""
    known = compared(customers(4_000, seed=1, pull=sqrt(3)), customers(4_000, seed=2, pull=sqrt(3)))
    unknown = compared(customers(4_000, seed=1), customers(4_000, seed=2))
    assert 0.72 < known.explained < 0.78
    assert known.low is not None
    assert known.high is not None
    assert unknown.low is not None
    assert unknown.high is not None
    raw = 2 * (unknown.high - unknown.low)  # the outcome's deviation is twice that of its noise
    assert 0.47 < (known.high - known.low) / raw < 0.53


def test_a_lucky_draw_of_good_customers_is_no_lift() -> None:
    """Where the treated were better before, that part of the difference is taken out."""
    treated = sums_of((x, x) for x in (float(n % 10) + 1.0 for n in range(1_000)))
    control = sums_of((x, x) for x in (float(n % 10) for n in range(1_000)))
    lift = compared(treated, control)
    assert treated.outcome - control.outcome == pytest.approx(1.0)
    assert lift.value == pytest.approx(0.0)


def test_a_true_effect_is_found_in_its_direction() -> None:
    """An effect of many standard errors is better, its mirror image worse, none not significant."""
    control = customers(2_000, seed=3)
    assert compared(customers(2_000, seed=4, effect=0.5), control).verdict == "better"
    assert compared(customers(2_000, seed=4, effect=-0.5), control).verdict == "worse"
    assert compared(customers(2_000, seed=4), control).verdict == "not_significant"


@pytest.mark.parametrize(
    ("count", "events", "early"),
    [
        (LEAST_CUSTOMERS - 1, 90, True),
        (LEAST_CUSTOMERS, LEAST_EVENTS - 1, True),
        (2 * LEAST_CUSTOMERS, LEAST_EVENTS, False),
    ],
)
def test_nothing_is_said_too_early(count: int, events: int, early: bool) -> None:
    """With too few customers, or too few with an outcome, there is a value and no interval."""
    group = sums_of([(25.0, 0.0)] * events + [(0.0, 0.0)] * (count - events))
    lift = lift_of(group, group, treated_events=events, control_events=events)
    assert (lift.verdict == "too_early") is early
    assert (lift.low is None) is (lift.high is None) is early
    assert lift.value == 0.0


def test_a_rate_near_one_is_as_early_as_one_near_zero() -> None:
    """Where nearly everybody converts, those who do not are the rare ones."""
    group = sums_of([(1.0, 0.0)] * 990 + [(0.0, 0.0)] * 10)
    assert lift_of(group, group, treated_events=990, control_events=990).verdict == "too_early"


@given(st.integers(2, 10**8))
def test_watching_costs_width_that_shrinks_with_the_customers(count: int) -> None:
    """The interval is wider than one for a single look (1.96), and its errors still shrink."""
    assert widening(count) > 1.96
    assert widening(count * 2) / sqrt(2) < widening(count)


def test_customers_needed_find_the_difference_that_they_are_needed_for() -> None:
    """As many customers as are asked for detect the difference, one in a hundred less do not."""
    variance, difference = 0.04, 0.01
    needed = customers_needed(variance, difference, control_share=0.2)

    def error(count: float) -> float:
        return sqrt(variance / (0.2 * count) + variance / (0.8 * count))

    assert least_detectable(error(needed)) <= difference < least_detectable(error(needed * 0.99))
