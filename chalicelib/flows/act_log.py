"""What the effect worker says of its work: one line for each look, without anybody's data."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path

from chalicelib.core.effects import Effect, State
from chalicelib.core.errors import SegueError, Transient
from chalicelib.flows.exposed import tell_mailed
from chalicelib.telemetry import emit_metrics, log_event


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where an effect stands after a look at it.

    Attributes:
        effect: the effect as it stands.
        moved: whether this look moved it.
        put_off: why it was put off, None when it was not.
    """

    effect: Effect
    moved: bool
    put_off: str | None = None

    @property
    def state(self) -> State:
        """The state that the effect is in."""
        return self.effect.state

    @property
    def reason(self) -> str | None:
        """Why it stands there."""
        return self.put_off or self.effect.reason


def tell(outcome: Outcome, worker: str) -> None:
    """One line for each look at an effect; those that moved one are counted by state."""
    effect = outcome.effect
    said = {
        "effect_id": effect.effect_id,
        "kind": effect.kind,
        "action": effect.action,
        "state": outcome.state,
        "reason": outcome.reason,
        "correlation_id": effect.correlation_id,
        "decision_id": effect.decision_id,
        "provider_id": effect.provider_id,
        "attempts": effect.attempts,
        "worker": worker,
    }
    if outcome.moved:
        dimensions = {"state": str(said.pop("state"))}
        emit_metrics("effect_moved", {"EffectsByState": 1}, dimensions=dimensions, **said)
        if not effect.heard:  # else the provider's own word came first, and has been told
            tell_mailed("SENDING", effect)
    elif outcome.put_off is not None:
        log_event("effect_put_off", **said)
    else:
        log_event("effect_left", **said, repeated=True)


def refused(reason: str, *, message_id: str | None = None, effect_id: str | None = None) -> None:
    """A message, or an entry of the index, that changed nothing, and why; it is done with."""
    emit_metrics(
        "effect_refused",
        {"EffectsRefused": 1},
        dimensions={"reason": reason},
        message_id=message_id,
        effect_id=effect_id,
    )


def tell_failure(error: Exception, **ids: str) -> None:
    """One line for a message that comes back; five of them end in the dead-letter queue's alarm."""
    log_event(
        "effect_failed",
        error=type(error).__name__,
        # SegueError's texts are ours and hold no data; others may quote what they met.
        reason=str(error) if isinstance(error, SegueError) else None,
        traceback=None if isinstance(error, Transient) else _places(error),
        **ids,
    )


def _places(error: Exception) -> list[str]:
    """Where it happened, without a word of what the data was."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
