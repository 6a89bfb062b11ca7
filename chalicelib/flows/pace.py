"""A slot for one mail under the account's rate and quota, from the count that all workers share."""

from __future__ import annotations

from chalicelib.core.kinds import PACE, PACE_NAME
from chalicelib.core.pace import Full, Limits, Pace, take_slot
from chalicelib.core.ports import Store
from chalicelib.core.storage import AtVersion, Conflict, Put

_TRIES = 8


def reserve(limits: Limits, *, store: Store, now_ms: int) -> Full | None:
    """Take a slot; says until when there is none. Without limits nothing is asked.

    A reply that was lost costs a slot, which is never given back. Raises Transient when storage
    did not answer; no mail was handed over then.
    """
    if not limits.are_set:
        return None
    key, now = PACE.key(PACE_NAME), now_ms // 1_000
    for _ in range(_TRIES):
        found = store.read([key], now=now)
        slot = take_slot(found.value(key) or Pace(), limits, now_ms=now_ms)
        if isinstance(slot, Full):
            return slot
        try:
            store.write([Put(key, slot, AtVersion(found.version(key)))], now=now)
        except Conflict:
            continue
        return None
    # So many workers at once are as good as a full second.
    return Full("rate", now + 1)
