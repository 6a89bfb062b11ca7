"""Effects that other systems hear of."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core.effects import EffectKind
from chalicelib.core.errors import Transient
from chalicelib.core.offers import offer_to_json
from chalicelib.core.subject import guest
from tests.mail_makers import (
    NOW,
    TEN_PERCENT,
    World,
    effect,
    sqs_event,
    world_with_a_mail,
)

ID = "e" * 32


@pytest.fixture
def world() -> World:
    """Ada, who agreed to marketing, and one mail planned for her."""
    return world_with_a_mail()


@pytest.mark.parametrize(
    ("kind", "action", "payload", "detail_type", "data"),
    [
        (
            "offer",
            "winback-10",
            {"offer": offer_to_json(TEN_PERCENT)},
            "Offer Issued",
            {
                "action": "winback-10",
                "decision_id": "d-1",
                "offer": {
                    "action": "winback-10",
                    "code": "7Q4MZX9KTB2H",
                    "kind": "percent_off",
                    "value": 10,
                    "expires_at": "2026-03-11T06:13:20Z",
                },
            },
        ),
        (
            "price_tier",
            "winback",
            {"tier": "winback", "currency": "USD", "total_minor": 1899, "mode": "discount_only"},
            "Price Tier Assigned",
            {
                "action": "winback",
                "decision_id": "d-1",
                "tier": "winback",
                "currency": "USD",
                "total_minor": 1899,
                "mode": "discount_only",
            },
        ),
        (
            "event",
            "Segment Changed",
            {"previous": "loyal", "segment": "at_risk", "as_of": "2026-02-25T06:13:20Z"},
            "Segment Changed",
            {"previous": "loyal", "segment": "at_risk", "as_of": "2026-02-25T06:13:20Z"},
        ),
    ],
)
def test_each_kind_is_announced_under_its_name(
    kind: EffectKind, action: str, payload: dict[str, Any], detail_type: str, data: dict[str, Any]
) -> None:
    """An announcement carries the effect's id, what led to it, and moments in ISO 8601."""
    world = World()
    world.plan(effect(kind, action=action, payload=payload))
    world.store.calls.clear()

    assert world.act().state == "ACCEPTED"

    (event,) = world.bus.events
    assert (event.event_id, event.detail_type) == (ID, detail_type)
    assert (event.correlation_id, event.causation_id) == ("correlation-1", "d-1")
    assert event.data == {"customer_id": "c-1", "planned_at": "2026-02-25T06:13:20Z", **data}
    assert [name for name, _ in world.store.calls] == ["read", "read", "write", "write"]


def test_a_guest_is_announced_as_a_guest() -> None:
    """A subject without a customer id is named by its anonymous id."""
    world = World()
    world.plan(effect("event", action="Cart Abandoned", payload={}, subject=guest("g-1")))

    world.act()

    assert world.bus.events[0].data["anonymous_id"] == "g-1"


def test_the_bus_is_at_least_once_under_one_id() -> None:
    """A worker that dies after publishing publishes again; the id tells consumers so."""
    world = World()
    world.plan(effect("event", action="Segment Changed", payload={"segment": "loyal"}))
    world.store.fail_writes(None, Transient("storage"))

    assert world.receive(sqs_event(ID)) == ["m-0"]
    assert world.receive(sqs_event(ID), now=NOW + 360, worker="w-2") == []

    assert [event.event_id for event in world.bus.events] == [ID, ID]
    assert world.effect().state == "ACCEPTED"


def test_a_bus_that_does_not_answer_is_asked_again() -> None:
    """Nothing is announced, nothing is recorded, the message comes back."""
    world = World()
    world.plan(effect("event", action="Segment Changed", payload={"segment": "loyal"}))
    world.bus.fail_next(Transient("PutEvents"))

    assert world.receive(sqs_event(ID)) == ["m-0"]
    assert world.effect().state == "CLAIMED"
