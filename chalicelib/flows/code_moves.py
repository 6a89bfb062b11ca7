"""Moving a stored code: what stands, and the one write of code, money and live code.

Shared by the calls of a shop, by orders, and by whoever looks after locks that have ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from chalicelib.core.allotments import SHARDS, AtHand, shard_of
from chalicelib.core.coupons import CodeUnknown, charge, state_of
from chalicelib.core.errors import Refused
from chalicelib.core.kinds import COUPON, FACTS, LIVE_OFFER
from chalicelib.core.limits import OneShardIsNotEnough, allotment_key
from chalicelib.core.offers import Coupon, normal_code
from chalicelib.core.plan import COUPON_MEMORY_SECONDS
from chalicelib.core.ports import Store
from chalicelib.core.storage import AtVersion, Conflict, Found, Key, Put, Stored, Write
from chalicelib.core.subject import Subject


class Standing(NamedTuple):
    """What stands before a move.

    Attributes:
        coupon: the code.
        found: everything that was read.
        shards: the parts of the budget that were read.
    """

    coupon: Stored[Coupon]
    found: Found
    shards: AtHand


def find_standing(
    code: str, *, store: Store, now: int, beside: Sequence[Key[Any]] = ()
) -> Standing:
    """Read a code with what is wanted beside it, then its own part of the budget.

    Raises CodeUnknown.
    """
    code_key = COUPON.key(normal_code(code))
    found = store.read([code_key, *beside], now=now)
    stored = found.stored(code_key)
    if stored is None:
        raise CodeUnknown
    coupon = stored.value
    home = shard_of(coupon.offer.code)
    money_key = allotment_key(coupon.offer.action, "money", home)
    more: list[Key[Any]] = [LIVE_OFFER.key(coupon.subject_key, coupon.offer.action), money_key]
    if Subject.from_key(coupon.subject_key).kind == "anonymous":
        more.append(FACTS.key(coupon.subject_key))
    found = found.joined(store.read(more, now=now))
    return Standing(stored, found, {home: found.value(money_key)})


def charged_writes(
    standing: Standing, after: Coupon, *, total: int | None, store: Store, now: int
) -> tuple[Write, ...]:
    """The writes of a move; looks at all shards of the budget where its own has too little.

    Raises Refused(``budget_exhausted``).
    """
    try:
        return move_writes(standing, after, total=total, now=now)
    except OneShardIsNotEnough:
        action_id = standing.coupon.value.offer.action
        keys = [allotment_key(action_id, "money", number) for number in range(SHARDS)]
        found = standing.found.joined(store.read(keys, now=now))
        shards = {number: found.value(key) for number, key in enumerate(keys)}
        whole = standing._replace(found=found, shards=shards)
        try:
            return move_writes(whole, after, total=total, now=now)
        except Refused:
            # The budget was read after the code: what used it up may be this very move, done by
            # a twin of this call in between.
            key = COUPON.key(after.offer.code)
            if store.read([key], now=now).version(key) != standing.coupon.version:
                raise Conflict(()) from None
            raise


def move_writes(
    standing: Standing, after: Coupon, *, total: int | None, now: int
) -> tuple[Write, ...]:
    """The code, its money and its place as the customer's live code; nothing if it did not move.

    Raises OneShardIsNotEnough, and Refused(``budget_exhausted``) when all of them are not.
    """
    before = standing.coupon.value
    if after == before:
        return ()
    changed = charge(before, after, at_hand=standing.shards, total=total)
    if changed == "look_at_all":
        raise OneShardIsNotEnough
    if isinstance(changed, str):
        raise Refused("budget_exhausted")
    writes: list[Write] = [put_coupon(after, version=standing.coupon.version)]
    for number, shard in changed.items():
        key = allotment_key(after.offer.action, "money", number)
        writes.append(Put(key, shard, AtVersion(standing.found.version(key))))
    return (*writes, *spent_offer(after, standing.found, now=now))


def put_coupon(coupon: Coupon, *, version: int) -> Put[Coupon]:
    """Save a code that moved; it is remembered for as long as it was to be."""
    expires_at = coupon.offer.expires_at + COUPON_MEMORY_SECONDS
    return Put(COUPON.key(coupon.offer.code), coupon, AtVersion(version), expires_at=expires_at)


def spent_offer(coupon: Coupon, found: Found, *, now: int) -> tuple[Write, ...]:
    """Mark the customer's live code as used, and as used up once it serves nobody any more.

    The mark stays until the code would have expired: until then there is no second code. When it
    was used is remembered as long as the code itself, for those who wait a while after that.
    """
    key = LIVE_OFFER.key(coupon.subject_key, coupon.offer.action)
    live = found.stored(key)
    if live is None or live.value.code != coupon.offer.code or live.value.spent:
        return ()
    used = _uses(coupon) > _uses(found.value(COUPON.key(coupon.offer.code)))
    spent = state_of(coupon, now=now) not in ("live", "reserved", "expired")
    if not used and not spent:
        return ()
    marked = replace(live.value, spent=spent, redeemed_at=now if used else live.value.redeemed_at)
    expires_at = live.expires_at
    if marked.redeemed_at is not None:
        expires_at = marked.expires_at + COUPON_MEMORY_SECONDS
    return (Put(key, marked, AtVersion(live.version), expires_at=expires_at),)


def _uses(coupon: Coupon | None) -> int:
    """How many orders have used a code, given back or not."""
    uses = () if coupon is None else coupon.uses
    return sum(use.state != "reserved" for use in uses)
