"""The customers of a drop: gathered in chunks, folded, decided on, and written.

One read brings a chunk of customers, a second only what the decisions of those need whom some
action could want. Each customer is written whole or not at all: profile, orders, a changed segment,
and the decision with its effects. Whoever loses a race is read again. Results do not depend on how
many writes wait for storage at the same time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.core.contact import Contact
from chalicelib.core.control import Switches
from chalicelib.core.decide import Decision
from chalicelib.core.errors import Transient
from chalicelib.core.identity import further_keys
from chalicelib.core.instants import Instant
from chalicelib.core.kinds import CONTACT, CONTACTED, FACTS, LEARNING_KEY, RECORD
from chalicelib.core.policy import Policy
from chalicelib.core.ports import Store
from chalicelib.core.reach import reach_keys, reach_out
from chalicelib.core.record import decision_from_json
from chalicelib.core.storage import (
    AtVersion,
    Check,
    Conflict,
    Found,
    Key,
    Put,
    Stored,
    Write,
    merged,
)
from chalicelib.core.subject import Subject
from chalicelib.flows.codes import code_keys, tell_settled
from chalicelib.flows.drop_fold import (
    DropGiven,
    Folded,
    Outcome,
    fold_person,
    person_keys,
)
from chalicelib.flows.drop_person import Person
from chalicelib.flows.learned import is_control, tell_if_refused
from chalicelib.flows.refused_mail import refusal_keys, refusal_writes
from chalicelib.flows.settled import Review, review_writes, switch_key
from chalicelib.flows.tombs import with_tombs

MOST_WRITES = 100  # what one transaction holds
# Of these orders and corrections are left room for profile, contact, guests and a decision.
MOST_CHANGES = 60
# At most five writes for each, a guest's profile and a code included, and a budget's shards.
ORDERS_IN_A_PART = 14
MOST_ROUNDS = 6


@dataclass(frozen=True, slots=True)
class Planned:
    """One customer, ready to be written; ``writes`` is None where one transaction is too small."""

    folded: Folded
    writes: tuple[Write, ...] | None


def fold_people(
    people: Sequence[Person], *, store: Store, executor: Executor, about: DropGiven
) -> list[Outcome]:
    """Fold a chunk of customers; raises Transient when some keep losing races."""
    outcomes: dict[Subject, Outcome] = {}
    left, stalled = list(people), 0
    while left:
        again = _round(left, outcomes, store=store, executor=executor, about=about)
        stalled = stalled + 1 if len(again) == len(left) else 0
        if stalled == MOST_ROUNDS:
            raise Transient(f"{len(again)} customers of drop {about.drop_id} are contended")
        left = again
    return [outcomes[person.subject] for person in people]


def _round(
    people: Sequence[Person],
    outcomes: dict[Subject, Outcome],
    *,
    store: Store,
    executor: Executor,
    about: DropGiven,
) -> list[Person]:
    """Gather, decide and apply once; returns who lost a race or has to wait for another."""
    now = about.given.now
    found = _gather(people, store, about)
    folded = [fold_person(person, found, about) for person in people]
    wanted = {each.person.subject: _decision_keys(each, about) for each in folded}
    nos = [key for each in folded for key in _refusal_keys(each, about)]
    decisive = [key for keys in wanted.values() for key in keys]
    known = store.read([*dict.fromkeys([*decisive, *nos])], now=now)
    tell_if_refused(known.value(LEARNING_KEY))
    switches = found.value(switch_key(about.given)) or Switches()
    ready, waiting = _one_for_each_address(folded, wanted)
    planned = [_plan(each, known, switches, about) for each in ready]
    lost = set(waiting)
    for losers in executor.map(lambda group: _write(group, store, about), _grouped(planned)):
        lost.update(losers)
    lost |= _met_meanwhile(
        [each for each in ready if each.person.subject not in lost], store, about
    )
    for each in ready:
        if each.person.subject not in lost:
            outcomes[each.person.subject] = each.outcome
    return [person for person in people if person.subject in lost]


def _gather(people: Iterable[Person], store: Store, about: DropGiven) -> Found:
    """Read everything that these people's rows concern, and what that points to."""
    standing: dict[Key[Any], Stored[Any] | None] = {}
    wanted: Iterable[Key[Any]] = [
        switch_key(about.given),
        *(key for person in people for key in person_keys(person)),
    ]
    while missing := [
        key for key in dict.fromkeys(with_tombs(wanted, about.given.keys)) if key not in standing
    ]:
        found = store.read(missing, now=about.given.now)
        standing |= {key: found.stored(key) for key in missing}
        policy = about.given.rules.policy
        wanted = (*further_keys(found, missing), *code_keys(found, missing, policy))
    return Found({key: at for key, at in standing.items() if at is not None}, now=about.given.now)


