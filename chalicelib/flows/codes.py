"""What folded messages mean for codes, in the write that folds them.

An order redeems the codes that it was paid with, or gives them back (``core.redemptions``); a guest
who turns out to be a customer brings theirs along (``core.joining``). Gather follows an order to
its codes, and a code to its customer and its part of the budget. A code that is unknown, or cannot
be used so, is counted by name; the order counts all the same, and nothing else is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from chalicelib.core.allotments import SHARDS
from chalicelib.core.coupons import money_of
from chalicelib.core.identity import Profiles
from chalicelib.core.kinds import COUPON, FACTS, ISSUED, LIVE_OFFER
from chalicelib.core.limits import allotment_key
from chalicelib.core.messages import Identified, Message, OrderCompleted
from chalicelib.core.offers import Coupon, Offer, is_code
from chalicelib.core.orders import OrderState
from chalicelib.core.policy import Policy
from chalicelib.core.storage import Found, Key, Put, Stored, Write
from chalicelib.core.subject import customer, guest
from chalicelib.flows.code_desk import CodeDesk
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


def message_code_keys(message: Message, policy: Policy) -> tuple[Key[Any], ...]:
    """The codes that a message is about, to be read together with whom it is about.

    An order names one; a guest who turns out to be a customer may have one of each action.
    """
    match message:
        case OrderCompleted(code=str() as code) if is_code(code):
            return (COUPON.key(code),)
        case Identified(envelope=said) if said.customer_id and said.anonymous_id:
            return _standing_for(guest(said.anonymous_id).key, policy)
        case _:
            return ()


def _standing_for(subject_key: str, policy: Policy) -> tuple[Key[Any], ...]:
    """The code of each action that stands for a subject, and how many they were given."""
    keys: list[Key[Any]] = []
    for action in policy.actions:
        if action.offer is not None:
            keys.append(LIVE_OFFER.key(subject_key, action.id))
            if action.offer.limits.codes_per_customer is not None:
                keys.append(ISSUED.key(subject_key, action.id))
    return tuple(keys)


def code_keys(found: Found, keys: Iterable[Key[Any]], policy: Policy) -> tuple[Key[Any], ...]:
    """Where things just read point to: an order to its codes, a code to all that it moves."""
    wanted: list[Key[Any]] = []
    for key in keys:
        match found.value(key):
            case OrderState(codes=codes):
                wanted += [COUPON.key(code) for code in codes]
            case Offer(code=code):
                wanted.append(COUPON.key(code))
            case Coupon() as coupon:
                wanted += _moved_with(coupon, policy)
    return tuple(wanted)


def joining_keys(messages: Iterable[Message], found: Found, policy: Policy) -> tuple[Key[Any], ...]:
    """The codes of customers whose guests have some, which are joined with theirs; mostly none."""
    wanted: list[Key[Any]] = []
    for message in messages:
        said = message.envelope
        if isinstance(message, Identified) and said.customer_id and said.anonymous_id:
            theirs = _standing_for(guest(said.anonymous_id).key, policy)
            if any(found.stored(key) is not None for key in theirs):
                wanted += _standing_for(customer(said.customer_id).key, policy)
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
    """Join the codes of guests who became known, and settle those of every order that changed.

    Args:
        before: the profiles and orders as they were read.
        after: the same with the messages folded in.
        messages: those that were folded now.
        found: everything that was read.
        policy: whose limits and currency hold.
        now: the moment.
    """
    desk = CodeDesk(found, after, policy, now)
    for subject, facts in after.facts.items():
        was = before.facts.get(subject)
        if facts.merged_into is not None and (was is None or was.merged_into is None):
            desk.join(subject, customer(facts.merged_into))
    for message in messages:
        # A code of another system is no business of ours, but whoever asks shall find it counted.
        if isinstance(message, OrderCompleted) and message.code and not is_code(message.code):
            desk.refusals.append("code_unknown")
    for order_id, order in after.orders.items():
        earlier = before.orders.get(order_id)
        if order != earlier:
            for code in order.codes:
                desk.settle(code, order, earlier)
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


def as_stored(writes: Iterable[Write]) -> Mapping[Key[Any], Stored[Any]]:
    """What storage will say of these writes; their versions do not count (``merged``)."""
    return {
        write.key: Stored(write.value, 1, write.expires_at)
        for write in writes
        if isinstance(write, Put)
    }
