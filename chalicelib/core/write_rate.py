"""How fast one worker writes to tables that a checkout shares, and how it comes again when refused.

``core.pace`` counts mails over all workers, in storage, and says no; here one process waits by
itself, and nothing is stored. What is counted are items: each put, deletion and check of a
transaction is one, since storage charges for each of them.
"""

from __future__ import annotations

from dataclasses import dataclass

# What may be written at once after a rest: one transaction. In any span of T seconds no more is
# written than this and the rate times T.
MOST_AT_ONCE = 100
# Ten attempts wait 45 s at most in all, and half of that on average: long enough for a table to
# split its partitions, and short against the 15 minutes of a function.
MOST_ATTEMPTS = 10
_FIRST_SECONDS = 0.1
_LONGEST_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket: one token an item, so many a second, never more than ``MOST_AT_ONCE``.

    Attributes:
        per_second: how many items may be written in a second, above zero.
        tokens: what was left at ``at_seconds``; below zero when it is promised already.
        at_seconds: as the caller's clock counts.
    """

    per_second: float
    tokens: float = MOST_AT_ONCE
    at_seconds: float = 0.0

    def take(self, items: int, *, now_seconds: float) -> tuple[Bucket, float]:
        """Promise tokens for ``items``; returns the bucket and how many seconds to wait first.

        Who asks first is first; a clock that goes back counts as one that stands still.

        >>> bucket, wait_seconds = Bucket(50).take(100, now_seconds=0)
        >>> wait_seconds
        0.0
        >>> bucket.take(25, now_seconds=0)[1]
        0.5
        """
        now_seconds = max(now_seconds, self.at_seconds)
        grown = self.tokens + (now_seconds - self.at_seconds) * self.per_second
        left = min(grown, MOST_AT_ONCE) - items
        return Bucket(self.per_second, left, now_seconds), max(0.0, -left / self.per_second)


def full_jitter(attempt: int, *, chance: float) -> float:
    """Seconds to wait after an attempt that was refused, the first being 1.

    Any moment up to a bound that doubles: those who were refused together come back apart.

    Args:
        attempt: which one was refused.
        chance: a number from 0 to 1 that nobody else has drawn.

    >>> [full_jitter(attempt, chance=1.0) for attempt in (1, 2, 3, 9)]
    [0.1, 0.2, 0.4, 20.0]
    """
    return chance * min(_LONGEST_SECONDS, _FIRST_SECONDS * 2.0 ** (attempt - 1))
