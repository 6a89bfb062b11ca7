"""Taking a code back: what a cart holds of its budget is free again in the same write."""

from __future__ import annotations

from typing import Any

from chalicelib.core.coupons import CodeUnknown, lapse, revoke, state_of
from chalicelib.core.errors import Transient
from chalicelib.core.kinds import COUPON
from chalicelib.core.offers import Coupon
from chalicelib.core.ports import Store
from chalicelib.core.storage import Conflict, Key
from chalicelib.flows.code_moves import find_standing, move_writes

MOST_ROUNDS = 6


def revoke_code(key: Key[Any], subject_key: str, *, store: Store, now: int) -> None:
    """Take back a code of this subject that could still be used; doing it again changes nothing.

    A code that was used stays used. Raises Transient when others keep moving it.
    """
    code = key.partition.removeprefix(COUPON.prefix)
    for _ in range(MOST_ROUNDS):
        try:
            standing = find_standing(code, store=store, now=now)
        except CodeUnknown:
            return
        coupon = standing.coupon.value
        if coupon.subject_key != subject_key:
            return
        try:
            store.write(
                move_writes(standing, _taken_back(coupon, now=now), total=None, now=now), now=now
            )
        except Conflict:
            continue
        return
    raise Transient("others keep moving a code that is to be revoked")


def _taken_back(coupon: Coupon, *, now: int) -> Coupon:
    """The code revoked where it is still good for anything, and without a lock that ended."""
    if state_of(coupon, now=now) in ("live", "reserved"):
        return revoke(coupon, now=now)
    return lapse(coupon, now=now)
