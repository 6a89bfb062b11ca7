"""GET /v1/customers/{id}/export: everything that is stored of a customer, to take along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.core.address import AddressState, address_hash
from chalicelib.core.contact import Contact
from chalicelib.core.effects import Effect
from chalicelib.core.erasure import as_erased, is_erased
from chalicelib.core.errors import NotFound
from chalicelib.core.facts import Facts
from chalicelib.core.kinds import (
    ADDRESS,
    CONTACT,
    COUPON,
    EFFECT,
    FACTS,
    ISSUED,
    ORDER,
    RECORD,
)
from chalicelib.core.offers import Coupon
from chalicelib.core.orders import OrderState
from chalicelib.core.storage import Found, Key, Kind
from chalicelib.core.subject import Subject, check_id, customer
from chalicelib.core.tokens import SigningKeys
from chalicelib.flows.consent_ledger import Ledger, of_the_address, read_ledger
from chalicelib.flows.read import Library
from chalicelib.flows.tombs import tomb_key

# An answer holds 6 MB at most; a record is some KB. Counts say how many there are beyond these.
MOST_RECORDS = 200
MOST_OF_A_KIND = 1_000


@dataclass(frozen=True, slots=True)
class CustomerExport:
    """Everything stored of a customer, the guests that they were included.

    Attributes:
        subject: the customer.
        guests: the anonymous ids that turned out to be theirs.
        facts: what they did.
        contact: what they said of themselves, and what the shop supplied.
        address: what the owner of their address withdrew.
        ledger: their consent, with proof.
        address_ledger: what the owner of their address said by links in mails; None without one.
        orders: every order.
        records: decisions, newest first.
        effects: what those and their profile set in motion.
        coupons: every code that they were given.
        issued: how many codes they were given by action, where the policy limits that.
        left_out: how many things of a kind are stored beyond what an answer can hold.
    """

    subject: Subject
    guests: Sequence[str]
    facts: Facts | None
    contact: Contact | None
    address: AddressState | None
    ledger: Ledger
    address_ledger: Ledger | None
    orders: Sequence[OrderState]
    records: Sequence[Mapping[str, Any]]
    effects: Sequence[Effect]
    coupons: Sequence[Coupon]
    issued: Mapping[str, int]
    left_out: Mapping[str, int]


def export_customer(
    customer_id: str, *, store: Library, keys: SigningKeys, now: int
) -> CustomerExport:
    """Read everything; raises NotFound for a customer of whom nothing is stored."""
    subject = customer(check_id(customer_id, field="customer_id"))
    facts_key, contact_key = FACTS.key(subject.key), CONTACT.key(subject.key)
    tomb = tomb_key(subject.key, keys)
    found = store.read([facts_key, contact_key, tomb], now=now)
    contact = found.value(contact_key)
    address = _address(contact, store, keys, now)
    ledger = read_ledger(subject.key, store=store, now=now)

    owned = store.belongings(subject.key, table="profiles")
    guests = [Subject.from_key(key.partition) for key in owned if key.kind is FACTS]
    subjects = [subject, *guests]
    for each in guests:
        owned += store.belongings(each.key, table="profiles")
    owned += [key for each in subjects for key in store.belongings(each.key, table="effects")]
    decisions = [
        RECORD.key(decision_id)
        for each in subjects
        for decision_id in store.recent_decisions(each.key, limit=MOST_OF_A_KIND)
    ]

    left_out: dict[str, int] = {}

    def all_of(kind: Kind[Any], most: int) -> list[Any]:
        wanted = [key for key in (*owned, *decisions) if key.kind is kind]
        if len(wanted) > most:
            left_out[kind.name] = len(wanted) - most
        keys_of_kind = wanted[:most]
        values = store.read(keys_of_kind, now=now) if keys_of_kind else None
        if values is None:
            return []
        return [value for key in keys_of_kind if (value := values.value(key)) is not None]

    export = CustomerExport(
        subject=subject,
        guests=[each.id for each in guests],
        facts=found.value(facts_key),
        contact=contact,
        address=address,
        ledger=ledger,
        address_ledger=_address_ledger(contact, store, keys, now),
        orders=all_of(ORDER, MOST_OF_A_KIND),
        records=[
            record
            for record in all_of(RECORD, MOST_RECORDS)
            if not is_erased(as_erased(record, found.value(tomb)))
        ],
        effects=all_of(EFFECT, MOST_OF_A_KIND),
        coupons=all_of(COUPON, MOST_OF_A_KIND),
        issued=_issued(owned, store, now),
        left_out=left_out,
    )
    if not (export.facts or export.contact or ledger.entries or export.records or owned):
        raise NotFound.of("customer_id", "names no customer of whom anything is stored")
    return export


def _issued(owned: Sequence[Key[Any]], store: Library, now: int) -> Mapping[str, int]:
    """How many codes were issued, by action, which is the end of the key."""
    keys = [key for key in owned if key.kind is ISSUED]
    found = store.read(keys, now=now) if keys else Found({}, now=now)
    counted = {key.partition.rpartition("#")[2]: found.value(key) for key in keys}
    return {action: known["count"] for action, known in counted.items() if known is not None}


def _address(
    contact: Contact | None, store: Library, keys: SigningKeys, now: int
) -> AddressState | None:
    named = _named(contact, keys)
    if named is None:
        return None
    key = ADDRESS.key(named)
    return store.read([key], now=now).value(key)


def _address_ledger(
    contact: Contact | None, store: Library, keys: SigningKeys, now: int
) -> Ledger | None:
    named = _named(contact, keys)
    return None if named is None else read_ledger(of_the_address(named), store=store, now=now)


def _named(contact: Contact | None, keys: SigningKeys) -> str | None:
    email = None if contact is None else contact.text("email")
    return None if email is None else address_hash(email, secret=keys.address_secret)
