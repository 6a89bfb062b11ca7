"""How the breaker of bounces and complaints stands, over all of its shards in one read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.core.breaker import SHARDS, Counts, Opened, Restarts, Tally, opened_by, window
from chalicelib.core.kinds import BREAKER, RESTARTS, RESTARTS_NAME
from chalicelib.core.ports import Store
from chalicelib.core.storage import Found, Key

SHARD_KEYS: tuple[Key[Tally], ...] = tuple(BREAKER.key(str(shard)) for shard in range(SHARDS))
RESTARTS_KEY: Key[Restarts] = RESTARTS.key(RESTARTS_NAME)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the breaker stands.

    Attributes:
        by_day: what counts, by day, oldest first; days since 1970-01-01.
        opened_by: what has opened it; None while it is closed.
        restarts: when the count began anew, the last time last.
    """

    by_day: Mapping[int, Counts]
    opened_by: Opened | None
    restarts: Restarts


def read_standing(store: Store, *, now: int) -> Standing:
    """Look at all shards at once."""
    return standing_of(store.read([*SHARD_KEYS, RESTARTS_KEY], now=now), now)


def standing_of(found: Found, now: int) -> Standing:
    """How it stands by what was read under ``SHARD_KEYS`` and ``RESTARTS_KEY``."""
    tallies = [tally for key in SHARD_KEYS if (tally := found.value(key)) is not None]
    return Standing(
        window(tallies, now=now), opened_by(tallies, now=now), found.value(RESTARTS_KEY) or ()
    )
