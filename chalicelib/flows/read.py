"""What an operator may look up: a decision, a customer, a drop; and deciding a record again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from chalicelib.core.address import AddressState, address_hash
from chalicelib.core.contact import PURPOSES, Contact
from chalicelib.core.control import Drop
from chalicelib.core.effects import Effect, effect_id
from chalicelib.core.erasure import as_erased, is_erased
from chalicelib.core.errors import NotFound, Refused, SegueError
from chalicelib.core.facts import Facts
from chalicelib.core.features import describe
from chalicelib.core.kinds import ADDRESS, CONTACT, DROP, EFFECT, FACTS, RECORD
from chalicelib.core.ports import Store
from chalicelib.core.record import rules_hash_of
from chalicelib.core.replay import differences
from chalicelib.core.rules import Rules
from chalicelib.core.scores import Scores
from chalicelib.core.seal import SEAL, is_intact
from chalicelib.core.situation import permissions_of
from chalicelib.core.storage import Key
from chalicelib.core.subject import Subject, check_id, customer
from chalicelib.core.tokens import SigningKeys
from chalicelib.flows.rulebook import Rulebook
from chalicelib.flows.tombs import tomb_key

MOST_DECISIONS = 10


class DecisionIndex(Store, Protocol):
    """Storage that also finds the decisions on a subject."""

    def recent_decisions(self, subject_key: str, *, limit: int) -> list[str]:
        """Ids of the latest decisions on a subject, newest first; some may have expired."""
        ...


class Library(DecisionIndex, Protocol):
    """Storage that also finds what else is a subject's."""

    def belongings(
        self, subject_key: str, *, table: Literal["profiles", "effects"]
    ) -> list[Key[Any]]:
        """Keys of what is a subject's without bearing their name, as far as the index knows."""
        ...


@dataclass(frozen=True, slots=True)
class Consent:
    """What a customer said of one purpose; ``granted`` is None where they never said anything."""

    purpose: str
    granted: bool | None
    said_at: int | None


@dataclass(frozen=True, slots=True)
class CustomerView:
    """What is known of a customer; no address and no name.

    Attributes:
        facts: None when only a contact is known.
        scores: at this moment; without propensities where nothing may be read.
        consents: for every purpose, withdrawals by the address' owner included.
        has_address: whether a mail could reach them.
        records: the latest decisions, newest first.
        mails: the mails that those decisions planned.
        contact: what they said of themselves; it holds address and name, which ``read`` is not for.
        last_id: the earliest decision that was looked for; None where there are no earlier ones.
    """

    subject: Subject
    facts: Facts | None
    scores: Scores
    consents: Sequence[Consent]
    has_address: bool
    records: Sequence[Mapping[str, Any]]
    mails: Sequence[Effect]
    contact: Contact | None = None
    last_id: str | None = None


def find_record(
    decision_id: str, *, store: Store, keys: SigningKeys, now: int
) -> Mapping[str, Any]:
    """The record of a decision, without the person where they were erased; raises NotFound."""
    key = RECORD.key(check_id(decision_id, field="decision_id"))
    record = store.read([key], now=now).value(key)
    if record is None:
        raise NotFound.of("decision_id", "names no decision; degraded answers leave no record")
    if is_erased(record):
        return record
    tomb = tomb_key(record["subject"], keys)
    return as_erased(record, store.read([tomb], now=now).value(tomb))


def replay(
    decision_id: str, *, store: Store, book: Rulebook, keys: SigningKeys, now: int
) -> Sequence[str]:
    """Decide a record again, by the policy of then; the names of what came out otherwise.

    ``witness`` is among them where the record is not, to the last byte, what was written down.

    Raises NotFound, and Refused when law or model are not those deployed, when the policy can no
    longer be had, or with ``ERASED`` when the person was.
    """
    record = find_record(decision_id, store=store, keys=keys, now=now)
    if is_erased(record):
        raise Refused("ERASED")
    rules = book.find_or_current(rules_hash_of(record), store=store, now=now)
    if is_intact(record, keys):
        return differences(record, rules=rules)
    return (SEAL, *_differences_of_altered(record, rules))


