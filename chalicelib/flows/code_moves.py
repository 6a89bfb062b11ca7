"""Moving a stored code: what stands, and the one write of code, money and live code.

Shared by the calls of a shop, by orders, by operators, and by whoever looks after locks that have
ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from chalicelib.core.allotments import SHARDS, AtHand, shard_of
from chalicelib.core.coupons import CodeUnknown, charge, lapse, state_of
from chalicelib.core.errors import Refused, Transient
from chalicelib.core.kinds import COUPON, FACTS, LIVE_OFFER, ORDER_WINDOW_SECONDS
from chalicelib.core.limits import OneShardIsNotEnough, allotment_key
from chalicelib.core.offers import CODE_LETTERS, Coupon, Offer, normal_code
from chalicelib.core.plan import COUPON_MEMORY_SECONDS
from chalicelib.core.ports import Store
from chalicelib.core.storage import AtVersion, Conflict, Found, Key, Put, Stored, Write
from chalicelib.core.subject import Subject
from chalicelib.telemetry import emit_metrics

# How often a call may lose a race before the caller is asked to come back.
MOST_ROUNDS = 16


class Answered(NamedTuple):
    """What came of a call.

    Attributes:
        body: the answer.
        repeated: whether it is one from before, or nothing had to be done.
        rounds: how often everything was gathered.
    """

    body: Mapping[str, Any]
    repeated: bool
    rounds: int = 1


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
    code = normal_code(code)
    if len(code) != CODE_LETTERS:
        raise CodeUnknown  # nor may a key of storage be as long as somebody likes
    code_key = COUPON.key(code)
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


def in_rounds(attempt: Callable[[], Answered]) -> Answered:
    """Try until it holds; raises Transient when others are always faster."""
    for round_number in range(1, MOST_ROUNDS + 1):
        try:
            return attempt()._replace(rounds=round_number)
        except Conflict:
            continue
    raise Transient("others keep moving the same code or budget")


def tell_refused(refusal: Refused, *, operation: str) -> None:
    """Count that something was refused of a code, by name."""
    emit_metrics(
        "offer_refused",
        {"OfferRefusals": 1},
        dimensions={"reason": refusal.reason},
        operation=operation,
    )


def expire_lapsed(code: str, *, store: Store, now: int) -> bool:
    """Give back what a reservation holds whose lock has ended; whether there was one.

    For whoever finds such a code; every move of the code itself does the same in its own write.
    Raises CodeUnknown, Transient.
    """

    def attempt() -> Answered:
        standing = find_standing(code, store=store, now=now)
        after = lapse(standing.coupon.value, now=now)
        if after is standing.coupon.value:
            return Answered({}, repeated=True)
        store.write(move_writes(standing, after, total=None, now=now), now=now)
        return Answered({}, repeated=False)

    return not in_rounds(attempt).repeated


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
    writes: list[Write] = [put_coupon(after, standing.coupon, now=now)]
    for number, shard in changed.items():
        key = allotment_key(after.offer.action, "money", number)
        writes.append(Put(key, shard, AtVersion(standing.found.version(key))))
    return (*writes, *_marked(after, standing.found, now=now))


def put_coupon(coupon: Coupon, was: Stored[Coupon], *, now: int) -> Put[Coupon]:
    """Save a code that moved; a used one is remembered as long as the order that used it.

    An order may be refunded for as long as it is known, long after the code would have expired.
    """
    until = [coupon.offer.expires_at + COUPON_MEMORY_SECONDS, was.expires_at or 0]
    if any(use.state != "reserved" for use in coupon.uses):
        until.append(now + ORDER_WINDOW_SECONDS)
    key = COUPON.key(coupon.offer.code)
    return Put(key, coupon, AtVersion(was.version), expires_at=max(until))


def mark_of(live: Offer, coupon: Coupon, before: Coupon | None, *, now: int) -> Offer:
    """A customer's live code once a code moved: used, and used up when it serves nobody any more.

    The mark stays until the code would have expired: until then there is no second code. When it
    was used is remembered for longer, for those who wait a while after that (``mark_expires_at``).
    """
    if live.code != coupon.offer.code or live.spent:
        return live
    if _uses(coupon) > _uses(before):
        live = replace(live, redeemed_at=now)
    state = state_of(coupon, now=now)
    if state in ("live", "reserved", "expired"):
        return live
    return replace(live, spent=True, revoked=state == "revoked")


def mark_expires_at(live: Offer) -> int:
    """Until when a customer's live code is kept: one that was used, as long as it may matter."""
    memory = 0 if live.redeemed_at is None else COUPON_MEMORY_SECONDS
    return live.expires_at + memory


def _marked(coupon: Coupon, found: Found, *, now: int) -> tuple[Write, ...]:
    key = LIVE_OFFER.key(coupon.subject_key, coupon.offer.action)
    live, before = found.stored(key), found.value(COUPON.key(coupon.offer.code))
    if live is None or (marked := mark_of(live.value, coupon, before, now=now)) == live.value:
        return ()
    return (Put(key, marked, AtVersion(live.version), expires_at=mark_expires_at(marked)),)


def _uses(coupon: Coupon | None) -> int:
    """How many orders have used a code, given back or not."""
    uses = () if coupon is None else coupon.uses
    return sum(use.state != "reserved" for use in uses)
