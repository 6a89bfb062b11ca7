"""Bins and the shares that training expects of them, also where deciles tie."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.baselines import (
    FeatureBaseline,
    churn_bin,
    expected_shares,
    feature_bin,
    feature_bins,
)
from chalicelib.core.drift import share_drift

STEPS = tuple(float(n) for n in range(1, 10))
TIED = (1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 3.0, 4.0, 6.0)


@given(
    st.lists(st.floats(-5, 5), min_size=9, max_size=9).map(sorted),
    st.none() | st.floats(-10, 10),
)
def test_every_value_has_a_bin(deciles: list[float], value: float | None) -> None:
    """One of those that there are; only what is missing is in the first."""
    place = feature_bin(value, deciles)
    assert 0 <= place < feature_bins(deciles)
    assert (place == 0) == (value is None)


@given(st.lists(st.integers(0, 500), min_size=11, max_size=11), st.floats(0, 0.9))
def test_untied_deciles_expect_a_tenth_in_each(now: list[int], missing: float) -> None:
    """Of those who have the feature, whatever there is today."""
    shares = expected_shares(FeatureBaseline(missing, STEPS), now)
    assert shares == pytest.approx([missing, *[(1 - missing) / 10] * 10])


@given(st.lists(st.integers(0, 500), min_size=7, max_size=7))
def test_tied_deciles_leave_a_tenth_open(now: list[int]) -> None:
    """Shares are at least 0, sum to 1, and reach what the deciles say at every edge."""
    shares = expected_shares(FeatureBaseline(0.0, TIED), now)
    assert sum(shares) == pytest.approx(1.0)
    assert min(shares) >= -1e-12
    reached = [sum(shares[: place + 1]) for place in range(1, 6)]
    for value, low in zip(reached, (0.5, 0.6, 0.7, 0.8, 0.9), strict=True):
        assert low - 1e-9 <= value <= low + 0.1 + 1e-9
    assert all(a <= b + 1e-12 for a, b in pairwise(reached))


def test_a_count_of_orders_does_not_ring_for_what_the_deciles_do_not_say() -> None:
    """51 % with one order, 16 % with two: training said half and between one and two tenths."""
    now = [0, 2550, 800, 400, 350, 450, 450]
    shares = expected_shares(FeatureBaseline(0.0, TIED), now)
    drift = share_drift(now, shares, baseline_customers=2_357, looks=7)
    assert drift.drifted is False
    moved = [0, 1500, 1100, 800, 600, 500, 500]
    shares = expected_shares(FeatureBaseline(0.0, TIED), moved)
    assert share_drift(moved, shares, baseline_customers=2_357, looks=7).drifted is True


def test_a_feature_that_nearly_all_lacked_has_two_bins() -> None:
    """Missing and not missing."""
    baseline = FeatureBaseline(0.99, None)
    assert [feature_bin(value, None) for value in (None, 3.0)] == [0, 1]
    assert feature_bins(None) == 2
    assert expected_shares(baseline, [990, 10]) == pytest.approx([0.99, 0.01])


@given(st.floats(0, 1))
def test_churn_has_ten_bins(churn: float) -> None:
    """As the model's histogram; 1.0 is in the last."""
    assert 0 <= churn_bin(churn) <= 9
