"""What a group's customers come to, as sums that add up: counts, means, variances, covariances.

Sums of single customers, of days and of shards join into the same sums, in any order, so a daily
roll-up keeps them and nothing else. The formulas are those of Chan, Golub and LeVeque (The American
Statistician 37, 1983): sums of squares stay about the mean, so that nothing cancels.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Sums(NamedTuple):
    """A group of customers, each with an outcome and what was known of them before.

    Attributes:
        customers: how many.
        outcome: mean of the outcome.
        before: mean of the covariate, which was settled before anybody was assigned.
        outcome_squares: sum of squared deviations of the outcome.
        before_squares: the same of the covariate.
        products: sum of the products of both deviations.
    """

    customers: int = 0
    outcome: float = 0.0
    before: float = 0.0
    outcome_squares: float = 0.0
    before_squares: float = 0.0
    products: float = 0.0

    @property
    def variance(self) -> float:
        """Of the outcome, unbiased; 0 below two customers."""
        return self.outcome_squares / (self.customers - 1) if self.customers > 1 else 0.0


NOBODY = Sums()


def sums_of(customers: Iterable[tuple[float, float]]) -> Sums:
    """Add customers up, each given as outcome and covariate.

    >>> tuple(sums_of([(1.0, 0.0), (3.0, 2.0)]))
    (2, 2.0, 1.0, 2.0, 2.0, 2.0)
    """
    count, outcome, before = 0, 0.0, 0.0
    outcome_squares = before_squares = products = 0.0
    for y, x in customers:
        count += 1
        off_y, off_x = y - outcome, x - before
        outcome += off_y / count
        before += off_x / count
        outcome_squares += off_y * (y - outcome)
        before_squares += off_x * (x - before)
        products += off_x * (y - outcome)
    return Sums(count, outcome, before, outcome_squares, before_squares, products)


def joined(ours: Sums, theirs: Sums) -> Sums:
    """The sums of two groups that share nobody."""
    if not theirs.customers:
        return ours
    if not ours.customers:
        return theirs
    count = ours.customers + theirs.customers
    off_y, off_x = theirs.outcome - ours.outcome, theirs.before - ours.before
    share = theirs.customers / count
    both = ours.customers * share
    return Sums(
        customers=count,
        outcome=ours.outcome + off_y * share,
        before=ours.before + off_x * share,
        outcome_squares=ours.outcome_squares + theirs.outcome_squares + off_y * off_y * both,
        before_squares=ours.before_squares + theirs.before_squares + off_x * off_x * both,
        products=ours.products + theirs.products + off_y * off_x * both,
    )
