"""How far two engines' answers are apart, and how far they may be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ops.training.snapshots import Labels, Matrix

# Python and scikit-learn do the same arithmetic; SQL engines bring logarithms of their own.
PYTHON_BOUND = 1e-12
SQL_BOUND = 1e-9


@dataclass(frozen=True, slots=True)
class Answers:
    """What an engine says of some rows.

    Attributes:
        segments: index of each row's segment.
        churn: probability of each.
        expected_orders: number of each.
    """

    segments: Labels
    churn: Matrix
    expected_orders: Matrix


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two engines are apart over some rows.

    Attributes:
        segments: how many rows have another segment.
        churn: the largest |Δ|.
        expected_orders: the largest |Δ|, relative where more than one order is expected.
    """

    segments: int
    churn: float
    expected_orders: float

    def within(self, bound: float) -> bool:
        """Whether no segment differs and no score by more than ``bound``; NaN is within none."""
        return self.segments == 0 and self.churn <= bound and self.expected_orders <= bound


def difference(given: Answers, expected: Answers) -> Difference:
    """Compare answers to the same rows; both must be complete."""
    return Difference(
        segments=int((given.segments != expected.segments).sum()),
        churn=largest(given.churn, expected.churn),
        expected_orders=largest(given.expected_orders, expected.expected_orders),
    )


def largest(given: Matrix, expected: Matrix) -> float:
    """The largest |Δ|, relative above one; infinite where only one of the two is missing (NaN).

    >>> largest(np.array([1.0, 2_000.0, np.nan]), np.array([1.0, 1_000.0, np.nan]))
    1.0
    """
    if given.shape != expected.shape:
        raise ValueError(f"{given.shape} answers to {expected.shape} questions")
    missing = np.isnan(expected)
    if not bool((np.isnan(given) == missing).all()):
        return float("inf")
    known = expected[~missing]
    if known.size == 0:
        return 0.0
    scaled: Matrix = np.abs(given[~missing] - known) / np.maximum(1.0, np.abs(known))
    return float(scaled.max())
