"""What a checkout asks, and the one read that brings everything its decision is made from."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from chalicelib.core.actions import Action, Placement
from chalicelib.core.canonical import content_hash
from chalicelib.core.catalogue import Product
from chalicelib.core.control import SWITCH_COPIES, Switches
from chalicelib.core.facts import Facts
from chalicelib.core.kinds import (
    CONTACT,
    FACTS,
    LIVE_OFFER,
    PRODUCT,
    RECORD,
    SESSION,
    SHOWN,
    SWITCH,
)
from chalicelib.core.limits import Limits, OneShardIsNotEnough, limit_keys, weigh
from chalicelib.core.observed import supplied_of
from chalicelib.core.offers import last_use, still_good
from chalicelib.core.ports import Store
from chalicelib.core.repeats import RepeatOf, repeat_name
from chalicelib.core.rules import Rules
from chalicelib.core.sessions import Session, sticky_key
from chalicelib.core.shown_prices import Shown
from chalicelib.core.situation import Context, Line, Situation, permissions_of, place_of
from chalicelib.core.storage import PRESENT, AtVersion, Check, Found, Key, Stored
from chalicelib.core.subject import Subject, customer
from chalicelib.flows.learned import RememberedLearning
from chalicelib.flows.rulebook import alias_key, check_current

# One BatchGetItem holds 100 keys; later lines keep their published price.
MOST_PRODUCTS = 60


@dataclass(frozen=True, slots=True)
class CheckoutCall:
    """What a checkout asks.

    Attributes:
        subject: a customer, or a guest.
        context: as the caller said it.
        lines: the cart.
        call_id: new for every call, and sortable by time.
        repeat_of: who asks, which route, and the Idempotency-Key, when one was sent.
        placement: where the answer will be shown.
    """

    subject: Subject
    context: Context
    lines: tuple[Line, ...]
    call_id: str
    repeat_of: RepeatOf | None = None
    placement: Placement = "checkout"

    @property
    def decision_id(self) -> str:
        """Derived from the Idempotency-Key, so that every repeat finds the one record."""
        return f"d_{self.call_id if self.repeat_of is None else repeat_name(*self.repeat_of)}"

    @property
    def hash(self) -> str | None:
        """What a repeat must have in common with the first call; None for what is no repeat."""
        if self.repeat_of is None:
            return None
        context = self.context
        return content_hash(
            [
                self.subject.key,
                self.placement,
                [context.country, context.region, context.currency, context.session_id],
                [context.time_zone, context.pricing_opt_out, context.gpc],
                [[line.sku, line.quantity, line.unit_price_minor] for line in self.lines],
            ]
        )


class Gathered(NamedTuple):
    """What one read brought back.

    Attributes:
        situation: what the decision is made from, except what the session holds.
        record: of an earlier call that this one repeats.
        session_key: where the session lies, for its next save.
        session: what the session was shown, with its version.
        limits: what limits leave of the policy's offers.
        shown: what this customer was quoted lately, with its version.
        still_a_guest: that a guest has not become a customer meanwhile; None for a customer.
        not_erased: that what is known of the person was not taken away since.
        rules: what decides for this subject, where arms of experiments name other documents.
    """

    situation: Situation
    record: Mapping[str, Any] | None
    session_key: Key[Session]
    session: Stored[Session] | None
    limits: Limits
    still_a_guest: Check | None
    not_erased: tuple[Check, ...]
    rules: Rules
    shown: Stored[Shown] | None = None


def gather(
    call: CheckoutCall,
    *,
    store: Store,
    rules: Rules,
    now: int,
    attempt: int,
    learned: RememberedLearning,
) -> Gathered:
    """Read everything at once.

    A second read is only for a guest who turned out to be a customer, and for all shards of a
    limit where the one that was read has nothing left.

    Another ``attempt`` than the first also looks for a record of this very call: the reply to our
    own write may have been lost. Otherwise one can only be there when the caller repeats itself.

    Raises PolicyMoved where another policy decides than these rules'.
    """
    subject = call.subject
    mine = rules.under(subject.key, as_of=now)
    actions, offering = _offering(mine, call.placement)
    limiting = limit_keys(actions, subject.key, attempt=attempt, whole=False)
    shown_keys = _shown_keys(mine, subject.key, call)
    person_keys = _person_keys(call, subject.key, offering)
    switch_key, alias = SWITCH.key(_switch_copy(subject.key)), alias_key(subject.key)
    product_keys = _product_keys(call.lines)
    record_key = RECORD.key(call.decision_id)
    asked = mine.policy
    learning = learned.keys(asked, now=now)
    keys = [*person_keys, *limiting, switch_key, alias, *shown_keys, *product_keys, *learning]
    if attempt > 1 or call.repeat_of is not None:
        keys.append(record_key)
    found = person = store.read(keys, now=now)
    check_current(found, alias, rules)

    facts: Facts | None = found.value(person_keys[0])
    if facts is not None and facts.merged_into is not None:
        subject = customer(facts.merged_into)
        mine = rules.under(subject.key, as_of=now)
        actions, offering = _offering(mine, call.placement)
        person_keys = _person_keys(call, subject.key, offering)
        limiting = limit_keys(actions, subject.key, attempt=attempt, whole=False)
        shown_keys = _shown_keys(mine, subject.key, call)
        person = store.read([*person_keys, *limiting, *shown_keys], now=now)
        facts = person.value(person_keys[0])

    _, contact_key, session_key, *offer_keys = person_keys
    contact = person.value(contact_key)
    limits = _weigh(actions, subject.key, person, store=store, now=now, attempt=attempt)
    remembered = learned.recall(found, asked, now=now)
    shown = person.stored(shown_keys[0]) if shown_keys else None
    codes = {
        action_id: offer
        for action_id, key in zip(offering, offer_keys, strict=True)
        if (offer := person.value(key)) is not None
    }
    products = [product for key in product_keys if (product := found.value(key)) is not None]
    situation = Situation(
        decision_id=call.decision_id,
        subject=subject,
        placement=call.placement,
        as_of=now,
        context=place_of(call.context, contact),
        lines=call.lines,
        facts=facts,
        permissions=permissions_of(contact),
        switches=found.value(switch_key) or Switches(),
        products={product.sku: product for product in products},
        live_offers=still_good(codes, now=now),
        limited=limits.refused,
        supplied=supplied_of(contact, mine.policy.supplied_types),
        redeemed_at=last_use(codes.values()),
        shown={} if shown is None else _of_cart(shown.value, call.lines),
        learned=None if mine.policy.exploration is None else remembered,
    )
    if situation.opted_out:
        # What may not be read for a decision does not belong into its record either.
        situation = replace(situation, facts=None, supplied={}, shown={}, redeemed_at=None)
    facts_key = person_keys[0]
    return Gathered(
        situation,
        found.value(record_key),
        session_key,
        person.stored(session_key),
        limits,
        still_a_guest=Check(facts_key, AtVersion(person.version(facts_key)))
        if subject.kind == "anonymous"
        else None,
        not_erased=tuple(
            Check(key, PRESENT) for key in person_keys[:2] if person.stored(key) is not None
        )[:1],
        rules=mine,
        shown=shown,
    )


def _offering(rules: Rules, placement: Placement) -> tuple[Sequence[Action], Sequence[str]]:
    """The actions of a placement, and those whose codes must be known."""
    policy = rules.policy
    return policy.actions_at(placement), policy.codes_at(placement)


def _shown_keys(rules: Rules, subject_key: str, call: CheckoutCall) -> list[Key[Any]]:
    """What this customer was quoted lately, where the policy limits how far that may move."""
    limited = rules.policy.pricing.max_step_basis_points_per_day is not None
    return [SHOWN.key(subject_key)] if limited and call.lines else []


def _of_cart(shown: Shown, lines: Sequence[Line]) -> Shown:
    """What was quoted of the articles in this cart: the record has no use for the others."""
    return {line.sku: shown[line.sku] for line in lines if line.sku in shown}


def _weigh(
    actions: Sequence[Action],
    subject_key: str,
    found: Found,
    *,
    store: Store,
    now: int,
    attempt: int,
) -> Limits:
    """What limits leave; all shards are read only where one cannot say."""
    try:
        return weigh(actions, subject_key, found, now=now, attempt=attempt, whole=False)
    except OneShardIsNotEnough:
        keys = limit_keys(actions, subject_key, attempt=attempt, whole=True)
        found = found.joined(store.read(keys, now=now))
        return weigh(actions, subject_key, found, now=now, attempt=attempt, whole=True)


def _person_keys(call: CheckoutCall, subject_key: str, offering: Sequence[str]) -> list[Key[Any]]:
    """Facts, contact, session, and the live code of each action that offers something."""
    sticky = sticky_key(subject_key, placement=call.placement, session_id=call.context.session_id)
    return [
        FACTS.key(subject_key),
        CONTACT.key(subject_key),
        SESSION.key(sticky),
        *[LIVE_OFFER.key(subject_key, action_id) for action_id in offering],
    ]


def _product_keys(lines: Sequence[Line]) -> list[Key[Product]]:
    """The catalogue entries of the first ``MOST_PRODUCTS`` distinct SKUs."""
    skus = dict.fromkeys([line.sku for line in lines])
    return [PRODUCT.key(sku) for sku in skus][:MOST_PRODUCTS]


def _switch_copy(subject_key: str) -> str:
    """One of the copies of the kill switches: spread, so that no single item is hot."""
    return str(zlib.crc32(subject_key.encode()) % SWITCH_COPIES)
