"""Drift: bounds that know how much is chance, and indices that are zero without any."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from chalicelib.core.drift import (
    LEAST_CUSTOMERS,
    LEAST_PSI,
    calibration_drift,
    chi_squared_quantile,
    share_drift,
)

DECILES = [0.1] * 10


@given(st.floats(0.5, 0.99999), st.integers(1, 40))
def test_the_quantile_is_that_of_chi_squared(probability: float, degrees: int) -> None:
    """The quantile is scipy's."""
    exact = float(chi2.ppf(probability, degrees))
    found = chi_squared_quantile(probability, degrees)
    assert found == pytest.approx(exact, rel=1e-9)


@given(st.integers(20, 10**6))
def test_the_same_shares_are_no_drift(each: int) -> None:
    """Counts in the baseline's shares have an index of zero."""
    found = share_drift([each] * 10, DECILES, baseline_customers=2_357, looks=9)
    assert found.value == pytest.approx(0.0, abs=1e-12)
    assert found.drifted is False


def test_the_bound_falls_to_what_matters_as_customers_grow() -> None:
    """With few customers chance is allowed for; with very many only what is too small to matter."""
    few, many = (
        share_drift([n] * 10, DECILES, baseline_customers=n * 10, looks=9) for n in (20, 10**7)
    )
    assert few.bound > 0.1
    assert many.bound == pytest.approx(LEAST_PSI, rel=1e-3)


def test_a_segment_that_doubles_rings() -> None:
    """A segment of a tenth that becomes a fifth is drift at a thousand customers."""
    found = share_drift([800, 200], [0.9, 0.1], baseline_customers=2_357, looks=9)
    assert found.drifted is True


def test_a_bin_that_training_never_saw_is_finite() -> None:
    """Customers where the baseline has none ring, and the index is a number."""
    found = share_drift([500, 500], [1.0, 0.0], baseline_customers=2_357, looks=9)
    assert found.drifted is True
    assert found.value < 10.0


def test_too_few_customers_say_nothing() -> None:
    """Below the least number of customers there is a value and no verdict."""
    counts = [LEAST_CUSTOMERS - 1, 0]
    assert share_drift(counts, [0.5, 0.5], baseline_customers=2_357, looks=9).drifted is None
    few = calibration_drift(90, 10, 9, customers=LEAST_CUSTOMERS - 1, looks=9)
    assert few.drifted is None


@pytest.mark.parametrize(
    ("observed", "drifted"), [(400.0, False), (430.0, False), (300.0, True), (520.0, True)]
)
def test_calibration_rings_on_both_sides(observed: float, drifted: bool) -> None:
    """Far fewer or far more than expected rings; what chance explains does not."""
    found = calibration_drift(observed, 400.0, 240.0, customers=1_000, looks=9)
    assert found.drifted is drifted
    assert found.value == observed / 400.0


def test_nothing_expected_says_nothing() -> None:
    """Where the model expects nothing, a ratio has no meaning."""
    assert calibration_drift(5.0, 0.0, 0.0, customers=1_000, looks=9).drifted is None


def test_different_bins_are_an_error() -> None:
    """Counts and shares of different bins cannot be held against each other."""
    with pytest.raises(ValueError, match="zip"):
        share_drift([1, 2], [1.0], baseline_customers=10, looks=1)
