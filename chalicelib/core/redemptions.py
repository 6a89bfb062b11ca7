"""What an order means for the codes that it was paid with, whatever the order of the news.

An order's state is a join of all that was said of it, and what a code must have done follows from
that state alone: a completed order has redeemed it, a cancelled one has given it back, a refunded
one gives back the part of the discount that the refund is of the order. Settling again what is
settled changes nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from chalicelib.core.coupons import redeem, roll_back, use_of
from chalicelib.core.errors import Refused
from chalicelib.core.offers import Coupon
from chalicelib.core.orders import OrderState


class Rollback(NamedTuple):
    """How much of a redemption an order gives back.

    Attributes:
        minor: all in all, never more than was redeemed.
        excess_minor: of the refunds, what is more than the order was worth; it is refused.
    """

    minor: int
    excess_minor: int


def settle_order(
    coupon: Coupon, order: OrderState, *, currency: str, budgeted: bool, now: int
) -> Coupon:
    """The code once this order's news is known; the same code when it says nothing new.

    Args:
        coupon: as it is stored.
        order: all that is known of the order; it names the code.
        currency: the policy's.
        budgeted: whether a redemption counts against a budget.
        now: the moment.

    Raises:
        Refused: as ``redeem``, and ``wrong_currency``.
    """
    use = use_of(coupon, order.order_id)
    if use is None or use.state == "reserved":
        if order.completed is None:
            return coupon
        coupon = redeem(
            coupon,
            order_id=order.order_id,
            amount_minor=discount_of(coupon, order, currency=currency),
            budgeted=budgeted,
            now=now,
            placed_at=order.completed.at,
        )
    return give_back(coupon, order, now=now)


def give_back(coupon: Coupon, order: OrderState, *, now: int) -> Coupon:
    """The code with as much rolled back as the order's state says."""
    use = use_of(coupon, order.order_id)
    if use is None or use.state == "reserved":
        return coupon
    whole = order.cancelled_at is not None or None in order.refunds_minor.values()
    target = rollback_of(order, redeemed_minor=use.amount_minor).minor
    if not whole and not target:
        return coupon
    return roll_back(coupon, order_id=order.order_id, to_minor=target, now=now)


def rollback_of(order: OrderState, *, redeemed_minor: int) -> Rollback:
    """How much an order gives back of what was redeemed for it.

    A refund is measured by what the order was worth when it was completed. One that is more than
    that is refused by itself; of several that come to more, what is over is refused.
    """
    if order.cancelled_at is not None or None in order.refunds_minor.values():
        return Rollback(redeemed_minor, excess_minor=0)
    if order.completed is None or not order.refunds_minor:
        return Rollback(0, excess_minor=0)
    worth_minor, currency = order.completed.amount_minor, order.completed.currency
    refunds = [
        refund or 0
        for message_id, refund in order.refunds_minor.items()
        if order.refund_currencies.get(message_id, currency) == currency
    ]
    possible_minor = sum(refund for refund in refunds if refund <= worth_minor)
    impossible_minor = sum(refunds) - possible_minor
    excess_minor = impossible_minor + max(0, possible_minor - worth_minor)
    if not worth_minor:
        return Rollback(0, excess_minor)
    given_back_minor = redeemed_minor * possible_minor // worth_minor
    return Rollback(min(redeemed_minor, given_back_minor), excess_minor)


def discount_of(coupon: Coupon, order: OrderState, *, currency: str) -> int:
    """The discount that an order had: as it says, else as it was reserved, else by the offer."""
    if order.completed is not None and order.completed.currency != currency:
        raise Refused("wrong_currency")
    offer, use = coupon.offer, use_of(coupon, order.order_id)
    said = order.codes.get(offer.code)
    if said is not None:
        # The shop's discount may be the sum of several; this code's part is no more than its value.
        return min(said, offer.value) if offer.kind == "amount_off" else said
    if use is not None:
        return use.amount_minor
    match offer.kind:
        case "amount_off":
            return offer.value
        case "free_shipping" | "gift" | "early_access":
            return 0
        case "percent_off":
            paid_minor = 0 if order.completed is None else order.completed.amount_minor
            left = 100 - offer.value
            return -(-paid_minor * offer.value // left) if left else 0
