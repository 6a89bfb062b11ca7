"""Whether customers still are those whom the model was trained on, or only chance plays.

*Shares* (deciles of a feature, segments, bins of a score): the population stability index
PSI = Σ (pᵢ − qᵢ) log(pᵢ / qᵢ), with q from n₀ customers at training and p from n today. Without
drift PSI / (1/n + 1/n₀) is near χ² with one degree fewer than there are bins (Yurdakul and Naranjo,
"Statistical properties of the population stability index", Journal of Risk Model Validation 14,
2020), so a plain bound such as 0.1 rings on chance alone when n is small. The bound is therefore
the χ² quantile at ``ALPHA`` divided by the number of looks at one day's figures, scaled by n and
n₀, plus ``LEAST_PSI``: what is certain but too small to matter does not ring.

*Calibration*: observed less expected orders or churn, in standard errors, and as a ratio.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist
from typing import NamedTuple

# A day without drift rings with less than this probability, over all its figures together.
ALPHA = 0.01
# Shares that differ by so little change no decision worth a call.
LEAST_PSI = 0.02
# Fewer are looked at together with those of the next day.
LEAST_CUSTOMERS = 200
LEAST_RATIO = 1.1
# A bin that training never saw would make the index infinite: it is counted as half a customer.
_HALF = 0.5


class Drift(NamedTuple):
    """One figure held against its baseline.

    Attributes:
        value: the index, or for a calibration the ratio of observed to expected.
        bound: above this it rings (a calibration rings below its inverse, too).
        customers: how many it is of.
        drifted: whether it rings; None with too few customers to say.
    """

    value: float
    bound: float
    customers: int
    drifted: bool | None


class Moved(NamedTuple):
    """One figure of a day.

    Attributes:
        trained: held against the customers at training, or against what the model said.
        past: held against those of the weeks before; None while too few days are known.
    """

    trained: Drift
    past: Drift | None

    @property
    def rings(self) -> bool:
        """Whether it moved of late, and not towards what the model was trained on.

        Whoever comes to a checkout differs from all the customers that a model was trained on from
        the first day, so that difference alone is told and does not ring.
        """
        return bool(self.trained.drifted and self.past is not None and self.past.drifted)


def share_drift(
    now: Sequence[int], baseline: Sequence[float], *, baseline_customers: int, looks: int
) -> Drift:
    """Hold counts by bin against the shares of the baseline.

    Args:
        now: customers by bin.
        baseline: share by bin, together 1; bins empty in both are left out.
        baseline_customers: how many the baseline is of.
        looks: how many figures are looked at on one day.

    Raises:
        ValueError: the two have different numbers of bins.
    """
    total = sum(now)
    bins = [(n, share) for n, share in zip(now, baseline, strict=True) if n or share > 0.0]
    index = 0.0
    for count, share in bins:
        p = max(count, _HALF) / max(total, 1)
        q = max(share, _HALF / baseline_customers)
        index += (p - q) * math.log(p / q)
    bound = LEAST_PSI + chi_squared_quantile(1.0 - ALPHA / looks, max(1, len(bins) - 1)) * (
        1.0 / max(total, 1) + 1.0 / baseline_customers
    )
    return Drift(index, bound, total, index > bound if total >= LEAST_CUSTOMERS else None)


def calibration_drift(
    observed: float, expected: float, variance: float, *, customers: int, looks: int
) -> Drift:
    """Hold what happened against what was expected: orders counted, or customers who stayed away.

    Args:
        observed: how many there were.
        expected: the sum of the model's expectations.
        variance: of the observed number, if the model is right: Σ p(1 − p) for probabilities.
        customers: how many were scored.
        looks: how many figures are looked at on one day.
    """
    ratio = observed / expected if expected > 0.0 else math.inf if observed else 1.0
    error = math.sqrt(variance) if variance > 0.0 else 0.0
    allowed = NormalDist().inv_cdf(1.0 - ALPHA / looks / 2.0) * error
    by_chance = 1.0 + allowed / expected if expected > 0.0 else math.inf
    bound = max(LEAST_RATIO, by_chance)
    if customers < LEAST_CUSTOMERS or not math.isfinite(bound):
        return Drift(ratio, bound, customers, None)
    low = min(1.0 / LEAST_RATIO, 1.0 - allowed / expected)
    return Drift(ratio, bound, customers, ratio > bound or ratio < low)


@cache
def chi_squared_quantile(probability: float, degrees: int) -> float:
    """Of the χ² distribution, by halving an interval until floats have none between.

    >>> round(chi_squared_quantile(0.99, 9), 3)
    21.666
    """
    low, high = 0.0, 1.0
    while _chi_squared_above(high, degrees) > 1.0 - probability:
        low, high = high, 2.0 * high
    while low < (middle := (low + high) / 2.0) < high:
        if _chi_squared_above(middle, degrees) > 1.0 - probability:
            low = middle
        else:
            high = middle
    return high


def _chi_squared_above(value: float, degrees: int) -> float:
    """How likely a χ² variable is above a value: the closed forms for whole degrees of freedom.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.4.4 and 26.4.5.
    """
    half = value / 2.0
    odd = degrees % 2
    above = math.erfc(math.sqrt(half)) if odd else 0.0
    term = math.exp(-half) * (2.0 * math.sqrt(half / math.pi) if odd else 1.0)
    for step in range(degrees // 2):
        above += term
        term *= half / (step + (1.5 if odd else 1.0))
    return above
