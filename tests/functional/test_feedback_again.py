"""Mail events that could not be taken in: no address of theirs waits anywhere, and none is lost.

SES's events hold addresses and subjects. One that fails is replaced by a copy without any, which
is what is tried again and what is parked in the end.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib import telemetry
from chalicelib.core.errors import Transient
from chalicelib.flows.feedback_again import MOST_FAILURES, PAUSES_SECONDS
from tests.gate import Died
from tests.mail_events import notification, ses_event, take
from tests.mail_makers import EMAIL, World, hash_of, world_with_a_mail
from tests.put_aside import (
    CANARY,
    ERRORS,
    NAMES,
    bodies,
    body_of,
    tables,
    unwrapped,
    waits,
)

ID = "e" * 32
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


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", ERRORS)
def test_from_the_first_failure_to_the_dead_letters_nobody_is_named(
    world: World, name: str, how: str, lines: Lines
) -> None:
    """However it fails, each of five times; put back on its way it does what it always would."""
    reference = World(world.store.copy())
    assert take(reference, body_of(name)) == []
    waiting = [body_of(name)]
    for failures in range(1, MOST_FAILURES + 1):
        world.store.mend()
        ERRORS[how](world)
        assert take(world, *waiting) == []
        assert not any(CANARY in each.casefold() for each in waits(world))
        waiting = bodies(world.aside.drain())
        if how == "the reply is lost":  # it was applied: the copy finds that it is old news
            assert len(waiting) == (failures == 1)
    if how == "the reply is lost":
        assert not world.parked.messages
    else:
        assert len(world.parked.messages) == 1
        assert waiting == []
        assert world.aside.delays == list(PAUSES_SECONDS)
    assert CANARY not in json.dumps(lines()).casefold()

    world.store.mend()
    redriven = bodies(world.parked.drain())
    assert take(world, *redriven, *redriven, body_of(name), *redriven) == []

    assert tables(world.store) == tables(reference.store)
    assert CANARY not in str(tables(world.store)).casefold()
    assert not world.aside.messages


@pytest.mark.parametrize("name", NAMES)
def test_what_a_dead_worker_left_is_replaced_before_anything_else(
    world: World, name: str, lines: Lines
) -> None:
    """A second delivery means that the first said nothing: the raw event goes, the copy stays."""
    assert take(world, body_of(name), deliveries=2) == []

    assert world.store.calls == []
    assert [len(world.aside.messages), len(world.parked.messages)] == [1, 0]
    assert not any(CANARY in each.casefold() for each in waits(world))
    assert [line["event"] for line in lines()] == ["mail_event_put_aside"]

    reference = World(world.store.copy())
    take(reference, body_of(name))
    assert take(world, *bodies(world.aside.drain())) == []
    assert tables(world.store) == tables(reference.store)


def test_a_copy_that_kills_its_worker_each_time_is_parked_too(world: World) -> None:
    """Each death is found at the next delivery and counts as a failure."""
    waiting = [body_of("bounce")]
    for _ in range(MOST_FAILURES):
        world.store.fail_reads(Died())  # type: ignore[arg-type]
        with pytest.raises(Died):
            take(world, *waiting)
        assert take(world, *waiting, deliveries=2) == []
        waiting = bodies(world.aside.drain())

    assert waiting == []
    [parked] = world.parked.drain()
    assert CANARY not in unwrapped(parked).casefold()
    assert take(world, *bodies([parked])) == []
    assert world.effect().state == "BOUNCED"


@pytest.mark.parametrize("deliveries", [1, 2])
def test_an_event_is_never_done_with_before_its_copy_is_sent(
    world: World, deliveries: int, lines: Lines
) -> None:
    """While the queue takes nothing either, the event comes back as it is; nothing is lost."""
    world.store.fail_reads(Transient("storage is down"))
    world.aside.fail_next(RuntimeError(f"{CANARY}@example.com"))

    assert take(world, body_of("bounce"), deliveries=deliveries) == ["m-0"]

    assert not waits(world)
    assert CANARY not in json.dumps(lines()).casefold()
    world.store.mend()
    assert take(world, body_of("bounce"), deliveries=3) == []
    assert take(world, *bodies(world.aside.drain())) == []
    assert world.effect().state == "BOUNCED"


def test_when_all_goes_well_nothing_more_is_called(world: World) -> None:
    """One read and one write for an event, and no message to anybody."""
    assert take(world, body_of("bounce")) == []

    assert world.store.calls == [("read", 3), ("write", 3)]
    assert (world.aside.delays, world.parked.delays) == ([], [])


def test_a_copy_suppresses_by_the_name_of_the_address(world: World) -> None:
    """The hash that names the address in storage stands in the copy, not the address."""
    world.store.fail_reads(Transient("no answer"))
    assert take(world, notification(ses_event("bounce"))) == []
    [copy] = world.aside.drain()
    assert EMAIL not in unwrapped(copy)
    assert hash_of(EMAIL) in unwrapped(copy)

    assert take(world, *bodies([copy])) == []

    [state] = world.store.all("address").values()
    assert set(state.suppressed) == {"marketing", "transactional"}
