"""The customers of a drop: gathered in chunks, folded, and written one by one.

One read brings a chunk of customers, a second only what the decisions of those need whom some
action could want. Each customer is one write: profile, orders, a changed segment, and the decision
with its effects. Whoever loses a race is read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

from chalicelib.core.control import Switches
from chalicelib.core.decide import Decision
from chalicelib.core.errors import Transient
from chalicelib.core.facts import Facts
from chalicelib.core.fold import recount
from chalicelib.core.kinds import CONTACT, EFFECT, FACTS, ORDER, RECORD
from chalicelib.core.ports import Store
from chalicelib.core.reach import reach_keys, reach_out
from chalicelib.core.record import decision_from_json
from chalicelib.core.storage import AtVersion, Conflict, Found, Key, Put, Write
from chalicelib.core.subject import Subject
from chalicelib.flows.drop_fold import DropGiven, Folded, Outcome, Person, by_order, fold_person
from chalicelib.flows.settled import Review, review_writes, switch_key

# One transaction holds 100 writes; the rest is left for facts, contact and a decision.
MOST_ORDERS_AT_ONCE = 80
MOST_ROUNDS = 6


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
    lost = executor.map(
        lambda each: _apply(each, known, switches, store=store, about=about), folded
    )
    again = []
    for each, has_lost in zip(folded, lost, strict=True):
        if has_lost:
            again.append(each.person)
        else:
            outcomes[each.person.subject] = each.outcome
    return again


def _keys(people: Iterable[Person], about: DropGiven) -> list[Key[Any]]:
    keys: list[Key[Any]] = [switch_key(about.given)]
    for person in people:
        keys += [FACTS.key(person.subject.key), CONTACT.key(person.subject.key)]
        keys += [ORDER.key(order_id) for order_id in by_order(person.lines)]
    return list(dict.fromkeys(keys))


def _apply(
    each: Folded, known: Found, switches: Switches, *, store: Store, about: DropGiven
) -> bool:
    """Write one customer; says whether a race was lost."""
    effects, decided = _decide(each, known, switches, about)
    try:
        _write(each, effects, store=store, about=about)
    except Conflict:
        return True
    each.outcome.decided = decided
    return False


def _decide(
    each: Folded, known: Found, switches: Switches, about: DropGiven
) -> tuple[tuple[Write, ...], bool]:
    """Decide for those whom some action could want; what chose nothing is not recorded."""
    if not each.reachable:
        return (), False
    record = known.value(RECORD.key(each.occasion.decision_id))
    if record is not None:  # an earlier attempt of this drop decided and stored it
        _note(each, decision_from_json(record["decision"]))
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
    for write in writes:
        if isinstance(write, Put) and write.key.kind.name == EFFECT.name:
            each.outcome.effects[write.value.kind] += 1
    return writes, True


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


def _write(each: Folded, effects: tuple[Write, ...], *, store: Store, about: DropGiven) -> None:
    """One write for nearly everybody; very long histories take several, the decision last."""
    now = about.given.now
    orders = each.orders
    if len(orders) <= MOST_ORDERS_AT_ONCE:
        saved: tuple[Write, ...] = ()
        if each.changed:
            review = Review(each.settled, each.contact, each.version, None, ())
            saved, _ = review_writes([review], Found({}, now=now), about.given)
            if each.settled.transition is not None:
                each.outcome.effects["event"] += 1
        writes = (*saved, *each.contact_put, *orders, *effects)
        if writes:
            store.write(writes, now=now)
        return
    # Orders first, each part with the facts that count it; then this customer is read again,
    # finds every order folded by this drop, and is settled and decided in a write of its own.
    _write_in_parts(each, store=store, about=about)
    raise Conflict(())


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
