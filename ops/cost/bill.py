"""A bill: units by price id, turned into lines with dollars, and added up by service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ops.cost.prices import PriceTable
from ops.cost.quantities import added


@dataclass(frozen=True, slots=True)
class Line:
    """One line: what for, how many units of which price, and what they cost."""

    service: str
    what: str
    price_id: str
    quantity: float
    dollars: float


@dataclass(frozen=True, slots=True)
class Bill:
    """Lines under a title.

    Attributes:
        title: what is billed.
        lines: each line, in the order in which they were made.
    """

    title: str
    lines: Sequence[Line]

    @property
    def dollars(self) -> float:
        """Everything together."""
        return sum(line.dollars for line in self.lines)

    @property
    def by_service(self) -> Mapping[str, float]:
        """Dollars of each service, the dearest first."""
        found = added(*({line.service: line.dollars} for line in self.lines))
        return dict(sorted(found.items(), key=lambda each: -each[1]))


def bill_of(
    title: str, units: Mapping[str, float], prices: PriceTable, *, times: float = 1
) -> Bill:
    """A bill of so many times these units; raises PricesRefused for a unit without a price."""
    lines = []
    for price_id in sorted(units):
        quantity = units[price_id] * times
        dollars = prices.dollars(price_id, quantity)
        row = prices.prices[price_id]
        lines.append(Line(row.service, row.unit, price_id, quantity, dollars))
    return Bill(title, lines)
