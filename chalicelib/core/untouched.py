"""What is next for an effect that nobody has touched, from the ledger and the clock alone.

A sweeper asks it of whatever it finds, and the worker asks it of whatever a message names: both
then do the same. It knows nothing of consent or caps; those are asked when an effect is taken up.
"""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.core.effects import TERMINAL, Effect, State, may_post_again
from chalicelib.core.instants import DAY_SECONDS

# The provider's "send" event comes within seconds; a customer waits for a transactional mail.
RESEND_AFTER_SECONDS = 900
# Events are published for a day and more; after that nobody expects one.
ABANDON_AFTER_SECONDS = DAY_SECONDS


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing is left to do."""


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Nothing is to be done before a moment, in epoch seconds."""

    at: int


@dataclass(frozen=True, slots=True)
class TakeUp:
    """A worker may take it now: it was never posted, or is to be posted once more."""


@dataclass(frozen=True, slots=True)
class End:
    """It goes into this state without being performed."""

    state: State
    reason: str


Untouched = Rest | WaitUntil | TakeUp | End


def untouched(effect: Effect, *, now: int) -> Untouched:
    """Decide what is next.

    An effect that is held waits for its moment; a claim and a sending wait for their lease. A
    dead sending is in doubt. A doubt that no event has settled is posted once more after
    ``RESEND_AFTER_SECONDS`` when the mail is transactional, later when that is held, and is given
    up after ``ABANDON_AFTER_SECONDS`` otherwise.
    """
    if effect.state in TERMINAL:
        return Rest()
    match effect.state:
        case "PLANNED":
            return _from(effect.not_before, TakeUp(), now)
        case "SENDING":
            return _from(effect.lease_until, End("IN_DOUBT", "worker_vanished"), now)
        case "IN_DOUBT":
            since = effect.planned_at if effect.changed_at is None else effect.changed_at
            if may_post_again(effect):
                at = max(since + RESEND_AFTER_SECONDS, effect.not_before or 0)
                return _from(at, TakeUp(), now)
            return _from(since + ABANDON_AFTER_SECONDS, End("ABANDONED", "unresolved"), now)
        case _:
            return _from(effect.lease_until, TakeUp(), now)


def _from(at: int | None, then: TakeUp | End, now: int) -> Untouched:
    return then if at is None or at <= now else WaitUntil(at)
