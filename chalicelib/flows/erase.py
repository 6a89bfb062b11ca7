"""DELETE /v1/customers/{id}: a person forgotten, at once and for good.

The first write sets the tombstones and takes profile and contact away, together: from then on no
message, file or effect from before brings the person back. What is found through the indexes is
then deleted, or stripped of the person where an account of it must stay, and only the last write
says that it is done. Every step may be repeated, so whoever was cut short asks again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.core.address import address_hash, forget_account
from chalicelib.core.contact import Contact
from chalicelib.core.errors import Transient
from chalicelib.core.kinds import (
    ADDRESS,
    CONSENT,
    CONTACT,
    FACTS,
    LEDGER_HEAD,
    RECORD,
)
from chalicelib.core.storage import WHATEVER, AtVersion, Conflict, Delete, Key, Put
from chalicelib.core.storage import Write as StoreWrite
from chalicelib.core.subject import Subject, check_id, customer
from chalicelib.core.tokens import SigningKeys
from chalicelib.core.tombstones import Tombstone
from chalicelib.flows.read import Library
from chalicelib.flows.take_apart import MOST_ROUNDS, MOST_THINGS, Run, take_apart
from chalicelib.flows.tombs import address_tomb_key, tomb_key
from chalicelib.telemetry import log_event

# Longer than the deadline of a checkout (0.8 s), whose record alone checks no tombstone, and than
# the indexes take to show what was stored just before.
SECOND_LOOK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Erasure:
    """How far an erasure has come.

    Attributes:
        at: what is dated up to this moment does not count any more.
        is_complete: whether nothing is left; otherwise ask again.
        counts: what this call deleted or stripped of the person, by kind.
    """

    at: int
    is_complete: bool
    counts: Mapping[str, int]


def erase_customer(
    customer_id: str,
    *,
    store: Library,
    keys: SigningKeys,
    new_key: Callable[[], str],
    pause: Callable[[float], None],
    now: int,
    key_id: str,
    correlation_id: str,
) -> Erasure:
    """Erase a customer; again it finishes what was left, and otherwise changes nothing.

    Args:
        customer_id: the shop's id; one that nobody knows leaves a tombstone all the same, for a
            file that still waits may speak of it.
        store: where everything lies.
        keys: name subjects and addresses.
        new_key: makes the key of a pseudonym, 32 hex digits that nobody can guess.
        pause: waits some seconds before the second look.
        now: the moment.
        key_id: who asked, for the audit line.
        correlation_id: ties the line to the request.

    Raises:
        BadInput: the id cannot be one.
        Transient: storage did not answer; ask again.
    """
    subject = customer(check_id(customer_id, field="customer_id"))
    run = Run(store, keys, now)
    tombstone = _begin(subject, run, new_key)
    if not tombstone.is_complete:
        tombstone = _finish(subject, tombstone, run, pause)
    log_event(
        "customer_erased",
        key_id=key_id,
        correlation_id=correlation_id,
        ok=tombstone.is_complete,
        count=run.counts.total(),
    )
    return Erasure(tombstone.at, tombstone.is_complete, dict(sorted(run.counts.items())))


def _begin(subject: Subject, run: Run, new_key: Callable[[], str]) -> Tombstone:
    """Set the tombstones and take the profile away in one write; nothing where nothing is left."""
    tomb = tomb_key(subject.key, run.keys)
    own: tuple[Key[Any], ...] = (FACTS.key(subject.key), CONTACT.key(subject.key))
    head = LEDGER_HEAD.key(subject.key)
    for _ in range(MOST_ROUNDS):
        found = run.store.read([tomb, *own, head], now=run.now)
        standing = found.value(tomb)
        known = [key for key in (*own, head) if found.stored(key) is not None]
        if standing is not None and standing.is_complete and not known:
            if not any(_owned(subject, run)):
                return standing
        key = new_key() if standing is None else standing.pseudonym_key or new_key()
        tombstone = Tombstone(run.now, key)
        writes: list[StoreWrite] = [
            Put(tomb, tombstone, AtVersion(found.version(tomb))),
            *(Delete(key, AtVersion(found.version(key))) for key in own),
            *_address_writes(subject, found.value(CONTACT.key(subject.key)), run),
        ]
        try:
            run.store.write(writes, now=run.now)
        except Conflict:
            continue  # an event, another erasure, or our own write whose reply was lost
        run.counts += Counter(key.kind.name for key in own if key in known)
        return tombstone
    raise Transient("others keep writing the profile that is to be erased")


def _address_writes(subject: Subject, contact: Contact | None, run: Run) -> Iterator[StoreWrite]:
    """The address' tombstone; its withdrawals stay, or a new file would mail it again."""
    email = None if contact is None else contact.text("email")
    if email is None:
        return
    named = address_hash(email, secret=run.keys.address_secret)
    tomb, state_key = address_tomb_key(named), ADDRESS.key(named)
    found = run.store.read([tomb, state_key], now=run.now)
    yield Put(tomb, Tombstone(run.now), AtVersion(found.version(tomb)))
    state = found.stored(state_key)
    if state is not None:
        forgotten = forget_account(state.value, subject.key)
        if forgotten != state.value:
            yield Put(state_key, forgotten, AtVersion(state.version))


