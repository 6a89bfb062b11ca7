"""What a drop's rows about one customer come to: pure, from what was read to what is to be written.

A row that an earlier attempt of the same drop has already folded counts as folded, so that a
resumed drop adds up like one that never stopped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chalicelib.core.absence import Settled, score_at, settle
from chalicelib.core.canonical import short_hash
from chalicelib.core.contact import Contact, ContactChange, join_contact
from chalicelib.core.facts import Facts
from chalicelib.core.fold import recount
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import CONTACT, FACTS, ORDER, ORDER_WINDOW_SECONDS
from chalicelib.core.orders import (
    Amount,
    OrderState,
    cancel_order,
    complete_order,
    refund_order,
)
from chalicelib.core.policy import BASE_TIER
from chalicelib.core.pricing import choose_tier
from chalicelib.core.reach import Occasion, could_reach
from chalicelib.core.scores import Scores
from chalicelib.core.storage import AtVersion, Found, Put, Write
from chalicelib.core.subject import Subject
from chalicelib.files.reader import Reject
from chalicelib.files.records import OrderLine
from chalicelib.flows.drop_report import ScoredRow
from chalicelib.flows.settled import Given

# A file about a moment longer ago than this is scored and sets nothing in motion.
HISTORIC_SECONDS = 7 * DAY_SECONDS


@dataclass(frozen=True, slots=True)
class Person:
    """What a drop says of one customer.

    Attributes:
        subject: whom it is about.
        lines: the rows of an orders file.
        change: the row of a customers file.
        records: how many records said so.
        repeated: how many of them only repeat another record of this file.
    """

    subject: Subject
    lines: tuple[OrderLine, ...] = ()
    change: ContactChange | None = None
    records: int = 0
    repeated: int = 0


@dataclass(slots=True)
class Outcome:
    """What became of one customer of a drop.

    Attributes:
        folded: records that count now because of this drop.
        duplicate: records that were known before, or stood twice.
        rejects: records that could not be folded.
        row: the line of ``scores.csv``; None when the customer was not scored.
        unscored: why not.
        decided: whether a decision was recorded.
        effects: how many effects it planned, by kind.
    """

    folded: int = 0
    duplicate: int = 0
    rejects: list[Reject] = field(default_factory=list)
    row: ScoredRow | None = None
    unscored: str | None = None
    decided: bool = False
    effects: Counter[str] = field(default_factory=Counter)


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
    """One customer after folding, on the way to being written."""

    person: Person
    settled: Settled
    contact: Contact | None
    version: int
    contact_put: tuple[Write, ...]
    orders: list[Put[OrderState]]
    outcome: Outcome
    occasion: Occasion
    changed: bool
    reachable: bool


def by_order(lines: Iterable[OrderLine]) -> Mapping[str, list[OrderLine]]:
    """The rows of each order; where the export has no id, customer, time, amount and occurrence."""
    occurrences: Counter[tuple[str, int, int]] = Counter()
    orders: dict[str, list[OrderLine]] = {}
    for line in lines:
        order_id = line.order_id
        if order_id is None:
            same = (line.customer_id, line.at, line.amount_minor)
            occurrences[same] += 1
            parts = (line.customer_id, str(line.at), str(line.amount_minor), line.currency)
            order_id = "derived-" + short_hash(*parts, str(occurrences[same]))
        orders.setdefault(order_id, []).append(line)
    return orders


def fold_person(person: Person, found: Found, about: DropGiven) -> Folded:
    """Fold one customer's rows into what storage knows."""
    outcome = Outcome(duplicate=person.repeated)
    subject = person.subject
    facts = before = found.value(FACTS.key(subject.key)) or Facts(subject)
    orders: list[Put[OrderState]] = []
    for order_id, lines in by_order(person.lines).items():
        facts = _fold_order(order_id, lines, facts, found, orders, outcome, about)
    contact, contact_put = _join_contact(person, found, outcome, about)
    rules = about.given.rules
    may_profile = contact is None or contact.consent("profiling") is not False
    # What is stored is settled as of now: a file about the past must not turn a profile back.
    settled = settle(
        facts,
        as_of=about.given.now,
        scorer=rules.scorer,
        policy=rules.policy,
        may_profile=may_profile,
    )
    scores = score_at(facts, about.as_of, rules.scorer) if may_profile else None
    if settled.transition is not None and settled.transition.before is None:
        # A first segment given by a file is an import, not a change that anybody waits for.
        settled = replace(settled, transition=None)
    occasion = Occasion(
        decision_id=f"d_{short_hash('drop', about.drop_id, subject.key)}",
        placement="batch",
        trigger=None,
        as_of=about.as_of,
        correlation_id=about.given.correlation_id,
    )
    reachable = (
        scores is not None
        and about.as_of >= about.given.now - HISTORIC_SECONDS
        and could_reach(settled.facts, contact, scores, occasion=occasion, rules=rules)
    )
    _describe(scores, contact, outcome, subject, about)
    return Folded(
        person=person,
        settled=settled,
        contact=contact,
        version=found.version(FACTS.key(subject.key)),
        contact_put=contact_put,
        orders=orders,
        outcome=outcome,
        occasion=occasion,
        changed=bool(orders) or settled.facts != before,
        reachable=reachable,
    )


