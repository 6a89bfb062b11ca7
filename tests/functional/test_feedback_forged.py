"""Copies of mail events that somebody else wrote: each refused by name; and no copy of ours is."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib import telemetry
from chalicelib.flows.feedback_again import MOST_FAILURES
from tests.fakes import SIGNING_KEYS
from tests.mail_events import take
from tests.mail_makers import World, world_with_a_mail
from tests.put_aside import (
    bodies,
    body_of,
    put_aside,
    tables,
    waits,
)

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def world() -> World:
    """Ada, to whom a mail was sent."""
    world = world_with_a_mail()
    world.act()
    world.store.calls.clear()
    return world


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What was written to the log since."""
    stream = io.StringIO()
    telemetry.configure(stage="test", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    telemetry.configure(stage="unset")


@pytest.mark.parametrize("place", ["payload", "signature"])
def test_a_forged_copy_is_refused_by_name_and_changes_nothing(
    world: World, place: str, lines: Lines
) -> None:
    """Whoever may write into the queue cannot make up what became of a mail."""
    kid, payload, signature = json.loads(put_aside(world))["stripped"].split(".")
    lie = json.loads(base64.urlsafe_b64decode(payload + "==="))
    lie["event"]["word"] = "complaint_abuse"
    altered = base64.urlsafe_b64encode(json.dumps(lie).encode()).decode().rstrip("=")
    token = {
        "payload": f"{kid}.{altered}.{signature}",
        "signature": f"{kid}.{payload}.{signature[:-1]}",
    }[place]
    before = tables(world.store)

    assert take(world, json.dumps({"stripped": token})) == []

    assert tables(world.store) == before
    assert not waits(world)
    [line] = [line for line in lines() if line["event"] == "mail_event_refused"]
    assert (line["reason"], line["MailEventsRefused"]) == ("forged", 1)


def test_10_000_forged_copies_change_nothing(world: World, lines: Lines) -> None:
    """Signatures are guessed in vain: each is refused, none is kept."""
    kid, payload, _ = json.loads(put_aside(world))["stripped"].split(".")
    before = tables(world.store)
    guesses = (f"{number:022x}" for number in range(10_000))
    forged = [json.dumps({"stripped": f"{kid}.{payload}.{guess}"}) for guess in guesses]

    assert take(world, *forged) == []

    assert sum(line.get("MailEventsRefused", 0) for line in lines()) == 10_000
    assert tables(world.store) == before
    assert not waits(world)


def test_a_copy_of_another_stage_is_refused(world: World, lines: Lines) -> None:
    """Its keys are others, even if they go by the same name."""
    body = put_aside(world)
    others = replace(SIGNING_KEYS, keys={"k1": b"x" * 32})

    assert take(world, body, keys=others) == []

    assert [line["reason"] for line in lines() if "reason" in line] == ["forged"]


def test_a_rotation_loses_no_copy(world: World, lines: Lines) -> None:
    """A worker that has not read the new key yet gives the copy back; it does not refuse it."""
    rotated = replace(SIGNING_KEYS, current="k2", keys={**SIGNING_KEYS.keys, "k2": b"n" * 32})
    old = put_aside(world)
    assert take(world, body_of("complaint"), deliveries=2, keys=rotated) == []
    [new] = bodies(world.aside.drain())

    assert take(world, new) == ["m-0"]
    assert take(world, old, keys=rotated) == []
    # By then every worker has read it.
    assert take(world, new, deliveries=2, keys=rotated) == []
    assert take(world, *bodies(world.aside.drain()), keys=rotated) == []

    assert world.effect().state == "COMPLAINED"
    assert not any(line["event"] == "mail_event_refused" for line in lines())


def test_a_key_that_nobody_ever_had_is_forged(world: World, lines: Lines) -> None:
    """It is waited for as often as anything else is tried, and then refused, not parked."""
    body = put_aside(world).replace("k1.", "k9.", 1)
    answers = [
        take(world, body, deliveries=deliveries) for deliveries in range(1, MOST_FAILURES + 1)
    ]

    assert answers == [["m-0"]] * (MOST_FAILURES - 1) + [[]]
    assert [line["reason"] for line in lines() if line["event"] == "mail_event_refused"] == [
        "forged"
    ]
    assert not waits(world)


def test_a_copy_that_a_rule_refuses_is_done_with(world: World, lines: Lines) -> None:
    """As its event would have been: the ledger has forgotten the mail meanwhile."""
    body = put_aside(world)
    empty = World()

    assert take(empty, body) == []

    assert not waits(empty)
    assert tables(empty.store) == tables(World().store)
    [line] = [line for line in lines() if line["event"] == "mail_event_refused"]
    assert line["reason"] == "unknown_effect"
