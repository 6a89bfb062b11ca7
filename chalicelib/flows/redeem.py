"""POST /v1/offers/{code}/reserve, redeem and release: the life of a code, asked for by a shop.

Gather: the code, the order and the Idempotency-Key in one read, then the code's part of its
action's budget in a second. Decide: ``core.coupons`` moves the code or refuses by name. Apply: one
write of code, budget, order and answer, so that a crash leaves all of it or nothing. Whoever loses
a race reads again. The same call for the same order has no second effect, with or without a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

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
from chalicelib.core.errors import Refused
from chalicelib.core.instants import format_instant
from chalicelib.core.kinds import FACTS, ORDER, ORDER_WINDOW_SECONDS
from chalicelib.core.offers import Coupon, normal_code, terms_to_json
from chalicelib.core.orders import OrderState, use_code
from chalicelib.core.policy import Policy
from chalicelib.core.ports import Store
from chalicelib.core.redemptions import give_back
from chalicelib.core.repeats import RepeatOf
from chalicelib.core.rules import Rules
from chalicelib.core.storage import AtVersion, Found, Key, Put
from chalicelib.core.subject import Subject, customer
from chalicelib.flows.code_moves import (
    Answered,
    charged_writes,
    expire_lapsed,
    find_standing,
    in_rounds,
    tell_refused,
)
from chalicelib.flows.one_write import Keyed
from chalicelib.flows.rulebook import alias_key, check_current

Operation = Literal["reserve", "redeem", "release"]


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
        repeat_of: who asks, which route, and the Idempotency-Key, when one was sent.
    """

    operation: Operation
    code: str
    subject: Subject
    order_id: str
    amount_minor: int = 0
    currency: str | None = None
    repeat_of: RepeatOf | None = None

    @property
    def hash(self) -> str:
        """What a repeat must have in common with the first call."""
        return content_hash(
            [
                [self.operation, normal_code(self.code), self.subject.key],
                [self.order_id, self.amount_minor, self.currency],
            ]
        )


def from_request(call: OfferCall, *, store: Store, rules: Rules, now: int) -> Answered:
    """Do what is asked of a code; every refusal is named and counted, and changes nothing.

    Raises:
        CodeUnknown: there is no such code.
        Refused: as ``reserve``, ``redeem`` and ``release`` of ``core.coupons``, and
            ``not_your_code``, ``not_your_order``, ``wrong_currency``, ``order_cancelled``,
            ``budget_exhausted``.
        KeyReused: the Idempotency-Key came before with another request.
        Transient: storage did not answer, or others kept moving the same things; the same call
            may be sent again.
        PolicyMoved: another policy decides; nothing was done yet.
    """
    try:
        return in_rounds(lambda: _attempt(call, store=store, rules=rules, now=now))
    except Refused as refusal:
        tell_refused(refusal, operation=call.operation)
        raise


def _attempt(call: OfferCall, *, store: Store, rules: Rules, now: int) -> Answered:
    """Gather, decide and apply once."""
    keyed = Keyed(call.repeat_of, call.hash)
    order_key, alias = ORDER.key(call.order_id), alias_key(call.code)
    beside: list[Key[Any]] = [order_key, alias, *keyed.keys]
    if call.subject.kind == "anonymous":
        beside.append(FACTS.key(call.subject.key))
    standing = find_standing(call.code, store=store, now=now, beside=beside)
    check_current(standing.found, alias, rules)
    policy = rules.policy
    before = keyed.first_answer(standing.found, now=now)
    if before is not None:
        return Answered({**before, "order_id": call.order_id}, repeated=True)
    coupon = standing.coupon.value
    owner = _known_as(Subject.from_key(coupon.subject_key), standing.found)
    if _known_as(call.subject, standing.found) != owner:
        raise Refused("not_your_code")
    known_order = standing.found.value(order_key) or OrderState(call.order_id, coupon.subject_key)
    _check_order(known_order, owner)
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
    # The order is the customer's, and no erasure finds the stored answer. A repeat names it again.
    kept = keyed.answer_writes({**body, "order_id": None}, standing.found, now=now)
    store.write((*writes, *kept), now=now)
    return Answered(body, repeated=not writes)


def _check_order(order: OrderState, owner: Subject) -> None:
    """Raise Refused where the order is known to be another customer's: it could give nothing back.

    As with news of orders, nothing says that a guest and a customer are two people.
    """
    holder = Subject.from_key(order.subject_key)
    both_known = holder.kind == owner.kind == "customer"
    if order.completed is not None and both_known and holder != owner:
        raise Refused("not_your_order")


def _known_as(subject: Subject, found: Found) -> Subject:
    """The customer that a guest turned out to be, else the subject itself."""
    facts = found.value(FACTS.key(subject.key))
    merged_into = None if facts is None else facts.merged_into
    return subject if merged_into is None else customer(merged_into)


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
        **terms_to_json(coupon.offer),
        "state": state_of(coupon, now=now),
        "order_id": call.order_id,
        "amount": 0 if use is None else use.amount_minor,
        "rolled_back": 0 if use is None else use.rolled_back_minor,
        "currency": policy.default_currency,
        "redemptions_left": coupon.redemptions - done,
        "reserved_until": None if held is None else format_instant(held.until),
        "expires_at": format_instant(coupon.offer.expires_at),
    }
