"""What there is to do about an effect: from its state, its lease and what forbids it alone.

A closed set of answers; ``act`` carries them out.
"""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.core.effects import TERMINAL, Effect, State
from chalicelib.mail.permission import SENDING_OFF

# States in which an effect was certainly not performed yet.
UNPERFORMED: frozenset[State] = frozenset({"PLANNED", "CLAIMED"})


@dataclass(frozen=True, slots=True)
class Leave:
    """Nothing is left to do."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Another worker is at it; whether it lives shows when its lease has run out."""


@dataclass(frozen=True, slots=True)
class PutOff:
    """It must not happen yet."""

    reason: str


@dataclass(frozen=True, slots=True)
class End:
    """It ends here, without being performed by us."""

    state: State
    reason: str


@dataclass(frozen=True, slots=True)
class Perform:
    """Claim it and do it."""


Step = Leave | Wait | PutOff | End | Perform


def next_step(effect: Effect, *, forbidden: str | None, worker: str, now: int) -> Step:
    """Decide; ``forbidden`` is the reason why it must not be performed now, None when it may."""
    if effect.state in TERMINAL or effect.state == "IN_DOUBT":
        return Leave()
    leased = effect.lease_until is not None and effect.lease_until > now
    if effect.state == "SENDING":
        return Wait() if leased else End("IN_DOUBT", "worker_vanished")
    if effect.state == "CLAIMED" and leased and effect.owner != worker:
        return Wait()
    if forbidden == SENDING_OFF:
        return PutOff(forbidden)
    return Perform() if forbidden is None else End("SUPPRESSED", forbidden)
