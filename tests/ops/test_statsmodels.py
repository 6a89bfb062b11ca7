"""The parts with a fixed horizon held against statsmodels, which knows nothing of ours.

Intervals that hold at all times have no counterpart there; what they are made of has: the adjusted
difference, its standard error, the sample sizes, the tests of one look.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.gof import chisquare_effectsize
from statsmodels.stats.power import NormalIndPower, TTestIndPower
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from chalicelib.core.calibration import Followed, calibrated_of
from chalicelib.core.drift import calibration_drift, share_drift
from chalicelib.core.lift import Lift, customers_needed, lift_of, widening
from chalicelib.core.sample_ratio import check_ratio
from chalicelib.core.sums import joined, sums_of
from tests.ops.test_measurement_oracles import SEEDS, Numbers, measured, world

Z = NormalDist().inv_cdf(0.975)
TO_DETECT = Z + NormalDist().inv_cdf(0.8)


def error_of(lift: Lift) -> float:
    """The standard error that a lift rests on."""
    assert lift.least_detectable is not None
    return lift.least_detectable / TO_DETECT


def shares(seed: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Who bought, in two groups."""
    chance = np.random.default_rng(seed)
    return chance.random(3_000 + 100 * seed) < 0.12, chance.random(1_500) < 0.1


def converted(treated: NDArray[np.bool_], control: NDArray[np.bool_]) -> Lift:
    """The lift of a rate, without anything known before."""
    sums = [sums_of((float(each), 0.0) for each in group) for group in (treated, control)]
    return lift_of(*sums, treated_events=int(treated.sum()), control_events=int(control.sum()))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_difference_of_means_has_their_standard_error(seed: int) -> None:
    """And their interval of one look, of unequal variances; to ten digits."""
    outcome, _, group = world(seed)
    lift = measured(outcome, np.zeros_like(outcome), group)
    both = CompareMeans(DescrStatsW(outcome[group == 1.0]), DescrStatsW(outcome[group == 0.0]))

    low, high = both.zconfint_diff(0.05, usevar="unequal")

    assert lift.value == pytest.approx((low + high) / 2, rel=1e-10)
    assert error_of(lift) * Z == pytest.approx((high - low) / 2, rel=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
def test_cuped_is_an_analysis_of_covariance(seed: int) -> None:
    """The coefficient of the group is theirs to eight digits, beside what was known before.

    Our standard error takes the slope for known and the variances of both groups for unequal: that
    of their HC2 but for the slope's own uncertainty, which is less than a fiftieth of it here.
    """
    outcome, before, group = world(seed)
    design = sm.add_constant(np.column_stack([group, before]))

    fitted = sm.OLS(outcome, design).fit(cov_type="HC2")
    lift = measured(outcome, before, group)

    assert lift.value == pytest.approx(fitted.params[1], rel=1e-8)
    assert error_of(lift) == pytest.approx(fitted.bse[1], rel=0.02)


@pytest.mark.parametrize("seed", SEEDS)
def test_of_the_residuals_the_standard_error_is_theirs(seed: int) -> None:
    """The same as a difference of means of y − θx, to eight digits."""
    outcome, before, group = world(seed)
    design = sm.add_constant(np.column_stack([group, before]))
    theta = sm.OLS(outcome, design).fit().params[2]
    residual = outcome - theta * before
    both = CompareMeans(DescrStatsW(residual[group == 1.0]), DescrStatsW(residual[group == 0.0]))

    lift = measured(outcome, before, group)

    assert error_of(lift) == pytest.approx(both.std_meandiff_separatevar, rel=1e-8)
    unadjusted = sm.OLS(outcome, design[:, :2]).fit()
    adjusted = sm.OLS(outcome, design).fit()
    assert lift.explained == pytest.approx(1.0 - adjusted.ssr / unadjusted.ssr, rel=1e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_difference_of_rates_is_walds(seed: int) -> None:
    """Their interval divides variances by n, ours by n − 1: a thousandth at these numbers."""
    treated, control = shares(seed)
    low, high = confint_proportions_2indep(
        treated.sum(), len(treated), control.sum(), len(control), method="wald", compare="diff"
    )

    lift = converted(treated, control)

    assert lift.value == pytest.approx((low + high) / 2, rel=1e-9)
    assert error_of(lift) * Z == pytest.approx((high - low) / 2, rel=1e-3)
    z, _ = proportions_ztest(
        [treated.sum(), control.sum()], [len(treated), len(control)], prop_var=False
    )
    # Theirs pools both groups, as if there were no difference; ours keeps them apart.
    assert lift.value / error_of(lift) == pytest.approx(z, rel=0.1, abs=0.02)


@pytest.mark.parametrize("ratio", [1.0, 4.0, 9.0])
@pytest.mark.parametrize("effect", [0.05, 0.2])
def test_as_many_customers_are_needed_as_they_say(ratio: float, effect: float) -> None:
    """By normal quantiles: the far tail that they add is nothing; to a customer."""
    smaller = NormalIndPower().solve_power(effect_size=effect, alpha=0.05, power=0.8, ratio=ratio)
    by_t = TTestIndPower().solve_power(effect_size=effect, alpha=0.05, power=0.8, ratio=ratio)

    needed = customers_needed(1.0, effect, control_share=1.0 / (1.0 + ratio))

    assert needed == pytest.approx(smaller * (1.0 + ratio), abs=1.0)
    assert needed == pytest.approx(by_t * (1.0 + ratio), rel=0.01)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_detectable_difference_has_the_power_that_it_is_said_to_have(seed: int) -> None:
    """Eight in ten, by their power of a test with equal variances."""
    chance = np.random.default_rng(seed)
    treated, control = chance.normal(0, 3, 4_000), chance.normal(0, 3, 1_000)
    lift = lift_of(
        sums_of((float(y), 0.0) for y in treated),
        sums_of((float(y), 0.0) for y in control),
        treated_events=4_000,
        control_events=1_000,
    )
    assert lift.least_detectable is not None

    power = NormalIndPower().power(
        effect_size=lift.least_detectable / 3.0, nobs1=1_000, alpha=0.05, ratio=4.0
    )

    assert power == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("counts", [(5_000, 5_000), (5_300, 4_700), (9_000, 1_100), (700, 100)])
def test_arms_that_fill_ill_are_those_of_a_chi_square(counts: tuple[int, int]) -> None:
    """One look of a χ² test at a thousandth rings wherever ours does, which may look daily."""
    stated = (
        {"a": 0.5, "b": 0.5}
        if counts[0] < 6_000 and counts != (700, 100)
        else {
            "a": 0.9,
            "b": 0.1,
        }
    )
    total = sum(counts)
    expected = [share * total for share in stated.values()]

    ours = check_ratio(dict(zip(stated, counts, strict=True)), stated)
    theirs = stats.chisquare(counts, expected)

    effect = chisquare_effectsize(list(stated.values()), np.array(counts) / total)
    assert theirs.statistic == pytest.approx(total * effect**2, rel=1e-9)
    assert not ours.mismatched or theirs.pvalue < 0.001
    assert ours.mismatched or theirs.pvalue > 1e-6


@pytest.mark.parametrize("seed", SEEDS)
def test_counts_of_three_arms_are_a_multinomial_regression(seed: int) -> None:
    """What fitting the shares gains over the stated ones is half of their deviance.

    It is the greatest evidence that any prior could find, so ours never exceeds it.
    """
    chance = np.random.default_rng(seed)
    stated = {"a": 0.5, "b": 0.3, "c": 0.2}
    drawn = np.array(chance.multinomial(4_000, [0.47, 0.32, 0.21]))
    arms = np.repeat(np.arange(3), drawn)
    fitted = sm.MNLogit(arms, np.ones((len(arms), 1))).fit(disp=0)

    gained = fitted.llf - float(drawn @ np.log(list(stated.values())))

    assert fitted.llf == pytest.approx(float(drawn @ np.log(drawn / drawn.sum())), rel=1e-8)
    counts = dict(zip(stated, map(int, drawn), strict=True))
    assert check_ratio(counts, stated).evidence < gained


@pytest.mark.parametrize("size", [1_000, 20_000])
def test_an_index_of_stability_is_near_their_goodness_of_fit(size: int) -> None:
    """For small differences it is χ² over n of shares that are known, as the bound assumes."""
    base = np.full(10, 0.1)
    moved = base + 0.004 * np.array([1, -1] * 5)
    now = [round(share * size) for share in moved]

    index = share_drift(now, base.tolist(), baseline_customers=10**9, looks=1).value

    theirs = stats.chisquare(now, base * sum(now)).statistic / sum(now)
    assert index == pytest.approx(theirs, rel=0.01)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_calibration_is_a_binomial_model_with_an_offset(seed: int) -> None:
    """Expected less observed is their score at the model's chances; to eight digits.

    The bound is their normal quantile of it: two-sided, of the variance Σ p(1 − p).
    """
    chance = np.random.default_rng(seed)
    said = chance.beta(1.0, 4.0, 3_000)
    back = (chance.random(3_000) < said).astype(float)
    logit = np.log(said / (1.0 - said))
    model = sm.GLM(back, np.ones((3_000, 1)), family=sm.families.Binomial(), offset=logit)

    score = float(model.score(np.zeros(1))[0])
    information = -float(model.hessian(np.zeros(1), observed=False)[0, 0])

    drift = calibration_drift(
        float(back.sum()), float(said.sum()), information, customers=3_000, looks=10
    )
    assert score == pytest.approx(float(back.sum() - said.sum()), rel=1e-8)
    assert information == pytest.approx(float((said * (1 - said)).sum()), rel=1e-8)
    allowed = (drift.bound - 1.0) * float(said.sum())
    rings = abs(score) / math.sqrt(information) > stats.norm.isf(0.01 / 10 / 2)
    assert (drift.drifted is True) <= rings
    assert allowed >= stats.norm.isf(0.01 / 10 / 2) * math.sqrt(information) * (1 - 1e-9)


def test_days_that_were_joined_are_one_sample() -> None:
    """Their description of both samples pooled is that of ours joined."""
    chance = np.random.default_rng(3)
    one, two = chance.gamma(2.0, 3.0, 400), chance.gamma(1.0, 9.0, 700)
    whole = DescrStatsW(np.concatenate([one, two]))

    told = joined(sums_of((float(y), 0.0) for y in one), sums_of((float(y), 0.0) for y in two))

    assert told.outcome == pytest.approx(whole.mean, rel=1e-12)
    assert told.variance == pytest.approx(whole.var_ddof(1), rel=1e-12)


def test_a_calibrations_sums_are_those_of_a_regression() -> None:
    """Their slope of what happened on what was said, from our sums."""
    chance = np.random.default_rng(4)
    rows = [
        Followed(float(churn), 1.0, int(back))
        for churn, back in zip(chance.random(900), chance.random(900) < 0.4, strict=True)
    ]
    said = np.array([1.0 - each.churn for each in rows])
    back = np.array([float(each.orders > 0) for each in rows])

    sums = calibrated_of(rows, model="m-1.0.0", horizon_days=91).returned

    fitted = sm.OLS(back, sm.add_constant(said)).fit()
    assert sums.products / sums.before_squares == pytest.approx(fitted.params[1], rel=1e-9)


def test_looking_at_any_time_costs_width() -> None:
    """At no number of customers is the interval narrower than that of one look."""
    for count in (200, 10_000, 10**6):
        assert widening(count) > Z


def test_numbers_are_those_of_the_world() -> None:
    """The oracle is asked about something: outcomes vary and groups differ in size."""
    outcome, before, group = world(SEEDS[0])
    spread: Numbers = np.array([outcome.std(), before.std()])
    assert (spread > 0).all()
    assert 0 < group.mean() < 1
