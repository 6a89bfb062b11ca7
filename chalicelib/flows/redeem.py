"""POST /v1/offers/{code}/reserve, redeem and release: the life of a code, asked for by a shop.

Gather: the code, the order and the Idempotency-Key in one read, then the code's part of its
action's budget in a second. Decide: ``core.coupons`` moves the code or refuses by name. Apply: one
write of code, budget, order and answer, so that a crash leaves all of it or nothing. Whoever loses
a race reads again. The same call for the same order has no second effect, with or without a key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from chalicelib.core.canonical import content_hash
from chalicelib.core.coupons import (
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
from chalicelib.core.kinds import FACTS, ORDER, ORDER_WINDOW_SECONDS, REPEAT
from chalicelib.core.offers import Coupon, normal_code
from chalicelib.core.orders import OrderState, use_code
from chalicelib.core.policy import Policy
from chalicelib.core.ports import Store
from chalicelib.core.redemptions import give_back
from chalicelib.core.repeats import (
    REPEAT_WINDOW_SECONDS,
    Repeat,
    answered_before,
    repeat_name,
)
from chalicelib.core.storage import AtVersion, Conflict, Key, Put
from chalicelib.core.subject import Subject, customer
from chalicelib.flows.code_moves import Standing, charged_writes, find_standing, move_writes
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

    def attempt() -> Answered:
        standing = find_standing(code, store=store, now=now)
        after = lapse(standing.coupon.value, now=now)
        if after is standing.coupon.value:
            return Answered({}, True, 1)
        store.write(move_writes(standing, after, total=None, now=now), now=now)
        return Answered({}, False, 1)

    return not _in_rounds(attempt).repeated


def _in_rounds(attempt: Callable[[], Answered]) -> Answered:
    """Try until it holds; raises Transient when others are always faster."""
    for round_number in range(1, MOST_ROUNDS + 1):
        try:
            return attempt()._replace(rounds=round_number)
        except Conflict:
            continue
    raise Transient("others keep moving the same code or budget")


def _attempt(call: OfferCall, *, store: Store, policy: Policy, now: int) -> Answered:
    """Gather, decide and apply once."""
    repeat_key = None if call.repeat_of is None else REPEAT.key(repeat_name(*call.repeat_of))
    order_key = ORDER.key(call.order_id)
    beside: list[Key[Any]] = [order_key]
    if repeat_key is not None:
        beside.append(repeat_key)
    standing = find_standing(call.code, store=store, now=now, beside=beside)
    if repeat_key is not None:
        known = standing.found.value(repeat_key)
        before = answered_before(known, request_hash=call.hash, now=now)
        if before is not None:
            return Answered({**before, "order_id": call.order_id}, True, 1)
    _check_owner(standing, call.subject)
    coupon = standing.coupon.value
    known_order = standing.found.value(order_key) or OrderState(call.order_id, coupon.subject_key)
    budget_minor = policy.limits_of(coupon.offer.action).budget_minor
    try:
        after, order = _decide(call, coupon, known_order, policy=policy, now=now)
        writes = charged_writes(standing, after, total=budget_minor, store=store, now=now)
    except Refused:
        if lapse(coupon, now=now) is not coupon:
            expire_lapsed(call.code, store=store, now=now)
        raise
    body = _answer(after, call, policy=policy, now=now)
    if order is not known_order:
        version = AtVersion(standing.found.version(order_key))
        writes = (*writes, Put(order_key, order, version, expires_at=now + ORDER_WINDOW_SECONDS))
    if repeat_key is not None:
        version = AtVersion(standing.found.version(repeat_key))
        # The order is the customer's, and no erasure finds this row. A repeat names it again.
        done = Repeat(call.hash, {**body, "order_id": None})
        writes = (*writes, Put(repeat_key, done, version, expires_at=now + REPEAT_WINDOW_SECONDS))
    store.write(writes, now=now)
    return Answered(body, not writes, 1)


def _check_owner(standing: Standing, subject: Subject) -> None:
    """Raise Refused unless the code is this customer's, or of the guest whom they were."""
    subject_key = standing.coupon.value.subject_key
    if subject.key == subject_key:
        return
    facts = standing.found.value(FACTS.key(subject_key))
    if facts is None or facts.merged_into is None or customer(facts.merged_into) != subject:
        raise Refused("not_your_code")


def _decide(
    call: OfferCall, coupon: Coupon, order: OrderState, *, policy: Policy, now: int
) -> tuple[Coupon, OrderState]:
    """Move the code, and note with the order that it was paid with it."""
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
