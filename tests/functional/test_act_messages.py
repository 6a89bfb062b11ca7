"""Messages of the queue, and what a worker writes to its log."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib import telemetry
from chalicelib.core.errors import Broken, MailThrottled, Transient
from chalicelib.core.kinds import EFFECT
from chalicelib.core.offers import offer_to_json
from chalicelib.core.subject import customer
from tests.mail_makers import (
    EMAIL,
    NOW,
    TEN_PERCENT,
    World,
    contact_of,
    effect,
    mail_effect,
    sqs_event,
    world_with_a_mail,
)

ID = "e" * 32


@pytest.fixture
def world() -> World:
    """Ada, who agreed to marketing, and one mail planned for her."""
    return world_with_a_mail()


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the worker writes to its log."""
    stream = io.StringIO()
    telemetry.configure(stage="test", stream=stream)
    yield stream
    telemetry.configure(stage="unset")


def test_one_effect_twice_in_a_batch_is_one_mail(world: World) -> None:
    """The second message of a batch finds the first one's work, although both were looked up."""
    assert world.receive(sqs_event(ID, ID, ID)) == []
    assert len(world.mailer.sent) == 1


def test_a_mail_that_cannot_be_rendered_does_not_hold_up_the_others(world: World) -> None:
    """A missing template is ours to repair: that message is parked, and nothing was sent for it."""
    world.plan(mail_effect("f" * 32, template="nothing"))

    assert world.receive(sqs_event("f" * 32, ID)) == ["m-0"]
    assert world.effect("f" * 32).state == "CLAIMED"
    assert len(world.mailer.sent) == 1


def test_a_damaged_item_does_not_hold_up_its_neighbours(world: World) -> None:
    """When the common look fails on something unreadable, each effect is looked up alone."""
    world.plan(mail_effect("f" * 32))

    class Damaged:
        """Storage in which one effect is unreadable."""

        write, due = world.store.write, world.store.due

        def read(self, keys: Any, *, now: int) -> Any:
            if EFFECT.key("f" * 32) in keys:
                raise Broken("stored effect is unreadable (KeyError)")
            return world.store.read(keys, now=now)

    assert world.receive(sqs_event("f" * 32, ID), store=Damaged()) == ["m-0"]
    assert world.effect().state == "ACCEPTED"


def test_a_fault_of_a_collaborator_fails_its_message_alone(world: World) -> None:
    """An error that nobody foresaw is contained, and its mail is in doubt, not sent twice."""

    class Faulty:
        def send(self, raw: bytes, **_: Any) -> str:
            raise RuntimeError(EMAIL)

    world.plan(effect("event", "f" * 32, action="Segment Changed", payload={}))

    assert world.receive(sqs_event(ID, "f" * 32), mailer=Faulty()) == ["m-0"]
    assert len(world.bus.events) == 1
    assert world.act(now=NOW + 360).state == "IN_DOUBT"


def test_storage_that_is_down_fails_the_whole_batch(world: World) -> None:
    """Nothing was looked at, so everything is delivered again."""
    world.store.fail_reads(Transient("down"))

    with pytest.raises(Transient):
        world.receive(sqs_event(ID))


def test_states_are_counted_and_nobody_is_named(world: World, lines: io.StringIO) -> None:
    """Each move is counted once by state; no line holds an address, a name or a customer id."""
    world.meet(contact_of(customer("c-2"), email="bad@example.com", first_name="Grace"))
    world.mailer.refused.add("bad@example.com")
    world.plan(mail_effect("f" * 32, subject=customer("c-2")), mail_effect("0" * 32))
    world.mailer.fail_next(None, None, MailThrottled("SendEmail: Throttling"))

    world.receive(sqs_event(ID, "f" * 32, "0" * 32, bodies={"poison": EMAIL}))
    world.act()

    written = lines.getvalue()
    told = [json.loads(line) for line in written.splitlines()]
    counted = [line["state"] for line in told if "EffectsByState" in line]
    assert counted == ["ACCEPTED", "FAILED"]
    assert [line["reason"] for line in told if "EffectsRefused" in line] == ["unreadable"]
    for secret in (EMAIL, "bad@example.com", "Ada", "Grace", "c-1", "c-2", TEN_PERCENT.code):
        assert f'"{secret}' not in written
        assert f"{secret}@" not in written
    assert "left_out" not in written


def test_a_doubt_is_counted(world: World, lines: io.StringIO) -> None:
    """An operator sees every mail of which nobody knows whether it was sent."""
    world.plan(replace(mail_effect(), state="SENDING", owner="w-2", lease_until=NOW))

    world.act()

    line = json.loads(lines.getvalue().splitlines()[-1])
    assert (line["state"], line["EffectsByState"], line["reason"]) == (
        "IN_DOUBT",
        1,
        "worker_vanished",
    )


def test_an_unforeseen_error_is_told_without_its_text(world: World, lines: io.StringIO) -> None:
    """Errors of others may quote an address; only their class and place are written."""

    class Faulty:
        def send(self, raw: bytes, **_: Any) -> str:
            raise RuntimeError(EMAIL)

    world.receive(sqs_event(ID), mailer=Faulty())

    line = json.loads(lines.getvalue().splitlines()[-1])
    assert (line["event"], line["error"]) == ("effect_failed", "RuntimeError")
    assert line["traceback"][-1].startswith("test_act_messages.py:")
    assert "reason" not in line
    assert EMAIL not in lines.getvalue()


def test_the_bus_never_hears_an_address_or_a_name(world: World) -> None:
    """Other systems learn the customer's id and what was decided, nothing personal."""
    world.plan(effect("offer", "f" * 32, payload={"offer": offer_to_json(TEN_PERCENT)}))

    world.act("f" * 32)

    said = json.dumps([dict(event.data) for event in world.bus.events])
    assert EMAIL not in said
    assert "Ada" not in said