def _decision_keys(each: Folded, about: DropGiven) -> tuple[Key[Any], ...]:
    """What a decision on this customer needs to know; nothing when no action could want them."""
    if not each.reachable:
        return ()
    gathered = reach_keys(
        each.settled.facts,
        each.contact,
        occasion=each.occasion,
        rules=about.given.rules,
        keys=about.given.keys,
    )
    return (*gathered, RECORD.key(each.occasion.decision_id))


def _refusal_keys(each: Folded, about: DropGiven) -> tuple[Key[Any], ...]:
    return refusal_keys(each.changed_contacts, keys=about.given.keys)


def _one_for_each_address(
    folded: Iterable[Folded], wanted: dict[Subject, tuple[Key[Any], ...]]
) -> tuple[list[Folded], list[Subject]]:
    """Who can be decided on now; the others share an address with one of them, and wait.

    They would compete for the mark that the address was contacted, and chance would choose.
    """
    ready: list[Folded] = []
    waiting: list[Subject] = []
    claimed: set[Key[Any]] = set()
    for each in folded:
        subject = each.person.subject
        marks = {key for key in wanted[subject] if key.kind.name == CONTACTED.name}
        if marks & claimed:
            waiting.append(subject)
        else:
            claimed |= marks
            ready.append(each)
    return ready, waiting


def _plan(each: Folded, known: Found, switches: Switches, about: DropGiven) -> Planned:
    """Everything that one customer's rows come to, as writes."""
    if len(each.writes) > MOST_CHANGES:
        return Planned(each, None)
    decided = _decide(each, known, switches, about)
    saved: tuple[Write, ...] = ()
    if each.changed:
        review = Review(each.settled, each.contact, each.version, None, ())
        saved, _ = review_writes([review], Found({}, now=about.given.now), about.given)
        each.outcome.effects["event"] += int(each.settled.transition is not None)
    nos = refusal_writes(each.changed_contacts, known, keys=about.given.keys)
    writes = merged((*saved, *each.writes, *nos, *decided))
    return Planned(each, (*writes, *_checks(each, writes)))


def _checks(each: Folded, writes: Iterable[Write]) -> Iterator[Write]:
    """That what was read and is not saved still stands.

    A file of orders and one of customers may come together: whoever is later must see the other,
    or neither would decide on a customer whose orders and whose address are both known.
    """
    subject_key = each.person.subject.key
    saved = {write.key for write in writes}
    read: list[tuple[Key[Any], int]] = [(CONTACT.key(subject_key), each.contact_version)]
    if each.version:  # that there was no profile is looked up once more, which costs less
        read.append((FACTS.key(subject_key), each.version))
    if saved:
        yield from each.tombs
        yield from (Check(key, AtVersion(version)) for key, version in read if key not in saved)


def _met_meanwhile(written: Iterable[Folded], store: Store, about: DropGiven) -> set[Subject]:
    """Who had no profile when they were read and has one now that their contact is stored.

    Whoever brings the profile later than this finds the contact, and decides.
    """
    keys = {
        each.person.subject: FACTS.key(each.person.subject.key)
        for each in written
        if not each.version and not each.changed
    }
    found = store.read(list(keys.values()), now=about.given.now)
    return {subject for subject, key in keys.items() if found.stored(key) is not None}


