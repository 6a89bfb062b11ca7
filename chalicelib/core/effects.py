"""Effects: what a decision sets in motion outside, and the states each passes through.

A marketing mail is sent at most once: a worker that has begun to send and vanished leaves
IN_DOUBT behind, and nobody tries again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from chalicelib.core.canonical import short_hash
from chalicelib.core.errors import Refused

EffectKind = Literal["mail", "offer", "price_tier", "event"]
State = Literal[
    "PLANNED",
    "CLAIMED",
    "SENDING",
    "ACCEPTED",
    "FAILED",
    "SUPPRESSED",
    "ABANDONED",
    "IN_DOUBT",
]
TERMINAL: frozenset[State] = frozenset({"ACCEPTED", "FAILED", "SUPPRESSED", "ABANDONED"})
TRANSITIONS: Mapping[State, frozenset[State]] = {
    "PLANNED": frozenset({"CLAIMED", "SUPPRESSED", "ABANDONED"}),
    # CLAIMED → CLAIMED: another worker takes over a dead lease; nothing was sent yet.
    "CLAIMED": frozenset({"CLAIMED", "SENDING", "SUPPRESSED", "FAILED", "ABANDONED"}),
    # SENDING → CLAIMED only when the provider definitely did not take it.
    "SENDING": frozenset({"CLAIMED", "ACCEPTED", "FAILED", "IN_DOUBT"}),
    "IN_DOUBT": frozenset({"ACCEPTED", "ABANDONED"}),
    "ACCEPTED": frozenset(),
    "FAILED": frozenset(),
    "SUPPRESSED": frozenset(),
    "ABANDONED": frozenset(),
}


@dataclass(frozen=True, slots=True)
class Effect:
    """One planned side effect.

    Attributes:
        effect_id: hash of what makes it unique; creating it twice is one effect.
        kind: what performs it.
        action: the policy's action, or the event's name for kind ``event``.
        subject_key: whom it is for.
        decision_id: the decision that planned it; None for events planned by a fold.
        correlation_id: ties it to the request, message or file that began it.
        planned_at: when it was planned.
        payload: what performing it needs; never an address or a name.
        state: where it stands.
        owner: the worker that holds it.
        lease_until: until when that worker may act.
        attempts: how often a worker claimed it.
        changed_at: when it last changed state.
        reason: why it ended where it stands.
        provider_id: the provider's id of what it accepted.
        queued_at: when the sweep last queued it again, None when it never did.
        queued_times: how often it did so since the effect last changed state.
    """

    effect_id: str
    kind: EffectKind
    action: str
    subject_key: str
    decision_id: str | None
    correlation_id: str
    planned_at: int
    payload: Mapping[str, Any] = field(default_factory=dict)
    state: State = "PLANNED"
    owner: str | None = None
    lease_until: int | None = None
    attempts: int = 0
    changed_at: int | None = None
    reason: str | None = None
    provider_id: str | None = None
    queued_at: int | None = None
    queued_times: int = 0


def effect_id(*parts: str) -> str:
    """The id of the effect that these parts make unique."""
    return short_hash("effect", *parts)


def move(effect: Effect, to: State, *, now: int, **changes: Any) -> Effect:
    """Move an effect along the table; raises Refused(``transition_refused``) off it."""
    if to not in TRANSITIONS[effect.state]:
        raise Refused("transition_refused")
    return replace(effect, state=to, changed_at=now, **changes)


def claim(effect: Effect, *, owner: str, now: int, lease_seconds: int) -> Effect:
    """Take an effect to work on it; raises Refused when it is done, held or in doubt."""
    if effect.state in TERMINAL:
        raise Refused("already_done")
    if effect.state in ("SENDING", "IN_DOUBT"):
        raise Refused("in_doubt")
    if effect.state == "CLAIMED" and effect.lease_until is not None and effect.lease_until > now:
        raise Refused("held_by_another")
    return move(
        effect,
        "CLAIMED",
        now=now,
        owner=owner,
        lease_until=now + lease_seconds,
        attempts=effect.attempts + 1,
    )


_OPTIONAL = (
    "owner",
    "lease_until",
    "changed_at",
    "reason",
    "provider_id",
    "decision_id",
    "queued_at",
)


def effect_to_json(effect: Effect) -> dict[str, Any]:
    """The stored form."""
    stored: dict[str, Any] = {
        "effect_id": effect.effect_id,
        "kind": effect.kind,
        "action": effect.action,
        "subject": effect.subject_key,
        "correlation_id": effect.correlation_id,
        "planned_at": effect.planned_at,
        "payload": dict(effect.payload),
        "state": effect.state,
        "attempts": effect.attempts,
    }
    for name in _OPTIONAL:
        if (value := getattr(effect, name)) is not None:
            stored[name] = value
    if effect.queued_times:
        stored["queued_times"] = effect.queued_times
    return stored


def effect_from_json(stored: Mapping[str, Any]) -> Effect:
    """Undo ``effect_to_json``."""
    return Effect(
        effect_id=stored["effect_id"],
        kind=stored["kind"],
        action=stored["action"],
        subject_key=stored["subject"],
        correlation_id=stored["correlation_id"],
        planned_at=stored["planned_at"],
        payload=stored["payload"],
        state=stored["state"],
        attempts=stored["attempts"],
        queued_times=stored.get("queued_times", 0),
        **{name: stored.get(name) for name in _OPTIONAL},
    )
