"""What there is to do about an effect: from its state, its lease and what forbids it alone.

A closed set of answers; ``act`` carries them out.
"""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.core.effects import Effect, State, may_post_again
from chalicelib.core.untouched import End, Rest, TakeUp, WaitUntil, untouched
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
class PutOff:
    """It must not happen before ``until``."""

    reason: str
    until: int


@dataclass(frozen=True, slots=True)
class Perform:
    """Claim it and do it."""


Step = Leave | Wait | PutOff | End | Perform


def next_step(effect: Effect, *, forbidden: str | Hold | None, worker: str, now: int) -> Step:
    """Decide; ``forbidden`` is why it must not be performed now, None when it may."""
    match untouched(effect, now=now):
        case Rest():
            return Leave()
        case End() as end:
            return end
        case WaitUntil(at):
            waiting = _while_waiting(effect, at, worker)
            if waiting is not None:
                return waiting
        case TakeUp():
            pass
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