def _finish(
    subject: Subject, tombstone: Tombstone, run: Run, pause: Callable[[float], None]
) -> Tombstone:
    """Take everything else apart, twice, and forget the pseudonym's key once nothing is left.

    The second look finds what was stored just before the tombstone and stood in no index yet, and
    the record of a checkout that was under way.
    """
    guests: dict[Subject, None] = {}
    for is_second_look in (False, True):
        if is_second_look:
            pause(SECOND_LOOK_SECONDS)
        guests |= _take_all(subject, tombstone, run)
        if run.is_exhausted:
            return tombstone
    for each in guests:
        take_apart([FACTS.key(each.key)], each.key, tombstone, run)
    return _complete(subject, tombstone, run)


def _take_all(subject: Subject, tombstone: Tombstone, run: Run) -> dict[Subject, None]:
    """Take apart what the indexes name; returns the guests that the customer was."""
    guests = _guests(subject, run)
    for each in (*guests, subject):
        _bury_guest(each, tombstone, run)
        take_apart(_owned(each, run), each.key, tombstone, run)
    _forget_ledger(subject, run)
    return dict.fromkeys(guests)


def _guests(subject: Subject, run: Run) -> list[Subject]:
    """The guests that this customer turned out to be."""
    keys = run.store.belongings(subject.key, table="profiles")
    return [Subject.from_key(key.partition) for key in keys if key.kind is FACTS]


def _bury_guest(each: Subject, tombstone: Tombstone, run: Run) -> None:
    """A guest of the customer gets a tombstone too: late messages may know only the guest."""
    if each.kind == "customer":
        return
    key = tomb_key(each.key, run.keys)
    for _ in range(MOST_ROUNDS):
        found = run.store.read([key], now=run.now)
        standing = found.value(key)
        if standing is not None and standing.at >= tombstone.at:
            return
        put = Put(key, Tombstone(tombstone.at), AtVersion(found.version(key)))
        try:
            run.store.write([put], now=run.now)
        except Conflict:
            continue
        return
    raise Transient("others keep writing the tombstone of a guest")


def _owned(subject: Subject, run: Run) -> Iterator[Key[Any]]:
    """Everything of a subject that is not stored under their own name: effects first."""
    yield from run.store.belongings(subject.key, table="effects")
    for decision_id in run.store.recent_decisions(subject.key, limit=MOST_THINGS):
        yield RECORD.key(decision_id)
    for key in run.store.belongings(subject.key, table="profiles"):
        if key.kind is not FACTS:  # guests are forgotten last: they lead to what was theirs
            yield key


def _forget_ledger(subject: Subject, run: Run) -> None:
    """Delete the consent ledger, its head last: it says how many entries there are."""
    head_key = LEDGER_HEAD.key(subject.key)
    for _ in range(MOST_ROUNDS):
        head = run.store.read([head_key], now=run.now).stored(head_key)
        if head is None or run.is_exhausted:
            return
        entries = [CONSENT.key(subject.key, str(n)) for n in range(1, head.value.count + 1)]
        for start in range(0, len(entries), 100):
            part = entries[start : start + 100]
            run.store.write([Delete(key, WHATEVER) for key in part], now=run.now)
        try:
            run.store.write([Delete(head_key, AtVersion(head.version))], now=run.now)
        except Conflict:
            continue
        run.counts["consent"] += len(entries)
        return
    raise Transient("others keep writing the ledger that is to be erased")


def _complete(subject: Subject, tombstone: Tombstone, run: Run) -> Tombstone:
    """Say that it is done, and let the pseudonym's key die."""
    key = tomb_key(subject.key, run.keys)
    for _ in range(MOST_ROUNDS):
        found = run.store.read([key], now=run.now)
        standing = found.value(key)
        if standing is not None and standing.is_complete:
            return standing
        done = replace(standing or tombstone, pseudonym_key=None)
        try:
            run.store.write([Put(key, done, AtVersion(found.version(key)))], now=run.now)
        except Conflict:
            continue
        return done
    raise Transient("others keep writing the tombstone")
