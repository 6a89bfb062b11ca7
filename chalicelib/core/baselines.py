"""Customers sorted into the bins of the model's baselines, and the shares that these expect.

A feature's bins are those between its deciles at training, each closed above, and one for missing
values. Where deciles tie, as with a count of orders, the share of a bin is known to a tenth only;
then the share within its limits that is nearest to today's is expected, so that nothing rings
because of what the document does not say.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

Deciles = Sequence[float]
CHURN_BINS = 10
_TENTHS = 10


@dataclass(frozen=True, slots=True)
class FeatureBaseline:
    """The distribution of one feature at training; deciles are None where nearly all lacked it."""

    missing_share: float
    deciles: Deciles | None


@dataclass(frozen=True, slots=True)
class Baselines:
    """What customers looked like when a model was trained.

    Attributes:
        model: ``NAME-VERSION``.
        customers: how many they were.
        features: by name.
        segments: share by segment.
        churn: shares of ten equal bins of the churn score.
        horizon_days: how far ahead the model looks.
    """

    model: str
    customers: int
    features: Mapping[str, FeatureBaseline]
    segments: Mapping[str, float]
    churn: Sequence[float]
    horizon_days: int


def feature_bins(deciles: Deciles | None) -> int:
    """How many bins a feature has, the one for missing values included."""
    return 2 if deciles is None else len(set(deciles)) + 2


def feature_bin(value: float | None, deciles: Deciles | None) -> int:
    """The bin of a value; 0 for a missing one.

    >>> [feature_bin(v, [1.0, 1.0, 2.0]) for v in (None, 0.5, 1.0, 1.5, 3.0)]
    [0, 1, 1, 2, 3]
    """
    if value is None:
        return 0
    return 1 if deciles is None else 1 + bisect_left(sorted(set(deciles)), value)


def churn_bin(churn: float) -> int:
    """The bin of a churn score.

    >>> [churn_bin(value) for value in (0.0, 0.31, 1.0)]
    [0, 3, 9]
    """
    return min(CHURN_BINS - 1, int(churn * CHURN_BINS))


def expected_shares(baseline: FeatureBaseline, now: Sequence[int]) -> list[float]:
    """The share of each bin at training, as far as the deciles tell it.

    Args:
        baseline: of the feature.
        now: customers by bin today, to choose within the limits that tied deciles leave.
    """
    present = 1.0 - baseline.missing_share
    if baseline.deciles is None:
        return [baseline.missing_share, present]
    below = accumulate(now[1:-1])
    total = max(1, sum(now[1:]))
    reached = [
        min(max(count / total, low), high)
        for count, (low, high) in zip(below, _limits(baseline.deciles), strict=True)
    ]
    shares = [high - low for low, high in pairwise([0.0, *reached, 1.0])]
    return [baseline.missing_share, *(present * share for share in shares)]


def _limits(deciles: Deciles) -> list[tuple[float, float]]:
    """Between which shares the values up to each distinct decile are.

    Without ties each decile is where it says; with ties a value may reach up to the next one.
    """
    tied = len(set(deciles)) < len(deciles)
    found = []
    for edge in sorted(set(deciles)):
        last = max(place for place, decile in enumerate(deciles, 1) if decile == edge)
        found.append((last / _TENTHS, (last + tied) / _TENTHS))
    return found
