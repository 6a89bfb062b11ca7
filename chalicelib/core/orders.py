"""One order as all messages and files about it add up, whatever the order they arrive in.

The state is a join: the earliest completion, the latest update, every refund by its message and
whether it was cancelled. Joining the same message twice, or in another order, gives the same state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from chalicelib.core.canonical import short_hash
from chalicelib.core.facts import CountedOrder


class Amount(NamedTuple):
    """What an order was worth, as said at one moment."""

    at: int
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class OrderState:
    """All that is known of one order.

    Attributes:
        order_id: the shop's id.
        subject_key: whose order it is.
        completed: the earliest "Order Completed" or file row; None until one came.
        updated: the latest "Order Updated".
        refunds_minor: refunded amounts by the id of the message that said so; None means all.
        refund_currencies: the currency of each refund that named one, by the same id.
        cancelled_at: when it was cancelled.
        source: the drop or the message that brought the completion.
        codes: the codes that it was paid with, each with the discount where one was named.
    """

    order_id: str
    subject_key: str
    completed: Amount | None = None
    updated: Amount | None = None
    refunds_minor: Mapping[str, int | None] = field(default_factory=dict)
    refund_currencies: Mapping[str, str] = field(default_factory=dict)
    cancelled_at: int | None = None
    source: str | None = None
    codes: Mapping[str, int | None] = field(default_factory=dict)

    @property
    def counted(self) -> CountedOrder | None:
        """How the profile counts this order; None when it does not (yet, or any more).

        A refund in another currency than the order's is not subtracted: nothing is converted.
        """
        if self.completed is None or self.cancelled_at is not None:
            return None
        worth = self.updated or self.completed
        net_minor = worth.amount_minor
        for message_id, refund_minor in self.refunds_minor.items():
            if refund_minor is None:
                net_minor = 0
            elif self.refund_currencies.get(message_id, worth.currency) == worth.currency:
                net_minor -= refund_minor
        return CountedOrder(
            self.completed.at,
            order_mark(self.order_id),
            max(0, net_minor),
            worth.currency,
        )


def order_mark(order_id: str) -> str:
    """The short name of an order inside a profile; 48 bits, unique enough among 32."""
    return short_hash(order_id, digits=12)


def complete_order(state: OrderState, amount: Amount, *, source: str) -> OrderState:
    """Join a completion; the earliest one stands."""
    if state.completed is not None and state.completed <= amount:
        return state
    return replace(state, completed=amount, source=source)


def use_code(state: OrderState, code: str, discount_minor: int | None) -> OrderState:
    """Join that an order was paid with a code; of two discounts the larger one stands."""
    known = state.codes.get(code)
    if code in state.codes and (discount_minor is None or (known or 0) >= discount_minor):
        return state
    return replace(state, codes={**state.codes, code: discount_minor})


def update_order(state: OrderState, amount: Amount) -> OrderState:
    """Join a correction of the amount; the latest one stands."""
    if state.updated is not None and state.updated >= amount:
        return state
    return replace(state, updated=amount)


def refund_order(
    state: OrderState, amount_minor: int | None, *, message_id: str, currency: str | None = None
) -> OrderState:
    """Join a refund; no amount refunds the whole order, no currency means the order's."""
    currencies = state.refund_currencies
    if currency is not None and amount_minor is not None:
        currencies = {**currencies, message_id: currency}
    return replace(
        state,
        refunds_minor={**state.refunds_minor, message_id: amount_minor},
        refund_currencies=currencies,
    )


def cancel_order(state: OrderState, at: int) -> OrderState:
    """Join a cancellation; the earliest one stands."""
    if state.cancelled_at is not None and state.cancelled_at <= at:
        return state
    return replace(state, cancelled_at=at)


def order_to_json(state: OrderState) -> dict[str, Any]:
    """The stored form."""
    stored: dict[str, Any] = {"order_id": state.order_id, "subject": state.subject_key}
    if state.completed is not None:
        stored["completed"] = list(state.completed)
    if state.updated is not None:
        stored["updated"] = list(state.updated)
    if state.refunds_minor:
        stored["refunds_minor"] = dict(state.refunds_minor)
    if state.refund_currencies:
        stored["refund_currencies"] = dict(state.refund_currencies)
    if state.cancelled_at is not None:
        stored["cancelled_at"] = state.cancelled_at
    if state.source is not None:
        stored["source"] = state.source
    if state.codes:
        stored["codes"] = dict(state.codes)
    return stored


def order_from_json(stored: Mapping[str, Any]) -> OrderState:
    """Undo ``order_to_json``."""
    completed, updated = stored.get("completed"), stored.get("updated")
    return OrderState(
        order_id=stored["order_id"],
        subject_key=stored["subject"],
        completed=Amount(*completed) if completed else None,
        updated=Amount(*updated) if updated else None,
        refunds_minor=stored.get("refunds_minor", {}),
        refund_currencies=stored.get("refund_currencies", {}),
        cancelled_at=stored.get("cancelled_at"),
        source=stored.get("source"),
        codes=stored.get("codes", {}),
    )
