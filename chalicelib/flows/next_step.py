"""What there is to do about an effect: from its state, its lease and what forbids it alone.

A closed set of answers; ``act`` carries them out.
"""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.core.effects import Effect, State, may_post_again
from chalicelib.core.instants import CLOCK_SKEW_SECONDS
from chalicelib.core.overdue import is_superseded
from chalicelib.core.untouched import End, Rest, WaitUntil, untouched
from chalicelib.mail.permission import Hold

# States in which an effect may still be performed by somebody who takes it up.
UNPERFORMED: frozenset[State] = frozenset({"PLANNED", "CLAIMED", "IN_DOUBT"})


@dataclass(frozen=True, slots=True)
class Leave:
    """Nothing is left to do."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Another worker is at it; whether it lives shows when its lease has run out."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The message is refused by name; the effect stays as it is, and the sweep has it in view."""

    reason: str


@dataclass(frozen=True, slots=True)
class PutOff:
    """It must not happen before ``until``."""

    reason: str
    until: int


@dataclass(frozen=True, slots=True)
class Perform:
    """Claim it and do it."""


Step = Leave | Wait | Refuse | PutOff | End | Perform


def next_step(
    effect: Effect,
    *,
    forbidden: str | Hold | None,
    worker: str,
    now: int,
    sent_for: int | None = None,
) -> Step:
    """Decide what a worker does with a message.

    Args:
        effect: as it stands in the ledger.
        forbidden: why it must not be performed now, None when it may.
        worker: who asks.
        now: by that worker's clock.
        sent_for: the end of the hold that the message was sent for, None when for none.
    """
    here = untouched(effect, now=now)
    if isinstance(here, Rest) or is_superseded(effect, sent_for):
        return Leave()
    if _is_ahead(effect, now):
        return Refuse("clock_ahead")
    match here:
        case End():
            return here
        case WaitUntil(at):
            waiting = _while_waiting(effect, at, worker)
            if waiting is not None:
                return waiting
    return _unless_forbidden(effect, forbidden)


def _is_ahead(effect: Effect, now: int) -> bool:
    """Whether whoever wrote the effect has a clock that runs more than five minutes before ours.

    One of the two is wrong, and nothing here tells which: by either, leases, quiet hours and
    doubts could end too soon. By the right clock the sweep finds the effect in time.
    """
    return max(effect.planned_at, effect.changed_at or 0) > now + CLOCK_SKEW_SECONDS


def _unless_forbidden(effect: Effect, forbidden: str | Hold | None) -> Step:
    match forbidden:
        case None:
            return Perform()
        case Hold(reason, until):
            return PutOff(reason, until)
        case reason:
            # Nothing more is posted; whether the first post arrived stays unknown.
            return End("ABANDONED" if effect.state == "IN_DOUBT" else "SUPPRESSED", reason)


def _while_waiting(effect: Effect, at: int, worker: str) -> Step | None:
    """What to do before the moment has come; None to go on as if it had."""
    match effect.state:
        case "IN_DOUBT":
            # Events come by another way than this message, which matters only for a second post.
            return PutOff("in_doubt", at) if may_post_again(effect) else Leave()
        case "CLAIMED" if effect.owner == worker:
            return None
        case "PLANNED":
            return None  # a hold is asked about again: what it waited for may have come sooner
        case _:
            return Wait()
