"""DELETE /v1/customers/{id}: a person forgotten, at once and for good.

The first write sets the tombstones and takes profile and contact away, together: from then on no
message, file or effect from before brings the person back. What is found through the indexes is
then deleted, or stripped of the person where an account of it must stay, and only the last write
says that it is done. Every step may be repeated, so whoever was cut short asks again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chalicelib.core.address import address_hash, forget_account
from chalicelib.core.consents import Entry, LedgerHead
from chalicelib.core.contact import Contact
from chalicelib.core.effects import Effect
from chalicelib.core.erasure import (
    erased_coupon,
    erased_effect,
    erased_record,
    is_erased,
    session_of,
)
from chalicelib.core.errors import Transient
from chalicelib.core.facts import Facts
from chalicelib.core.kinds import (
    ADDRESS,
    CONSENT,
    CONTACT,
    COUPON,
    FACTS,
    ISSUED,
    LEDGER_HEAD,
    LIVE_OFFER,
    RECORD,
    SESSION,
    SHOWN,
)
from chalicelib.core.offers import Coupon
from chalicelib.core.orders import OrderState
from chalicelib.core.sessions import Session
from chalicelib.core.storage import WHATEVER, AtVersion, Conflict, Delete, Key, Put, Stored
from chalicelib.core.storage import Write as StoreWrite
from chalicelib.core.subject import Subject, check_id, customer, guest
from chalicelib.core.tokens import SigningKeys
from chalicelib.core.tombstones import Tombstone, pseudonym
from chalicelib.flows.read import Library
from chalicelib.flows.revoke import revoke_code
from chalicelib.flows.tombs import address_tomb_key, tomb_key
from chalicelib.telemetry import log_event

MOST_ROUNDS = 8
AT_ONCE = 20  # at most four writes for each, and one transaction holds a hundred
# What one call takes on: some 20 ms for each twenty leave room within the function's 10 s.
MOST_THINGS = 2_000


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


@dataclass(slots=True)
class Run:
    """One call's work: where, by which names, when, and how much was changed of each kind."""

    store: Library
    keys: SigningKeys
    now: int
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def is_exhausted(self) -> bool:
        """Whether one call has done as much as it may."""
        return self.counts.total() >= MOST_THINGS


def erase_customer(
    customer_id: str,
    *,
    store: Library,
    keys: SigningKeys,
    new_key: Callable[[], str],
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
        tombstone = _finish(subject, tombstone, run)
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


def _finish(subject: Subject, tombstone: Tombstone, run: Run) -> Tombstone:
    """Take everything else apart, and forget the pseudonym's key once nothing is left."""
    guests = _guests(subject, run)
    for each in (*guests, subject):
        _bury_guest(each, tombstone, run)
        take_apart(_owned(each, run), each.key, tombstone, run)
    _forget_ledger(subject, run)
    if run.is_exhausted:
        return tombstone
    for each in guests:
        take_apart([FACTS.key(each.key)], each.key, tombstone, run)
    return _complete(subject, tombstone, run)


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


def take_apart(keys: Iterable[Key[Any]], subject_key: str, tombstone: Tombstone, run: Run) -> None:
    """Delete or strip what is a subject's among some things, until the call has done enough."""
    named = pseudonym(subject_key, key=tombstone.pseudonym_key or "")
    left = list(keys)
    while left and not run.is_exhausted:
        chunk, left = left[:AT_ONCE], left[AT_ONCE:]
        for key in chunk:
            if key.kind is COUPON:
                revoke_code(key, subject_key, store=run.store, now=run.now)
        _store_all(chunk, subject_key, named, tombstone, run)


def _store_all(
    chunk: Sequence[Key[Any]], subject_key: str, named: str, tombstone: Tombstone, run: Run
) -> None:
    """Delete or strip some things in one write; whoever moved one meanwhile is looked at again."""
    for _ in range(MOST_ROUNDS):
        found = run.store.read(chunk, now=run.now)
        changed: Counter[str] = Counter()
        writes: dict[Key[Any], StoreWrite] = {}
        for key in chunk:
            stored = found.stored(key)
            # An index may name what has just been given away.
            if stored is None or owner_of(key, stored.value) != subject_key:
                continue
            for write in _undo(key, stored, named, tombstone, run):
                writes[write.key] = write
            changed[key.kind.name] += 1
        try:
            run.store.write(list(writes.values()), now=run.now)
        except Conflict:
            continue
        run.counts += changed
        return
    raise Transient("others keep writing what is to be erased")


def owner_of(key: Key[Any], value: Any) -> str | None:
    """The subject whose a thing is; None for what names nobody any more."""
    match value:
        case Facts() | Contact():
            return value.subject.key
        case OrderState() | Effect() | Coupon():
            return value.subject_key
        case Entry():
            return key.partition.removeprefix(CONSENT.prefix).rpartition("#")[0]
        case LedgerHead():
            return key.partition
        case Session():
            who = value.answer
            shown_to = customer(who["customer_id"]) if "customer_id" in who else None
            return (shown_to or guest(who["anonymous_id"])).key
        case {"subject": str(subject_key), "decided_at": _} if not is_erased(value):
            return subject_key
        case _:
            return None


def _undo(
    key: Key[Any], stored: Stored[Any], named: str, tombstone: Tombstone, run: Run
) -> Iterator[StoreWrite]:
    """What erasing makes of one thing of the person."""
    at, value = AtVersion(stored.version), stored.value
    match value:
        case Effect():
            gone = erased_effect(value, pseudonym=named, now=run.now)
            yield Put(key, gone, at, stored.expires_at)
        case Coupon():
            yield Put(key, erased_coupon(value, pseudonym=named), at, stored.expires_at)
            yield Delete(LIVE_OFFER.key(value.subject_key, value.offer.action), WHATEVER)
            yield Delete(ISSUED.key(value.subject_key, value.offer.action), WHATEVER)
        case {"decision_id": _}:
            stripped = erased_record(value, pseudonym=named, at=tombstone.at)
            yield Put(key, stripped, at, stored.expires_at)
            yield Delete(SESSION.key(session_of(value)), WHATEVER)
            yield Delete(SHOWN.key(value["subject"]), WHATEVER)
        case _:
            yield Delete(key, at)


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
