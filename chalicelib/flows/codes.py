"""What orders mean for the codes that they were paid with, in the write that folds the orders.

Gather follows an order to its codes, and a code to its customer and its part of the budget. Decide
is ``core.redemptions``. A code that is unknown, or cannot be used so, is counted by name; the order
counts all the same, and nothing else is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from chalicelib.core.allotments import SHARDS
from chalicelib.core.coupons import CodeUnknown, charge, money_of, use_of
from chalicelib.core.errors import Refused
from chalicelib.core.identity import Profiles
from chalicelib.core.kinds import COUPON, FACTS, LIVE_OFFER
from chalicelib.core.limits import allotment_key
from chalicelib.core.messages import Message, OrderCompleted
from chalicelib.core.offers import Coupon, is_code
from chalicelib.core.orders import OrderState
from chalicelib.core.policy import Policy
from chalicelib.core.redemptions import rollback_of, settle_order
from chalicelib.core.storage import AtVersion, Check, Found, Key, Put, Stored, Write
from chalicelib.core.subject import Subject
from chalicelib.flows.code_moves import put_coupon, spent_offer
from chalicelib.telemetry import emit_metrics


class Settlement(NamedTuple):
    """What a portion's orders do to codes.

    Attributes:
        writes: codes, budgets and live codes that changed.
        moves: what was done, ``redeem`` or ``roll_back`` for each.
        refusals: why something was not done, by name.
    """

    writes: tuple[Write, ...]
    moves: tuple[str, ...]
    refusals: tuple[str, ...]


def message_code_keys(message: Message) -> tuple[Key[Any], ...]:
    """The code that a message names, to be read together with what it is about."""
    if isinstance(message, OrderCompleted) and message.code is not None and is_code(message.code):
        return (COUPON.key(message.code),)
    return ()


def code_keys(found: Found, keys: Iterable[Key[Any]], policy: Policy) -> tuple[Key[Any], ...]:
    """Where things just read point to: an order to its codes, a code to all that it moves."""
    wanted: list[Key[Any]] = []
    for key in keys:
        match found.value(key):
            case OrderState(codes=codes):
                wanted += [COUPON.key(code) for code in codes]
            case Coupon() as coupon:
                wanted += _moved_with(coupon, policy)
    return tuple(wanted)


def _moved_with(coupon: Coupon, policy: Policy) -> Iterable[Key[Any]]:
    action_id = coupon.offer.action
    yield LIVE_OFFER.key(coupon.subject_key, action_id)
    yield FACTS.key(coupon.subject_key)
    if policy.limits_of(action_id).budget_minor is not None or any(money_of(coupon)):
        for number in range(SHARDS):
            yield allotment_key(action_id, "money", number)


def settle_codes(
    before: Profiles,
    after: Profiles,
    messages: Iterable[Message],
    found: Found,
    policy: Policy,
    now: int,
) -> Settlement:
    """Settle the codes of every order that changed.

    Args:
        before: the profiles and orders as they were read.
        after: the same with the messages folded in.
        messages: those that were folded now.
        found: everything that was read.
        policy: whose limits and currency hold.
        now: the moment.
    """
    desk = _Desk(found, after, policy, now)
    for message in messages:
        # A code of another system is no business of ours, but whoever asks shall find it counted.
        if isinstance(message, OrderCompleted) and message.code and not is_code(message.code):
            desk.refusals.append("code_unknown")
    for order_id, order in after.orders.items():
        was = before.orders.get(order_id)
        if order != was:
            for code in order.codes:
                desk.settle(code, order, was)
    return Settlement(tuple(desk.writes()), tuple(desk.moves), tuple(desk.refusals))


def tell_settled(settlement: Settlement, *, correlation_id: str) -> None:
    """Count what was stored."""
    for operation in settlement.moves:
        emit_metrics(
            "offer_settled",
            {"OfferMoves": 1},
            dimensions={"operation": operation},
            correlation_id=correlation_id,
        )
    for reason in settlement.refusals:
        emit_metrics(
            "offer_refused",
            {"OfferRefusals": 1},
            dimensions={"reason": reason},
            correlation_id=correlation_id,
        )


@dataclass(slots=True)
class _Desk:
    """Codes and budgets as they stand while one order after the other is settled."""

    found: Found
    profiles: Profiles
    policy: Policy
    now: int
    changed: dict[Key[Any], Any] = field(default_factory=dict)
    moves: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    relied_on: set[Key[Coupon]] = field(default_factory=set)

    def settle(self, code: str, order: OrderState, was: OrderState | None) -> None:
        """Let one order do to one code what its state says."""
        try:
            coupon = self._value(COUPON.key(code))
            if coupon is None:
                raise CodeUnknown
            self._settle(coupon, order, was)
        except Refused as refusal:
            self.refusals.append(refusal.reason)
            self.relied_on.add(COUPON.key(code))

    def _settle(self, coupon: Coupon, order: OrderState, was: OrderState | None) -> None:
        mine, theirs = self._known_as(coupon.subject_key), self._known_as(order.subject_key)
        # As with orders: nothing says that a guest and a customer are two people.
        if mine != theirs and mine.kind == theirs.kind:
            raise Refused("not_your_code")
        limits = self.policy.limits_of(coupon.offer.action)
        moved = settle_order(
            coupon,
            order,
            currency=self.policy.default_currency,
            budgeted=limits.budget_minor is not None,
            now=self.now,
        )
        keys = {n: allotment_key(coupon.offer.action, "money", n) for n in range(SHARDS)}
        at_hand = {number: self._value(key) for number, key in keys.items()}
        shards = charge(coupon, moved, at_hand=at_hand, total=limits.budget_minor)
        if isinstance(shards, str):
            raise Refused("budget_exhausted")
        if moved != coupon:
            self.changed[COUPON.key(coupon.offer.code)] = moved
            self.changed |= {keys[number]: shard for number, shard in shards.items()}
            self.moves += _moves(coupon, moved, order.order_id)
        use = use_of(moved, order.order_id)
        refunded = was is None or order.refunds_minor != was.refunds_minor
        if use is not None and refunded and rollback_of(order, redeemed_minor=0).refused:
            raise Refused("rollback_exceeds_redemption")

    def writes(self) -> Iterable[Write]:
        """Everything that changed, each at the version that was read."""
        for key, value in self.changed.items():
            was = self.found.stored(key)
            if isinstance(value, Coupon) and was is not None:
                yield put_coupon(value, was, now=self.now)
                yield from spent_offer(value, self.found, now=self.now)
            else:
                yield Put(key, value, AtVersion(self.found.version(key)))
        # A budget is read after the code: what used it up may be this very order, by a call.
        for key in self.relied_on - self.changed.keys():
            if self.found.stored(key) is not None:
                yield Check(key, AtVersion(self.found.version(key)))

    def _value(self, key: Key[Any]) -> Any:
        return self.changed.get(key) or self.found.value(key)

    def _known_as(self, subject_key: str) -> Subject:
        """Whom a subject is known as once these messages are folded."""
        subject = Subject.from_key(subject_key)
        folded = self.profiles.known_as(subject)
        if folded != subject:
            return folded
        facts = self.found.value(FACTS.key(subject_key))
        return subject if facts is None else Profiles({subject: facts}).known_as(subject)


def _moves(before: Coupon, after: Coupon, order_id: str) -> Iterable[str]:
    was, use = use_of(before, order_id), use_of(after, order_id)
    if use is not None and (was is None or was.state == "reserved"):
        yield "redeem"
    if use is not None and use.state == "rolled_back":
        yield "roll_back"


def as_stored(writes: Iterable[Write]) -> Mapping[Key[Any], Stored[Any]]:
    """What storage will say of these writes; their versions do not count (``merged``)."""
    return {
        write.key: Stored(write.value, 1, write.expires_at)
        for write in writes
        if isinstance(write, Put)
    }
