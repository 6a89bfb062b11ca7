"""POST /v1/offers/{code}/reserve, redeem and release: the life of a code, asked for by a shop.

Gather: the code, the order and the Idempotency-Key in one read, then the code's part of its
action's budget in a second. Decide: ``core.coupons`` moves the code or refuses by name. Apply: one
write of code, budget, order and answer, so that a crash leaves all of it or nothing. Whoever loses
a race reads again. The same call for the same order has no second effect, with or without a key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from chalicelib.core.allotments import SHARDS, AtHand, shard_of
from chalicelib.core.canonical import content_hash
from chalicelib.core.coupons import (
    CodeUnknown,
    charge,
    holder_of,
    lapse,
    redeem,
    release,
    reserve,
    state_of,
    use_of,
)
from chalicelib.core.errors import Refused, Transient
from chalicelib.core.instants import format_instant
from chalicelib.core.kinds import (
    COUPON,
    FACTS,
    LIVE_OFFER,
    ORDER,
    ORDER_WINDOW_SECONDS,
    REPEAT,
)
from chalicelib.core.limits import OneShardIsNotEnough, allotment_key
from chalicelib.core.offers import Coupon, normal_code
from chalicelib.core.orders import OrderState, use_code
from chalicelib.core.plan import COUPON_MEMORY_SECONDS
from chalicelib.core.policy import Policy
from chalicelib.core.ports import Store
from chalicelib.core.redemptions import give_back
from chalicelib.core.repeats import (
    REPEAT_WINDOW_SECONDS,
    Repeat,
    answered_before,
    repeat_name,
)
from chalicelib.core.storage import AtVersion, Conflict, Found, Key, Put, Stored, Write
from chalicelib.core.subject import Subject, customer
from chalicelib.telemetry import emit_metrics

Operation = Literal["reserve", "redeem", "release"]
# How often a call may lose a race before the caller is asked to come back.
MOST_ROUNDS = 16


@dataclass(frozen=True, slots=True)
class OfferCall:
    """What a shop asks of a code.

    Attributes:
        operation: what to do.
        code: as the customer typed it.
        subject: whose code it must be.
        order_id: the cart or order that uses it.
        amount_minor: the discount that it gives there; 0 for a release.
        currency: of the amount; None for a release.
        repeat_of: who asks and the Idempotency-Key, when one was sent.
    """

    operation: Operation
    code: str
    subject: Subject
    order_id: str
    amount_minor: int = 0
    currency: str | None = None
    repeat_of: tuple[str, str] | None = None

    @property
    def hash(self) -> str:
        """What a repeat must have in common with the first call."""
        return content_hash(
            [
                [self.operation, normal_code(self.code), self.subject.key],
                [self.order_id, self.amount_minor, self.currency],
            ]
        )


class Standing(NamedTuple):
    """What stands before a move.

    Attributes:
        coupon: the code.
        order: what is known of the order.
        found: everything that was read.
        shards: the parts of the budget that were read.
    """

    coupon: Stored[Coupon]
    order: OrderState
    found: Found
    shards: AtHand


class Answered(NamedTuple):
    """The answer, and whether it is one from before."""

    body: Mapping[str, Any]
    repeated: bool
    rounds: int


def from_request(call: OfferCall, *, store: Store, policy: Policy, now: int) -> Answered:
    """Do what is asked of a code; every refusal is named and counted, and changes nothing.

    Raises:
        CodeUnknown: there is no such code.
        Refused: as ``reserve``, ``redeem`` and ``release`` of ``core.coupons``, and
            ``not_your_code``, ``wrong_currency``, ``order_cancelled``, ``budget_exhausted``.
        KeyReused: the Idempotency-Key came before with another request.
        Transient: storage did not answer, or others kept moving the same things; the same call
            may be sent again.
    """
    try:
        return _in_rounds(lambda: _attempt(call, store=store, policy=policy, now=now))
    except Refused as refusal:
        emit_metrics(
            "offer_refused",
            {"OfferRefusals": 1},
            dimensions={"reason": refusal.reason},
            operation=call.operation,
        )
        raise


def expire_lapsed(code: str, *, store: Store, now: int) -> bool:
    """Give back what a reservation holds whose lock has ended; whether there was one.

    For whoever finds such a code; every move of the code itself does the same in its own write.
    Raises CodeUnknown, Transient.
    """

    def attempt() -> Answered | None:
        standing = _standing(code, None, store=store, now=now)
        after = lapse(standing.coupon.value, now=now)
        if after is standing.coupon.value:
            return Answered({}, True, 1)
        store.write(_move(standing, after, total=None, now=now), now=now)
        return Answered({}, False, 1)

    return not _in_rounds(attempt).repeated


def _in_rounds(attempt: Callable[[], Answered | None]) -> Answered:
    """Try until it holds; raises Transient when others are always faster."""
    for round_number in range(1, MOST_ROUNDS + 1):
        try:
            answered = attempt()
        except Conflict:
            continue
        if answered is not None:
            return answered._replace(rounds=round_number)
    raise Transient("others keep moving the same code or budget")


def _attempt(call: OfferCall, *, store: Store, policy: Policy, now: int) -> Answered | None:
    """Gather, decide and apply once."""
    repeat_key = None if call.repeat_of is None else REPEAT.key(repeat_name(*call.repeat_of))
    standing = _standing(call.code, call, store=store, now=now, beside=repeat_key)
    if repeat_key is not None:
        known = standing.found.value(repeat_key)
        before = answered_before(known, request_hash=call.hash, now=now)
        if before is not None:
            return Answered(before, True, 1)
    _check_owner(standing, call.subject)
    limits = policy.limits_of(standing.coupon.value.offer.action)
    budget_minor = limits.budget_minor
    try:
        after, order = _decide(call, standing, policy=policy, now=now)
        body = _answer(after, call, policy=policy, now=now)
        writes = _charged(standing, after, total=budget_minor, store=store, now=now)
    except Refused:
        if lapse(standing.coupon.value, now=now) is not standing.coupon.value:
            expire_lapsed(call.code, store=store, now=now)
        raise
    if order is not standing.order:
        key = ORDER.key(order.order_id)
        version = AtVersion(standing.found.version(key))
        writes = (*writes, Put(key, order, version, expires_at=now + ORDER_WINDOW_SECONDS))
    if repeat_key is not None:
        version = AtVersion(standing.found.version(repeat_key))
        done = Repeat(call.hash, body)
        writes = (*writes, Put(repeat_key, done, version, expires_at=now + REPEAT_WINDOW_SECONDS))
    store.write(writes, now=now)
    return Answered(body, not writes, 1)


def _standing(
    code: str,
    call: OfferCall | None,
    *,
    store: Store,
    now: int,
    beside: Key[Repeat] | None = None,
) -> Standing:
    """Read a code, what it belongs to and its own part of the budget; raises CodeUnknown."""
    code_key = COUPON.key(normal_code(code))
    keys: list[Key[Any]] = [code_key]
    if call is not None:
        keys.append(ORDER.key(call.order_id))
    if beside is not None:
        keys.append(beside)
    found = store.read(keys, now=now)
    stored = found.stored(code_key)
    if stored is None:
        raise CodeUnknown
    coupon = stored.value
    home = shard_of(coupon.offer.code)
    more: list[Key[Any]] = [
        LIVE_OFFER.key(coupon.subject_key, coupon.offer.action),
        allotment_key(coupon.offer.action, "money", home),
    ]
    if call is not None and call.subject.key != coupon.subject_key:
        more.append(FACTS.key(coupon.subject_key))
    found = found.joined(store.read(more, now=now))
    order = None if call is None else found.value(ORDER.key(call.order_id))
    return Standing(
        stored,
        order or OrderState("" if call is None else call.order_id, coupon.subject_key),
        found,
        {home: found.value(allotment_key(coupon.offer.action, "money", home))},
    )


def _check_owner(standing: Standing, subject: Subject) -> None:
    """Raise Refused unless the code is this customer's, or of the guest whom they were."""
    subject_key = standing.coupon.value.subject_key
    if subject.key == subject_key:
        return
    facts = standing.found.value(FACTS.key(subject_key))
    if facts is None or facts.merged_into is None or customer(facts.merged_into) != subject:
        raise Refused("not_your_code")


