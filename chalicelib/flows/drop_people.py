"""The customers of a drop: gathered in chunks, folded, and written one by one.

One read brings a chunk of customers, a second only what the decisions of those need whom some
action could want. Each customer is written whole or not at all: profile, orders, a changed segment,
and the decision with its effects. Whoever loses a race is read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.core.control import Switches
from chalicelib.core.decide import Decision
from chalicelib.core.errors import Transient
from chalicelib.core.facts import Facts
from chalicelib.core.fold import recount
from chalicelib.core.kinds import CONTACT, FACTS, ORDER, RECORD
from chalicelib.core.ports import Store
from chalicelib.core.reach import reach_keys, reach_out
from chalicelib.core.record import decision_from_json
from chalicelib.core.storage import AtVersion, Conflict, Found, Key, Put, Write
from chalicelib.core.subject import Subject
from chalicelib.flows.drop_fold import DropGiven, Folded, Outcome, Person, by_order, fold_person
from chalicelib.flows.settled import Review, review_writes, switch_key

# One transaction holds 100 writes; the rest is left for facts, contact and a decision.
MOST_ORDERS_AT_ONCE = 80
MOST_WRITES = 100
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
    left = list(people)
    for _ in range(MOST_ROUNDS):
        if not left:
            break
        left = _round(left, outcomes, store=store, executor=executor, about=about)
    if left:
        raise Transient(f"{len(left)} customers of drop {about.drop_id} are contended")
    return [outcomes[person.subject] for person in people]


def _round(
    people: Sequence[Person],
    outcomes: dict[Subject, Outcome],
    *,
    store: Store,
    executor: Executor,
    about: DropGiven,
) -> list[Person]:
    """Gather, decide and apply once; returns those who lost a race."""
    now = about.given.now
    found = store.read(_keys(people, about), now=now)
    folded = [fold_person(person, found, about) for person in people]
    wanted = [
        key
        for each in folded
        if each.reachable
        for key in (
            *reach_keys(
                each.settled.facts,
                each.contact,
                occasion=each.occasion,
                rules=about.given.rules,
                keys=about.given.keys,
            ),
            RECORD.key(each.occasion.decision_id),
        )
    ]
    known = store.read([*dict.fromkeys(wanted)], now=now) if wanted else Found({}, now=now)
    switches = found.value(switch_key(about.given)) or Switches()
    planned = [_plan(each, known, switches, about) for each in folded]
    lost: set[Subject] = set()
    for losers in executor.map(lambda group: _write(group, store, about), _grouped(planned)):
        lost.update(losers)
    for each in folded:
        if each.person.subject not in lost:
            outcomes[each.person.subject] = each.outcome
    return [person for person in people if person.subject in lost]


def _keys(people: Iterable[Person], about: DropGiven) -> list[Key[Any]]:
    keys: list[Key[Any]] = [switch_key(about.given)]
    for person in people:
        keys += [FACTS.key(person.subject.key), CONTACT.key(person.subject.key)]
        keys += [ORDER.key(order_id) for order_id in by_order(person.lines)]
    return list(dict.fromkeys(keys))


def _plan(each: Folded, known: Found, switches: Switches, about: DropGiven) -> Planned:
    """Everything that one customer's rows come to, as writes."""
    effects, each.outcome.decided = _decide(each, known, switches, about)
    if len(each.orders) > MOST_ORDERS_AT_ONCE:
        return Planned(each, None)
    saved: tuple[Write, ...] = ()
    if each.changed:
        review = Review(each.settled, each.contact, each.version, None, ())
        saved, _ = review_writes([review], Found({}, now=about.given.now), about.given)
        each.outcome.effects["event"] += int(each.settled.transition is not None)
    return Planned(each, (*saved, *each.contact_put, *each.orders, *effects))


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
    now = about.given.now
    if group[0].writes is None:
        # Orders first, each part with the facts that count it; then this customer is read again,
        # finds every order folded by this drop, and is settled and decided in another write.
        _write_in_parts(group[0].folded, store=store, about=about)
        return [group[0].folded.person.subject]
    try:
        store.write([write for each in group for write in each.writes or ()], now=now)
    except Conflict:
        if len(group) == 1:
            return [group[0].folded.person.subject]
        return [subject for each in group for subject in _write([each], store, about)]
    return []


def _decide(
    each: Folded, known: Found, switches: Switches, about: DropGiven
) -> tuple[tuple[Write, ...], bool]:
    """Decide for those whom some action could want; what chose nothing is not recorded."""
    if not each.reachable:
        return (), False
    record = known.value(RECORD.key(each.occasion.decision_id))
    if record is not None:  # an earlier attempt of this drop decided and stored it
        decision = decision_from_json(record["decision"])
        _note(each, decision)
        _count_effects(each, decision, about)
        return (), True
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
    _note(each, decision)
    if not decision.chosen:
        return (), False
    _count_effects(each, decision, about)
    return writes, True


def _count_effects(each: Folded, decision: Decision, about: DropGiven) -> None:
    """The effects of a decision, whether this attempt plans them or an earlier one did."""
    actions = [about.given.rules.policy.action(chosen) for chosen in decision.chosen]
    each.outcome.effects["offer"] += len(decision.issued)
    each.outcome.effects["mail"] += sum(
        action is not None and action.mail is not None for action in actions
    )


def _note(each: Folded, decision: Decision) -> None:
    """Put action and reason into the customer's line."""
    if each.outcome.row is None or not decision.candidates:
        return
    told = next(
        (c for c in decision.candidates if c.outcome == "chosen" and c.layer != "fallback"),
        decision.candidates[0],
    )
    action = told.action if told.outcome == "chosen" else ""
    each.outcome.row = replace(each.outcome.row, action=action, reason=told.reason)


def _write_in_parts(each: Folded, *, store: Store, about: DropGiven) -> None:
    now = about.given.now
    key = FACTS.key(each.person.subject.key)
    found = store.read([key], now=now)
    facts, version = found.value(key) or Facts(each.person.subject), found.version(key)
    for start in range(0, len(each.orders), MOST_ORDERS_AT_ONCE):
        part = each.orders[start : start + MOST_ORDERS_AT_ONCE]
        before = store.read([put.key for put in part], now=now)
        for put in part:
            facts = recount(facts, before=before.value(put.key), after=put.value)
        store.write((Put(key, facts, AtVersion(version)), *part), now=now)
        version += 1
