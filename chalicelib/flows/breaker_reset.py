"""The breaker's count begun anew, by an operator who has dealt with the cause."""

from __future__ import annotations

import contextlib

from chalicelib.core.breaker import MOST_RESTARTS, Restart, restart, total_of
from chalicelib.core.errors import BadInput
from chalicelib.core.ports import Store
from chalicelib.core.storage import AtVersion, Conflict, Put, Write
from chalicelib.flows.breaker import RESTARTS_KEY, SHARD_KEYS, Standing, standing_of
from chalicelib.telemetry import log_event

LONGEST_REASON = 200
_TRIES = 8  # a worker that counts meanwhile comes first


def reset(
    store: Store,
    *,
    reason: str,
    now: int,
    key_id: str | None = None,
    correlation_id: str | None = None,
) -> Standing:
    """Let the count begin anew in one transaction; how the breaker stood until then.

    ``key_id`` is the operator's where they came by the console; a command has none.

    Raises BadInput naming ``reason``, Conflict when workers counted faster than this could.
    """
    check_reason(reason)
    stood = _reset(store, reason, now)
    log_event(
        "breaker_reset",
        reason=reason,
        state=stood.opened_by or "closed",
        mails=total_of(stood.by_day).sent,
        key_id=key_id,
        correlation_id=correlation_id,
    )
    return stood


def check_reason(reason: str) -> None:
    """Refuse a reason that says nothing, or that may name somebody; raises BadInput."""
    if not reason.strip() or len(reason) > LONGEST_REASON or not reason.isprintable():
        raise BadInput.of("reason", f"must be one line of 1 to {LONGEST_REASON} characters")
    if "@" in reason:
        raise BadInput.of("reason", "must not hold an address: it is kept and logged")


def _reset(store: Store, reason: str, now: int) -> Standing:
    for _ in range(_TRIES - 1):
        with contextlib.suppress(Conflict):
            return _reset_once(store, reason, now)
    return _reset_once(store, reason, now)


def _reset_once(store: Store, reason: str, now: int) -> Standing:
    found = store.read([*SHARD_KEYS, RESTARTS_KEY], now=now)
    before = standing_of(found, now)
    restarts = (*before.restarts, Restart(now, reason, before.by_day))[-MOST_RESTARTS:]
    writes: list[Write] = [
        Put(key, restart(now=now), AtVersion(found.version(key))) for key in SHARD_KEYS
    ]
    writes.append(Put(RESTARTS_KEY, restarts, AtVersion(found.version(RESTARTS_KEY))))
    store.write(writes, now=now)
    return before
