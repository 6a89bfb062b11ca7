"""Whom a message is about, and what it changes: guests, customers, and the orders between them.

A message is about its customer, else about its guest, or about the customer that the guest turned
out to be. An "identify" with both merges once: a guest belongs to the first customer who says so,
and the guest's facts leave a tombstone behind, so that messages that come late still find them.

An order belongs to whoever completed it. Of a guest and a customer who both say so the customer
has it, since nothing says that they are two people; two customers, or two guests, cannot share an
order. A correction speaks of the order and counts where the order counts. So neither the order of
arrival nor repetition changes what profiles say in the end, merges included, as long as one guest
is not claimed by two customers, nor one order by two customers or two guests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chalicelib.core.contact import Contact, join_contact
from chalicelib.core.errors import BadInput
from chalicelib.core.facts import Facts
from chalicelib.core.fold import fold, join_order, merge_facts, recount
from chalicelib.core.kinds import CONTACT, FACTS, ORDER
from chalicelib.core.messages import (
    Identified,
    InventoryUpdated,
    Message,
    OrderCompleted,
    OrderMessage,
)
from chalicelib.core.orders import OrderState
from chalicelib.core.storage import Found, Key
from chalicelib.core.subject import Subject, customer, guest


@dataclass(frozen=True, slots=True)
class Profiles:
    """What is known of some subjects and orders; folding gives another value.

    Attributes:
        facts: by subject; a merged guest's are a tombstone.
        contacts: by subject.
        orders: by order id.
    """

    facts: Mapping[Subject, Facts] = field(default_factory=dict)
    contacts: Mapping[Subject, Contact] = field(default_factory=dict)
    orders: Mapping[str, OrderState] = field(default_factory=dict)

    def known_as(self, subject: Subject) -> Subject:
        """The customer that a guest turned out to be, else the subject itself."""
        known = self.facts.get(subject)
        if known is None or known.merged_into is None:
            return subject
        return customer(known.merged_into)

    def facts_of(self, subject: Subject) -> Facts:
        """The facts, empty ones for a subject never seen."""
        return self.facts.get(subject) or Facts(subject)

    def contact_of(self, subject: Subject) -> Contact:
        """The contact, an empty one for a subject who never said anything."""
        return self.contacts.get(subject) or Contact(subject)


def profile_keys(message: Message) -> tuple[Key[Any], ...]:
    """What must be known to fold a message; ``further_keys`` follows where that leads."""
    keys: list[Key[Any]] = [
        kind.key(who.key) for who in _named(message) for kind in (FACTS, CONTACT)
    ]
    if isinstance(message, OrderMessage):
        keys.append(ORDER.key(message.order_id))
    return tuple(keys)


def further_keys(found: Found, keys: Iterable[Key[Any]]) -> tuple[Key[Any], ...]:
    """Where things just read point to: the customer of a merged guest, the owner of an order."""
    return tuple(
        kind.key(subject.key) for subject in _pointed_to(found, keys) for kind in (FACTS, CONTACT)
    )


def profiles_from(found: Found, keys: Iterable[Key[Any]]) -> Profiles:
    """Put what was read together."""
    facts: dict[Subject, Facts] = {}
    contacts: dict[Subject, Contact] = {}
    orders: dict[str, OrderState] = {}
    for key in keys:
        match found.value(key):
            case Facts() as known:
                facts[known.subject] = known
            case Contact() as said:
                contacts[said.subject] = said
            case OrderState() as order:
                orders[order.order_id] = order
    return Profiles(facts, contacts, orders)


def fold_message(profiles: Profiles, message: Message) -> Profiles:
    """Fold one message; raises BadInput when its order belongs to somebody else."""
    if isinstance(message, InventoryUpdated):
        return profiles  # it is about an article, whoever's id stands beside it
    if isinstance(message, Identified) and len(_named(message)) > 1:
        profiles = _merge(profiles, *_named(message))
    who = profiles.known_as(_named(message)[0])
    profiles = _with_facts(profiles, fold(profiles.facts_of(who), message))
    if isinstance(message, Identified):
        contact = join_contact(profiles.contact_of(who), message.change)
        return _with_contact(profiles, contact) if contact.fields else profiles
    if isinstance(message, OrderMessage):
        return _fold_order(profiles, who, message)
    return profiles


def _named(message: Message) -> tuple[Subject, ...]:
    """The subject of a message, and the guest that an "identify" makes known beside it."""
    if isinstance(message, InventoryUpdated):
        return ()
    envelope = message.envelope
    guests = () if envelope.anonymous_id is None else (guest(envelope.anonymous_id),)
    if envelope.customer_id is None:
        return guests
    return customer(envelope.customer_id), *(guests if isinstance(message, Identified) else ())


def _pointed_to(found: Found, keys: Iterable[Key[Any]]) -> Iterable[Subject]:
    for key in keys:
        match found.value(key):
            case Facts(merged_into=str() as customer_id):
                yield customer(customer_id)
            case OrderState(subject_key=owner):
                yield Subject.from_key(owner)


def _merge(profiles: Profiles, buyer: Subject, visitor: Subject) -> Profiles:
    """Join a guest into a customer, unless that has happened."""
    visited = profiles.facts_of(visitor)
    if visited.merged_into is not None:
        return profiles
    merged = merge_facts(profiles.facts_of(buyer), visited)
    tombstone = Facts(visitor, merged_into=buyer.id)
    contacts = dict(profiles.contacts)
    said = contacts.pop(visitor, None)
    if said is not None:
        contacts[buyer] = join_contact(profiles.contact_of(buyer), said)
    facts = {**profiles.facts, buyer: merged, visitor: tombstone}
    return replace(profiles, facts=facts, contacts=contacts)


def _fold_order(profiles: Profiles, who: Subject, message: OrderMessage) -> Profiles:
    """Join a message into its order, and count the order where it belongs."""
    before = profiles.orders.get(message.order_id)
    holder = who if before is None else profiles.known_as(Subject.from_key(before.subject_key))
    owner = _owner(profiles, before, holder, who, completes=isinstance(message, OrderCompleted))
    state = before or OrderState(message.order_id, owner.key)
    after = replace(join_order(state, message), subject_key=owner.key)
    if before is not None and owner != holder and holder in profiles.facts:
        gone = OrderState(message.order_id, holder.key)
        profiles = _recounted(profiles, holder, before, gone)
        before = None
    profiles = _recounted(profiles, owner, before, after)
    return replace(profiles, orders={**profiles.orders, message.order_id: after})


def _owner(
    profiles: Profiles, before: OrderState | None, holder: Subject, who: Subject, *, completes: bool
) -> Subject:
    """Whose order it is, once ``who`` has spoken of it."""
    if before is None or holder == who:
        return who
    if before.completed is None:
        # Corrections that came first do not say whose order it is.
        return who if completes else holder
    if holder.kind == who.kind:
        raise BadInput.of("properties.order_id", f"belongs to another {_KINDS[who.kind]}")
    if who.kind == "customer" and (completes or holder not in profiles.facts):
        return who
    return holder


_KINDS = {"customer": "customer", "anonymous": "guest"}


def _recounted(
    profiles: Profiles, subject: Subject, before: OrderState | None, after: OrderState
) -> Profiles:
    known = profiles.facts_of(subject)
    counted = recount(known, before=before, after=after)
    return profiles if counted is known else _with_facts(profiles, counted)


def _with_facts(profiles: Profiles, facts: Facts) -> Profiles:
    return replace(profiles, facts={**profiles.facts, facts.subject: facts})


def _with_contact(profiles: Profiles, contact: Contact) -> Profiles:
    return replace(profiles, contacts={**profiles.contacts, contact.subject: contact})