def _grouped(planned: Iterable[Planned]) -> Iterator[list[Planned]]:
    """Customers who share a transaction: as many as it holds, no key twice.

    A transaction of a hundred writes costs what a hundred alone would in transactions, and one
    call instead of many.
    """
    group: list[Planned] = []
    taken: set[Key[Any]] = set()
    for each in planned:
        if each.writes is None:
            yield [each]
            continue
        keys = {write.key for write in each.writes}
        if group and (len(taken) + len(keys) > MOST_WRITES or taken & keys):
            yield group
            group, taken = [], set()
        group.append(each)
        taken |= keys
    if group:
        yield group


def _write(group: Sequence[Planned], store: Store, about: DropGiven) -> list[Subject]:
    """Write some customers together, or one by one when that fails; returns who lost a race."""
    try:
        if group[0].writes is None:
            # Orders first, each part with the facts that count it; then this customer is read
            # again, finds every order folded by this drop, and is settled and decided on.
            _write_in_parts(group[0].folded.person, store=store, about=about)
            return [group[0].folded.person.subject]
        writes = [write for each in group for write in each.writes or ()]
        store.write(writes, now=about.given.now)
        for each in group:
            tell_settled(each.folded.codes, correlation_id=about.given.correlation_id)
    except Conflict:
        if len(group) == 1:
            return [group[0].folded.person.subject]
        return [subject for each in group for subject in _write([each], store, about)]
    return []


def _write_in_parts(person: Person, *, store: Store, about: DropGiven) -> None:
    """Store the orders of somebody who has more than one write can hold, still unsettled.

    Raises Conflict when another writer came between; what is stored by then stays.
    """
    now = about.given.now
    order_ids = list(person.orders)
    for start in range(0, len(order_ids), ORDERS_IN_A_PART):
        part = replace(
            person,
            orders={each: person.orders[each] for each in order_ids[start:][:ORDERS_IN_A_PART]},
            change=None,
        )
        folded = fold_person(part, _gather([part], store, about), about)
        if not folded.writes:
            continue
        # Due at once: the schedule settles the profile if this drop is never taken up again.
        facts = replace(folded.facts, review_at=Instant(min(now, folded.facts.review_at or now)))
        key = FACTS.key(person.subject.key)
        put = Put(key, facts, AtVersion(folded.version))
        store.write([*folded.tombs, put, *folded.writes], now=now)
        tell_settled(folded.codes, correlation_id=about.given.correlation_id)


def _decide(each: Folded, known: Found, switches: Switches, about: DropGiven) -> tuple[Write, ...]:
    """Decide for those whom some action could want; what chose nothing is not recorded.

    Except where an action was withheld, and the policy learns from what became of that.
    """
    if not each.reachable:
        return ()
    record = known.value(RECORD.key(each.occasion.decision_id))
    if record is not None:  # an earlier attempt of this drop decided and stored it
        _note(each, decision_from_json(record["decision"]), about.given.rules.policy)
        return ()
    decision, writes = reach_out(
        each.settled.facts,
        each.contact,
        known,
        occasion=each.occasion,
        switches=switches,
        rules=about.given.rules,
        keys=about.given.keys,
        now=about.given.now,
    )
    _note(each, decision, about.given.rules.policy)
    return writes if decision.chosen or is_control(decision, about.given.rules.policy) else ()


def _note(each: Folded, decision: Decision, policy: Policy) -> None:
    """Put action and reason into the customer's line, and what the decision sets in motion."""
    each.outcome.decided = bool(decision.chosen)
    each.outcome.fallback = each.outcome.decided and decision.scores.fallback
    each.outcome.effects += _effects_of(decision, each.contact, policy)
    if each.outcome.row is None or not decision.candidates:
        return
    told = next(
        (c for c in decision.candidates if c.outcome == "chosen" and c.layer != "fallback"),
        decision.candidates[0],
    )
    action = told.action if told.outcome == "chosen" else ""
    each.outcome.row = replace(each.outcome.row, action=action, reason=told.reason)


def _effects_of(decision: Decision, contact: Contact | None, policy: Policy) -> Counter[str]:
    """How many effects of each kind a batch decision plans, whichever attempt stored it."""
    mailable = contact is not None and contact.text("email") is not None
    actions = [policy.action(action_id) for action_id in decision.chosen]
    mails = sum(action is not None and action.mail is not None for action in actions)
    planned = Counter(offer=len(decision.issued), mail=mails if mailable else 0)
    return +planned
