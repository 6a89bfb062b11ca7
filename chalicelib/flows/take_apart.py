"""What is stored of a person, taken apart: deleted, or stripped of the person where it must stay.

Whoever erases and whoever applies tombstones again says what; this knows how. Every step may be
repeated: what names nobody any more is left alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

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
from chalicelib.core.kinds import CONSENT, COUPON, ISSUED, LIVE_OFFER, SESSION, SHOWN
from chalicelib.core.offers import Coupon
from chalicelib.core.orders import OrderState
from chalicelib.core.sessions import Session
from chalicelib.core.storage import WHATEVER, AtVersion, Conflict, Delete, Key, Put, Stored, Write
from chalicelib.core.subject import customer, guest
from chalicelib.core.tokens import SigningKeys
from chalicelib.core.tombstones import Tombstone, pseudonym
from chalicelib.flows.read import Library
from chalicelib.flows.revoke import revoke_code

MOST_ROUNDS = 8
AT_ONCE = 20  # at most four writes for each, and one transaction holds a hundred
# What one call takes on: some 20 ms for each twenty leave room within the function's 10 s.
MOST_THINGS = 2_000


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


def take_apart(keys: Iterable[Key[Any]], subject_key: str, tombstone: Tombstone, run: Run) -> None:
    """Delete or strip what is a subject's among some things, until the call has done enough.

    Raises Transient when others keep writing one of them.
    """
    named = pseudonym(subject_key, key=tombstone.pseudonym_key or "")
    left = list(keys)
    while left and not run.is_exhausted:
        chunk, left = left[:AT_ONCE], left[AT_ONCE:]
        for key in chunk:
            if key.kind is COUPON:
                revoke_code(key, subject_key, store=run.store, now=run.now)
        _store_all(chunk, subject_key, named, tombstone, run)


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
        case {"subject": str(subject_key), "since": _}:
            return subject_key
        case _:
            return None


def _store_all(
    chunk: Sequence[Key[Any]], subject_key: str, named: str, tombstone: Tombstone, run: Run
) -> None:
    """Delete or strip some things in one write; whoever moved one meanwhile is looked at again."""
    for _ in range(MOST_ROUNDS):
        found = run.store.read(chunk, now=run.now)
        changed: Counter[str] = Counter()
        writes: dict[Key[Any], Write] = {}
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


def _undo(
    key: Key[Any], stored: Stored[Any], named: str, tombstone: Tombstone, run: Run
) -> Iterator[Write]:
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
