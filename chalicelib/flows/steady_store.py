"""Storage for work that nobody waits for: at a stated rate, and again when storage is too busy.

A drop writes as fast as it computes, into tables that checkout shares. Behind this port it writes
no faster than it was told, whichever part of it writes; and a write that storage was too busy for
is made again by itself, because a whole attempt at a file is a high price for one busy second.
Only what was refused for good is made again: where a reply was lost, the drop reads anew instead.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from chalicelib.core.errors import Throttled
from chalicelib.core.ports import Store
from chalicelib.core.storage import Found, Key, Write
from chalicelib.core.subject import Subject
from chalicelib.core.write_rate import MOST_ATTEMPTS, Bucket, full_jitter

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timing:
    """Time and chance, passed in.

    Attributes:
        clock: a monotonic clock in seconds.
        sleep: waits so many seconds.
        chance: draws a number from 0 to 1.
    """

    clock: Callable[[], float]
    sleep: Callable[[float], None]
    chance: Callable[[], float]

    def back_off(self, attempt: int) -> None:
        """Wait after an attempt that was in vain, the first being 1."""
        self.sleep(full_jitter(attempt, chance=self.chance()))


class SteadyStore:
    """A store that keeps to a rate; threads may share it, and are served in turn."""

    def __init__(self, store: Store, *, items_per_second: float, timing: Timing) -> None:
        """Take the store, and how many items all threads together may write in a second.

        A worker among several that work at once is given its share of the whole rate.
        """
        self._store = store
        self._timing = timing
        self._bucket = Bucket(items_per_second, at_seconds=timing.clock())
        self._turn = threading.Lock()

    def read(self, keys: Sequence[Key[Any]], *, now: int) -> Found:
        """As ``Store.read``; raises Throttled when storage stays too busy."""
        return self._persist(lambda: self._store.read(keys, now=now))

    def write(self, writes: Sequence[Write], *, now: int) -> None:
        """As ``Store.write``, in its turn; raises Throttled when storage stays too busy."""

        def attempt() -> None:
            self._wait_for(len(writes))
            self._store.write(writes, now=now)

        self._persist(attempt)

    def due(self, *, shard: int, now: int, limit: int) -> list[tuple[Subject, int]]:
        """As ``Store.due``."""
        return self._persist(lambda: self._store.due(shard=shard, now=now, limit=limit))

    def _wait_for(self, items: int) -> None:
        with self._turn:
            now_seconds = self._timing.clock()
            self._bucket, wait_seconds = self._bucket.take(items, now_seconds=now_seconds)
        if wait_seconds > 0:
            self._timing.sleep(wait_seconds)

    def _persist(self, call: Callable[[], T]) -> T:
        """Make a call until storage takes it, at most ``MOST_ATTEMPTS`` times."""
        for attempt in range(1, MOST_ATTEMPTS):
            try:
                return call()
            except Throttled:
                self._timing.back_off(attempt)
        return call()
