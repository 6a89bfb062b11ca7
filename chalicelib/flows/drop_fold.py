"""What a drop's rows about one customer come to: pure, from what was read to what is to be written.

Rows are folded as the messages that would say the same, so that a file and an event about one order
give one profile, whichever comes first. A row that an earlier attempt of the same drop has already
folded counts as folded, so that a resumed drop adds up like one that never stopped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chalicelib.core.absence import Settled
from chalicelib.core.contact import Contact, join_contact
from chalicelib.core.erasure import ERASED
from chalicelib.core.errors import BadInput
from chalicelib.core.facts import Facts
from chalicelib.core.groups import addressed
from chalicelib.core.identity import Profiles, fold_message, further_keys, profiles_from
from chalicelib.core.instants import Instant
from chalicelib.core.kinds import (
    CONTACT,
    FACTS,
    GUEST_WINDOW_SECONDS,
    MESSAGE_WINDOW_SECONDS,
    ORDER,
    ORDER_WINDOW_SECONDS,
)
from chalicelib.core.messages import OrderMessage
from chalicelib.core.reach import Occasion
from chalicelib.core.storage import AtVersion, Check, Found, Key, Put, Write
from chalicelib.files.records import OrderLine
from chalicelib.files.rejects import Reject
from chalicelib.flows.codes import Settlement, settle_codes
from chalicelib.flows.drop_orders import complete, corrections, mark_key
from chalicelib.flows.drop_person import Person
from chalicelib.flows.drop_report import ScoredRow
from chalicelib.flows.drop_scores import bring_up, describe_customer, occasion_of
from chalicelib.flows.drop_tombs import without_the_erased
from chalicelib.flows.heard_consent import ContactChanged
from chalicelib.flows.settled import Given
from chalicelib.flows.tombs import still_standing


@dataclass(slots=True)
class Outcome:
    """What became of one customer of a drop.

    Attributes:
        folded: records that count now because of this drop.
        duplicate: records that were known before, or stood twice.
        rejects: records that could not be folded.
        row: the line of ``scores.csv``; None when the customer was not scored.
        unscored: why not.
        erased: how many records are from before the customer was erased; they are rejected.
        decided: whether a decision was recorded.
        fallback: whether it was made without the model.
        effects: how many effects it planned, by kind.
    """

    folded: int = 0
    duplicate: int = 0
    rejects: list[Reject] = field(default_factory=list)
    row: ScoredRow | None = None
    unscored: str | None = None
    erased: int = 0
    decided: bool = False
    fallback: bool = False
    effects: Counter[str] = field(default_factory=Counter)

    def count(self, records: int, *, ours: bool) -> None:
        """Count records as folded by this drop, or as known before."""
        if ours:
            self.folded += records
        else:
            self.duplicate += records


@dataclass(frozen=True, slots=True)
class DropGiven:
    """What every step of one drop is given.

    Attributes:
        given: documents, secrets, the moment of work and the correlation id.
        drop_id: names the drop; orders and decisions derive from it.
        as_of: the moment at which customers are scored.
    """

    given: Given
    drop_id: str
    as_of: int


@dataclass(slots=True)
class Folded:
    """One customer after folding, on the way to being written.

    Attributes:
        person: what the drop said.
        facts: the profile with the rows folded in, and not yet settled.
        settled: the same, settled.
        contact: what is known of how to reach them.
        contact_before: the same before these rows; None where nothing was known.
        tombs: that the customer was not erased since, for every write.
        version: how often the profile had been saved when it was read.
        contact_version: the same for the contact.
        writes: everything but the profile and the decision.
        codes: what the orders do to the codes that they were paid with; its writes among them.
        outcome: what to report.
        occasion: of the decision.
        changed: whether the profile must be saved.
        reachable: whether some action could want this customer.
    """

    person: Person
    facts: Facts
    settled: Settled
    contact: Contact | None
    contact_before: Contact | None
    tombs: tuple[Check, ...]
    version: int
    contact_version: int
    writes: tuple[Write, ...]
    codes: Settlement
    outcome: Outcome
    occasion: Occasion
    changed: bool
    reachable: bool

    @property
    def changed_contacts(self) -> tuple[ContactChanged, ...]:
        """The contact, if these rows say something new of it."""
        if self.contact is None or self.contact == self.contact_before:
            return ()
        return (ContactChanged(self.contact_before, self.contact),)


def person_keys(person: Person) -> tuple[Key[Any], ...]:
    """What must be known to fold somebody's rows; ``further_keys`` follows where that leads."""
    subject_key = person.subject.key
    return (
        FACTS.key(subject_key),
        CONTACT.key(subject_key),
        *(ORDER.key(order_id) for order_id in person.orders),
        *(
            mark_key(message)
            for order_id, lines in person.orders.items()
            for message, _ in corrections(order_id, lines)
        ),
    )