def _decide(
    call: OfferCall, standing: Standing, *, policy: Policy, now: int
) -> tuple[Coupon, OrderState]:
    """Move the code, and note with the order that it was paid with it."""
    coupon, order = standing.coupon.value, standing.order
    if call.operation == "release":
        return release(coupon, order_id=call.order_id, now=now), order
    if call.currency != policy.default_currency:
        raise Refused("wrong_currency")
    if order.cancelled_at is not None and _is_new(coupon, call.order_id):
        raise Refused("order_cancelled")
    move = reserve if call.operation == "reserve" else redeem
    moved = move(
        coupon,
        order_id=call.order_id,
        amount_minor=call.amount_minor,
        budgeted=policy.limits_of(coupon.offer.action).budget_minor is not None,
        now=now,
    )
    if call.operation == "reserve":
        return moved, order
    return give_back(moved, order, now=now), use_code(order, coupon.offer.code, call.amount_minor)


def _is_new(coupon: Coupon, order_id: str) -> bool:
    use = use_of(coupon, order_id)
    return use is None or use.state == "reserved"


def _charged(
    standing: Standing, after: Coupon, *, total: int | None, store: Store, now: int
) -> tuple[Write, ...]:
    """The writes of a move; looks at all shards of the budget where its own has too little.

    Raises Refused(``budget_exhausted``).
    """
    try:
        return _move(standing, after, total=total, now=now)
    except OneShardIsNotEnough:
        action_id = standing.coupon.value.offer.action
        keys = [allotment_key(action_id, "money", number) for number in range(SHARDS)]
        found = standing.found.joined(store.read(keys, now=now))
        shards = {number: found.value(key) for number, key in enumerate(keys)}
        whole = standing._replace(found=found, shards=shards)
        try:
            return _move(whole, after, total=total, now=now)
        except Refused:
            # The budget was read after the code: what used it up may be this very move, done by
            # a twin of this call in between.
            key = COUPON.key(after.offer.code)
            if store.read([key], now=now).version(key) != standing.coupon.version:
                raise Conflict(()) from None
            raise


