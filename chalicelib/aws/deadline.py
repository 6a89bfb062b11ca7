"""How long storage may take before an answer without it is worth more.

The bounds fit together: a checkout has ``CHECKOUT_SECONDS``. Connecting takes at most
``CONNECT_SECONDS`` and waiting for an answer at most ``READ_SECONDS``, so an attempt that may
have to connect starts only while both still fit. After a read that stalled on a live connection
exactly one attempt more fits, give or take ``SLACK_SECONDS``. The first attempt of a write
follows a read that has just proved a connection, so it needs ``READ_SECONDS`` alone. Name
resolution has no bound of its own in the standard library; on Lambda the resolver is local.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from chalicelib.core.errors import DeadlineExceeded, Transient
from chalicelib.core.storage import Conflict

CHECKOUT_SECONDS = 0.8
CONNECT_SECONDS = 0.2
READ_SECONDS = 0.3
ATTEMPT_SECONDS = CONNECT_SECONDS + READ_SECONDS
# By how much a second attempt may end after the deadline.
SLACK_SECONDS = 0.05
# Before asking again what was refused at once; who stalled has had this time already.
PAUSE_SECONDS = 0.025

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of a monotonic clock after which nobody waits for the answer.

    Attributes:
        at_seconds: the moment, as ``clock`` counts.
        clock: a monotonic clock in seconds.
    """

    at_seconds: float
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> Deadline:
        """The deadline that many seconds from now."""
        return cls(clock() + seconds, clock)

    def remaining_seconds(self) -> float:
        """What is left; negative once it has passed."""
        return self.at_seconds - self.clock()

    def require(self, seconds: float) -> None:
        """Raise DeadlineExceeded unless that much time is left."""
        if self.remaining_seconds() < seconds:
            raise DeadlineExceeded(f"less than {seconds} s left")


def within(
    deadline: Deadline | None,
    call: Callable[[int], T],
    *,
    first_needs_seconds: float = ATTEMPT_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Make a call, and once more after a transient failure if the deadline leaves room for it.

    ``call`` is told which attempt it is, 1 or 2. Without a deadline there is one attempt,
    because then the SDK retries. A ``Conflict`` is an answer, not a failure, and is not retried.
    """
    if deadline is None:
        return call(1)
    deadline.require(first_needs_seconds)
    started_at = deadline.clock()
    try:
        return call(1)
    except Conflict:
        raise
    except Transient:
        if deadline.remaining_seconds() < ATTEMPT_SECONDS - SLACK_SECONDS:
            raise
    if deadline.clock() - started_at < PAUSE_SECONDS:
        sleep(PAUSE_SECONDS)
    return call(2)
