"""PUT /v1/customers/{id}/consent: what a customer said of a purpose, written down with its proof.

One write appends to the ledger, folds the statement into the contact and, for mails, into the
state of the address. A withdrawal binds the address, for every account. A grant does not lift what
the owner of the address withdrew, unless the owner confirmed it by a link sent there; and then it
lifts it for this account alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib.core.address import AddressState, address_hash, regrant, withdraw
from chalicelib.core.consents import Entry, Statement
from chalicelib.core.contact import (
    CONSENT_PREFIX,
    PURPOSES,
    Contact,
    ContactChange,
    Stamped,
    join_contact,
)
from chalicelib.core.errors import BadInput, Broken, Refused, Transient
from chalicelib.core.groups import addressed
from chalicelib.core.instants import CLOCK_SKEW_SECONDS
from chalicelib.core.kinds import ADDRESS, CONTACT
from chalicelib.core.ports import Store
from chalicelib.core.storage import AtVersion, Check, Conflict, Found, Key, Put, Write
from chalicelib.core.subject import Subject, check_id, customer
from chalicelib.core.tokens import SigningKeys
from chalicelib.flows.consent_ledger import Ledger, Told, append_to, read_ledger
from chalicelib.flows.read import Consent, consent_of
from chalicelib.flows.tombs import Erased, tomb_key
from chalicelib.telemetry import log_event

MOST_ROUNDS = 8
# A ledger that long is a loop in somebody's program.
MOST_ENTRIES = 1_000
# Purposes that whoever withdraws them in one account withdraws for the address; the others are an
# account's own, unless the owner of the address withdrew them by a link.
OF_THE_ADDRESS = frozenset({"marketing_email"})


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a statement.

    Attributes:
        entry: where it stands in the ledger.
        repeated: whether it stood there before.
        consent: what now holds for the purpose, withdrawals by the address' owner included.
    """

    entry: Entry
    repeated: bool
    consent: Consent


def record_consent(
    customer_id: str,
    statement: Statement,
    *,
    store: Store,
    keys: SigningKeys,
    now: int,
    key_id: str,
    correlation_id: str,
) -> Recorded:
    """Write one statement down; the very same statement again is one entry.

    Raises:
        BadInput: the moment lies in the future, or the purpose is none.
        Refused: ``erased``, where the statement is from before the customer was erased, and
            ``ledger_full``, for a grant beyond the thousandth entry.
        Broken: the chain of hashes does not hold; nothing is appended to it.
        Transient: storage did not answer, or others keep writing; send it again.
    """
    subject = customer(check_id(customer_id, field="customer_id"))
    if statement.purpose not in PURPOSES:
        raise BadInput.of("purpose", f"must be one of {', '.join(PURPOSES)}")
    if statement.said_at > now + CLOCK_SKEW_SECONDS:
        raise BadInput.of("said_at", "lies in the future; check the sender's clock")
    for _ in range(MOST_ROUNDS):
        try:
            recorded = _record(subject, statement, store, keys, now, key_id)
        except Conflict:
            continue
        log_event(
            "consent_recorded",
            key_id=key_id,
            correlation_id=correlation_id,
            purpose=statement.purpose,
            state="granted" if statement.granted else "withdrawn",
            repeated=recorded.repeated,
        )
        return recorded
    raise Transient("others keep writing the same customer")


def _record(
    subject: Subject,
    statement: Statement,
    store: Store,
    keys: SigningKeys,
    now: int,
    key_id: str,
) -> Recorded:
    tomb, contact_key = tomb_key(subject.key, keys), CONTACT.key(subject.key)
    found = store.read([tomb, contact_key], now=now)
    tombstone = found.value(tomb)
    if tombstone is not None and tombstone.covers(statement.said_at):
        raise Erased
    ledger = read_ledger(subject.key, store=store, now=now)
    if not ledger.is_intact:
        raise Broken("a consent ledger does not hang together")
    contact = found.value(contact_key) or Contact(subject)
    email = contact.text("email")
    named = None if email is None else address_hash(email, secret=keys.address_secret)
    state_key = None if named is None else ADDRESS.key(named)
    addresses = Found({}, now=now) if state_key is None else store.read([state_key], now=now)
    state = AddressState() if state_key is None else addresses.value(state_key) or AddressState()

    known = next((each for each in ledger.entries if each.statement == statement), None)
    if known is not None:
        return Recorded(known, repeated=True, consent=consent_of(statement.purpose, contact, state))
    if statement.granted and ledger.head.count >= MOST_ENTRIES:
        raise Refused("ledger_full")  # a withdrawal is never refused
    said = Stamped(statement.granted, statement.said_at)
    change = ContactChange({CONSENT_PREFIX + statement.purpose: said})
    joined, held = join_contact(contact, change), _held(state, subject, statement)
    told = Told(now, named, key_id)
    statements = [*_not_entered(ledger, joined, statement), statement]
    entries, entered = append_to(subject.key, ledger.head, ledger.version, statements, told)
    entry = entries[-1]
    store.write(
        [
            Check(tomb, AtVersion(found.version(tomb))),
            *entered,
            Put(
                contact_key,
                addressed(joined, secret=keys.address_secret),
                AtVersion(found.version(contact_key)),
            ),
            *_address_writes(state_key, addresses, state, held),
        ],
        now=now,
    )
    consent = consent_of(statement.purpose, joined, held)
    return Recorded(entry, repeated=False, consent=consent)


def _not_entered(ledger: Ledger, joined: Contact, statement: Statement) -> Iterator[Statement]:
    """What holds against a statement, where it stands in the contact alone.

    A message or a file that said the same again made no entry; now that it outweighs what is said
    here, whoever reads the ledger must find it.
    """
    holds = joined.fields[CONSENT_PREFIX + statement.purpose]
    if holds == Stamped(statement.granted, statement.said_at):
        return
    entered = {
        (each.statement.purpose, each.statement.granted, each.statement.said_at)
        for each in ledger.entries
    }
    if (statement.purpose, bool(holds.value), holds.at) not in entered:
        yield Statement(statement.purpose, bool(holds.value), None, None, CONTACT.name, holds.at)


def _held(state: AddressState, subject: Subject, statement: Statement) -> AddressState:
    """What the statement makes of the address' own state."""
    purpose, at = statement.purpose, statement.said_at
    if not statement.granted:
        if purpose not in OF_THE_ADDRESS:
            return state
        granted_again = state.regranted.get(purpose, {}).values()
        is_old_news = any(granted_at >= at for granted_at in granted_again)
        return state if is_old_news else withdraw(state, purpose, at=at)
    if statement.basis == "consent" and statement.address_confirmed:
        return regrant(state, purpose, subject_key=subject.key, at=at)
    return state


def _address_writes(
    key: Key[AddressState] | None, found: Found, before: AddressState, after: AddressState
) -> Iterator[Write]:
    if key is None:
        return
    at: AtVersion = AtVersion(found.version(key))
    # Where nothing changes it must still stand: a withdrawal may arrive just now.
    yield Check(key, at) if after == before else Put(key, after, at)