def _differences_of_altered(record: Mapping[str, Any], rules: Rules) -> Sequence[str]:
    """What came out otherwise, where an altered record can be decided again at all."""
    try:
        return differences(record, rules=rules)
    except (LookupError, TypeError, ValueError, AttributeError, SegueError):
        return ()


def find_drop(drop_id: str, *, store: Store, now: int) -> Drop:
    """How far a dropped file is; raises NotFound."""
    key = DROP.key(check_id(drop_id, field="drop_id"))
    drop = store.read([key], now=now).value(key)
    if drop is None:
        raise NotFound.of("drop_id", "names no drop; it appears when work on the file begins")
    return drop


def view_customer(
    customer_id: str, *, store: DecisionIndex, rules: Rules, keys: SigningKeys, now: int
) -> CustomerView:
    """Everything known of a customer that is nobody's address or name; raises NotFound."""
    subject = customer(check_id(customer_id, field="customer_id"))
    facts_key, contact_key = FACTS.key(subject.key), CONTACT.key(subject.key)
    tomb = tomb_key(subject.key, keys)
    found = store.read([facts_key, contact_key, tomb], now=now)
    facts, contact = found.value(facts_key), found.value(contact_key)
    if facts is None and contact is None:
        erased = found.value(tomb) is not None
        says = "an event or a file spoke of" + (" since they were erased" if erased else "")
        raise NotFound.of("customer_id", f"names no customer that {says}")

    decision_ids = store.recent_decisions(subject.key, limit=MOST_DECISIONS + 1)
    has_more = len(decision_ids) > MOST_DECISIONS
    del decision_ids[MOST_DECISIONS:]
    record_keys = [RECORD.key(decision_id) for decision_id in decision_ids]
    address_key = _address_key(contact, keys)
    wanted: list[Key[Any]] = [*record_keys, *([] if address_key is None else [address_key])]
    more = store.read(wanted, now=now)
    records = [
        record
        for key in record_keys
        if (record := more.value(key)) is not None
        and not is_erased(as_erased(record, found.value(tomb)))
    ]
    address = None if address_key is None else more.value(address_key)

    mail_keys = [EFFECT.key(each) for record in records for each in mail_ids(record)]
    effects = store.read(mail_keys, now=now)
    return CustomerView(
        subject=subject,
        facts=facts,
        scores=_scores(facts, contact, rules, now),
        consents=[consent_of(purpose, contact, address) for purpose in PURPOSES],
        has_address=contact is not None and contact.text("email") is not None,
        records=records,
        mails=[mail for key in mail_keys if (mail := effects.value(key)) is not None],
        contact=contact,
        last_id=decision_ids[-1] if has_more else None,
    )


def _scores(facts: Facts | None, contact: Contact | None, rules: Rules, now: int) -> Scores:
    permissions = permissions_of(contact)
    if facts is not None and not permissions.objects_to("profiling"):
        features = describe(facts, as_of=now, currency=rules.scorer.currency)
        if features.frequency:
            return rules.scorer.score(features)
    return Scores(rules.policy.unknown_segment, None, None, rules.scorer.name, fallback=True)


def consent_of(purpose: str, contact: Contact | None, address: AddressState | None) -> Consent:
    """A no by the owner of the address stands above an account's yes before it."""
    if contact is not None and address is not None:
        if address.binds(purpose, subject_key=contact.subject.key):
            return Consent(purpose, granted=False, said_at=address.withdrawn[purpose])
        agreed_at = contact.agreed_at(purpose)
        if address.forbids(purpose, subject_key=contact.subject.key, agreed_at=agreed_at):
            return Consent(purpose, granted=False, said_at=address.refused[purpose])
    said = None if contact is None else contact.fields.get(f"consent_{purpose}")
    if said is None:
        return Consent(purpose, None, None)
    return Consent(purpose, bool(said.value), said.at)


def _address_key(contact: Contact | None, keys: SigningKeys) -> Key[AddressState] | None:
    email = None if contact is None else contact.text("email")
    if email is None:
        return None
    return ADDRESS.key(address_hash(email, secret=keys.address_secret))


def mail_ids(record: Mapping[str, Any]) -> Iterator[str]:
    """The mails that a decision may have planned; a checkout plans none."""
    if record["situation"]["placement"] != "checkout":
        for action in record["decision"]["chosen"]:
            yield effect_id("mail", record["decision_id"], action)
