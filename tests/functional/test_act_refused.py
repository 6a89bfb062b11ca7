"""Messages that lead to nothing: each refused by name, counted, and done with."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib import telemetry
from chalicelib.core.effects import Effect, State
from chalicelib.core.errors import MessageRefused
from chalicelib.core.instants import CLOCK_SKEW_SECONDS
from chalicelib.core.kinds import EFFECT, EFFECT_WINDOW_SECONDS
from chalicelib.core.overdue import GRACE_SECONDS, look_at
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.flows.act import LEASE_SECONDS
from chalicelib.flows.effect_message import read_message, write_message
from chalicelib.flows.sweep import SweepPorts, sweep
from tests.mail_makers import (
    EMAIL,
    NOW,
    World,
    effect,
    mail_effect,
    message_of,
    sqs_event,
    world_with_a_mail,
)

ID, OTHER = "e" * 32, "f" * 32
LATER = NOW + EFFECT_WINDOW_SECONDS


@pytest.fixture
def world() -> World:
    """Ada, who agreed to marketing, and one mail planned for her."""
    return world_with_a_mail()


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What was written to the log since."""
    stream = io.StringIO()
    telemetry.configure(stage="test", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    telemetry.configure(stage="unset")


def rows(world: World) -> dict[Any, Any]:
    """Everything that is stored, with how often it was saved."""
    return dict(world.store._rows)


def expiring(world: World, planned: Effect, *, at: int) -> None:
    """Store an effect that the ledger forgets at a moment; TTL has not deleted it yet."""
    world.store.write(
        [Put(EFFECT.key(planned.effect_id), planned, WHATEVER, expires_at=at)], now=NOW
    )


def with_(name: str, value: str) -> str:
    """A message that is good but for one field."""
    return f'{{"effect_id": "{OTHER}", "correlation_id": "c", "{name}": {value}}}'


UNREADABLE = {
    "nothing": "",
    "no JSON": "not JSON",
    "a list": "[]",
    "null": "null",
    "a text": '"text"',
    "a number": "7",
    "an empty object": "{}",
    "no correlation id": '{"effect_id": "x"}',
    "no effect id": '{"correlation_id": "c"}',
    "an id that is a number": '{"effect_id": 7, "correlation_id": "c"}',
    "an empty id": '{"effect_id": "", "correlation_id": "c"}',
    "an id that is an address": f'{{"effect_id": "{EMAIL}", "correlation_id": "c"}}',
    "an id that is the word of somebody": '{"effect_id": "ada", "correlation_id": "c"}',
    "an id in capitals": json.dumps({"effect_id": "E" * 32, "correlation_id": "c"}),
    "an id with a line": json.dumps({"effect_id": "e" * 32 + "\n", "correlation_id": "c"}),
    "an id of a thousand letters": json.dumps({"effect_id": "e" * 1000, "correlation_id": "c"}),
    "an id that is a list": '{"effect_id": ["e"], "correlation_id": "c"}',
    "half a surrogate": f'{{"effect_id": "{OTHER}", "correlation_id": "\\ud800"}}',
    "an age that is a text": with_("planned_at", '"1"'),
    "an age before all time": with_("planned_at", "-1"),
    "a hold that is no number": with_("held_until", "NaN"),
    "a hold that is a truth": with_("held_until", "true"),
    "a hundred thousand lists": "[" * 100_000,
    "a hundred thousand objects": '{"effect_id":' * 100_000,
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_refused_and_does_not_hold_up_its_neighbours(
    world: World, name: str, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    """It is done with, not parked: it would be as unreadable tomorrow. Nothing of it is quoted."""
    event = sqs_event(ID, bodies={"poison": UNREADABLE[name]})

    assert world.receive(event) == []

    assert world.effect().state == "ACCEPTED"
    [line] = [line for line in lines() if line["event"] == "effect_refused"]
    assert (line["reason"], line["EffectsRefused"], line["message_id"]) == (
        "unreadable",
        1,
        "poison",
    )
    assert set(line) == {"event", "stage", "service", "reason", "EffectsRefused", "message_id",
                         "_aws"}  # fmt: skip
    assert EMAIL not in json.dumps(lines())


def test_unreadable_messages_alone_change_nothing(world: World) -> None:
    """A batch without one readable message reads no effect and writes nothing."""
    before = rows(world)

    assert world.receive(sqs_event(bodies=UNREADABLE)) == []

    assert rows(world) == before
    assert world.store.count("write") == 0


@pytest.mark.parametrize("planned_at", [None, NOW, NOW - EFFECT_WINDOW_SECONDS + 1])
def test_a_message_for_no_effect_is_refused(
    world: World, planned_at: int | None, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    """The ledger is read consistently and was written before any message: there is no such effect.

    A table that was restored to yesterday has lost today's; their messages end here.
    """
    message: dict[str, Any] = {"effect_id": OTHER, "correlation_id": "c"}
    if planned_at is not None:
        message["planned_at"] = planned_at
    before = rows(world)

    assert world.receive(sqs_event(message)) == []

    assert rows(world) == before
    [line] = [line for line in lines() if line["event"] == "effect_refused"]
    assert (line["reason"], line["EffectsRefused"]) == ("unknown_effect", 1)
    assert (line["message_id"], line["effect_id"]) == ("m-0", OTHER)
    with pytest.raises(MessageRefused, match="unknown_effect"):
        world.act(OTHER)


def test_an_unknown_effect_does_not_hold_up_its_neighbours(world: World) -> None:
    """Before and after it in a batch, what is known is performed."""
    world.plan(effect("event", "0" * 32, action="Segment Changed", payload={}))

    assert world.receive(sqs_event(ID, OTHER, "0" * 32)) == []

    assert (world.effect().state, world.effect("0" * 32).state) == ("ACCEPTED", "ACCEPTED")


@pytest.mark.parametrize("gone", [True, False])
def test_a_message_older_than_the_ledgers_memory_is_refused(
    world: World, gone: bool, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    """Whether TTL has deleted the row or is days late, the effect is forgotten."""
    planned = mail_effect(OTHER)
    if not gone:
        expiring(world, planned, at=LATER)
    before = rows(world)

    assert world.receive(sqs_event(message_of(planned)), now=LATER) == []

    assert rows(world) == before
    assert world.mailer.sent == []
    [line] = [line for line in lines() if line["event"] == "effect_refused"]
    assert (line["reason"], line["effect_id"]) == ("too_old", OTHER)


def test_until_the_last_second_an_effect_is_remembered(world: World) -> None:
    """The refusal begins where the memory ends, not before."""
    planned = mail_effect(OTHER, offer=None)
    expiring(world, planned, at=LATER)

    assert world.receive(sqs_event(message_of(planned)), now=LATER - 1) == []
    assert world.effect(OTHER).state == "ACCEPTED"


def test_what_the_sweep_finds_forgotten_is_said_by_name(
    world: World, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    """An effect that nobody could finish for as long as it was remembered ends with a trace."""
    expiring(world, mail_effect(OTHER), at=NOW + GRACE_SECONDS)

    sweep(ports=SweepPorts(world.store, world.later), now=NOW + GRACE_SECONDS, correlation_id="s")

    [line] = [line for line in lines() if line["event"] == "effect_refused"]
    assert (line["reason"], line["effect_id"], line["EffectsRefused"]) == ("too_old", OTHER, 1)


AHEAD = NOW + CLOCK_SKEW_SECONDS + 1
FROM_TOMORROW: dict[str, Effect] = {
    "planned": replace(mail_effect(), planned_at=AHEAD),
    "held": replace(mail_effect(), changed_at=AHEAD, not_before=AHEAD + 900, reason="sending_off"),
    "claimed": replace(
        mail_effect(), state="CLAIMED", owner="w", changed_at=AHEAD, lease_until=AHEAD + 120
    ),
    "sending": replace(
        mail_effect(), state="SENDING", owner="w", changed_at=AHEAD, lease_until=AHEAD + 120
    ),
    "in doubt": replace(mail_effect(), state="IN_DOUBT", changed_at=AHEAD, posts=1),
    "an event": replace(effect("event", payload={}), planned_at=AHEAD),
}


@pytest.mark.parametrize("name", FROM_TOMORROW)
def test_a_clock_more_than_five_minutes_off_is_refused(
    world: World, name: str, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    """Who wrote the effect and who has the message cannot both be right: nothing is done."""
    world.plan(FROM_TOMORROW[name])
    before = rows(world)

    assert world.receive(sqs_event(ID, ID)) == []

    assert rows(world) == before
    assert (world.mailer.sent, world.bus.events) == ([], [])
    told = [line for line in lines() if line["event"] == "effect_refused"]
    assert [(line["reason"], line["EffectsRefused"]) for line in told] == [("clock_ahead", 1)] * 2


@pytest.mark.parametrize("name", FROM_TOMORROW)
def test_what_a_wrong_clock_refused_is_not_lost(world: World, name: str) -> None:
    """By the right clock the sweep queues it in time, and it comes to its end, once."""
    world.plan(FROM_TOMORROW[name])
    world.receive(sqs_event(ID))
    at = look_at(world.effect())
    assert at is not None

    sweep(ports=SweepPorts(world.store, world.later), now=at, correlation_id="s")
    world.receive(sqs_event(*world.later.drain()), now=at, worker="w-2")

    ends: dict[str, State] = {"sending": "IN_DOUBT", "in doubt": "ABANDONED"}
    assert world.effect().state == ends.get(name, "ACCEPTED")
    assert len(world.mailer.sent) + len(world.bus.events) == int(name not in ends)


@pytest.mark.parametrize("ahead", [0, 1, CLOCK_SKEW_SECONDS])
def test_a_clock_may_be_five_minutes_off(world: World, ahead: int) -> None:
    """Two clocks that differ by no more work together, whichever of them is wrong."""
    world.plan(replace(mail_effect(), planned_at=NOW + ahead))

    assert world.receive(sqs_event(ID)) == []
    assert world.effect().state == "ACCEPTED"


def test_what_is_done_is_left_whatever_the_clock(world: World) -> None:
    """There is nothing to be refused when there is nothing to do."""
    done = replace(mail_effect(), state="ACCEPTED", changed_at=AHEAD + LEASE_SECONDS)
    world.plan(done)

    assert not world.act().moved


@pytest.mark.parametrize(
    "changes",
    [{}, {"not_before": NOW + 9, "reason": "rate"}, {"not_before": NOW + 9, "reason": "quota"}],
)
def test_a_message_says_what_its_effect_was(changes: dict[str, Any]) -> None:
    """Name, age and, where it belongs to a short hold, that hold; they are read as written."""
    planned = replace(mail_effect(), **changes)

    message = read_message(json.dumps(write_message(planned)))

    assert (message.effect_id, message.planned_at) == (planned.effect_id, planned.planned_at)
    assert message.correlation_id == planned.correlation_id
    assert message.held_until == (NOW + 9 if changes.get("reason") == "rate" else None)


def test_a_message_of_another_version_is_read() -> None:
    """One from before ages were told, and one that tells more than this code knows."""
    old = read_message(f'{{"effect_id": "{ID}", "correlation_id": "c"}}')
    new = read_message(with_("planned_at", '5, "colour": "red"'))

    assert (old.planned_at, new.planned_at) == (None, 5)