def fold_person(person: Person, found: Found, about: DropGiven) -> Folded:
    """Fold one customer's rows into what storage knows."""
    outcome = Outcome(duplicate=person.repeated)
    subject = person.subject
    before = profiles = profiles_from(found, _concerned(person, found))
    person, outcome.rejects = without_the_erased(
        person, found, before, keys=about.given.keys, as_of=about.as_of
    )
    outcome.erased = len(outcome.rejects)
    marks: list[Write] = []
    for order_id, lines in person.orders.items():
        profiles = _fold_order(order_id, lines, profiles, found, marks, outcome, about)
    contact = before.contacts.get(subject)
    if person.change is not None:
        outcome.folded += 1
        joined = addressed(
            join_contact(before.contact_of(subject), person.change),
            secret=about.given.keys.address_secret,
        )
        # A row of empty cells says nothing, and leaves no contact behind.
        contact = joined if joined.fields or joined.supplied else contact
    facts, stored = profiles.facts_of(subject), before.facts.get(subject)
    rules = about.given.rules
    settled, scores = bring_up(facts, contact, as_of=about.as_of, now=about.given.now, rules=rules)
    occasion = occasion_of(subject, about.drop_id, given=about.given)
    described = describe_customer(
        settled, contact, scores, as_of=about.as_of, occasion=occasion, rules=rules
    )
    outcome.row, outcome.unscored = described.row, described.unscored
    if outcome.erased and described.row is None:
        outcome.unscored = ERASED
    changed_orders = _order_writes(before, profiles, found, about)
    codes = settle_codes(before, profiles, (), found, rules.policy, about.given.now)
    return Folded(
        person=person,
        facts=facts,
        settled=settled,
        contact=contact,
        contact_before=before.contacts.get(subject),
        tombs=still_standing([subject.key], found, about.given.keys),
        version=found.version(FACTS.key(subject.key)),
        contact_version=found.version(CONTACT.key(subject.key)),
        writes=(
            *changed_orders,
            *marks,
            *_guest_writes(before, profiles, found, about),
            *_contact_writes(before.contacts.get(subject), contact, found),
            *codes.writes,
        ),
        codes=codes,
        outcome=outcome,
        occasion=occasion,
        changed=bool(changed_orders) or settled.facts != (stored or Facts(subject)),
        reachable=described.reachable,
    )


def _concerned(person: Person, found: Found) -> frozenset[Key[Any]]:
    """Every thing that these rows may look at or change, as far as it was read."""
    concerned: frozenset[Key[Any]] = frozenset()
    further = frozenset(person_keys(person))
    while further - concerned:
        concerned |= further
        further = frozenset(further_keys(found, further))
    return concerned


def _fold_order(
    order_id: str,
    lines: Sequence[OrderLine],
    profiles: Profiles,
    found: Found,
    marks: list[Write],
    outcome: Outcome,
    about: DropGiven,
) -> Profiles:
    """Join the rows of one order, or reject all of them; exact repetitions are duplicates."""
    distinct = list({line.content: line for line in lines}.values())
    outcome.duplicate += len(lines) - len(distinct)
    sales = [line for line in distinct if line.kind == "sale"]
    verdicts: list[tuple[OrderMessage, int, bool]] = []
    try:
        if len({line.currency for line in distinct}) > 1:
            raise BadInput.of("currency", "differs within one order")
        folded = complete(order_id, sales, profiles, drop_id=about.drop_id) if sales else profiles
        for message, records in corrections(order_id, distinct):
            corrected = fold_message(folded, message)
            changes = corrected.orders[order_id] != folded.orders.get(order_id)
            verdicts.append((message, records, changes))
            folded = corrected
    except BadInput as error:
        first = error.errors[0]
        name = first.field.rpartition(".")[2]
        outcome.rejects += [
            Reject(line.record, name, getattr(line, name, None) or order_id, first.problem)
            for line in distinct
        ]
        return profiles
    known = profiles.orders.get(order_id)
    is_known = known is not None and known.completed is not None and known.source != about.drop_id
    outcome.count(len(sales), ours=not is_known)
    for message, records, changes in verdicts:
        mark = found.value(mark_key(message))
        if mark is None and changes:
            expires_at = about.given.now + MESSAGE_WINDOW_SECONDS
            marks.append(Put(mark_key(message), {"source": about.drop_id}, expires_at=expires_at))
        outcome.count(records, ours=changes if mark is None else mark["source"] == about.drop_id)
    return folded


def _order_writes(
    before: Profiles, after: Profiles, found: Found, about: DropGiven
) -> tuple[Write, ...]:
    expires_at = about.given.now + ORDER_WINDOW_SECONDS
    return tuple(
        Put(key := ORDER.key(order_id), order, AtVersion(found.version(key)), expires_at=expires_at)
        for order_id, order in after.orders.items()
        if order != before.orders.get(order_id)
    )


def _guest_writes(
    before: Profiles, after: Profiles, found: Found, about: DropGiven
) -> tuple[Write, ...]:
    """Guests who lost an order to the customer who placed it; the schedule settles them at once."""
    now = about.given.now
    return tuple(
        Put(
            key := FACTS.key(subject.key),
            replace(facts, review_at=Instant(min(now, facts.review_at or now))),
            AtVersion(found.version(key)),
            expires_at=now + GUEST_WINDOW_SECONDS,
        )
        for subject, facts in after.facts.items()
        if subject.kind == "anonymous" and facts != before.facts.get(subject)
    )


def _contact_writes(
    before: Contact | None, contact: Contact | None, found: Found
) -> tuple[Write, ...]:
    if contact is None or contact == before:
        return ()
    key = CONTACT.key(contact.subject.key)
    return (Put(key, contact, AtVersion(found.version(key))),)
