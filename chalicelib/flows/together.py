"""Several effects at once: one write claims them, one call publishes them, one write confirms.

It changes what a batch costs and nothing of what may happen: whenever a step does not succeed for
all, each effect is looked up and taken on by itself, as if nobody had tried. A claim of our own is
then gone on with, and an event may be published twice, as it may anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from chalicelib.core.effects import Effect, claim, move
from chalicelib.core.errors import Transient
from chalicelib.core.kinds import EFFECT
from chalicelib.core.ports import Bus, Store
from chalicelib.core.storage import AtVersion, Found, Put, Stored
from chalicelib.flows.announce import bus_event
from chalicelib.flows.ledger import Gathered


def take_together(
    free: Sequence[Stored[Effect]],
    gathered: Gathered,
    *,
    store: Store,
    bus: Bus,
    now: int,
    worker: str,
    lease_seconds: int,
) -> tuple[Gathered | None, list[Effect]]:
    """Claim what is free in one write, and publish and confirm what is no mail in two calls.

    Returns what is known then, None when each effect must be looked up again, and what is done.
    One effect alone gains nothing by it.
    """
    if len(free) < 2:
        return gathered, []
    claimed = claim_together(
        free, gathered, store=store, now=now, worker=worker, lease_seconds=lease_seconds
    )
    if claimed is None:
        return None, []
    events = [
        each
        for taken in free
        if taken.value.kind != "mail"
        and (each := claimed.effect(taken.value.effect_id)) is not None
    ]
    if len(events) < 2:
        return claimed, []
    done = announce_together(events, store=store, bus=bus, now=now)
    return (claimed if done else None), done


def claim_together(
    held: Sequence[Stored[Effect]],
    gathered: Gathered,
    *,
    store: Store,
    now: int,
    worker: str,
    lease_seconds: int,
) -> Gathered | None:
    """Claim these effects in one write; None when that failed and each must be looked up again."""
    claimed = [
        replace(
            each,
            value=claim(each.value, owner=worker, now=now, lease_seconds=lease_seconds),
            version=each.version + 1,
        )
        for each in held
    ]
    if not _store(claimed, store, now):
        return None
    standing = {key: each for key, each in gathered.standing.items() if each is not None}
    standing |= {EFFECT.key(each.value.effect_id): each for each in claimed}
    return replace(gathered, effects=Found(standing, now=now), standing=standing)


def announce_together(
    claimed: Sequence[Stored[Effect]], *, store: Store, bus: Bus, now: int
) -> list[Effect]:
    """Publish claimed effects in one call and confirm them in one write.

    Returns what was confirmed: all of them, or none when each must be taken on by itself.
    """
    try:
        bus.publish([bus_event(each.value) for each in claimed])
    except Transient:
        return []
    accepted = [
        replace(
            each,
            value=move(move(each.value, "SENDING", now=now), "ACCEPTED", now=now),
            version=each.version + 1,
        )
        for each in claimed
    ]
    return [each.value for each in accepted] if _store(accepted, store, now) else []


def _store(moved: Iterable[Stored[Effect]], store: Store, now: int) -> bool:
    """Store effects that moved, all or none."""
    puts = [
        Put(EFFECT.key(each.value.effect_id), each.value, AtVersion(each.version - 1),
            expires_at=each.expires_at)
        for each in moved
    ]  # fmt: skip
    try:
        store.write(puts, now=now)
    except Transient:  # a lost race, or storage that did not answer
        return False
    return True
