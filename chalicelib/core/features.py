"""What the model sees of a customer at one moment; training and serving call the same function."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from chalicelib.core.facts import Facts
from chalicelib.core.instants import DAY_SECONDS

FEATURE_NAMES = (
    "recency_days",
    "frequency",
    "monetary_minor",
    "tenure_days",
    "mean_gap_days",
)


@dataclass(frozen=True, slots=True)
class Features:
    """The features of one customer; None means missing, which the model document imputes.

    Attributes:
        recency_days: days from the latest counted order to ``as_of``.
        frequency: number of counted orders.
        monetary_minor: mean order value in minor units of the model's currency.
        tenure_days: days from the first counted order to ``as_of``.
        mean_gap_days: mean days between consecutive orders; missing below two orders.
    """

    recency_days: float | None = None
    frequency: float | None = None
    monetary_minor: float | None = None
    tenure_days: float | None = None
    mean_gap_days: float | None = None

    def as_tuple(self) -> tuple[float | None, ...]:
        """The values in the order of ``FEATURE_NAMES``."""
        return (
            self.recency_days,
            self.frequency,
            self.monetary_minor,
            self.tenure_days,
            self.mean_gap_days,
        )


NO_FEATURES = Features()


def describe(facts: Facts, *, as_of: int, currency: str) -> Features:
    """Describe a customer's order history at ``as_of``; orders after it do not exist yet.

    Only orders in ``currency`` have a value: amounts of other currencies are not converted, and
    a customer who never paid in it has no monetary value rather than a wrong one.
    """
    recent = facts.recent
    if recent and recent[-1].at > as_of:
        recent = tuple(order for order in recent if order.at <= as_of)
    count = facts.older_count + len(recent)
    first_at = facts.first_order_at
    if first_at is None or first_at > as_of:
        return Features(frequency=0.0)
    last_at = recent[-1].at if recent else first_at
    amount_minor = facts.older_amounts_minor.get(currency, 0)
    paid = facts.older_counts.get(currency, 0)
    for order in recent:
        if order.currency == currency:
            amount_minor += order.amount_minor
            paid += 1
    return Features(
        recency_days=(as_of - last_at) / DAY_SECONDS,
        frequency=float(count),
        monetary_minor=amount_minor / paid if paid else None,
        tenure_days=(as_of - first_at) / DAY_SECONDS,
        mean_gap_days=(last_at - first_at) / DAY_SECONDS / (count - 1) if count > 1 else None,
    )


def main_currency(facts: Facts) -> str | None:
    """The currency of most counted orders; ties go to the first by alphabet."""
    counts = Counter(facts.older_counts)
    counts.update(order.currency for order in facts.recent)
    return min(counts, key=lambda code: (-counts[code], code)) if counts else None
