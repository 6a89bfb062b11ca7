"""The clock, and ids that sort by it: the only place where a process looks at the time.

Flows take the moment and ids as values; the composition root passes these in.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

_RANDOM_BITS = 80


def now() -> int:
    """The moment, in whole seconds since 1970-01-01T00:00:00Z."""
    return int(time.time())


def now_ms() -> int:
    """The moment, in milliseconds since 1970-01-01T00:00:00Z."""
    return time.time_ns() // 1_000_000


class SortableIds:
    """Ids of 48 bits of milliseconds and 80 random ones, in hex, each greater than the one before.

    Within one millisecond, and while a clock that was set back catches up, the random part counts
    on, as the ULID specification has it (github.com/ulid/spec, "Monotonicity").
    """

    def __init__(
        self,
        *,
        clock_ms: Callable[[], int] = now_ms,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Take what tells the time and what is random."""
        self._clock_ms, self._random_bytes = clock_ms, random_bytes
        self._last = 0
        self._one_at_a_time = threading.Lock()

    def __call__(self) -> str:
        """A new id."""
        chance = int.from_bytes(self._random_bytes(_RANDOM_BITS // 8))
        fresh = self._clock_ms() << _RANDOM_BITS | chance
        with self._one_at_a_time:
            self._last = (
                fresh if fresh >> _RANDOM_BITS > self._last >> _RANDOM_BITS else (self._last + 1)
            )
            return f"{self._last:032x}"