def _move(standing: Standing, after: Coupon, *, total: int | None, now: int) -> tuple[Write, ...]:
    """The code, its money and its place as the customer's live code; nothing if it did not move."""
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
    """Mark the customer's live code as used up once this code serves nobody any more.

    The mark stays until the code would have expired: until then there is no second code.
    """
    key = LIVE_OFFER.key(coupon.subject_key, coupon.offer.action)
    live = found.stored(key)
    if live is None or live.value.code != coupon.offer.code or live.value.spent:
        return ()
    if state_of(coupon, now=now) in ("live", "reserved", "expired"):
        return ()
    marked = replace(live.value, spent=True)
    return (Put(key, marked, AtVersion(live.version), expires_at=live.expires_at),)


def _answer(coupon: Coupon, call: OfferCall, *, policy: Policy, now: int) -> dict[str, Any]:
    """What the shop is told: how the code stands, and this order's part in it."""
    use, held = use_of(coupon, call.order_id), holder_of(coupon, now=now)
    done = sum(each.state != "reserved" for each in coupon.uses)
    return {
        "code": coupon.offer.code,
        "action": coupon.offer.action,
        "kind": coupon.offer.kind,
        "value": coupon.offer.value,
        "state": state_of(coupon, now=now),
        "order_id": call.order_id,
        "amount": 0 if use is None else use.amount_minor,
        "rolled_back": 0 if use is None else use.rolled_back_minor,
        "currency": policy.default_currency,
        "redemptions_left": coupon.redemptions - done,
        "reserved_until": None if held is None else format_instant(held.until),
        "expires_at": format_instant(coupon.offer.expires_at),
    }
