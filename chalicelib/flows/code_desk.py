"""Codes and budgets as they stand while one thing after the other is done to them, in one write.

Orders are settled, and the codes of a guest who turns out to be a customer are joined with the
customer's. What is not allowed is kept by name, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from chalicelib.core.allotments import SHARDS
from chalicelib.core.coupons import CodeUnknown, charge, use_of
from chalicelib.core.errors import Refused
from chalicelib.core.identity import Profiles
from chalicelib.core.joining import join_codes
from chalicelib.core.kinds import COUPON, FACTS, ISSUED, LIVE_OFFER
from chalicelib.core.limits import allotment_key
from chalicelib.core.offers import Coupon, Offer, last_use
from chalicelib.core.orders import OrderState
from chalicelib.core.policy import Policy
from chalicelib.core.redemptions import rollback_of, settle_order
from chalicelib.core.storage import AtVersion, Check, Delete, Found, Key, Put, Write
from chalicelib.core.subject import Subject
from chalicelib.flows.code_moves import mark_expires_at, mark_of, put_coupon

# A transaction has room for so many; nobody has more, as long as policies have few offers.
MOST_JOINED = 8


@dataclass(slots=True)
class CodeDesk:
    """Codes, budgets and marks, changed or as they were read; None is what is to be deleted."""

    found: Found
    profiles: Profiles
    policy: Policy
    now: int
    changed: dict[Key[Any], Any] = field(default_factory=dict)
    moves: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    relied_on: set[Key[Coupon]] = field(default_factory=set)

    def join(self, visitor: Subject, buyer: Subject) -> None:
        """Let the codes of a guest be those of the customer that they turned out to be."""
        room = MOST_JOINED
        for action in self.policy.actions:
            if action.offer is None:
                continue
            if room and self._join(action.id, visitor.key, buyer.key):
                room -= 1
            self._join_counts(action.id, visitor.key, buyer.key)

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

    def writes(self) -> Iterable[Write]:
        """Everything that changed, each at the version that was read."""
        for coupon in [value for value in self.changed.values() if isinstance(value, Coupon)]:
            mark = LIVE_OFFER.key(coupon.subject_key, coupon.offer.action)
            live, before = self._value(mark), self.found.value(COUPON.key(coupon.offer.code))
            if live is None:
                continue
            if (marked := mark_of(live, coupon, before, now=self.now)) != live:
                self.changed[mark] = marked
        for key, value in self.changed.items():
            yield self._write(key, value)
        # A budget is read after the code: what used it up may be this very order, by a call.
        for key in self.relied_on - self.changed.keys():
            if self.found.stored(key) is not None:
                yield Check(key, AtVersion(self.found.version(key)))

    def _write(self, key: Key[Any], value: Any) -> Write:
        was, at = self.found.stored(key), AtVersion(self.found.version(key))
        match value:
            case None:
                return Delete(key, at)
            case Coupon() if was is not None:
                return put_coupon(value, was, now=self.now)
            case Offer():
                return Put(key, value, at, expires_at=mark_expires_at(value))
            case _:
                return Put(key, value, at)

    def _join(self, action_id: str, visitor: str, buyer: str) -> bool:
        """Leave the customer one code of an action; whether the guest had one."""
        theirs, own = (LIVE_OFFER.key(who, action_id) for who in (visitor, buyer))
        guests, customers = self._marked(theirs), self._marked(own)
        if guests is None or (customers is None and self._standing(own) is not None):
            return False
        joined = join_codes(guests, customers, owner=buyer, now=self.now)
        self._store(guests, joined.guests)
        if customers is not None and joined.customers is not None:
            self._store(customers, joined.customers)
        if joined.moved:
            both = [each for each in (self._value(theirs), self._value(own)) if each is not None]
            self.changed[own] = replace(both[0], redeemed_at=last_use(both))
        self.changed[theirs] = None  # whoever comes as this guest is the customer from now on
        return True

    def _join_counts(self, action_id: str, visitor: str, buyer: str) -> None:
        """How many codes the guest was given counts for the customer."""
        theirs, own = (ISSUED.key(who, action_id) for who in (visitor, buyer))
        guests, customers = self._value(theirs), self._value(own)
        if guests is None:
            return
        both = [each for each in (guests, customers) if each is not None]
        self.changed[own] = {
            "count": sum(each["count"] for each in both),
            "subject": buyer,
            "since": min(each.get("since", self.now) for each in both),
        }
        self.changed[theirs] = None

    def _marked(self, key: Key[Offer]) -> Coupon | None:
        """The code that stands for a subject and an action, where it still is theirs."""
        live = self._standing(key)
        coupon: Coupon | None = None if live is None else self._value(COUPON.key(live.code))
        if coupon is None or LIVE_OFFER.key(coupon.subject_key, coupon.offer.action) != key:
            return None
        return coupon

    def _standing(self, key: Key[Offer]) -> Offer | None:
        """What stands for a subject and an action; what has expired only says when it was used."""
        live: Offer | None = self._value(key)
        return None if live is None or live.expires_at <= self.now else live

    def _settle(self, coupon: Coupon, order: OrderState, was: OrderState | None) -> None:
        mine, theirs = self._known_as(coupon.subject_key), self._known_as(order.subject_key)
        # As with orders: nothing says that a guest and a customer are two people.
        if mine != theirs and mine.kind == theirs.kind:
            raise Refused("not_your_code")
        moved = settle_order(
            coupon,
            order,
            currency=self.policy.default_currency,
            budgeted=self._total(coupon) is not None,
            now=self.now,
        )
        self._store(coupon, moved)
        if moved != coupon:
            self.moves += _moves(coupon, moved, order.order_id)
        # Counted when it is news: not again with a later refund, and late where the order was.
        if use_of(moved, order.order_id) is not None and _excess(order) > _excess(was):
            raise Refused("rollback_exceeds_redemption")

    def _store(self, before: Coupon, after: Coupon) -> None:
        """Keep a code that moved, with its money; raises Refused where there is not enough."""
        action_id = after.offer.action
        keys = {n: allotment_key(action_id, "money", n) for n in range(SHARDS)}
        at_hand = {number: self._value(key) for number, key in keys.items()}
        shards = charge(before, after, at_hand=at_hand, total=self._total(after))
        if isinstance(shards, str):
            raise Refused("budget_exhausted")
        if after != before:
            self.changed[COUPON.key(after.offer.code)] = after
            self.changed |= {keys[number]: shard for number, shard in shards.items()}

    def _total(self, coupon: Coupon) -> int | None:
        return self.policy.limits_of(coupon.offer.action).budget_minor

    def _value(self, key: Key[Any]) -> Any:
        return self.changed[key] if key in self.changed else self.found.value(key)

    def _known_as(self, subject_key: str) -> Subject:
        """Whom a subject is known as once these messages are folded."""
        subject = Subject.from_key(subject_key)
        folded = self.profiles.known_as(subject)
        if folded != subject:
            return folded
        facts = self.found.value(FACTS.key(subject_key))
        return subject if facts is None else Profiles({subject: facts}).known_as(subject)


def _excess(order: OrderState | None) -> int:
    return 0 if order is None else rollback_of(order, redeemed_minor=0).excess_minor


def _moves(before: Coupon, after: Coupon, order_id: str) -> Iterable[str]:
    was, use = use_of(before, order_id), use_of(after, order_id)
    if use is not None and (was is None or was.state == "reserved"):
        yield "redeem"
    if use is not None and use.state == "rolled_back":
        yield "roll_back"
