"""The customers of a drop: gathered in chunks, folded, decided on, and written.

One read brings a chunk of customers, a second only what the decisions of those need whom some
action could want. Each customer is written whole or not at all: profile, orders, a changed segment,
and the decision with its effects. Whoever loses a race is read again. Results do not depend on how
many writes wait for storage at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

from chalicelib.core.control import Switches
from chalicelib.core.errors import Transient
from chalicelib.core.instants import Instant
from chalicelib.core.kinds import CONTACTED, FACTS, LEARNING_KEY
from chalicelib.core.ports import Store
from chalicelib.core.storage import (
    AtVersion,
    Conflict,
    Key,
    Put,
)
from chalicelib.core.subject import Subject
from chalicelib.flows.codes import tell_settled
from chalicelib.flows.drop_fold import (
    DropGiven,
    Folded,
    Outcome,
    fold_person,
)
from chalicelib.flows.drop_gather import consent_keys, decision_keys, gather_people
from chalicelib.flows.drop_person import Person
from chalicelib.flows.drop_plan import Planned, plan_person
from chalicelib.flows.learned import tell_if_refused
from chalicelib.flows.settled import switch_key

MOST_WRITES = 100  # what one transaction holds
# At most five writes for each, a guest's profile and a code included, and a budget's shards.
ORDERS_IN_A_PART = 14
MOST_ROUNDS = 6


def at_once(_attempt: int) -> None:
    """Come again at once: for storage that nobody else writes to."""


def fold_people(
    people: Sequence[Person],
    *,
    store: Store,
    executor: Executor,
    about: DropGiven,
    back_off: Callable[[int], None] = at_once,
) -> list[Outcome]:
    """Fold a chunk of customers; raises Transient when some keep losing races.

    ``back_off`` waits after a round in which everybody lost one, the first being 1.
    """
    outcomes: dict[Subject, Outcome] = {}
    left, stalled = list(people), 0
    while left:
        again = _round(left, outcomes, store=store, executor=executor, about=about)
        stalled = stalled + 1 if len(again) == len(left) else 0
        if stalled == MOST_ROUNDS:
            raise Transient(f"{len(again)} customers of drop {about.drop_id} are contended")
        if stalled:
            back_off(stalled)
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
    found = gather_people(people, store, about)
    folded = [fold_person(person, found, about) for person in people]
    wanted = {each.person.subject: decision_keys(each, about) for each in folded}
    said = [key for each in folded for key in consent_keys(each, about)]
    decisive = [key for keys in wanted.values() for key in keys]
    known = store.read([*dict.fromkeys([*decisive, *said])], now=now)
    tell_if_refused(known.value(LEARNING_KEY))
    switches = found.value(switch_key(about.given)) or Switches()
    ready, waiting = _one_for_each_address(folded, wanted)
    planned = [plan_person(each, known, switches, about) for each in ready]
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
        folded = fold_person(part, gather_people([part], store, about), about)
        if not folded.writes:
            continue
        # Due at once: the schedule settles the profile if this drop is never taken up again.
        facts = replace(folded.facts, review_at=Instant(min(now, folded.facts.review_at or now)))
        key = FACTS.key(person.subject.key)
        put = Put(key, facts, AtVersion(folded.version))
        store.write([*folded.tombs, put, *folded.writes], now=now)
        tell_settled(folded.codes, correlation_id=about.given.correlation_id)