def _fold_order(
    order_id: str,
    lines: Sequence[OrderLine],
    facts: Facts,
    found: Found,
    orders: list[Put[OrderState]],
    outcome: Outcome,
    about: DropGiven,
) -> Facts:
    """Join the rows of one order; exact repetitions of a row with an id are duplicates."""
    key = ORDER.key(order_id)
    stored = found.stored(key)
    subject_key = facts.subject.key
    before = None if stored is None else stored.value
    if before is not None and before.subject_key != subject_key:
        if Subject.from_key(before.subject_key).kind == "anonymous":
            # A guest's order counts with the guest, and with the customer once both are one.
            outcome.duplicate += len(lines)
            return facts
        outcome.rejects += [
            Reject(line.record, "order_id", order_id, "belongs to another customer")
            for line in lines
        ]
        return facts
    distinct = list({line.content: line for line in lines}.values())
    outcome.duplicate += len(lines) - len(distinct)
    state = before or OrderState(order_id, subject_key)
    sales = [line for line in distinct if line.kind == "sale"]
    if sales and {line.currency for line in sales} != {sales[0].currency}:
        outcome.rejects += [
            Reject(line.record, "currency", line.currency, "differs within one order")
            for line in distinct
        ]
        return facts
    known_before = state.completed is not None and state.source != about.drop_id
    if sales and known_before:
        outcome.duplicate += len(sales)
    elif sales:
        outcome.folded += len(sales)
        amount = Amount(
            min(line.at for line in sales),
            sum(line.amount_minor for line in sales),
            sales[0].currency,
        )
        state = complete_order(state, amount, source=about.drop_id)
    state = _correct(state, distinct, outcome)
    if state == before:
        return facts
    version = 0 if stored is None else stored.version
    orders.append(
        Put(key, state, AtVersion(version), expires_at=about.given.now + ORDER_WINDOW_SECONDS)
    )
    return recount(facts, before=before, after=state)


def _correct(state: OrderState, lines: Iterable[OrderLine], outcome: Outcome) -> OrderState:
    """Join returns and cancellations; a row is known by its content, so a repetition is one."""
    for line in lines:
        match line.kind:
            case "sale":
                continue
            case "return":
                after = refund_order(state, line.amount_minor, message_id=line.content)
            case "cancel":
                after = cancel_order(state, line.at)
        outcome.folded += 1
        state = after
    return state


def _join_contact(
    person: Person, found: Found, outcome: Outcome, about: DropGiven
) -> tuple[Contact | None, tuple[Write, ...]]:
    key = CONTACT.key(person.subject.key)
    stored = found.stored(key)
    contact = None if stored is None else stored.value
    if person.change is None:
        return contact, ()
    outcome.folded += 1
    joined = join_contact(contact or Contact(person.subject), person.change)
    if joined == contact:
        return contact, ()
    version = 0 if stored is None else stored.version
    return joined, (Put(key, joined, AtVersion(version)),)


def _describe(
    scores: Scores | None,
    contact: Contact | None,
    outcome: Outcome,
    subject: Subject,
    about: DropGiven,
) -> None:
    """The customer's line of the results, before any decision."""
    if scores is None:
        objects = contact is not None and contact.consent("profiling") is False
        outcome.unscored = "no_consent_to_profiling" if objects else "no_orders"
        return
    outcome.row = ScoredRow(
        customer_id=subject.id,
        segment=scores.segment,
        churn=scores.churn,
        expected_orders=scores.expected_orders,
        action="",
        tier=_tier(scores, contact, about),
        reason="no_action_fits",
    )


def _tier(scores: Scores, contact: Contact | None, about: DropGiven) -> str:
    """The tier that a checkout would give now, the law of its place aside."""
    if contact is not None and contact.consent("personalised_pricing") is False:
        return BASE_TIER
    tier = choose_tier(about.given.rules.policy.price_tiers, scores)
    return BASE_TIER if tier is None else tier.name
