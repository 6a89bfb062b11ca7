"""Tombstones applied again, after tables were restored from a moment before an erasure.

A restore brings back what was deleted since. Tombstones lie in the ``control`` table, which is not
restored with the others, so whoever looks through the restored tables finds whose things are from
before their erasure, and takes those apart. What a person left who came back since stays. The same
run also finds what a checkout stored that was under way during an erasure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from chalicelib.core.first_said import first_said
from chalicelib.core.kinds import (
    CONSENT,
    CONTACT,
    COUPON,
    EFFECT,
    FACTS,
    ISSUED,
    LEDGER_HEAD,
    ORDER,
    RECORD,
    SESSION,
)
from chalicelib.core.storage import Key, Kind
from chalicelib.core.tokens import SigningKeys
from chalicelib.core.tombstones import Tombstone
from chalicelib.flows.read import Library
from chalicelib.flows.take_apart import Run, owner_of, take_apart
from chalicelib.flows.tombs import tomb_key

AT_ONCE = 100
# Every kind of thing that names a person, by the sort key under which a scan finds it.
PERSONAL: Mapping[str, Kind[Any]] = {
    kind.name: kind
    for kind in (
        FACTS, CONTACT, ORDER, CONSENT, LEDGER_HEAD, RECORD, SESSION, EFFECT, COUPON, ISSUED,
    )
}  # fmt: skip


def reapply_tombstones(
    keys_found: Iterable[Key[Any]],
    *,
    store: Library,
    keys: SigningKeys,
    new_key: Callable[[], str],
    now: int,
) -> Mapping[str, int]:
    """Take apart what is from before an erasure; returns how much of each kind.

    Args:
        keys_found: the keys of everything in the restored tables; others than those of
            ``PERSONAL`` kinds are not looked at.
        store: where everything lies.
        keys: name subjects, as they did when the tombstones were set.
        new_key: makes the key of a pseudonym that nobody remembers.
        now: the moment.

    Raises Transient when storage did not answer; a run may be repeated.
    """
    counts: Counter[str] = Counter()
    pseudonym_keys: dict[str, str] = {}
    waiting = (key for key in keys_found if PERSONAL.get(key.kind.name) is key.kind)
    while chunk := list(islice(waiting, AT_ONCE)):
        run = Run(store, keys, now)
        for subject_key, tombstone, things in _from_before(chunk, run):
            key = pseudonym_keys.setdefault(subject_key, new_key())
            take_apart(things, subject_key, Tombstone(tombstone.at, key), run)
        counts += run.counts
    return dict(sorted(counts.items()))


def _from_before(
    chunk: list[Key[Any]], run: Run
) -> Iterator[tuple[str, Tombstone, list[Key[Any]]]]:
    """Whose things among these are from before their erasure, by subject."""
    found = run.store.read(chunk, now=run.now)
    owned: dict[str, list[tuple[Key[Any], int | None]]] = {}
    for key in chunk:
        value = found.value(key)
        subject_key = None if value is None else owner_of(key, value)
        if subject_key is not None:
            owned.setdefault(subject_key, []).append((key, first_said(value)))
    if not owned:
        return
    tombs = run.store.read([tomb_key(name, run.keys) for name in owned], now=run.now)
    for subject_key, things in owned.items():
        tombstone = tombs.value(tomb_key(subject_key, run.keys))
        if tombstone is not None:
            before = [key for key, at in things if at is None or at <= tombstone.at]
            if before:
                yield subject_key, tombstone, before
