"""One live code for each customer and action, also once a guest turns out to be the customer.

A guest who was shown a code and then logs in may find one of their own there. Nobody is to have
two, or many guests who all turn out to be one customer would have a code each. The guest's code
becomes the customer's where they have none; of two, the one that a cart holds stays, else the
customer's own, and the other is taken back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from chalicelib.core.coupons import CouponState, revoke, state_of
from chalicelib.core.offers import Coupon

MERGED = "merged"  # why a code was revoked that somebody had twice
_USABLE: frozenset[CouponState] = frozenset({"live", "reserved"})


class Joined(NamedTuple):
    """The codes of a guest and a customer for one action, once they are one person.

    Attributes:
        guests: the guest's code; the customer's from now on where ``moved``.
        customers: the customer's own; None where there was none.
        moved: whether the guest's code is the one that stands for the action.
    """

    guests: Coupon
    customers: Coupon | None
    moved: bool


def join_codes(guests: Coupon, customers: Coupon | None, *, owner: str, now: int) -> Joined:
    """Leave one usable code at most.

    Args:
        guests: the code that stands for the guest and the action.
        customers: the one that stands for the customer; None where none does.
        owner: the customer's key.
        now: the moment.
    """
    if customers is None:
        return Joined(replace(guests, subject_key=owner), None, moved=True)
    theirs, own = state_of(guests, now=now), state_of(customers, now=now)
    if theirs not in _USABLE:
        return Joined(guests, customers, moved=False)
    if theirs == "reserved" and own == "live" and not customers.uses:
        given_up = revoke(customers, reason=MERGED, now=now)
        return Joined(replace(guests, subject_key=owner), given_up, moved=True)
    return Joined(revoke(guests, reason=MERGED, now=now), customers, moved=False)
