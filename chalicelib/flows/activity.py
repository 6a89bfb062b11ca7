"""What happened within the last hour, minute by minute, as the streams have counted it.

Counts come some ten seconds late, and the last minute is not over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.core.kinds import ROLLUP
from chalicelib.core.ports import Store
from chalicelib.core.rollup import (
    HOUR_SECONDS,
    MINUTE_SECONDS,
    STREAMS,
    TICKS,
    Rollup,
    Tick,
    hour_of,
    minute_of,
    name_of,
)
from chalicelib.core.storage import Found, Key

MINUTES = HOUR_SECONDS // MINUTE_SECONDS


@dataclass(frozen=True, slots=True)
class Activity:
    """The last ``MINUTES`` minutes, oldest first.

    Attributes:
        minutes: when each began, in epoch seconds.
        counts: how much happened in each.
    """

    minutes: tuple[int, ...]
    counts: Mapping[Tick, tuple[int, ...]]


def read_activity(store: Store, *, now: int) -> Activity:
    """Two hours of each stream in one read."""
    return activity_of(store.read(activity_keys(now), now=now), now)


def activity_keys(now: int) -> list[Key[Rollup]]:
    """Where this hour and the one before are counted."""
    return [key for hour in (hour_of(now) - HOUR_SECONDS, hour_of(now)) for key in _keys_of(hour)]


def activity_of(found: Found, now: int) -> Activity:
    """The last hour by what was read under ``activity_keys``."""
    last = now - now % MINUTE_SECONDS
    minutes = tuple(range(last - (MINUTES - 1) * MINUTE_SECONDS, last + 1, MINUTE_SECONDS))
    counts = {tick: tuple(_count(found, tick, at) for at in minutes) for tick in TICKS}
    return Activity(minutes, counts)


def _keys_of(hour: int) -> list[Key[Rollup]]:
    return [ROLLUP.key(name_of(hour, stream)) for stream in STREAMS]


def _count(found: Found, tick: Tick, at: int) -> int:
    hours = (found.value(key) for key in _keys_of(hour_of(at)))
    known = (hour.minutes.get(tick, {}) for hour in hours if hour is not None)
    return sum(by_minute.get(minute_of(at), 0) for by_minute in known)
