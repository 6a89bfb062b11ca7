"""Calls of several writes under an Idempotency-Key: one at a time, and each answered once.

The key is claimed before the call's first write and answered after its last. A second call
meanwhile is refused (409), a later one gets the answer. A call that died leaves a claim that ends
by itself, after which the next one does the work again; so this is only for work that may be done
again. A call of a single write needs none of this: its answer is part of that write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.core.errors import BadInput, SegueError, Transient
from chalicelib.core.kinds import REPEAT
from chalicelib.core.ports import Store
from chalicelib.core.repeats import (
    REPEAT_WINDOW_SECONDS,
    Repeat,
    RepeatOf,
    answered_before,
    repeat_name,
)
from chalicelib.core.storage import AtVersion, Conflict, Key, Put
from chalicelib.telemetry import log_event

# Three times what the function that answers calls may run: whoever claimed before that is dead.
LEASE_SECONDS = 30
MOST_ROUNDS = 4


def once(
    work: Callable[[], Mapping[str, Any]],
    *,
    repeat_of: RepeatOf,
    request_hash: str,
    store: Store,
    now: int,
    owner: str,
) -> Mapping[str, Any]:
    """Do the work unless it was done; give its answer, now or from before.

    Args:
        work: what to do; it may be done again after a crash.
        repeat_of: who asks, which route, and the Idempotency-Key.
        request_hash: what a repeat must have in common with the first call.
        store: where the claim and the answer lie.
        now: the moment.
        owner: unique to this call.

    Raises:
        KeyReused: the key came before with another request.
        Refused: ``in_flight``, the first call is still under way.
        Transient: storage did not answer. And whatever the work raises; the key is free then.
    """
    key = REPEAT.key(repeat_name(*repeat_of))
    claim = Repeat(request_hash, owner=owner, lease_until=now + LEASE_SECONDS)
    answer, version = _claim(key, claim, store=store, now=now)
    if answer is not None:
        return answer
    try:
        answer = work()
    except BadInput:
        _put(key, claim, version, store=store, now=now, expires_at=now)
        raise
    except SegueError:
        _put(key, Repeat(request_hash, owner=owner), version, store=store, now=now)
        raise
    _put(key, Repeat(request_hash, answer, owner), version, store=store, now=now)
    return answer


def _claim(
    key: Key[Repeat], claim: Repeat, *, store: Store, now: int
) -> tuple[Mapping[str, Any] | None, int]:
    """The answer from before, or the version at which the claim now stands."""
    for _ in range(MOST_ROUNDS):
        standing = store.read([key], now=now)
        known, version = standing.value(key), standing.version(key)
        if known == claim:
            return None, version  # our own claim, whose reply was lost
        answer = answered_before(known, request_hash=claim.request_hash, now=now)
        if answer is not None:
            return answer, version
        expires_at = now + REPEAT_WINDOW_SECONDS
        try:
            store.write([Put(key, claim, AtVersion(version), expires_at=expires_at)], now=now)
        except Conflict:
            continue
        return None, version + 1
    raise Transient("others keep claiming the same key")


def _put(
    key: Key[Repeat],
    repeat: Repeat,
    version: int,
    *,
    store: Store,
    now: int,
    expires_at: int | None = None,
) -> None:
    """Answer or free the key; the work stands whether or not this does.

    What is not stored is a claim that ends by itself, and what it claims may be done again.
    """
    if expires_at is None:
        expires_at = now + REPEAT_WINDOW_SECONDS
    try:
        store.write([Put(key, repeat, AtVersion(version), expires_at=expires_at)], now=now)
    except Transient as error:
        log_event("key_left_claimed", error=type(error).__name__)
