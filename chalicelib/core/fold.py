"""Fold messages into facts; order of arrival and repetition do not change the result."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from dataclasses import replace

from chalicelib.core.facts import RECENT_ORDERS, CountedOrder, Facts
from chalicelib.core.instants import Instant
from chalicelib.core.messages import (
    CheckoutStarted,
    Identified,
    InventoryUpdated,
    Message,
    OrderCancelled,
    OrderCompleted,
    OrderMessage,
    OrderRefunded,
    OrderUpdated,
    ProductViewed,
    Seen,
)
from chalicelib.core.offers import is_code
from chalicelib.core.orders import (
    Amount,
    OrderState,
    cancel_order,
    complete_order,
    refund_order,
    update_order,
    use_code,
)


def fold(facts: Facts, message: Message) -> Facts:
    """Fold what a message says besides its order; orders go through ``join_order``."""
    at = message.envelope.at
    facts = replace(facts, last_seen_at=_later(facts.last_seen_at, at))
    match message:
        case ProductViewed(sku=sku):
            if facts.last_product is None or (at, sku) > facts.last_product:
                return replace(facts, last_product=(at, sku))
        case CheckoutStarted():
            return replace(facts, last_checkout_at=_later(facts.last_checkout_at, at))
        case OrderCompleted():
            return replace(facts, last_completed_at=_later(facts.last_completed_at, at))
        case (
            Identified()
            | OrderUpdated()
            | OrderRefunded()
            | OrderCancelled()
            | InventoryUpdated()
            | Seen()
        ):
            pass
    return facts


def join_order(state: OrderState, message: OrderMessage) -> OrderState:
    """Join one message into the state of its order."""
    at = message.envelope.at
    match message:
        case OrderCompleted(amount_minor=amount_minor, currency=currency, code=code):
            amount = Amount(at, amount_minor, currency)
            if code is not None and is_code(code):
                state = use_code(state, code, message.discount_minor)
            return complete_order(state, amount, source=message.envelope.message_id)
        case OrderUpdated(amount_minor=amount_minor, currency=currency):
            return update_order(state, Amount(at, amount_minor, currency))
        case OrderRefunded(amount_minor=refund_minor, currency=refund_currency):
            return refund_order(
                state,
                refund_minor,
                message_id=message.envelope.message_id,
                currency=refund_currency,
            )
        case OrderCancelled():
            return cancel_order(state, at)


def recount(facts: Facts, *, before: OrderState | None, after: OrderState) -> Facts:
    """Count an order as its new state says, after uncounting it as its old state said.

    Nothing is uncounted that the profile cannot hold: a guest's order outlives the guest.
    """
    old = None if before is None else before.counted
    if old is not None and not _may_hold(facts, old):
        old = None
    new = after.counted
    if old == new:
        return facts
    if old is not None:
        facts = _uncount(facts, old)
    return facts if new is None else _count(facts, new)


def _may_hold(facts: Facts, order: CountedOrder) -> bool:
    """Whether an order is counted here; of the older ones only their number is known."""
    return facts.older_count > 0 or any(kept.mark == order.mark for kept in facts.recent)


def _count(facts: Facts, order: CountedOrder) -> Facts:
    recent = list(facts.recent)
    insort(recent, order)
    if len(recent) <= RECENT_ORDERS:
        return replace(facts, recent=tuple(recent))
    evicted = recent.pop(0)
    facts = replace(facts, recent=tuple(recent))
    first_at = facts.older_first_at
    return replace(
        facts,
        older_count=facts.older_count + 1,
        older_amounts_minor=_add(facts.older_amounts_minor, evicted.currency, evicted.amount_minor),
        older_counts=_add(facts.older_counts, evicted.currency, 1),
        older_first_at=Instant(evicted.at if first_at is None else min(first_at, evicted.at)),
    )


def _uncount(facts: Facts, order: CountedOrder) -> Facts:
    kept = tuple(other for other in facts.recent if other.mark != order.mark)
    if len(kept) < len(facts.recent):
        return replace(facts, recent=kept)
    if facts.older_count <= 1:
        return replace(
            facts,
            older_count=0,
            older_amounts_minor={},
            older_counts={},
            older_first_at=None,
        )
    return replace(
        facts,
        older_count=facts.older_count - 1,
        older_amounts_minor=_add(facts.older_amounts_minor, order.currency, -order.amount_minor),
        older_counts=_add(facts.older_counts, order.currency, -1),
    )


def merge_facts(customer: Facts, guest: Facts) -> Facts:
    """What is known of a customer once a guest turned out to be them."""
    merged = replace(
        customer,
        older_count=customer.older_count + guest.older_count,
        older_amounts_minor=_sum(customer.older_amounts_minor, guest.older_amounts_minor),
        older_counts=_sum(customer.older_counts, guest.older_counts),
        older_first_at=_earlier(customer.older_first_at, guest.older_first_at),
        last_seen_at=_later(customer.last_seen_at, guest.last_seen_at),
        last_checkout_at=_later(customer.last_checkout_at, guest.last_checkout_at),
        last_completed_at=_later(customer.last_completed_at, guest.last_completed_at),
        abandoned_checkout_at=_later(customer.abandoned_checkout_at, guest.abandoned_checkout_at),
        last_product=max(filter(None, (customer.last_product, guest.last_product)), default=None),
    )
    for order in guest.recent:
        merged = _count(merged, order)
    return merged


def _add(totals: Mapping[str, int], currency: str, amount: int) -> dict[str, int]:
    added = {**totals, currency: totals.get(currency, 0) + amount}
    return {code: total for code, total in added.items() if total}


def _sum(ours: Mapping[str, int], theirs: Mapping[str, int]) -> Mapping[str, int]:
    for currency, amount in theirs.items():
        ours = _add(ours, currency, amount)
    return ours


def _later(known: Instant | None, said: Instant | None) -> Instant | None:
    return said if known is None else known if said is None else max(known, said)


def _earlier(known: Instant | None, said: Instant | None) -> Instant | None:
    return said if known is None else known if said is None else min(known, said)
