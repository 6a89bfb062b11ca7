"""2,000 broken mail events through broken storage and a broken queue: nobody is named anywhere."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from chalicelib import telemetry
from tests.mail_events import notification, ses_event, take
from tests.mail_makers import world_with_a_mail
from tests.put_aside import (
    CANARY,
    ERRORS,
    NAMES,
    bodies,
    spoilt,
    tables,
    waits,
)

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What was written to the log since."""
    stream = io.StringIO()
    telemetry.configure(stage="test", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    telemetry.configure(stage="unset")


def fuzzed(value: Any, chance: Random) -> Any:
    """The same with canaries in some places: as values, as names, instead of a whole."""
    if chance.random() < 0.04:
        return chance.choice(
            [f"{CANARY}@example.com", f"{CANARY.title()}\u202e", [CANARY], {CANARY: CANARY}, None]
        )
    if isinstance(value, dict):
        more = {f"{CANARY}-{chance.randrange(9)}": CANARY} if chance.random() < 0.1 else {}
        return {name: fuzzed(each, chance) for name, each in value.items()} | more
    return [fuzzed(each, chance) for each in value] if isinstance(value, list) else value


def test_2_000_fuzzed_events_name_nobody_anywhere(lines: Lines) -> None:
    """Broken events, broken storage, a broken queue, dead workers, redelivery: 0 canaries.

    In no line and in no message that we wrote, from the first failure to the dead letters.
    """
    world = world_with_a_mail()
    world.act()
    chance = Random(20260225)  # noqa: S311 - replays
    hits: list[str] = []
    parked = 0
    for _ in range(2_000):
        event = fuzzed(spoilt(ses_event(chance.choice(NAMES))), chance)
        arrived = notification(event, Subject=CANARY)
        waiting = [(fuzzed_text(arrived, chance), chance.choice([1, 1, 2]))]
        lasting = chance.choice([None, *ERRORS.values()])
        for _ in range(12):
            world.store.mend()
            if chance.random() < 0.9:
                (lasting or chance.choice(list(ERRORS.values())))(world)
            if chance.random() < 0.1:
                world.aside.fail_next(RuntimeError(CANARY))
            returned = [
                (body, deliveries + 1)
                for body, deliveries in waiting
                if take(world, body, deliveries=deliveries)
            ]
            hits += [each for each in waits(world) if CANARY in each.casefold()]
            waiting = returned + [(body, 1) for body in bodies(world.aside.drain())]
        parked += len(world.parked.drain())

    assert hits == []
    assert CANARY not in json.dumps(lines()).casefold()
    assert CANARY not in str(tables(world.store)).casefold()
    said = {line["event"] for line in lines()}
    assert {"mail_event", "mail_event_refused", "mail_event_parked", "effect_failed"} <= said
    assert parked > 100


def fuzzed_text(text: str, chance: Random) -> str:
    """A body that is sometimes no JSON, or cut."""
    how = chance.random()
    return CANARY if how < 0.02 else text[: len(text) // 2] if how < 0.04 else text
