"""What is known of one customer's behaviour: facts only, no segment-dependent arithmetic.

A profile stays near 4 KB: the latest ``RECENT_ORDERS`` orders are kept one by one, so that a
correction of any of them is exact; older ones live on as sums.

Facts do not depend on the order in which messages and rows arrive, nor on repetition. With more
than ``RECENT_ORDERS`` orders that holds, too, as long as none is cancelled or turns out to have
been placed earlier than first said. When that happens, the number of orders and their amounts
stay exact; the date of the first order stays where it was if that very order was among the older
ones, and the date of the latest is exact until all recent orders are cancelled. Which orders are
kept one by one then depends on the order of arrival. ``segment``, ``review_at`` and
``abandoned_checkout_at`` say what was announced when, so they follow the order of arrival until
``absence.settle`` brings them up to one moment; ``segment_at`` says since when, so it always does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple

from chalicelib.core.instants import Instant
from chalicelib.core.subject import Subject

RECENT_ORDERS = 32


class CountedOrder(NamedTuple):
    """One order as the profile counts it; ``mark`` is a short hash of the order id."""

    at: int
    mark: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Facts:
    """The folded facts of one subject.

    Attributes:
        subject: whom the facts are about.
        recent: the latest orders, oldest first.
        older_count: how many counted orders are older than ``recent``.
        older_amounts_minor: their sum by currency.
        older_counts: their number by currency.
        older_first_at: when the first of them was placed.
        last_seen_at: the latest message of any kind.
        last_checkout_at: the latest "Checkout Started".
        last_completed_at: the latest "Order Completed", even of an order cancelled since.
        last_product: the latest "Product Viewed" as (moment, SKU).
        abandoned_checkout_at: the checkout for which "Cart Abandoned" was announced.
        segment: the segment last announced, None before the first.
        segment_model: the model that named it.
        segment_at: since when, by the moment of the write that named it; None without a segment,
            and where it was named before this was kept.
        review_at: when silence alone would next change something.
        merged_into: the customer id that a guest turned out to be.
    """

    subject: Subject
    recent: tuple[CountedOrder, ...] = ()
    older_count: int = 0
    older_amounts_minor: Mapping[str, int] = field(default_factory=dict)
    older_counts: Mapping[str, int] = field(default_factory=dict)
    older_first_at: Instant | None = None
    last_seen_at: Instant | None = None
    last_checkout_at: Instant | None = None
    last_completed_at: Instant | None = None
    last_product: tuple[int, str] | None = None
    abandoned_checkout_at: Instant | None = None
    segment: str | None = None
    segment_model: str | None = None
    segment_at: Instant | None = None
    review_at: Instant | None = None
    merged_into: str | None = None

    @property
    def order_count(self) -> int:
        """How many orders count, cancelled ones aside."""
        return self.older_count + len(self.recent)

    @property
    def first_order_at(self) -> int | None:
        """When the first counted order was placed."""
        earliest = self.recent[0].at if self.recent else None
        if self.older_first_at is None or earliest is None:
            return self.older_first_at if earliest is None else earliest
        return min(self.older_first_at, earliest)

    @property
    def last_order_at(self) -> int | None:
        """When the latest counted order was placed."""
        if self.recent:
            return self.recent[-1].at
        return self.older_first_at

    @property
    def open_checkout_at(self) -> int | None:
        """The latest checkout that no order has closed; cancelling the order does not reopen it."""
        started = self.last_checkout_at
        closed = (self.last_order_at, self.last_completed_at)
        if started is None or any(at is not None and at >= started for at in closed):
            return None
        return started


def facts_to_json(facts: Facts) -> dict[str, Any]:
    """The stored form; absent values are left out to keep the item small."""
    stored: dict[str, Any] = {"subject": facts.subject.key}
    if facts.recent:
        stored["recent"] = [list(order) for order in facts.recent]
    if facts.older_count:
        stored["older"] = {
            "count": facts.older_count,
            "amounts_minor": dict(facts.older_amounts_minor),
            "counts": dict(facts.older_counts),
            "first_at": facts.older_first_at,
        }
    if facts.last_product is not None:
        stored["last_product"] = list(facts.last_product)
    scalars = zip(_SCALARS, _scalars_of(facts), strict=True)
    stored.update([(name, value) for name, value in scalars if value is not None])
    return stored


def facts_from_json(stored: Mapping[str, Any]) -> Facts:
    """Undo ``facts_to_json``."""
    older = stored.get("older", {})
    product = stored.get("last_product")
    return Facts(
        subject=Subject.from_key(stored["subject"]),
        recent=tuple(CountedOrder(*order) for order in stored.get("recent", ())),
        older_count=older.get("count", 0),
        older_amounts_minor=older.get("amounts_minor", {}),
        older_counts=older.get("counts", {}),
        older_first_at=older.get("first_at"),
        last_product=None if product is None else (product[0], product[1]),
        **{name: stored.get(name) for name in _SCALARS},
    )


_SCALARS = (
    "last_seen_at",
    "last_checkout_at",
    "last_completed_at",
    "abandoned_checkout_at",
    "segment",
    "segment_model",
    "segment_at",
    "review_at",
    "merged_into",
)
_scalars_of = attrgetter(*_SCALARS)
