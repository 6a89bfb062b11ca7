"""Effects that other systems hear of: onto the bus at least once, then into the ledger.

The event carries the effect's id, so that a consumer drops what it has seen; it names the customer
by id alone, never by an address or a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.core.effects import Effect, EffectKind, move
from chalicelib.core.instants import format_instant
from chalicelib.core.ports import Bus, BusEvent, Store
from chalicelib.core.storage import Stored
from chalicelib.core.subject import Subject
from chalicelib.flows.ledger import advance

# What an effect is called on the bus; an event that a fold found is called what it is.
DETAIL_TYPES: Mapping[EffectKind, str] = {
    "offer": "Offer Issued",
    "price_tier": "Price Tier Assigned",
}


def announce(claimed: Stored[Effect], *, store: Store, bus: Bus, now: int) -> Stored[Effect]:
    """Publish a claimed effect, then record it; a crash in between publishes it again.

    Raises Transient when the bus or storage did not take it, Conflict when another worker has
    taken the effect over meanwhile.
    """
    effect = claimed.value
    bus.publish([bus_event(effect)])
    # Repeating an event is harmless, so no point of no return is stored: SENDING is passed
    # through in memory, and a dead worker leaves CLAIMED, which the next one takes over.
    accepted = move(move(effect, "SENDING", now=now), "ACCEPTED", now=now)
    return advance(claimed, accepted, store=store, now=now)


def bus_event(effect: Effect) -> BusEvent:
    """An effect as other systems hear of it."""
    subject = Subject.from_key(effect.subject_key)
    # An event that a fold found has no decision behind it, and its action is its own name.
    decided = (
        {}
        if effect.kind == "event"
        else {"action": effect.action, "decision_id": effect.decision_id}
    )
    return BusEvent(
        event_id=effect.effect_id,
        detail_type=DETAIL_TYPES.get(effect.kind, effect.action),
        correlation_id=effect.correlation_id,
        causation_id=effect.decision_id,
        data={
            f"{subject.kind}_id": subject.id,
            "planned_at": format_instant(effect.planned_at),
            **decided,
            **{name: _spoken(name, value) for name, value in effect.payload.items()},
        },
    )


def _spoken(name: str, value: Any) -> Any:
    """A payload as other systems read it: moments, which are named ``…_at``, in ISO 8601."""
    if isinstance(value, Mapping):
        return {inner: _spoken(inner, each) for inner, each in value.items()}
    if name.endswith("_at") and isinstance(value, int):
        return format_instant(value)
    return value
