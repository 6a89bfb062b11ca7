"""Lift, sample ratio and drift held against scipy and numpy, which know nothing of ours."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from chalicelib.core.drift import chi_squared_quantile
from chalicelib.core.lift import LEAST_CUSTOMERS, Lift, lift_of
from chalicelib.core.sample_ratio import ALPHA, check_ratio
from chalicelib.core.sums import sums_of

Numbers = NDArray[np.float64]
SEEDS = range(12)
STRENGTH = 10_000.0


def world(seed: int) -> tuple[Numbers, Numbers, Numbers]:
    """Outcome, covariate and group of some hundreds of customers."""
    chance = np.random.default_rng(seed)
    size = 4 * LEAST_CUSTOMERS + 50 * seed
    group = (chance.random(size) < 0.3 + 0.03 * seed).astype(float)
    before = chance.gamma(1.5, 2.0, size)
    outcome = chance.poisson(0.4 + 0.3 * before) * chance.gamma(2.0, 900.0, size) + 150.0 * group
    return outcome, before, group


def measured(outcome: Numbers, before: Numbers, group: Numbers) -> Lift:
    """The lift of the ones over the zeros."""

    def rows(which: float) -> list[tuple[float, float]]:
        chosen = group == which
        return list(zip(outcome[chosen].tolist(), before[chosen].tolist(), strict=True))

    treated, control = rows(1.0), rows(0.0)
    return lift_of(
        sums_of(treated),
        sums_of(control),
        treated_events=sum(y != 0 for y, _ in treated),
        control_events=sum(y != 0 for y, _ in control),
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_the_adjusted_lift_is_the_coefficient_of_a_regression(seed: int) -> None:
    """Ordinary least squares of the outcome on the group and what was known before."""
    outcome, before, group = world(seed)
    design = np.column_stack([np.ones_like(group), group, before])

    coefficients, *_ = np.linalg.lstsq(design, outcome, rcond=None)

    assert measured(outcome, before, group).value == pytest.approx(coefficients[1], rel=1e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_without_anything_known_before_it_is_welchs_comparison(seed: int) -> None:
    """The difference of means and its standard error, as scipy's test without equal variances."""
    outcome, _, group = world(seed)
    theirs = stats.ttest_ind(outcome[group == 1.0], outcome[group == 0.0], equal_var=False)

    lift = measured(outcome, np.zeros_like(outcome), group)

    assert lift.least_detectable is not None
    error = lift.least_detectable / (stats.norm.ppf(0.975) + stats.norm.ppf(0.8))
    assert lift.value / error == pytest.approx(theirs.statistic, rel=1e-6)
    assert lift.low is not None
    assert lift.high is not None
    # Looking as often as one likes costs width: it holds more than the interval for one look.
    narrow = theirs.confidence_interval(0.95)
    assert lift.low < narrow.low < narrow.high < lift.high


@pytest.mark.parametrize("seed", SEEDS)
def test_adjustment_leaves_the_variance_of_the_residuals(seed: int) -> None:
    """``explained`` is the share that a regression within both groups explains."""
    outcome, before, group = world(seed)
    y, x = outcome.copy(), before.copy()
    for which in (0.0, 1.0):
        chosen = group == which
        y[chosen] -= y[chosen].mean()
        x[chosen] -= x[chosen].mean()

    theirs = stats.linregress(x, y).rvalue ** 2

    assert measured(outcome, before, group).explained == pytest.approx(theirs, rel=1e-8)


@pytest.mark.parametrize("counts", [(5_000, 5_000), (900, 1_100), (400, 600), (10, 0)])
def test_evidence_is_the_ratio_of_scipys_two_distributions(counts: tuple[int, int]) -> None:
    """A Dirichlet-multinomial over the multinomial of the stated shares."""
    stated = {"a": 0.5, "b": 0.5}
    total = sum(counts)
    free = stats.dirichlet_multinomial(np.array([0.5, 0.5]) * STRENGTH, total).logpmf(counts)
    held = stats.multinomial(total, [0.5, 0.5]).logpmf(counts)

    ratio = check_ratio({"a": counts[0], "b": counts[1]}, stated)

    assert ratio.evidence == pytest.approx(free - held, abs=1e-6)
    assert ratio.mismatched == (free - held > -math.log(ALPHA))


@pytest.mark.parametrize("degrees", [1, 4, 9, 10])
@pytest.mark.parametrize("probability", [0.95, 0.99, 1 - 0.01 / 10])
def test_the_bound_of_drift_is_a_quantile_of_chi_squared(probability: float, degrees: int) -> None:
    """As scipy has it."""
    theirs = stats.chi2.ppf(probability, degrees)
    assert chi_squared_quantile(probability, degrees) == pytest.approx(theirs, rel=1e-9)
